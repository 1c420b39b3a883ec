//! Login for people: who is let in, for how long, to what, and who is not.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, RwLock};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use dwell_core::policy::Policy;
use dwell_core::time::{Timestamp, Zone};
use dwell_engine::{AppRules, Desk};
use dwell_keys::access::Scope;
use dwell_keys::account::{AccountName, AccountRole};
use dwell_keys::accounts::{Accounts, NewAccount};
use dwell_keys::pass::{IDLE, LONGEST};
use dwell_keys::password::PasswordHash;
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_server::{House, router};
use dwell_store::{Books, MemoryBooks, MemoryLog};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
const PASSWORD: &str = "correct horse battery";

/// What each route needs of somebody who signed in: method, path, and the scope within an app.
const ROUTES: [(&str, &str, Scope); 29] = [
    ("GET", "/v1/keys", Scope::AdminApp),
    ("POST", "/v1/keys", Scope::AdminApp),
    ("POST", "/v1/keys/{label}/rotate", Scope::AdminApp),
    ("POST", "/v1/keys/{label}/revoke", Scope::AdminApp),
    ("GET", "/v1/overview", Scope::Read),
    ("GET", "/v1/app", Scope::Read),
    ("GET", "/v1/arrivals", Scope::Read),
    ("GET", "/v1/users", Scope::Read),
    ("GET", "/v1/users/{user}", Scope::Read),
    ("DELETE", "/v1/users/{user}", Scope::AdminApp),
    ("GET", "/v1/erasures", Scope::AdminApp),
    ("GET", "/v1/users/{user}/sessions", Scope::Read),
    ("GET", "/v1/users/{user}/phases", Scope::Read),
    ("GET", "/v1/users/{user}/export", Scope::Read),
    ("GET", "/v1/sessions", Scope::Read),
    ("GET", "/v1/sessions/stream", Scope::Read),
    ("GET", "/v1/series", Scope::Read),
    ("GET", "/v1/lab", Scope::Read),
    ("GET", "/v1/lab/detail", Scope::Read),
    ("GET", "/v1/policy", Scope::Read),
    ("GET", "/v1/policy/restating", Scope::Read),
    ("GET", "/v1/policy/versions", Scope::Read),
    ("GET", "/v1/policy/versions/{number}", Scope::Read),
    ("POST", "/v1/policy/preview", Scope::Read),
    ("PUT", "/v1/policy", Scope::WritePolicy),
    ("POST", "/v1/policy/versions/{number}/restore", Scope::WritePolicy),
    ("POST", "/v1/policy/restating", Scope::WritePolicy),
    ("GET", "/v1/webhooks", Scope::AdminApp),
    ("GET", "/v1/webhooks/{id}/dead", Scope::AdminApp),
];

/// What is not of one app: it is answered to everybody who signed in.
const OF_NO_APP: [&str; 2] = ["/v1/apps", "/v1/me"];

struct Street {
    house: Arc<House>,
    clock: Arc<AtomicI64>,
    ours: String,
    theirs: String,
    admin_key: String,
    folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{} {}", self.status, self.body))
    }

    fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The cookie as a browser sends it back.
    fn cookie(&self) -> String {
        self.headers[header::SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
    }
}

impl Street {
    fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(folder.path()).unwrap();
        let mut app = |name| registry.add_app(NewApp::parse(name, "UTC").unwrap(), NOW).unwrap().0.id.clone();
        let (ours, theirs) = (app("ours"), app("theirs"));
        let admin_key = registry.add_key(Purpose::Admin, None, NOW).unwrap().text.reveal().to_owned();
        let password = PasswordHash::of(PASSWORD).unwrap();
        let mut accounts = Accounts::open(folder.path()).unwrap();
        for role in AccountRole::ALL {
            for (name, apps) in
                [("all", None), ("ours", Some(vec![ours.clone()])), ("theirs", Some(vec![theirs.clone()]))]
            {
                let name = AccountName::parse(&format!("{}-{name}", role.word())).unwrap();
                accounts.add(NewAccount { name, role, apps, password: password.clone() }, NOW).unwrap();
            }
        }
        let books: Arc<dyn Books> = Arc::new(MemoryBooks::new());
        let rules: Arc<AppRules> = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
        let clock = Arc::new(AtomicI64::new(NOW.as_micros()));
        let told = clock.clone();
        let now = Arc::new(move || Timestamp::from_micros(told.load(Ordering::Relaxed)));
        let desk = Desk::new(books, Arc::new(rules));
        let mut house = House::new(Arc::new(MemoryLog::new()), desk, Arc::new(RwLock::new(registry)), now);
        house.accounts = Arc::new(RwLock::new(accounts));
        Street { house: Arc::new(house), clock, ours: ours.to_string(), theirs: theirs.to_string(), admin_key, folder }
    }

    fn set_clock(&self, to: Timestamp) {
        self.clock.store(to.as_micros(), Ordering::Relaxed);
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "dwell.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let mut request = request.body(body).unwrap();
        let from: SocketAddr = "203.0.113.7:4711".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(from));
        let response = router(self.house.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        // A stream goes on: that it began is enough.
        let body = if path.starts_with("/v1/sessions/stream") && parts.status == StatusCode::OK {
            String::new()
        } else {
            String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
        };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn log_in(&self, name: &str, password: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("POST", "/v1/login", headers, &json!({ "name": name, "password": password })).await
    }

    async fn pass_of(&self, name: &str) -> String {
        let answer = self.log_in(name, PASSWORD, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{name}: {}", answer.body);
        answer.cookie()
    }

    async fn me(&self, cookie: &str) -> Answer {
        self.ask("GET", "/v1/me", &[("cookie", cookie)], &Value::Null).await
    }
}

#[tokio::test]
async fn who_gives_name_and_password_is_known_by_a_cookie_that_no_script_reads() {
    let street = Street::build();
    let answer = street.log_in("Analyst-Ours", PASSWORD, &[]).await;
    let expected = json!({ "by": "account", "name": "analyst-ours", "role": "analyst",
        "may": ["read", "write_policy"], "apps": [street.ours] });
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, expected.clone()));
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    let (pass, rest) = set.split_once(';').unwrap();
    assert!(pass.starts_with("dwell_pass=") && pass.len() == "dwell_pass=".len() + 52, "{set}");
    assert_eq!(rest, " HttpOnly; SameSite=Strict; Path=/; Max-Age=604800");
    assert_eq!(street.me(pass).await.json(), expected);
    let other = street.log_in("viewer-all", PASSWORD, &[]).await.cookie();
    assert_ne!(pass, other);
    let apps = street.ask("GET", "/v1/apps", &[("cookie", pass)], &Value::Null).await.json();
    assert_eq!(apps["apps"].as_array().unwrap().len(), 1);
    assert_eq!(apps["apps"][0]["app"], street.ours.as_str());
}

#[tokio::test]
async fn behind_tls_the_cookie_is_for_tls_alone() {
    let street = Street::build();
    let tls = ("x-forwarded-proto", "https");
    let answer = street.log_in("viewer-all", PASSWORD, &[tls]).await;
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(set.starts_with("__Host-dwell_pass=") && set.ends_with("; Path=/; Max-Age=604800; Secure"), "{set}");
    let cookie = answer.cookie();
    let known = street.ask("GET", "/v1/me", &[tls, ("cookie", &cookie)], &Value::Null).await;
    assert_eq!(known.status, StatusCode::OK);
    // A cookie of the other name could have been set by a neighbour.
    let other = cookie.replace("__Host-", "");
    assert_eq!(
        street.ask("GET", "/v1/me", &[tls, ("cookie", &other)], &Value::Null).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_answered_alike() {
    let street = Street::build();
    let wrong = street.log_in("viewer-all", "wrong horse battery", &[]).await;
    let unknown = street.log_in("nobody", PASSWORD, &[]).await;
    let no_name = street.log_in("no name at all", PASSWORD, &[]).await;
    assert_eq!((wrong.status, wrong.code().as_str()), (StatusCode::UNAUTHORIZED, "wrong_password"));
    for other in [unknown, no_name] {
        assert_eq!((wrong.status, &wrong.body), (other.status, &other.body));
        assert!(other.headers.get(header::SET_COOKIE).is_none());
    }
    for broken in [json!({}), json!({ "name": "viewer-all" }), json!([]), json!({ "name": 1, "password": 2 })] {
        assert_eq!(street.ask("POST", "/v1/login", &[], &broken).await.status, StatusCode::BAD_REQUEST, "{broken}");
    }
    let huge = json!({ "name": "x".repeat(9_000), "password": PASSWORD });
    assert_eq!(street.ask("POST", "/v1/login", &[], &huge).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn who_guesses_has_to_wait_and_others_do_not() {
    let street = Street::build();
    for _ in 0..10 {
        assert_eq!(street.log_in("viewer-all", "a wrong password", &[]).await.status, StatusCode::UNAUTHORIZED);
    }
    let slowed = street.log_in("VIEWER-all", PASSWORD, &[]).await;
    assert_eq!((slowed.status, slowed.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_often"));
    let wait: u32 = slowed.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((60..=61).contains(&wait), "{wait}");
    assert_eq!(street.log_in("viewer-ours", PASSWORD, &[]).await.status, StatusCode::OK, "another account");
    street.set_clock(NOW.plus(dwell_core::time::Span::from_secs(wait)));
    assert_eq!(street.log_in("viewer-all", PASSWORD, &[]).await.status, StatusCode::OK);
    // It was forgotten: a person who mistypes tomorrow has all attempts again.
    for _ in 0..10 {
        assert_eq!(street.log_in("viewer-all", "a wrong password", &[]).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn who_guesses_many_names_has_to_wait_too() {
    let street = Street::build();
    for place in 0..30 {
        let answer = street.log_in(&format!("nobody{place}"), PASSWORD, &[]).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{place}");
    }
    let slowed = street.log_in("viewer-all", PASSWORD, &[]).await;
    assert_eq!((slowed.status, slowed.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_often"));
    assert!(slowed.headers.contains_key(header::RETRY_AFTER));
}

#[tokio::test]
async fn a_pass_ends_by_logout_by_time_by_another_password_and_with_its_account() {
    let street = Street::build();
    let cookie = street.pass_of("viewer-all").await;
    let ours = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let out = street.ask("POST", "/v1/logout", &ours, &Value::Null).await;
    assert_eq!(out.status, StatusCode::OK);
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().starts_with("dwell_pass=; "), "{:?}", out.headers);
    let after = street.me(&cookie).await;
    assert_eq!((after.status, after.code().as_str()), (StatusCode::UNAUTHORIZED, "signed_out"));

    let cookie = street.pass_of("viewer-all").await;
    street.set_clock(NOW.plus(IDLE));
    assert_eq!(street.me(&cookie).await.status, StatusCode::UNAUTHORIZED, "nobody was here");
    street.set_clock(NOW);
    let cookie = street.pass_of("viewer-all").await;
    let mut hour = NOW;
    while hour.plus(IDLE) < NOW.plus(LONGEST) {
        hour = hour.plus(dwell_core::time::Span::from_hours(6));
        street.set_clock(hour);
        assert_eq!(street.me(&cookie).await.status, StatusCode::OK);
    }
    street.set_clock(NOW.plus(LONGEST));
    assert_eq!(street.me(&cookie).await.status, StatusCode::UNAUTHORIZED, "however often it was used");

    street.set_clock(NOW);
    let (one, other) = (street.pass_of("viewer-all").await, street.pass_of("viewer-ours").await);
    let mut command = Accounts::open(street.folder.path()).unwrap();
    command.set_password("viewer-all", PasswordHash::of("another password").unwrap(), NOW.plus(IDLE)).unwrap();
    command.remove("viewer-ours").unwrap();
    assert_eq!(street.me(&one).await.status, StatusCode::OK, "the server has not looked yet");
    street.house.accounts.write().unwrap().refresh().unwrap();
    assert_eq!(street.me(&one).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(street.me(&other).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(street.log_in("viewer-all", PASSWORD, &[]).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_second_login_in_one_browser_ends_the_first() {
    let street = Street::build();
    let first = street.pass_of("viewer-all").await;
    let second = street.log_in("admin-all", PASSWORD, &[("cookie", &first), ("sec-fetch-site", "same-origin")]).await;
    let second = second.cookie();
    assert_eq!(street.me(&first).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(street.me(&second).await.json()["name"], "admin-all");
}

#[tokio::test]
async fn nothing_is_changed_by_a_cookie_for_the_page_of_somebody_else() {
    let street = Street::build();
    let cookie = street.pass_of("admin-all").await;
    let path = format!("/v1/policy?app={}", street.ours);
    let body = json!({ "policy": { "timeout": "20m" } });
    let newest = || street.house.policies.history(&street.ours).unwrap().newest();
    let refused: [&[(&str, &str)]; 7] = [
        &[],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "none")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("origin", "http://dwell.example"), ("sec-fetch-site", "cross-site")],
    ];
    for headers in refused {
        let all = [headers, &[("cookie", cookie.as_str()), ("if-match", "\"0\"")]].concat();
        let answer = street.ask("PUT", &path, &all, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "not_our_page"), "{headers:?}");
        assert_eq!(newest(), 0, "{headers:?}");
        let out = street.ask("POST", "/v1/logout", &all, &Value::Null).await;
        assert_eq!(out.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    for (place, headers) in
        [("sec-fetch-site", "same-origin"), ("origin", "http://dwell.example")].into_iter().enumerate()
    {
        let tag = format!("\"{place}\"");
        let all = [headers, ("cookie", cookie.as_str()), ("if-match", &tag)];
        let answer = street.ask("PUT", &path, &all, &body).await;
        assert_eq!(answer.status, StatusCode::OK, "{headers:?}: {}", answer.body);
        assert_eq!(answer.json()["newest"]["author"], "admin-all", "a policy has the person as its author");
    }
    // A key in the header is not sent by a browser on its own.
    let key = format!("Bearer {}", street.admin_key);
    let all = [("authorization", key.as_str()), ("cookie", cookie.as_str()), ("if-match", "\"2\"")];
    assert_eq!(street.ask("PUT", &path, &all, &body).await.status, StatusCode::OK);
    // Nobody is signed in as somebody else by a page of others, and programs sign in without a page.
    let elsewhere = street.log_in("viewer-all", PASSWORD, &[("origin", "http://evil.example")]).await;
    assert_eq!(elsewhere.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn events_are_taken_from_any_page_whoever_is_signed_in_there() {
    let street = Street::build();
    let cookie = street.pass_of("viewer-all").await;
    let key = {
        let mut registry = street.house.registry.write().unwrap();
        registry.add_key(Purpose::Write("ours"), None, NOW).unwrap().text.reveal().to_owned()
    };
    let event = json!({ "writeKey": key, "userId": "ada", "event": "x", "messageId": "1" });
    let from_elsewhere = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-site")];
    let answer = street.ask("POST", "/v1/track", &from_elsewhere, &event).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn every_route_answers_every_role_as_it_should() {
    let street = Street::build();
    let mut version = 0;
    for role in AccountRole::ALL {
        for (of, sees_ours) in [("all", true), ("ours", true), ("theirs", false)] {
            let name = format!("{}-{of}", role.word());
            let cookie = street.pass_of(&name).await;
            for (method, path, needs) in ROUTES {
                let may = role.scopes().allow(needs);
                let path = path
                    .replace("{user}", "ada")
                    .replace("{number}", "1")
                    .replace("{id}", "wh_000000000000")
                    .replace("{label}", "dw_s_00000000");
                let metric = if path == "/v1/series" { "&metric=sessions_started" } else { "" };
                let body = match (method, path.as_str()) {
                    ("PUT", _) | (_, "/v1/policy/preview") => json!({ "policy": { "timeout": "20m" } }),
                    (_, "/v1/keys") => json!({ "scopes": ["read"] }),
                    _ => Value::Null,
                };
                let tag = format!("\"{version}\"");
                let headers = [("cookie", cookie.as_str()), ("if-match", &tag), ("sec-fetch-site", "same-origin")];
                let answer = street.ask(method, &format!("{path}?app={}{metric}", street.ours), &headers, &body).await;
                let what = format!("{name} {method} {path}: {} {}", answer.status, answer.body);
                match (sees_ours, may) {
                    (false, _) => assert_eq!(
                        (answer.status, answer.body.contains("app")),
                        (StatusCode::NOT_FOUND, true),
                        "{what}"
                    ),
                    (true, false) => assert_eq!(answer.status, StatusCode::FORBIDDEN, "{what}"),
                    // Nobody and nothing is there yet but the policy.
                    (true, true) => assert!(
                        matches!(answer.status, StatusCode::OK | StatusCode::ACCEPTED | StatusCode::NOT_FOUND),
                        "{what}"
                    ),
                }
                if answer.status == StatusCode::OK
                    && method != "GET"
                    && path.contains("policy")
                    && !path.ends_with("restating")
                    && !path.ends_with("preview")
                {
                    version += 1;
                }
                let nothing =
                    street.ask(method, &format!("{path}?app=app_000000000000{metric}"), &headers, &body).await;
                assert_eq!(nothing.status, StatusCode::NOT_FOUND, "{what}");
                if !sees_ours {
                    assert_eq!(nothing.body, answer.body, "an app of others is told from one that is not there");
                }
                let without = street.ask(method, &format!("{path}?{metric}"), &headers, &body).await;
                assert_eq!(without.status, StatusCode::BAD_REQUEST, "{what}");
            }
            for path in OF_NO_APP {
                let answer = street.ask("GET", path, &[("cookie", &cookie)], &Value::Null).await;
                assert_eq!(answer.status, StatusCode::OK, "{name} {path}: {}", answer.body);
                assert_eq!(
                    answer.body.contains(&street.theirs),
                    of != "ours" && (path == "/v1/apps" || of == "theirs"),
                    "{name} {path}"
                );
            }
        }
    }
    assert_eq!(version, street.house.policies.history(&street.ours).unwrap().newest());
    assert_eq!(street.house.policies.history(&street.theirs).unwrap().newest(), 0);
}

#[test]
fn the_table_of_roles_has_every_route_that_asks_who_is_there() {
    let document: Value = serde_json::from_str(include_str!("../src/openapi.json")).unwrap();
    let mut asks = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let secured = operation["security"].as_array().into_iter().flatten();
            if secured.clone().any(|one| one.get("pass").is_some()) {
                asks.insert((method.to_uppercase(), path.clone()));
            }
            assert_eq!(
                secured.clone().any(|one| one.get("pass").is_some()),
                secured.clone().any(|one| one.get("secretKey").is_some()) || path == "/v1/logout",
                "{method} {path}"
            );
        }
    }
    let table = ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()));
    let others = OF_NO_APP.iter().map(|path| ("GET".to_owned(), (*path).to_owned()));
    let written = ["/v1/logout", "/v1/apps"].map(|path| ("POST".to_owned(), path.to_owned()));
    assert_eq!(asks, table.chain(others).chain(written).collect());
}

#[tokio::test]
async fn an_admin_makes_rotates_and_revokes_the_keys_of_their_apps_and_no_others() {
    let street = Street::build();
    let cookie = street.pass_of("admin-ours").await;
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let ours = format!("app={}", street.ours);
    let theirs = {
        let mut registry = street.house.registry.write().unwrap();
        let read = [Scope::Read].into_iter().collect();
        registry.add_key(Purpose::Secret("theirs", read), None, NOW).unwrap().key.label.to_string()
    };
    let opens = async |key: &str| {
        let key = format!("Bearer {key}");
        street.ask("GET", "/v1/app", &[("authorization", key.as_str())], &Value::Null).await.status == StatusCode::OK
    };
    let made = street.ask("POST", &format!("/v1/keys?{ours}"), &headers, &json!({ "scopes": ["read"] })).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.body);
    let (first, label) =
        (made.json()["key"].as_str().unwrap().to_owned(), made.json()["label"].as_str().unwrap().to_owned());
    assert!(opens(&first).await, "it holds before the answer is out");
    let rotated = street.ask("POST", &format!("/v1/keys/{label}/rotate?{ours}"), &headers, &Value::Null).await.json();
    let second = rotated["key"].as_str().unwrap().to_owned();
    assert!(opens(&first).await && opens(&second).await, "the old one holds a while");
    let again = street.ask("POST", &format!("/v1/keys/{label}/rotate?{ours}"), &headers, &Value::Null).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "key_is_over"));
    let revoked = street.ask("POST", &format!("/v1/keys/{label}/revoke?{ours}"), &headers, &Value::Null).await;
    assert_eq!(revoked.status, StatusCode::OK);
    assert!(!opens(&first).await && opens(&second).await);
    let list = street.ask("GET", &format!("/v1/keys?{ours}"), &headers, &Value::Null).await;
    assert!(list.body.contains(&label) && !list.body.contains(&first[13..]) && !list.body.contains(&second[13..]));
    assert!(!list.body.contains(&theirs) && !list.body.contains("dw_a_"), "{}", list.body);
    let states: Vec<_> = list.json()["keys"].as_array().unwrap().iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, [json!("valid"), json!("revoked"), json!("valid")]);
    // A key of others, the admin key, and what is no key: none of them is there.
    for other in [theirs.as_str(), &street.admin_key[..13], "dw_s_00000000", "hello"] {
        for act in ["rotate", "revoke"] {
            let answer = street.ask("POST", &format!("/v1/keys/{other}/{act}?{ours}"), &headers, &Value::Null).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{act} {other}: {}", answer.body);
        }
    }
    for wrong in [json!({}), json!({ "scopes": ["king"] }), json!({ "scopes": ["read"], "app": "theirs" })] {
        let answer = street.ask("POST", &format!("/v1/keys?{ours}"), &headers, &wrong).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_app_is_added_by_an_admin_of_all_apps() {
    let street = Street::build();
    let body = json!({ "name": "Films", "zone": "Asia/Seoul" });
    for (name, status) in [
        ("viewer-all", StatusCode::FORBIDDEN),
        ("analyst-all", StatusCode::FORBIDDEN),
        ("admin-ours", StatusCode::FORBIDDEN),
        ("admin-all", StatusCode::OK),
    ] {
        let cookie = street.pass_of(name).await;
        let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
        let answer = street.ask("POST", "/v1/apps", &headers, &body).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        if status == StatusCode::OK {
            let again = street.ask("POST", "/v1/apps", &headers, &body).await;
            assert_eq!((again.status, again.code().as_str()), (StatusCode::CONFLICT, "app_there"));
            let apps = street.ask("GET", "/v1/apps", &headers, &Value::Null).await.json();
            assert_eq!(apps["apps"][2]["write_keys"], answer.json()["write_keys"]);
            let nowhere = json!({ "name": "Other", "zone": "Mars" });
            assert_eq!(street.ask("POST", "/v1/apps", &headers, &nowhere).await.status, StatusCode::BAD_REQUEST);
        }
    }
}
