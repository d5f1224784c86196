//! What a request can end in besides success: a status and RabbitMQ's JSON, `{"error": ..., "reason": ...}`.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use leveret_protocol::ReplyCode;
use serde_json::{Value, json};

use crate::broker::error::{BrokerError, ChannelError};
use crate::node::PolicyError;
use crate::node::admin::{EnterError, MoveError, PublishError};

/// Seconds after which a publisher may try again while an alarm is on: nobody knows how long that will be.
const ALARM_RETRY: u64 = 5;

/// Seconds after which a request may come again that found too many moves at work.
const BUSY_RETRY: u64 = 5;

/// RabbitMQ's words; browsers show the realm.
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"RabbitMQ Management\"");

/// An answer that is no success.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ApiError {
    status: StatusCode,
    error: &'static str,
    reason: Value,
    header: Header,
}

/// A header that goes with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    None,
    /// How to log in.
    Basic,
    /// In how many seconds to try again.
    Retry(u64),
}

impl ApiError {
    pub(super) fn new(status: StatusCode, error: &'static str, reason: impl Into<Value>) -> Self {
        Self { status, error, reason: reason.into(), header: Header::None }
    }

    /// 404: no such path or object.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Object Not Found", "Not Found")
    }

    /// 404: something that an operation needs is not there.
    pub(super) fn missing(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", reason)
    }

    /// 400: the request makes no sense.
    pub(super) fn bad_request(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", reason)
    }

    /// 400: a page that cannot be.
    pub(super) fn bad_page(error: &'static str, reason: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, reason)
    }

    /// 401: who is there? Asked only of those who said nothing, or browsers would ask their users over again.
    pub(super) fn unauthenticated() -> Self {
        Self { header: Header::Basic, ..Self::new(StatusCode::UNAUTHORIZED, "not_authorized", "Not_Authorized") }
    }

    /// 401: not with this name and password.
    pub(super) fn wrong_credentials() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorized", "Not_Authorized")
    }

    /// 401: known, but not allowed to.
    pub(super) fn not_authorised(reason: impl Into<Value>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_authorised", reason)
    }

    /// 408: it took too long.
    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request took too long")
    }

    /// basic.publish and basic.get failed. RabbitMQ gives the reply code and text of the channel here.
    pub(super) fn of_channel(error: &ChannelError, missing: &'static str) -> Self {
        if matches!(error, ChannelError::NotFound(_)) {
            return Self::missing(missing);
        }
        if matches!(error, ChannelError::PermissionRefused { .. }) {
            return Self::not_authorised(error.to_string());
        }
        let code = error.code();
        Self::bad_request(format!("{} {} - {error}", code.code(), code.name()))
    }

    /// A message was not taken.
    pub(super) fn of_publish(error: &PublishError) -> Self {
        match error {
            PublishError::Channel(error) => Self::of_channel(error, "exchange_not_found"),
            PublishError::Blocked(_) => Self::come_back("blocked", error.to_string(), ALARM_RETRY),
            PublishError::Full { retry_after } => Self::queue_full(error.to_string(), *retry_after),
        }
    }

    fn queue_full(reason: String, retry_after: Duration) -> Self {
        Self::come_back("queue_full", reason, retry_after.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
    }

    /// 503: not now, but in so many seconds.
    pub(super) fn come_back(error: &'static str, reason: String, seconds: u64) -> Self {
        Self { header: Header::Retry(seconds), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, error, reason) }
    }

    fn of_code(code: ReplyCode, text: String) -> Self {
        if code == ReplyCode::AccessRefused {
            return Self::not_authorised(text);
        }
        if code == ReplyCode::NotFound {
            return Self::missing(text);
        }
        Self::bad_request(text)
    }
}

impl From<ChannelError> for ApiError {
    fn from(error: ChannelError) -> Self {
        Self::of_code(error.code(), error.to_string())
    }
}

impl From<BrokerError> for ApiError {
    fn from(error: BrokerError) -> Self {
        Self::of_code(error.code(), error.to_string())
    }
}

impl From<EnterError> for ApiError {
    fn from(error: EnterError) -> Self {
        match error {
            EnterError::NotFound => Self::not_found(),
            EnterError::Refused => Self::not_authorised(error.to_string()),
        }
    }
}

impl From<MoveError> for ApiError {
    fn from(error: MoveError) -> Self {
        match error {
            MoveError::Channel(error) => error.into(),
            MoveError::Circle => Self::bad_request(error.to_string()),
            MoveError::TooMany => Self::come_back("busy", error.to_string(), BUSY_RETRY),
        }
    }
}

impl From<PolicyError> for ApiError {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::NoVhost | PolicyError::NotFound => Self::not_found(),
            PolicyError::NotPolicymaker | PolicyError::NotAdministrator => Self::not_authorised(error.to_string()),
            PolicyError::Refused(error) => error.into(),
            PolicyError::Invalid(invalid) => Self::bad_request(invalid.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": self.error, "reason": self.reason }));
        let mut response = (self.status, body).into_response();
        match self.header {
            Header::None => None,
            Header::Basic => response.headers_mut().insert(WWW_AUTHENTICATE, BASIC),
            Header::Retry(seconds) => response.headers_mut().insert(RETRY_AFTER, seconds.into()),
        };
        response
    }
}
