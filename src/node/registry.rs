//! Users and what they may do. For now the configured one, with full access to the configured vhost as far as its
//! permissions go.

use std::net::IpAddr;
use std::sync::Arc;

use leveret_protocol::ShortString;
use thiserror::Error;

use crate::broker::auth::sasl::Login;
use crate::broker::auth::{PasswordHash, Permissions, User};
use crate::config::Config;

/// Why a login is refused, for the log.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Refused {
    /// No such user, or another password.
    #[error("user '{0}' - invalid credentials")]
    Credentials(String),
    /// Right, but the user may not come from another machine.
    #[error("user '{0}' can only connect via localhost")]
    NotLocal(String),
}

/// The node's users.
#[derive(Debug)]
pub(super) struct Users {
    user: Arc<User>,
    password: PasswordHash,
    vhost: ShortString,
    permissions: Arc<Permissions>,
    loopback_users: Vec<String>,
    anonymous: String,
}

impl Users {
    pub(super) fn new(config: &Config, vhost: ShortString, permissions: Permissions, salt: [u8; 4]) -> Self {
        let name = ShortString::truncated(&config.default_user);
        Self {
            user: Arc::new(User { name, tags: vec!["administrator".to_owned()] }),
            password: PasswordHash::new(config.default_pass.expose().as_bytes(), salt),
            vhost,
            permissions: Arc::new(permissions),
            loopback_users: config.loopback_users.clone(),
            anonymous: config.anonymous_login_user.clone(),
        }
    }

    /// The user that a login is good for. The reason for a refusal is for the log alone.
    pub(super) fn authenticate(&self, login: &Login, peer: IpAddr) -> Result<Arc<User>, Refused> {
        let name = match login {
            Login::Password { user, .. } => String::from_utf8_lossy(user).into_owned(),
            Login::Anonymous => self.anonymous.clone(),
        };
        let known = self.user.name == name.as_str();
        let good = match login {
            // Hashed also for an unknown user, so that the time taken tells nothing.
            Login::Password { password, .. } => self.password.matches(password) && known,
            Login::Anonymous => known,
        };
        if !good {
            return Err(Refused::Credentials(name));
        }
        if self.loopback_users.contains(&name) && !peer.to_canonical().is_loopback() {
            return Err(Refused::NotLocal(name));
        }
        Ok(Arc::clone(&self.user))
    }

    /// What a user may do in a vhost; `None`: not even enter.
    pub(super) fn permissions(&self, user: &User, vhost: &ShortString) -> Option<Arc<Permissions>> {
        (user.name == self.user.name && *vhost == self.vhost).then(|| Arc::clone(&self.permissions))
    }
}
