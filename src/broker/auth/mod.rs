//! Who may do what: users, passwords, permissions and the SASL mechanisms' wire forms. Owns no list of users; the
//! node does.

mod password;
mod permissions;
pub mod sasl;

use std::sync::Arc;

use leveret_protocol::ShortString;

pub use self::password::PasswordHash;
pub use self::permissions::{InvalidPattern, Permission, Permissions};
use super::error::ChannelError;
use super::ids::ConnectionId;
use super::resource::{Resource, ResourceKind};

/// The name under which permissions see the default exchange (RabbitMQ's).
const DEFAULT_EXCHANGE: &str = "amq.default";

/// The tag that lets a user publish with another's user-id.
const IMPERSONATOR: &str = "impersonator";
/// The tag of who may do everything that operators do.
const ADMINISTRATOR: &str = "administrator";
/// The tag of who may set policies.
const POLICYMAKER: &str = "policymaker";

/// A user, as far as a connection needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: ShortString,
    /// RabbitMQ's user tags: administrator, monitoring, impersonator ...
    pub tags: Vec<String>,
}

impl User {
    /// Whether it may publish messages whose user-id property names somebody else.
    #[must_use]
    pub fn may_impersonate(&self) -> bool {
        self.has_tag(IMPERSONATOR)
    }

    /// Whether it may do everything that operators do.
    #[must_use]
    pub fn is_administrator(&self) -> bool {
        self.has_tag(ADMINISTRATOR)
    }

    /// Whether it may set policies in the vhosts that it may enter.
    #[must_use]
    pub fn makes_policies(&self) -> bool {
        self.is_administrator() || self.has_tag(POLICYMAKER)
    }

    fn has_tag(&self, wanted: &str) -> bool {
        self.tags.iter().any(|tag| tag == wanted)
    }
}

/// On whose behalf an operation is done.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The connection: owner of exclusive queues.
    pub connection: ConnectionId,
    /// The logged-in user.
    pub user: Arc<User>,
    /// What it may do in the connection's vhost.
    pub permissions: Arc<Permissions>,
}

impl Actor {
    /// Passes when the user has the permission on the resource.
    ///
    /// # Errors
    /// 403 `... access to queue 'q' in vhost 'v' refused for user 'u'`.
    pub fn require(&self, permission: Permission, resource: &Resource) -> Result<(), ChannelError> {
        if self.permissions.cover(permission, permission_name(resource).as_bytes()) {
            return Ok(());
        }
        Err(ChannelError::PermissionRefused {
            verb: permission.verb(),
            resource: resource.clone(),
            user: self.user.name.clone(),
        })
    }

    /// Passes when the user has any permission at all on the resource: enough for a passive declare.
    ///
    /// # Errors
    /// 403, named after the configure permission.
    pub fn require_any(&self, resource: &Resource) -> Result<(), ChannelError> {
        let name = permission_name(resource);
        let any = [Permission::Read, Permission::Write]
            .into_iter()
            .any(|permission| self.permissions.cover(permission, name.as_bytes()));
        if any { Ok(()) } else { self.require(Permission::Configure, resource) }
    }
}

fn permission_name(resource: &Resource) -> ShortString {
    if resource.kind == ResourceKind::Exchange && resource.name.is_empty() {
        return ShortString::from_static(DEFAULT_EXCHANGE);
    }
    resource.name.clone()
}
