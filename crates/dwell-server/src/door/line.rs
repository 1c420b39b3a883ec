//! A connection as it is heard and spoken on, TLS taken off: how long nothing comes, and what hyper answers by itself.
//!
//! A request whose head cannot be understood never comes to a room of ours. hyper answers it and says so to nobody, so
//! that it has to be seen where the answer goes out.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::connections::{Connections, Slow};
use super::pace::{Clock, Pace, Paced, Patience};

/// The longest that hyper says by itself is about half of this.
const MOST_SAID: usize = 256;

/// Of all answers of ours, this stands in each; see `any_origin`.
const OURS: &str = "access-control-allow-origin";

/// Listens to all connections that another acceptor lets in.
#[derive(Clone)]
pub struct Listening<A> {
    inner: A,
    patience: Patience,
    counted: Arc<Connections>,
}

impl<A> Listening<A> {
    pub fn new(inner: A, patience: Patience, counted: Arc<Connections>) -> Listening<A> {
        Listening { inner, patience, counted }
    }
}

impl<A, S> Accept<TcpStream, S> for Listening<A>
where
    A: Accept<TcpStream, Paced<S>>,
    A::Future: Send + 'static,
{
    type Stream = Line<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Line<A::Stream>, A::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let pace = Arc::<Pace>::default();
        let accepting = self.inner.accept(stream, Paced { service, pace: pace.clone() });
        let (patience, counted) = (self.patience, self.counted.clone());
        Box::pin(async move {
            match accepting.await {
                Ok((stream, service)) => {
                    let clock = Clock::new(pace, patience, counted.clone());
                    Ok((Line { stream, clock, counted }, service))
                }
                Err(error) => {
                    // A handshake that did not come to its end in time.
                    if error.kind() == io::ErrorKind::TimedOut {
                        counted.time_out(Slow::FirstByte);
                    }
                    Err(error)
                }
            }
        })
    }
}

/// One of them.
pub struct Line<T> {
    stream: T,
    clock: Clock,
    counted: Arc<Connections>,
}

impl<T> Line<T> {
    /// Looks at what was written when so many bytes of it went out.
    fn look(&self, bytes: &[u8], gone: &Poll<io::Result<usize>>) {
        if matches!(gone, Poll::Ready(Ok(gone)) if *gone == bytes.len())
            && let Some(status) = unread(bytes)
        {
            self.counted.leave_unread(status);
        }
    }
}

/// Returns the status of an answer that hyper made by itself; `None` for all else that is written.
///
/// It is one head, without a body, and not one of ours.
fn unread(bytes: &[u8]) -> Option<&str> {
    if MOST_SAID < bytes.len() || !bytes.starts_with(b"HTTP/1.") || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    if head.contains(OURS) {
        return None;
    }
    head.split(' ').nth(1).filter(|status| status.starts_with('4'))
}

impl<T: AsyncRead + Unpin> AsyncRead for Line<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, into) {
            Poll::Ready(read) => {
                if before < into.filled().len() {
                    self.clock.hear();
                }
                Poll::Ready(read)
            }
            Poll::Pending => self.clock.wait(context).map(Err),
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Line<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let gone = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.look(bytes, &gone);
        gone
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
        let gone = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        // A head without a body is one part.
        if let [part] = parts {
            self.look(part, &gone);
        }
        gone
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::unread;

    #[test]
    fn what_hyper_says_by_itself_is_told_from_all_else() {
        let table = [
            ("HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n", Some("431")),
            ("HTTP/1.0 400 Bad Request\r\nconnection: close\r\n\r\n", Some("400")),
            ("HTTP/1.1 404 Not Found\r\naccess-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n", None),
            ("HTTP/1.1 100 Continue\r\n\r\n", None),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\nno", None),
            ("{}\r\n\r\n", None),
            ("", None),
        ];
        for (bytes, status) in table {
            assert_eq!(unread(bytes.as_bytes()), status, "{bytes:?}");
        }
    }
}
