//! What SDKs in a page of another origin need to hear, seen from outside and without a socket.

use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dwell_core::policy::Policy;
use dwell_core::time::{Timestamp, Zone};
use dwell_engine::{AppRules, Desk};
use dwell_keys::access::Scope;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_server::{House, router};
use dwell_store::{MemoryBooks, MemoryLog};
use http_body_util::BodyExt;
use tower::ServiceExt;

#[tokio::test]
async fn the_sdk_of_the_web_is_told_to_come_back_the_way_it_came() {
    for (spoken, forwarded, told) in [
        ("http", None, "http"),
        ("https", None, "https"),
        ("http", Some("https"), "https"),
        ("https", Some("http"), "http"),
        ("http", Some("gopher"), "http"),
    ] {
        let shop = Shop::open(spoken);
        let mut request =
            Request::get(format!("/v1/projects/{}/settings", shop.write_key)).header("host", "dwell.test");
        if let Some(forwarded) = forwarded {
            request = request.header("x-forwarded-proto", forwarded);
        }
        let (status, _, body) = shop.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::OK);
        let settings: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let segment = &settings["integrations"]["Segment.io"];
        assert_eq!(segment["protocol"], told, "{spoken}, {forwarded:?}");
        assert_eq!(segment["apiHost"], "dwell.test/v1");
        assert_eq!(segment["apiKey"], shop.write_key);
    }
}

#[tokio::test]
async fn a_page_of_another_origin_may_read_when_to_come_back() {
    let shop = Shop::open("http");
    for request in
        [Request::post("/v1/t").body(Body::from("{}")).unwrap(), Request::get("/nowhere").body(Body::empty()).unwrap()]
    {
        let (_, headers, _) = shop.ask(request).await;
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-expose-headers"], "retry-after");
    }
}

#[tokio::test]
async fn a_preflight_may_ask_for_whatever_headers_an_sdk_sends() {
    let shop = Shop::open("http");
    let wanted = "anonymousid,authorization,content-type,sentat,x-retry-count";
    let request = Request::options("/v1/track")
        .header("origin", "http://shop.test")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", wanted);
    let (status, headers, _) = shop.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(headers["access-control-allow-headers"], wanted);
}

/// One app, and the house it is in.
struct Shop {
    house: Arc<House>,
    write_key: String,
    _folder: tempfile::TempDir,
}

impl Shop {
    fn open(scheme: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        let mut registry = Registry::open(folder.path()).unwrap();
        let (_, key) = registry.add_app(NewApp::parse("shop", "UTC").unwrap(), now).unwrap();
        let write_key = key.text.reveal().to_owned();
        let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let desk = Desk::new(Arc::new(MemoryBooks::new()), Arc::new(rules));
        let registry = Arc::new(RwLock::new(registry));
        let mut house = House::new(Arc::new(MemoryLog::new()), desk, registry, Arc::new(move || now));
        house.scheme = scheme;
        Shop { house: Arc::new(house), write_key, _folder: folder }
    }

    async fn ask(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
        let response = router(self.house.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }
}

#[tokio::test]
async fn the_dashboard_is_at_the_front_and_keeps_to_itself() {
    let shop = Shop::open("http");
    let (status, headers, body) = shop.ask(Request::get("/").body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert!(String::from_utf8(body).unwrap().contains("<title>Dwell</title>"));
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["vary"], "accept-encoding");

    let again = Request::get("/").header("if-none-match", &headers["etag"]).body(Body::empty()).unwrap();
    let (status, _, body) = shop.ask(again).await;
    assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));

    let missing = Request::get("/assets/../Cargo.toml").body(Body::empty()).unwrap();
    let (status, headers, _) = shop.ask(missing).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn a_key_is_told_the_apps_that_it_may_read_and_a_write_key_none() {
    let shop = Shop::open("http");
    let (admin, read) = {
        let mut registry = shop.house.registry.write().unwrap();
        let now = Timestamp::from_micros(1_767_225_600_000_000);
        registry.add_app(NewApp::parse("other", "Asia/Seoul").unwrap(), now).unwrap();
        let read = registry.add_key(Purpose::Secret("shop", [Scope::Read].into_iter().collect()), None, now).unwrap();
        (registry.first_start(now).unwrap().unwrap(), read)
    };
    let ask = async |key: &str| {
        let request = Request::get("/v1/apps").header("authorization", format!("Bearer {key}"));
        let (status, _, body) = shop.ask(request.body(Body::empty()).unwrap()).await;
        (status, serde_json::from_slice::<serde_json::Value>(&body).unwrap())
    };
    let (status, own) = ask(read.text.reveal()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(own["apps"].as_array().unwrap().len(), 1);
    assert_eq!((&own["apps"][0]["name"], &own["apps"][0]["zone"]), (&"shop".into(), &"UTC".into()));
    assert_eq!(own["apps"][0]["write_keys"], serde_json::json!([shop.write_key]));
    let (_, all) = ask(admin.text.reveal()).await;
    assert_eq!(all["apps"].as_array().unwrap().len(), 2);
    assert_eq!(ask(&shop.write_key).await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask("dw_s_nobody").await.0, StatusCode::UNAUTHORIZED);
}
