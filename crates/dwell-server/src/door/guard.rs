//! Places for connections: whoever comes when all are taken is told to come again, and cannot be kept waiting by others.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::Connections;

/// How many may be told at once that there is no place. Beyond that they are closed without a word.
const MOST_TOLD: usize = 256;
/// How long telling one may take.
const TELLING: Duration = Duration::from_secs(1);
/// How much is read of what they send meanwhile: an answer is lost when its connection is closed on unread bytes.
const MOST_HEARD: u64 = 64 << 10;

const NO_PLACE: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\n\
    retry-after: 1\r\n\
    access-control-allow-origin: *\r\n\
    connection: close\r\n\
    content-length: 155\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"code\":\"busy\",\
    \"detail\":\"all connections of this server are taken: send again in a second\"}";

/// Turns away who comes when all places are taken.
#[derive(Clone)]
pub struct Guard {
    places: Arc<Semaphore>,
    /// `None` where TLS is spoken: a word in plain text would not be understood.
    telling: Option<Arc<Semaphore>>,
    counted: Arc<Connections>,
}

/// What is said over TLS or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spoken {
    /// HTTP as it is.
    Plain,
    /// HTTP in TLS.
    Tls,
}

impl Guard {
    /// Has so many places, and counts who finds one and who does not.
    pub fn new(places: usize, spoken: Spoken, counted: Arc<Connections>) -> Guard {
        let telling = (spoken == Spoken::Plain).then(|| Arc::new(Semaphore::new(MOST_TOLD)));
        Guard { places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))), telling, counted }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Guard {
    type Stream = Placed;
    type Service = S;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Placed, S)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let taken = Arc::clone(&self.places).try_acquire_owned();
        let place = taken.map(|taken| Place { counted: self.counted.clone(), _taken: taken });
        match &place {
            Ok(_) => self.counted.accept(),
            Err(_taken) => self.counted.refuse(),
        }
        let telling = self.telling.clone();
        Box::pin(async move {
            match place {
                Ok(place) => {
                    stream.set_nodelay(true)?;
                    Ok((Placed { stream, _place: place }, service))
                }
                Err(_taken) => {
                    if let Some(telling) = telling
                        && let Ok(_turn) = telling.try_acquire_owned()
                    {
                        // Whoever does not listen misses it.
                        drop(tokio::time::timeout(TELLING, tell(stream)).await);
                    }
                    Err(io::Error::other("all connections are taken"))
                }
            }
        })
    }
}

async fn tell(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(NO_PLACE.as_bytes()).await?;
    stream.shutdown().await?;
    tokio::io::copy(&mut stream.take(MOST_HEARD), &mut tokio::io::sink()).await.map(drop)
}

/// A connection with its place, which is free again when it ends.
pub struct Placed {
    stream: TcpStream,
    _place: Place,
}

struct Place {
    counted: Arc<Connections>,
    _taken: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.counted.end();
    }
}

impl AsyncRead for Placed {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Placed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::NO_PLACE;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let (head, body) = NO_PLACE.split_once("\r\n\r\n").unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert_eq!(length.parse(), Ok(body.len()));
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
