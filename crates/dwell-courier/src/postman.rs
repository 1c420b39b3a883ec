//! The postman: takes letters over HTTP, and never to where he may not go.
//!
//! A name is resolved and its addresses are judged when a connection is made, and the connection goes to the very address
//! that was judged: what the name says a moment later changes nothing. Proxies of the environment are not asked, and
//! redirects are not followed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower_service::Service;
use tracing::warn;

use crate::address::Allowed;
use crate::answer::{Answer, Kind, RetryAfter};
use crate::error::CourierError;
use crate::letter::{Answering, Letter, Post};

/// The most that is read of what a receiver says.
const LONGEST_BODY: usize = 16 * 1024;

/// The most that a receiver may say before its body.
const LONGEST_HEAD: usize = 32 * 1024;

/// How long we listen to what a receiver says after its status.
const BODY_PATIENCE: Duration = Duration::from_secs(2);

/// How long a connection is kept for the next letter to the same receiver.
///
/// Many receivers close theirs after five seconds: a letter must not cross with that. And one that serves a single
/// connection at a time is not held for long.
const KEPT: Duration = Duration::from_secs(4);

/// What the postman keeps to.
#[derive(Clone, Debug)]
pub struct PostOptions {
    /// Whether letters may go without TLS, for everybody on the way to read.
    pub allow_http: bool,
    /// Networks that may be connected to although they are not public.
    pub allowed: Allowed,
    /// How long looking up a name and connecting may take.
    pub connect_timeout: Duration,
    /// How long everything up to the receiver's status may take.
    pub timeout: Duration,
}

/// Addresses that are to come.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Finds the addresses of a name.
pub trait Resolve: Send + Sync {
    /// Looks a name up.
    fn resolve(&self, host: String) -> Resolving;
}

/// Asks the machine.
struct Machine;

impl Resolve for Machine {
    fn resolve(&self, host: String) -> Resolving {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) })
    }
}

/// Takes letters over HTTP.
pub struct Postman {
    client: Client<HttpsConnector<Connector>, Full<Bytes>>,
    options: PostOptions,
}

impl Postman {
    /// Takes names from the machine, and the authorities that the machine trusts.
    pub fn new(options: PostOptions) -> Result<Self, CourierError> {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (taken, _) = roots.add_parsable_certificates(found.certs);
        if taken == 0 {
            let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            warn!(
                errors = errors.join("; "),
                "this machine names no certificate authorities, so that no receiver of webhooks is trusted: install \
                 ca-certificates, or name a file with SSL_CERT_FILE"
            );
        }
        Postman::with(options, Arc::new(Machine), roots)
    }

    /// Takes names and authorities from elsewhere.
    pub fn with(options: PostOptions, resolve: Arc<dyn Resolve>, roots: RootCertStore) -> Result<Self, CourierError> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = Connector { resolve, options: Arc::new(options.clone()) };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT)
            .pool_max_idle_per_host(1)
            .http1_max_buf_size(LONGEST_HEAD)
            .build(connector);
        Ok(Postman { client, options })
    }
}

impl Post for Postman {
    fn post(&self, letter: Letter) -> Answering {
        if !letter.url.is_private() && !self.options.allow_http {
            let says = "http:// is not allowed: the receiver must speak https, or webhooks.allow_http say \"yes\"";
            return Box::pin(async move { Answer::none(Kind::Forbidden, says) });
        }
        let request = match request(letter) {
            Ok(request) => request,
            Err(error) => {
                let answer = Answer::none(Kind::Unreachable, format!("there is no such request: {error}"));
                return Box::pin(async move { answer });
            }
        };
        let (asked, timeout) = (self.client.request(request), self.options.timeout);
        Box::pin(async move {
            match tokio::time::timeout(timeout, asked).await {
                Ok(Ok(response)) => answer(response).await,
                Ok(Err(error)) => unanswered(&error),
                Err(_elapsed) => Answer::none(Kind::TimedOut, format!("no answer within {} s", timeout.as_secs_f64())),
            }
        })
    }
}

fn request(letter: Letter) -> http::Result<Request<Full<Bytes>>> {
    Request::builder()
        .method(Method::POST)
        .uri(letter.url.uri())
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, concat!("dwell/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", letter.id)
        .header("webhook-timestamp", letter.seconds)
        .header("webhook-signature", letter.signature)
        .body(Full::new(letter.body))
}

/// Says what a receiver answered. Its status is what counts; of its body a little is read, for people to see.
async fn answer(response: Response<Incoming>) -> Answer {
    let (head, mut incoming) = response.into_parts();
    let kind = Kind::of(head.status.as_u16());
    let named = |name| head.headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let says = match kind {
        Kind::Redirected => {
            let to = named(header::LOCATION).map(|to| format!(" to {to}")).unwrap_or_default();
            format!("answered {}, a redirect{to}, which is never followed: give the URL that it leads to", head.status)
        }
        Kind::Gone => format!("answered {}: it wants to hear nothing any more", head.status),
        Kind::Delivered
        | Kind::Throttled
        | Kind::Refused
        | Kind::Failed
        | Kind::TimedOut
        | Kind::Unreachable
        | Kind::Forbidden => format!("answered {}", head.status),
    };
    let retry_after = named(header::RETRY_AFTER).and_then(RetryAfter::parse);
    let mut body = BytesMut::new();
    let listen = async {
        while let Some(Ok(frame)) = incoming.frame().await {
            let Some(piece) = frame.data_ref() else { continue };
            let room = LONGEST_BODY - body.len();
            body.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if room <= piece.len() {
                break;
            }
        }
    };
    // A receiver that goes on for ever is left alone, and its connection closed with the body that is dropped here.
    drop(tokio::time::timeout(BODY_PATIENCE, listen).await);
    Answer { kind, says, retry_after, body: body.freeze() }
}

/// Says why nobody answered.
fn unanswered(error: &hyper_util::client::legacy::Error) -> Answer {
    let mut causes = Vec::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(one) = cause {
        if let Some(error) = one.downcast_ref::<ConnectError>() {
            let kind = match error {
                ConnectError::Forbidden { .. } => Kind::Forbidden,
                ConnectError::TimedOut { .. } => Kind::TimedOut,
                ConnectError::NoHost | ConnectError::Unknown { .. } | ConnectError::Refused { .. } => Kind::Unreachable,
            };
            return Answer::none(kind, error.to_string());
        }
        causes.push(one.to_string());
        cause = one.source();
    }
    // Errors in the middle of a chain tend to repeat those below them.
    causes.dedup();
    let what = if error.is_connect() { "could not be connected to" } else { "broke off" };
    Answer::none(Kind::Unreachable, format!("{what}: {}", causes.join(": ")))
}

/// Why there is no connection.
#[derive(thiserror::Error, Debug)]
enum ConnectError {
    #[error("the URL names no host")]
    NoHost,
    #[error("{host} cannot be found: {source}")]
    Unknown { host: String, source: io::Error },
    #[error(
        "{host} is at {address}, which is {why}: nothing is sent there, unless webhooks.allow_private names its network"
    )]
    Forbidden { host: String, address: IpAddr, why: &'static str },
    #[error("{address} does not connect: {source}")]
    Refused { address: SocketAddr, source: io::Error },
    #[error("no connection to {host} within {seconds} s")]
    TimedOut { host: String, seconds: f64 },
}

/// Looks up a name, judges its addresses, and connects to one that may be connected to.
#[derive(Clone)]
struct Connector {
    resolve: Arc<dyn Resolve>,
    options: Arc<PostOptions>,
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<TcpStream, ConnectError> {
        let host = uri.host().ok_or(ConnectError::NoHost)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let (patience, seconds) = (self.options.connect_timeout, self.options.connect_timeout.as_secs_f64());
        let connected = tokio::time::timeout(patience, self.reach(&host, port)).await;
        connected.unwrap_or(Err(ConnectError::TimedOut { host, seconds }))
    }

    async fn reach(&self, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
        let unknown = |source| ConnectError::Unknown { host: host.to_owned(), source };
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.resolve.resolve(host.to_owned()).await.map_err(unknown)?,
        };
        let mut failure = unknown(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        for address in addresses {
            if let Some(why) = self.options.allowed.refusal(address) {
                failure = ConnectError::Forbidden { host: host.to_owned(), address, why };
                continue;
            }
            let address = SocketAddr::new(address, port);
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(source) => failure = ConnectError::Refused { address, source },
            }
        }
        Err(failure)
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect(&uri).await.map(TokioIo::new) })
    }
}

#[cfg(test)]
mod tests;
