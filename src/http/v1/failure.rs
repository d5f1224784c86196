//! What requests for messages can end in besides success, with HTTP's own statuses: applications act on these.

use hyper::StatusCode;

use crate::broker::error::ChannelError;
use crate::http::error::ApiError;
use crate::node::admin::{EnterError, LeaseError, PublishError};

/// Seconds after which a request may come again that found too many others.
const CROWDED_RETRY: u64 = 1;

/// A channel's error: 404, 403, 413 or 400.
pub(super) fn of_channel(error: &ChannelError) -> ApiError {
    let reason = error.to_string();
    if matches!(error, ChannelError::NotFound(_)) {
        return ApiError::missing(reason);
    }
    if matches!(error, ChannelError::PermissionRefused { .. }) {
        return ApiError::new(StatusCode::FORBIDDEN, "access_refused", reason);
    }
    if matches!(error, ChannelError::MessageTooLarge { .. }) {
        return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", reason);
    }
    ApiError::bad_request(reason)
}

/// A vhost that is not there, or not for this user.
pub(super) fn of_vhost(error: EnterError) -> ApiError {
    match error {
        EnterError::NotFound => ApiError::missing(error.to_string()),
        EnterError::Refused => ApiError::new(StatusCode::FORBIDDEN, "access_refused", error.to_string()),
    }
}

/// A message was not taken.
pub(super) fn of_publish(error: &PublishError) -> ApiError {
    match error {
        PublishError::Channel(error) => of_channel(error),
        PublishError::Blocked(_) | PublishError::Full { .. } => ApiError::of_publish(error),
    }
}

/// No message was lent.
pub(super) fn of_lease(error: &LeaseError) -> ApiError {
    match error {
        LeaseError::Channel(error) => of_channel(error),
        LeaseError::TooManyLeases => ApiError::come_back("too_many_leases", error.to_string(), CROWDED_RETRY),
        LeaseError::TooManyWait => ApiError::come_back("too_many_requests_wait", error.to_string(), CROWDED_RETRY),
    }
}

/// 404: the lease has ended, or never was, or is somebody else's.
pub(super) fn no_lease() -> ApiError {
    ApiError::missing("there is no such lease: it has ended")
}
