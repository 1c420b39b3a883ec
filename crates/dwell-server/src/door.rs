//! The socket: who may come in, and how long they may take.

mod connections;
mod guard;
mod line;
mod pace;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};

pub use connections::{Connections, Slow};
use guard::{Guard, Spoken};
use line::Listening;
use pace::Patience;

/// How connections are taken.
#[derive(Clone, Debug)]
pub struct Door {
    /// The certificate chain and its key, both in PEM: with them, HTTPS is spoken.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The most connections at once. One more is told to come again, or, where TLS is spoken, closed.
    pub connections: usize,
    /// Counts what becomes of connections.
    pub counted: Arc<Connections>,
    /// How long a client may take for the first byte of a connection, TLS included.
    pub first_byte_timeout: Duration,
    /// How long for all of a header.
    pub header_timeout: Duration,
    /// How long a connection may lie idle between two requests.
    pub idle_timeout: Duration,
    /// How long requests under way may take at the end.
    pub stop_timeout: Duration,
}

/// How much later it is looked once more whether a first request has come: `pace.rs` is first, and counts. This is what
/// is left if it should fail.
const LATER: Duration = Duration::from_secs(1);

/// The largest header of a request, and how many lines it may have.
const HEADER_BYTES: usize = 32 << 10;
const HEADER_LINES: usize = 100;

/// Answers on a socket until `stop` comes true, and then until requests under way are done.
pub async fn serve(
    door: Door,
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let handle = Handle::new();
    tokio::spawn({
        let (handle, patience) = (handle.clone(), door.stop_timeout);
        async move {
            stop.await;
            handle.graceful_shutdown(Some(patience));
        }
    });
    let first = door.first_byte_timeout.max(door.header_timeout);
    let patience = Patience { first, idle: door.idle_timeout, head: door.header_timeout };
    let spoken = if door.tls.is_some() { Spoken::Tls } else { Spoken::Plain };
    let guard = Guard::new(door.connections, spoken, door.counted.clone());
    let counted = door.counted.clone();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    match &door.tls {
        None => {
            let acceptor = Listening::new(guard, patience, counted);
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
            server = server.first_request_timeout(first.saturating_add(LATER));
            bound(server.http_builder(), &door);
            server.serve(service).await
        }
        Some((certificate, key)) => {
            choose_cryptography();
            let config = RustlsConfig::from_pem_file(certificate, key).await.map_err(|error| {
                let files = format!("{} and {}", certificate.display(), key.display());
                io::Error::new(error.kind(), format!("the certificate and key in {files} cannot be used: {error}"))
            })?;
            let acceptor = RustlsAcceptor::new(config).handshake_timeout(door.first_byte_timeout).acceptor(guard);
            let acceptor = Listening::new(acceptor, patience, counted);
            let mut server = axum_server::from_tcp(listener)?.acceptor(acceptor).handle(handle);
            server = server.first_request_timeout(first.saturating_add(LATER));
            bound(server.http_builder(), &door);
            server.serve(service).await
        }
    }
}

/// Says with what cryptography TLS is spoken, which is decided once in a process.
fn choose_cryptography() {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("the cryptography was chosen before");
    }
}

fn bound(builder: &mut hyper_util::server::conn::auto::Builder<hyper_util::rt::TokioExecutor>, door: &Door) {
    builder
        .http1()
        .timer(hyper_util::rt::TokioTimer::new())
        // It counts from the end of the last answer. `pace.rs` is stricter: this is what is left if it should fail.
        .header_read_timeout(door.idle_timeout.saturating_add(door.header_timeout))
        .max_headers(HEADER_LINES)
        .max_buf_size(HEADER_BYTES);
    builder
        .http2()
        .timer(hyper_util::rt::TokioTimer::new())
        .max_header_list_size(HEADER_BYTES as u32)
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
}
