//! Who sends a request: HTTP Basic against the node's users (RFC 7617), with the same rules of place as AMQP's.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::http::request::Parts;
use leveret_protocol::ShortString;

use super::error::ApiError;
use super::server::{Peer, Shared};
use crate::node::admin::{Access, EnterError, LoginRefused, Operator, Role};

/// A user who may use the API.
#[derive(Debug)]
pub(super) struct Caller(pub(super) Operator);

/// A user who may use AMQP, and so the jobs API.
#[derive(Debug)]
pub(super) struct Client(pub(super) Operator);

impl Caller {
    /// Enters a vhost to look at it.
    pub(super) fn enter(&self, vhost: &ShortString) -> Result<Access, ApiError> {
        Ok(self.0.enter(vhost)?)
    }

    /// Enters a vhost to change something, where RabbitMQ words its absence in another way.
    pub(super) fn enter_to_change(&self, vhost: &ShortString) -> Result<Access, ApiError> {
        self.0.enter(vhost).map_err(|error| match error {
            EnterError::NotFound => ApiError::missing("vhost_not_found"),
            EnterError::Refused => error.into(),
        })
    }

    /// Passes who may see everything.
    pub(super) fn require_monitoring(&self) -> Result<(), ApiError> {
        if self.0.is(Role::Monitoring) {
            return Ok(());
        }
        Err(ApiError::not_authorised("Not monitor user"))
    }
}

impl Caller {
    /// Passes who may change the node.
    pub(super) fn require_administrator(&self) -> Result<(), ApiError> {
        if self.0.is(Role::Administrator) {
            return Ok(());
        }
        Err(ApiError::not_authorised("Not administrator user"))
    }
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        let operator = log_in(parts, shared)?;
        if !operator.is(Role::Management) {
            return Err(ApiError::not_authorised("Not management user"));
        }
        Ok(Self(operator))
    }
}

impl FromRequestParts<Arc<Shared>> for Client {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, ApiError> {
        log_in(parts, shared).map(Self)
    }
}

fn log_in(parts: &Parts, shared: &Shared) -> Result<Operator, ApiError> {
    let given = parts.headers.get(AUTHORIZATION).ok_or_else(ApiError::unauthenticated)?;
    let (user, password) = credentials(given.as_bytes()).ok_or_else(ApiError::wrong_credentials)?;
    let Some(Peer(peer)) = parts.extensions.get::<Peer>().copied() else {
        return Err(ApiError::wrong_credentials());
    };
    Operator::log_in(&shared.node, user, password, peer).map_err(|refused| match refused {
        LoginRefused::Credentials => ApiError::wrong_credentials(),
        LoginRefused::NotLocal => ApiError::not_authorised(refused.to_string()),
    })
}

/// User and password of an `Authorization` header.
fn credentials(header: &[u8]) -> Option<(Bytes, Bytes)> {
    let (scheme, encoded) = header.split_at_checked("Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let decoded = Bytes::from(STANDARD.decode(encoded.trim_ascii()).ok()?);
    let colon = decoded.iter().position(|octet| *octet == b':')?;
    Some((decoded.slice(..colon), decoded.slice(colon + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Option<(Bytes, Bytes)> {
        credentials(header.as_bytes())
    }

    #[test]
    fn a_password_may_have_colons_in_it() {
        let expected = (Bytes::from_static(b"guest"), Bytes::from_static(b"a:b"));
        assert_eq!(read("Basic Z3Vlc3Q6YTpi"), Some(expected.clone()));
        assert_eq!(read("basic  Z3Vlc3Q6YTpi "), Some(expected));
    }

    #[test]
    fn what_is_not_basic_has_no_credentials() {
        for header in ["", "Basic", "Basic !!!", "Basic Z3Vlc3Q=", "Bearer Z3Vlc3Q6YTpi"] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
