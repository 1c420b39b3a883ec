//! The one table of what went wrong and which status says so (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dwell_engine::EngineError;
use dwell_keys::access::Scope;
use dwell_keys::error::RegistryError;
use dwell_keys::whole_file::FileError;
use dwell_lake::read::archive::ArchiveError;
use dwell_policy::error::VersionError;
use dwell_store::StoreError;
use serde::Serialize;

use crate::erasures::ErasuresError;

/// What a client is told when a question is not answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    /// A word for machines.
    code: &'static str,
    /// A sentence for people: what, and how to mend it.
    detail: String,
    retry_after: Option<u32>,
    /// With which number the feed begins, for who asked for an earlier one.
    first: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<u64>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Problem { status, code, detail: detail.into(), retry_after: None, first: None }
    }

    /// Returns the sentence alone, for whoever does not ask over HTTP.
    pub fn into_detail(self) -> String {
        self.detail
    }

    pub fn no_key() -> Self {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "no_key",
            "no key was sent: put it after `Authorization: Bearer `, or sign in at /v1/login",
        )
    }

    pub fn signed_out() -> Self {
        let detail = "this pass has ended: sign in again";
        Problem::new(StatusCode::UNAUTHORIZED, "signed_out", detail)
    }

    pub fn wrong_password() -> Self {
        let detail = "there is no account with this name and this password";
        Problem::new(StatusCode::UNAUTHORIZED, "wrong_password", detail)
    }

    pub fn too_often(seconds: u32) -> Self {
        let detail = "too many attempts to sign in: wait a while";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_often", detail).again_in(seconds)
    }

    pub fn many_logins() -> Self {
        let detail = "many sign in at this moment: try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).again_in(2)
    }

    pub fn many_exports() -> Self {
        let detail = "others fetch all that is known of a user at this moment: try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).again_in(10)
    }

    pub fn not_our_page() -> Self {
        let detail = "a change by cookie is taken from the pages of this server only; programs send a key";
        Problem::new(StatusCode::FORBIDDEN, "not_our_page", detail)
    }

    pub fn unknown_key() -> Self {
        Problem::new(StatusCode::UNAUTHORIZED, "unknown_key", "this key is unknown, revoked or expired")
    }

    pub fn may_not(what: Scope) -> Self {
        let forbidden = |detail: &str| Problem::new(StatusCode::FORBIDDEN, "may_not_read", detail);
        match what {
            Scope::Read => forbidden("a write key only sends events; reading needs a secret key"),
            Scope::WritePolicy => forbidden("this needs an analyst, or a secret key with the scope write_policy"),
            Scope::AdminApp => forbidden("this needs an admin, or a secret key with the scope admin_app"),
        }
    }

    pub fn may_not_write() -> Self {
        Problem::new(StatusCode::FORBIDDEN, "may_not_write", "events are sent with a write key")
    }

    pub fn may_not_put_policy() -> Self {
        let detail = "putting a policy needs an analyst or admin, a secret key of scope write_policy or admin_app, or the admin key";
        Problem::new(StatusCode::FORBIDDEN, "may_not_put_policy", detail)
    }

    pub fn may_not_run() -> Self {
        let detail = "adding an app needs an admin of all apps, or the admin key";
        Problem::new(StatusCode::FORBIDDEN, "may_not_run", detail)
    }

    pub fn which_version() -> Self {
        let detail = "say which version is to be replaced: the ETag of /v1/policy, as `If-Match`";
        Problem::new(StatusCode::PRECONDITION_REQUIRED, "which_version", detail)
    }

    pub fn log_dropped(first: u64, why: &ArchiveError) -> Self {
        let detail = format!("the log begins at record {first}, and what came before cannot be counted anew: {why}");
        Problem::new(StatusCode::CONFLICT, "log_dropped", detail)
    }

    pub fn feed_dropped(first: u64) -> Self {
        let detail = format!(
            "the feed begins with number {first}: what came before was older than it is kept, and was dropped; a page without \
             `after`, or a stream with `from={first}`, goes on there"
        );
        Problem { first: Some(first), ..Problem::new(StatusCode::GONE, "feed_dropped", detail) }
    }

    pub fn no_cursor() -> Self {
        Problem::bad_request("this cursor is none of ours: begin without one")
    }

    pub fn which_app() -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "which_app", "this is of one app: say which one with `?app=`")
    }

    pub fn not_found(what: &str) -> Self {
        Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    pub fn too_slow() -> Self {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not arrive in time")
    }

    pub fn too_large(most: usize) -> Self {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("a body may have at most {most} bytes"))
    }

    pub fn bad_method() -> Self {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "bad_method", "events are sent with POST")
    }

    pub fn only_read() -> Self {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "bad_method", "this page is read with GET")
    }

    pub fn stopped(why: &str) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopped", why)
    }

    pub fn log_failed(why: &str) -> Self {
        let detail =
            format!("no event is taken, because the disk of the log failed: {why}; check the disk, then start again");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "log_failed", detail)
    }

    pub fn waiting(why: &str) -> Self {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "waiting", why).again_in(10)
    }

    fn again_in(self, seconds: u32) -> Self {
        Problem { retry_after: Some(seconds), ..self }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        let unavailable = |code| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail.clone());
        match error {
            StoreError::Busy { .. } => unavailable("busy").again_in(1),
            StoreError::Full { .. } => unavailable("disk_full").again_in(10),
            StoreError::BooksClosed { .. } => unavailable("books_closed").again_in(10),
            StoreError::TooLarge { .. } => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail),
            StoreError::Poisoned { .. }
            | StoreError::Closed
            | StoreError::Locked { .. }
            | StoreError::Damaged(_)
            | StoreError::Quarantined { .. }
            | StoreError::Dropped { .. }
            | StoreError::Beyond { .. }
            | StoreError::Version { .. }
            | StoreError::Option { .. }
            | StoreError::Io { .. }
            | StoreError::Books { .. }
            | StoreError::Backwards { .. } => unavailable("store").again_in(30),
        }
    }
}

impl From<VersionError> for Problem {
    fn from(error: VersionError) -> Self {
        let problem = |status, code| Problem::new(status, code, error.to_string());
        match &error {
            VersionError::Replaced { .. } => problem(StatusCode::PRECONDITION_FAILED, "replaced"),
            VersionError::NoVersion { .. } => Problem::not_found("version"),
            VersionError::NoApp { .. } => Problem::not_found("app"),
            VersionError::Policy(_) => problem(StatusCode::BAD_REQUEST, "bad_policy"),
            VersionError::TooEarly { .. } => problem(StatusCode::BAD_REQUEST, "too_early"),
            VersionError::Note { .. } => problem(StatusCode::BAD_REQUEST, "bad_request"),
            VersionError::TooLong { .. } => problem(StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            VersionError::TooMany { .. } => problem(StatusCode::CONFLICT, "too_many_versions"),
            VersionError::Busy { .. } => problem(StatusCode::SERVICE_UNAVAILABLE, "busy").again_in(1),
            VersionError::Io { .. } | VersionError::Damaged { .. } => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "store").again_in(30)
            }
        }
    }
}

impl From<ErasuresError> for Problem {
    fn from(error: ErasuresError) -> Self {
        let problem = |code| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string());
        match &error {
            ErasuresError::File(FileError::Busy { .. }) => problem("busy").again_in(1),
            ErasuresError::TooMany => Problem::new(StatusCode::CONFLICT, "too_many_erasures", error.to_string()),
            ErasuresError::File(_) | ErasuresError::Damaged { .. } => problem("store").again_in(30),
        }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let problem = |status, code| Problem::new(status, code, error.to_string());
        match &error {
            RegistryError::NoApp { .. } => Problem::not_found("app"),
            RegistryError::NoKey { .. } => Problem::not_found("key"),
            RegistryError::AppThere { .. } => problem(StatusCode::CONFLICT, "app_there"),
            RegistryError::KeyIsOver { .. } | RegistryError::KeyIsReplaced { .. } => {
                problem(StatusCode::CONFLICT, "key_is_over")
            }
            RegistryError::NoScope | RegistryError::TooManyWords { .. } | RegistryError::AdminThere { .. } => {
                problem(StatusCode::BAD_REQUEST, "bad_request")
            }
            RegistryError::File { error: FileError::Busy { .. } } => {
                problem(StatusCode::SERVICE_UNAVAILABLE, "busy").again_in(1)
            }
            RegistryError::File { .. }
            | RegistryError::Damaged { .. }
            | RegistryError::Gone { .. }
            | RegistryError::Random(_) => problem(StatusCode::SERVICE_UNAVAILABLE, "store").again_in(30),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            EngineError::FeedDropped { first } => Problem::feed_dropped(first),
            EngineError::Past { .. } | EngineError::BadRecord { .. } | EngineError::BadBook { .. } => {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "books", error.to_string())
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("problem");
        let Problem { status, code, detail, retry_after, first } = &self;
        let body = Body { r#type: "about:blank", title, status: status.as_u16(), code, detail, first: *first };
        let mut response = (*status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
        }
        response
    }
}
