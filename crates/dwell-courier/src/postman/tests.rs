//! The postman against receivers on this machine, good and bad.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::endpoint::Target;

/// A name, and what it leads to, look after look; the last answer stays.
struct Names(Mutex<VecDeque<Vec<IpAddr>>>);

impl Names {
    fn of(answers: &[&[&str]]) -> Arc<Self> {
        let answer = |texts: &&[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Names(Mutex::new(answers.iter().map(answer).collect())))
    }
}

impl Resolve for Names {
    fn resolve(&self, _: String) -> Resolving {
        let mut answers = self.0.lock().unwrap();
        let answer = if 1 < answers.len() { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { answer.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name")) })
    }
}

fn options(allowed: &str) -> PostOptions {
    PostOptions {
        allow_http: true,
        allowed: Allowed::parse(allowed).unwrap(),
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_millis(700),
    }
}

fn postman(allowed: &str, names: &Arc<Names>) -> Postman {
    Postman::with(options(allowed), names.clone(), RootCertStore::empty()).unwrap()
}

fn letter(url: &str) -> Letter {
    Letter {
        url: Target::parse(url).unwrap(),
        id: "a-b-1".to_owned(),
        seconds: 1_767_600_000,
        signature: "v1,abc".to_owned(),
        body: Bytes::from_static(b"{\"type\":\"session.ended\"}"),
    }
}

/// A receiver that says the same to everybody, and keeps what it heard.
struct Receiver {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    async fn on(address: &str, says: impl Fn() -> Vec<u8> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Receiver::at(listener, port, says)
    }

    fn at(listener: TcpListener, port: u16, says: impl Fn() -> Vec<u8> + Clone + Send + 'static) -> Self {
        let receiver = Receiver { port, heard: Arc::default(), connections: Arc::default() };
        let (heard, connections) = (receiver.heard.clone(), receiver.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(talk(stream, heard.clone(), says.clone()));
            }
        });
        receiver
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    heard: Arc<Mutex<Vec<String>>>,
    says: impl Fn() -> Vec<u8>,
) {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let Ok(length @ 1..) = stream.read(&mut piece).await else { return };
        bytes.extend_from_slice(&piece[..length]);
        if bytes.ends_with(b"\"session.ended\"}") {
            heard.lock().unwrap().push(String::from_utf8(std::mem::take(&mut bytes)).unwrap());
            if stream.write_all(&says()).await.is_err() {
                return;
            }
        }
    }
}

fn plainly(text: &'static str) -> impl Fn() -> Vec<u8> + Clone + Send + 'static {
    move || text.as_bytes().to_vec()
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_letter_has_the_headers_of_the_standard_and_its_connection_is_kept_for_the_next() {
    let receiver = Receiver::on("127.0.0.1", plainly(OK)).await;
    let postman = postman("127.0.0.1", &Names::of(&[]));
    let url = format!("http://127.0.0.1:{}/hook?key=1", receiver.port);
    for _ in 0..2 {
        let answer = postman.post(letter(&url)).await;
        assert_eq!((answer.kind, answer.body.as_ref()), (Kind::Delivered, &b"ok"[..]), "{answer:?}");
    }
    assert_eq!(receiver.connections(), 1);
    let heard = receiver.heard.lock().unwrap()[0].to_lowercase();
    for line in [
        "post /hook?key=1 http/1.1\r\n",
        "content-type: application/json\r\n",
        "webhook-id: a-b-1\r\n",
        "webhook-timestamp: 1767600000\r\n",
        "webhook-signature: v1,abc\r\n",
        "user-agent: dwell/",
        &format!("host: 127.0.0.1:{}\r\n", receiver.port),
        "content-length: 24\r\n",
    ] {
        assert!(heard.contains(line), "{line:?} is not in {heard}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_addresses_that_are_not_public_however_they_are_written() {
    let receiver = Receiver::on("127.0.0.1", plainly(OK)).await;
    let port = receiver.port;
    let names = Names::of(&[&["127.0.0.1", "::1", "10.0.0.1", "::ffff:127.0.0.1"]]);
    let postman = postman("", &names);
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "localhost", "evil.example", "0.0.0.0"]
    {
        let answer = postman.post(letter(&format!("http://{host}:{port}/"))).await;
        assert_eq!(answer.kind, Kind::Forbidden, "{host}: {answer:?}");
        assert!(answer.says.contains("webhooks.allow_private"), "{answer:?}");
    }
    // Numbers that are no address to us go to the resolver like any name, and are judged by what comes back.
    for host in ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"] {
        let answer = postman.post(letter(&format!("http://{host}:{port}/"))).await;
        assert_eq!(answer.kind, Kind::Forbidden, "{host}: {answer:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn the_machines_own_lookup_is_judged_too() {
    let receiver = Receiver::on("127.0.0.1", plainly(OK)).await;
    let postman = Postman::with(options(""), Arc::new(Machine), RootCertStore::empty()).unwrap();
    for host in ["localhost", "2130706433", "0x7f000001", "127.1", "0177.0.0.1"] {
        let answer = postman.post(letter(&format!("http://{host}:{}/", receiver.port))).await;
        assert_ne!(answer.kind, Kind::Delivered, "{host}: {answer:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_that_changes_after_it_was_judged_leads_nowhere_else() {
    // 127.0.0.1 stands for what is public, 127.0.0.2 for what is not.
    let good =
        Receiver::on("127.0.0.1", plainly("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")).await;
    let bad = Receiver::at(TcpListener::bind(("127.0.0.2", good.port)).await.unwrap(), good.port, plainly(OK));
    let names = Names::of(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let postman = postman("127.0.0.1", &names);
    let url = format!("http://rebind.example:{}/", good.port);
    assert_eq!(postman.post(letter(&url)).await.kind, Kind::Delivered);
    assert_eq!(postman.post(letter(&url)).await.kind, Kind::Forbidden);
    assert_eq!((good.connections(), bad.connections()), (1, 0));
}

#[tokio::test]
async fn of_several_addresses_only_those_are_tried_that_may_be() {
    let good = Receiver::on("127.0.0.1", plainly(OK)).await;
    let bad = Receiver::at(TcpListener::bind(("127.0.0.2", good.port)).await.unwrap(), good.port, plainly(OK));
    let postman = postman("127.0.0.1", &Names::of(&[&["127.0.0.2", "10.0.0.1", "127.0.0.1"]]));
    let answer = postman.post(letter(&format!("http://both.example:{}/", good.port))).await;
    assert_eq!((answer.kind, good.connections(), bad.connections()), (Kind::Delivered, 1, 0));
}

#[tokio::test]
async fn a_redirect_is_a_failure_that_says_where_it_led() {
    let trap = Receiver::on("127.0.0.1", plainly(OK)).await;
    let to = format!("http://127.0.0.1:{}/inside", trap.port);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let says = format!("HTTP/1.1 {status}\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let receiver = Receiver::on("127.0.0.1", move || says.clone().into_bytes()).await;
        let postman = postman("127.0.0.1", &Names::of(&[]));
        let answer = postman.post(letter(&format!("http://127.0.0.1:{}/", receiver.port))).await;
        assert_eq!(answer.kind, Kind::Redirected);
        assert!(answer.says.contains(&to) && answer.says.contains("never followed"), "{}", answer.says);
    }
    assert_eq!(trap.connections(), 0);
}

#[tokio::test]
async fn a_receiver_that_says_nothing_or_half_of_it_is_left_in_time() {
    for says in ["", "HTTP/1.1 200 OK\r\nx: "] {
        let receiver = Receiver::on("127.0.0.1", plainly(says)).await;
        let postman = postman("127.0.0.1", &Names::of(&[]));
        let asked = postman.post(letter(&format!("http://127.0.0.1:{}/", receiver.port)));
        let answer = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
        assert_eq!((answer.kind, answer.says.as_str()), (Kind::TimedOut, "no answer within 0.7 s"));
    }
}

#[tokio::test]
async fn of_a_body_without_end_a_little_is_read_and_the_status_counts() {
    let postman = postman("127.0.0.1", &Names::of(&[]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // An answer before the request is none.
        let mut request = [0; 1024];
        assert_ne!(stream.read(&mut request).await.unwrap(), 0);
        stream.write_all(b"HTTP/1.1 500 Oops\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 10_000]).await.is_ok() {}
    });
    // It is left at once, and not when patience ends.
    let asked = tokio::time::timeout(BODY_PATIENCE / 2, postman.post(letter(&format!("http://127.0.0.1:{port}/"))));
    let answer = asked.await.unwrap();
    assert_eq!((answer.kind, answer.body.len()), (Kind::Failed, LONGEST_BODY));
    // One that begins a body and never ends it.
    let receiver = Receiver::on("127.0.0.1", plainly("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")).await;
    let asked = postman.post(letter(&format!("http://127.0.0.1:{}/", receiver.port)));
    let answer = tokio::time::timeout(Duration::from_secs(5), asked).await.unwrap();
    assert_eq!((answer.kind, answer.body.as_ref()), (Kind::Delivered, &b"x"[..]));
}

#[tokio::test]
async fn a_head_without_end_is_not_read_to_its_end() {
    let endless = || {
        let mut bytes = b"HTTP/1.1 200 OK\r\nx: ".to_vec();
        bytes.resize(10_000_000, b'x');
        bytes
    };
    let receiver = Receiver::on("127.0.0.1", endless).await;
    let postman = postman("127.0.0.1", &Names::of(&[]));
    let answer = postman.post(letter(&format!("http://127.0.0.1:{}/", receiver.port))).await;
    assert_eq!(answer.kind, Kind::Unreachable, "{answer:?}");
}

#[tokio::test]
async fn what_is_not_http_or_not_there_is_unreachable_and_says_why() {
    let receiver = Receiver::on("127.0.0.1", plainly("220 mail.example ESMTP\r\n")).await;
    let postman = postman("127.0.0.1", &Names::of(&[]));
    let answer = postman.post(letter(&format!("http://127.0.0.1:{}/", receiver.port))).await;
    assert_eq!(answer.kind, Kind::Unreachable, "{answer:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let answer = postman.post(letter(&format!("http://127.0.0.1:{nobody}/"))).await;
    assert_eq!(answer.kind, Kind::Unreachable);
    assert!(answer.says.contains(&format!("127.0.0.1:{nobody} does not connect")), "{}", answer.says);
    let answer = postman.post(letter("http://nowhere.example/")).await;
    assert_eq!(answer.kind, Kind::Unreachable);
    assert!(answer.says.contains("nowhere.example cannot be found: no such name"), "{}", answer.says);
}

#[tokio::test]
async fn without_leave_nothing_goes_without_tls() {
    let receiver = Receiver::on("127.0.0.1", plainly(OK)).await;
    let options = PostOptions { allow_http: false, ..options("127.0.0.1") };
    let postman = Postman::with(options, Names::of(&[]), RootCertStore::empty()).unwrap();
    let answer = postman.post(letter(&format!("http://127.0.0.1:{}/", receiver.port))).await;
    assert_eq!((answer.kind, receiver.connections()), (Kind::Forbidden, 0));
    assert!(answer.says.contains("webhooks.allow_http"));
}

#[tokio::test]
async fn a_receiver_is_trusted_by_its_certificate_and_its_name() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["hooks.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::<Mutex<Vec<String>>>::default();
    tokio::spawn({
        let heard = heard.clone();
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, heard) = (acceptor.clone(), heard.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        talk(stream, heard, plainly(OK)).await;
                    }
                });
            }
        }
    });
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let names = Names::of(&[&["127.0.0.1"]]);
    let trusting = Postman::with(options("127.0.0.1"), names.clone(), roots).unwrap();
    let answer = trusting.post(letter(&format!("https://hooks.example:{port}/"))).await;
    assert_eq!(answer.kind, Kind::Delivered, "{answer:?}");
    let answer = trusting.post(letter(&format!("https://other.example:{port}/"))).await;
    assert_eq!(answer.kind, Kind::Unreachable, "{answer:?}");
    assert!(answer.says.contains("certificate"), "{}", answer.says);
    let answer = postman("127.0.0.1", &names).post(letter(&format!("https://hooks.example:{port}/"))).await;
    assert_eq!(answer.kind, Kind::Unreachable, "{answer:?}");
    assert_eq!(heard.lock().unwrap().len(), 1);
}
