//! The policy of an app as clients see it, without a socket.

use std::sync::{Arc, Mutex, RwLock};

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use dwell_core::event::EventKind;
use dwell_core::policy::Policy;
use dwell_core::time::{Span, Timestamp, Zone};
use dwell_engine::{AppRules, Desk, Record};
use dwell_keys::access::Scope;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_policy::policies::{Base, Policies};
use dwell_server::{House, router};
use dwell_store::{Log, MemoryBooks, MemoryLog, Offset};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

/// One app in Berlin, and a clock that is set by hand.
struct Shop {
    house: Arc<House>,
    log: Arc<MemoryLog>,
    now: Arc<Mutex<Timestamp>>,
    write_key: String,
    key: String,
    author: String,
    _folder: tempfile::TempDir,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let (_, write_key) = registry.add_app(NewApp::parse("shop", "Europe/Berlin").unwrap(), NOW).unwrap();
        registry.explain("shop", "Explained", Some(EventKind::Closed)).unwrap();
        registry.explain("shop", "Both", Some(EventKind::Closed)).unwrap();
        let scopes = [Scope::WritePolicy].into_iter().collect();
        let key = registry.add_key(Purpose::Secret("shop", scopes), None, NOW).unwrap();
        let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let desk = Desk::new(Arc::new(MemoryBooks::new()), Arc::new(rules));
        let now = Arc::new(Mutex::new(NOW));
        let log = Arc::new(MemoryLog::new());
        let clock = now.clone();
        let registry = Arc::new(RwLock::new(registry));
        let mut house = House::new(log.clone(), desk, registry, Arc::new(move || *clock.lock().unwrap()));
        let words = ["Explained", "Server's"].map(|name| (name.to_owned(), EventKind::Heartbeat));
        let base = Base { words: words.into(), ..Base::default() };
        house.policies = Arc::new(Policies::new(folder.path(), base));
        Shop {
            house: Arc::new(house),
            log,
            now,
            write_key: write_key.text.reveal().to_owned(),
            key: key.text.reveal().to_owned(),
            author: key.key.label.to_string(),
            _folder: folder,
        }
    }

    fn wait(&self, seconds: u32) {
        let mut now = self.now.lock().unwrap();
        *now = now.plus(Span::from_secs(seconds));
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        replaces: Option<&str>,
        body: &Value,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {}", self.key));
        if let Some(replaces) = replaces {
            request = request.header("if-match", replaces);
        }
        let body = if body.is_null() { Body::empty() } else { body.to_string().into() };
        let response = router(self.house.clone()).oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
    }

    async fn put(&self, replaces: u32, body: &Value) -> (StatusCode, Value) {
        let (status, _, answer) = self.ask("PUT", "/v1/policy", Some(&format!("\"{replaces}\"")), body).await;
        (status, answer)
    }

    async fn get(&self, path: &str) -> Value {
        let (status, _, answer) = self.ask("GET", path, None, &Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer
    }

    /// Sends events of these names, and returns what each became.
    async fn kinds(&self, names: &[&str]) -> Vec<EventKind> {
        let from = self.log.next();
        // The clock stands still here: what is the same to the letter would be the same event.
        let said =
            |name| json!({ "type": "track", "userId": "ada", "event": name, "properties": { "n": from.number() } });
        let batch: Vec<Value> = names.iter().map(said).collect();
        let body = json!({ "writeKey": self.write_key, "batch": batch }).to_string();
        let response =
            router(self.house.clone()).oneshot(Request::post("/v1/batch").body(Body::from(body)).unwrap()).await;
        assert_eq!(response.unwrap().status(), StatusCode::OK);
        let read = |from: Offset| self.log.read(from, 1 << 20).unwrap();
        read(from).iter().map(|(_, bytes)| Record::read(bytes).unwrap().event_kind().unwrap()).collect()
    }
}

#[tokio::test]
async fn the_lab_at_every_second_is_compressed_for_whoever_can_read_that() {
    let shop = Shop::open();
    let ask = |encoding: Option<&'static str>| {
        let mut request = Request::builder().uri("/v1/lab?timeouts=all");
        request = request.header("authorization", format!("Bearer {}", shop.key));
        if let Some(encoding) = encoding {
            request = request.header("accept-encoding", encoding);
        }
        router(shop.house.clone()).oneshot(request.body(Body::empty()).unwrap())
    };
    let (plain, packed) = (ask(None).await.unwrap(), ask(Some("gzip")).await.unwrap());
    assert_eq!(plain.headers().get("content-encoding"), None);
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let plain = plain.into_body().collect().await.unwrap().to_bytes();
    let packed = packed.into_body().collect().await.unwrap().to_bytes();
    let mut read = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_ref()), &mut read).unwrap();
    assert_eq!(read, plain);
    assert!(packed.len() * 20 < plain.len(), "{} of {}", packed.len(), plain.len());
}

#[tokio::test]
async fn the_lab_in_columns_says_what_it_says_in_points() {
    let shop = Shop::open();
    let null = Value::Null;
    let (_, _, points) = shop.ask("GET", "/v1/lab?timeouts=5m,1h", None, &null).await;
    let (status, _, columns) = shop.ask("GET", "/v1/lab?timeouts=5m,1h&form=columns", None, &null).await;
    assert_eq!((status, &points["columns"], &columns["points"]), (StatusCode::OK, &null, &json!([])));
    assert_eq!(columns["columns"]["timeout_seconds"], json!([300, 3600]));
    for (place, point) in points["points"].as_array().unwrap().iter().enumerate() {
        for (measure, value) in point.as_object().unwrap() {
            assert_eq!(&columns["columns"][measure][place], value, "{measure}");
        }
    }
    let (status, _, problem) = shop.ask("GET", "/v1/lab?form=rows", None, &null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
}

#[tokio::test]
async fn a_policy_is_put_and_holds_from_its_date_on() {
    let shop = Shop::open();
    let (status, headers, answer) = shop.ask("GET", "/v1/policy", None, &Value::Null).await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (StatusCode::OK, "\"0\""));
    assert_eq!(answer["newest"], Value::Null);
    assert_eq!((&answer["in_force"], &answer["timeout_seconds"]), (&Value::Null, &json!(1800)));

    let body =
        json!({ "policy": { "timeout": "5m", "audiences": [{ "name": "vip", "timeout": "1h" }] }, "note": "shorter" });
    let (status, headers, answer) = shop.ask("PUT", "/v1/policy", Some("\"0\""), &body).await;
    assert_eq!((status, headers["etag"].to_str().unwrap()), (StatusCode::OK, "\"1\""), "{answer}");
    let newest = &answer["newest"];
    assert_eq!(
        (&newest["number"], &newest["state"], &newest["note"]),
        (&json!(1), &json!("planned"), &json!("shorter"))
    );
    assert_eq!(newest["author"], json!(shop.author));
    assert_eq!(newest["written_at"], json!("2026-01-01T00:00:00.000000Z"));
    assert_eq!(newest["effective_from"], json!("2026-01-01T00:00:03.000000Z"));
    assert_eq!(newest["policy"], body["policy"]);
    assert_eq!(newest["not_obeyed"], json!(["audiences"]));
    assert_eq!((&answer["in_force"], &answer["timeout_seconds"]), (&Value::Null, &json!(1800)));

    shop.wait(3);
    let answer = shop.get("/v1/policy").await;
    assert_eq!((&answer["in_force"], &answer["timeout_seconds"]), (&json!(1), &json!(300)));
    assert_eq!(answer["newest"]["state"], "in_force");
}

#[tokio::test]
async fn whoever_replaces_what_they_have_not_seen_is_told() {
    let shop = Shop::open();
    let body = json!({ "text": "timeout = \"5m\" # ours" });
    let (status, _, answer) = shop.ask("PUT", "/v1/policy", None, &body).await;
    assert_eq!((status, &answer["code"]), (StatusCode::PRECONDITION_REQUIRED, &json!("which_version")));
    for tag in ["*", "\"x\"", "W/\"0\"", "\"0\", \"1\"", ""] {
        let (status, _, answer) = shop.ask("PUT", "/v1/policy", Some(tag), &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{tag}: {answer}");
    }
    assert_eq!(shop.put(0, &body).await.0, StatusCode::OK);
    let (status, answer) = shop.put(0, &body).await;
    assert_eq!((status, &answer["code"]), (StatusCode::PRECONDITION_FAILED, &json!("replaced")));
    let (status, _, _) = shop.ask("POST", "/v1/policy/versions/1/restore", Some("\"0\""), &Value::Null).await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    let (status, _, answer) = shop.ask("POST", "/v1/policy/versions/1/restore", None, &Value::Null).await;
    assert_eq!(status, StatusCode::PRECONDITION_REQUIRED, "{answer}");
    assert_eq!(shop.get("/v1/policy").await["newest"]["text"], body["text"]);
    assert_eq!(shop.get("/v1/policy").await["newest"]["number"], 1);
}

#[tokio::test]
async fn an_earlier_version_is_taken_up_again_and_all_stay_in_the_list() {
    let shop = Shop::open();
    for (replaces, timeout) in ["5m", "6m", "7m"].iter().enumerate() {
        let (status, answer) = shop.put(replaces as u32, &json!({ "policy": { "timeout": timeout } })).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        shop.wait(60);
    }
    let (status, _, answer) =
        shop.ask("POST", "/v1/policy/versions/1/restore", Some("\"3\""), &json!({ "note": "back" })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["newest"]["policy"]["timeout"], "5m");
    assert_eq!((&answer["newest"]["restores"], &answer["newest"]["note"]), (&json!(1), &json!("back")));
    let page = shop.get("/v1/policy/versions?limit=3").await;
    let states: Vec<(u64, &str)> = page["versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| (version["number"].as_u64().unwrap(), version["state"].as_str().unwrap()))
        .collect();
    assert_eq!(states, [(4, "planned"), (3, "in_force"), (2, "past")]);
    let rest = shop.get(&format!("/v1/policy/versions?limit=3&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&rest["versions"][0]["number"], &rest["next"]), (&json!(1), &Value::Null));
    assert_eq!(shop.get("/v1/policy/versions/2").await["policy"]["timeout"], "6m");
    for (method, path) in [
        ("GET", "/v1/policy/versions/5"),
        ("GET", "/v1/policy/versions/x"),
        ("GET", "/v1/policy/versions/0"),
        ("POST", "/v1/policy/versions/9/restore"),
    ] {
        let (status, _, answer) = shop.ask(method, path, Some("\"4\""), &Value::Null).await;
        assert_eq!((status, &answer["code"]), (StatusCode::NOT_FOUND, &json!("not_found")), "{path}");
    }
    let (status, _, answer) = shop.ask("GET", "/v1/policy/versions?cursor=!", None, &Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
}

#[tokio::test]
async fn a_date_begins_at_midnight_of_the_app_and_none_lies_before_now() {
    let shop = Shop::open();
    let from = |date: &str| json!({ "policy": { "timeout": "5m" }, "effective_from": date });
    for early in ["2025-12-31", "2026-01-01T00:00:00Z", "2026-01-01T00:00:02Z"] {
        let (status, answer) = shop.put(0, &from(early)).await;
        assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("too_early")), "{early}");
    }
    let (status, answer) = shop.put(0, &from("2026-07-01")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["newest"]["effective_from"], "2026-06-30T22:00:00.000000Z");
    assert_eq!(answer["newest"]["state"], "planned");
    // What is put later and holds earlier takes the place of what was planned.
    let (_, answer) = shop.put(1, &json!({ "policy": { "timeout": "6m" } })).await;
    assert_eq!(answer["newest"]["number"], 2, "{answer}");
    assert_eq!(shop.get("/v1/policy/versions/1").await["state"], "overtaken");
}

#[tokio::test]
async fn what_is_no_policy_is_refused_with_its_place() {
    let shop = Shop::open();
    for (body, code, says) in [
        (
            json!({ "text": "\ntime_out = \"5m\"" }),
            "bad_policy",
            "line 2: the policy has an unknown key `time_out`; did you mean",
        ),
        (json!({ "text": "timeout = 5" }), "bad_policy", "line 1: "),
        (json!({ "policy": { "timeout": "25h" } }), "bad_policy", "from 1 s to 24 h"),
        (json!({ "policy": { "events": { "x": "close" } } }), "bad_policy", "did you mean `closed`?"),
        (json!({ "policy": {}, "text": "" }), "bad_request", "either"),
        (json!({}), "bad_request", "either"),
        (json!({ "polcy": {} }), "bad_request", "unknown field"),
        (json!({ "policy": {}, "note": "a\u{7}" }), "bad_request", "note"),
        (json!({ "policy": {}, "effective_from": "soon" }), "bad_request", "`effective_from`: `soon` is no moment"),
        (json!({ "text": "#".repeat(300_000) }), "too_large", "262144"),
        (json!({ "text": "#".repeat(600_000) }), "too_large", ""),
    ] {
        let (status, answer) = shop.put(0, &body).await;
        assert!(status.is_client_error(), "{answer}");
        assert_eq!(answer["code"], code, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(says), "{answer}");
    }
    assert_eq!(shop.get("/v1/policy").await["newest"], Value::Null);
}

#[tokio::test]
async fn names_of_events_mean_what_the_narrowest_table_says() {
    let shop = Shop::open();
    let names = ["Explained", "Both", "Server's", "Own"];
    use EventKind::{Action, Closed, Heartbeat, Silent};
    // Without a policy of its own: the app's table, then that of the server's policy.
    assert_eq!(shop.kinds(&names).await, [Closed, Closed, Heartbeat, Action]);
    let (status, answer) = shop.put(0, &json!({ "policy": { "events": { "Both": "silent", "Own": "silent" } } })).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(shop.kinds(&names).await, [Closed, Closed, Heartbeat, Action], "it does not hold yet");
    shop.wait(3);
    assert_eq!(shop.kinds(&names).await, [Closed, Silent, Action, Silent]);
}
