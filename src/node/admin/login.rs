//! Logging in other than by AMQP: the same users, passwords and rules of place.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::Operator;
use crate::broker::auth::sasl::Login;
use crate::node::Node;
use crate::node::registry::Refused;

/// Why a login is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum LoginRefused {
    /// No such user, or another password.
    #[error("invalid credentials")]
    Credentials,
    /// The user may only come from this machine.
    #[error("User can only log in via localhost")]
    NotLocal,
}

impl Operator {
    /// Logs a user in who comes from `peer`. A refusal is logged.
    ///
    /// # Errors
    /// When the name and the password do not go together, or the user may not come from there.
    pub fn log_in(node: &Arc<Node>, user: Bytes, password: Bytes, peer: IpAddr) -> Result<Self, LoginRefused> {
        match node.users.authenticate(&Login::Password { user, password }, peer) {
            Ok(user) => Ok(Self { node: Arc::clone(node), user }),
            Err(refused) => {
                tracing::warn!(%peer, "HTTP login refused: {refused}");
                Err(match refused {
                    Refused::Credentials(_) => LoginRefused::Credentials,
                    Refused::NotLocal(_) => LoginRefused::NotLocal,
                })
            }
        }
    }
}
