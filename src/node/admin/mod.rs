//! What the node shows to and does for whoever does not come by AMQP: an operator at the HTTP API. Every change goes
//! through the machines that AMQP's methods go through, as the user who asks, so that rules and texts are the same.
//! Owns no wire format.

mod bindings;
mod connections;
mod contents;
mod deliveries;
mod exchanges;
mod get;
mod leases;
mod login;
mod publish;
mod queues;
mod scheduled;
mod status;
mod vhosts;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use leveret_protocol::ShortString;
use thiserror::Error;

pub use self::connections::ConsumerReport;
pub use self::contents::{MoveError, PeekLimits, PeekedPage, Removed};
pub use self::deliveries::DeliveryReport;
pub use self::get::{AfterGet, Fetched, GetLimits};
pub use self::leases::{LeaseEnd, LeaseError, Leased};
pub use self::login::LoginRefused;
pub use self::publish::{PublishError, Target};
pub use self::queues::{QueueContent, QueueReport, QueueWanted};
pub use self::status::{Alarmed, MemoryUse, Totals};
use super::Node;
pub use super::moves::{Destination, Filter, JobReport, JobState, Peeked, Wanted};
use super::vhost::RunningVhost;
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::ids::ConnectionId;

/// A logged-in user who looks after the node.
#[derive(Clone, Debug)]
pub struct Operator {
    node: Arc<Node>,
    user: Arc<User>,
}

/// An operator in a vhost.
#[derive(Debug)]
pub struct Access {
    node: Arc<Node>,
    vhost: Arc<RunningVhost>,
    actor: Actor,
}

/// Why an operator cannot enter a vhost.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum EnterError {
    /// There is none of that name.
    #[error("vhost not found")]
    NotFound,
    /// The user has no permissions there.
    #[error("User not authorised to access virtual host")]
    Refused,
}

/// What of a node a user may look after, by its tags. Later ones include earlier ones, but for `Monitoring` and
/// `Policymaker`, of which neither includes the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What its permissions allow.
    Management,
    /// Policies, too.
    Policymaker,
    /// To see everything, too.
    Monitoring,
    /// Everything.
    Administrator,
}

impl Operator {
    /// Who it is.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Whether the user's tags give it the role.
    #[must_use]
    pub fn is(&self, role: Role) -> bool {
        let tagged = |tags: &[&str]| self.user.tags.iter().any(|tag| tags.contains(&tag.as_str()));
        match role {
            Role::Management => tagged(&["management", "policymaker", "monitoring", "administrator"]),
            Role::Policymaker => tagged(&["policymaker", "administrator"]),
            Role::Monitoring => tagged(&["monitoring", "administrator"]),
            Role::Administrator => tagged(&["administrator"]),
        }
    }

    /// The vhosts that the user may see, by name.
    #[must_use]
    pub fn vhosts(&self) -> Vec<ShortString> {
        let mut names: Vec<_> = self.node.vhosts.iter().map(|vhost| vhost.key().clone()).collect();
        names.retain(|name| self.is(Role::Monitoring) || self.node.users.permissions(&self.user, name).is_some());
        names.sort_unstable();
        names
    }

    /// Enters a vhost. Who may see everything but has no permissions there may do nothing in it.
    ///
    /// # Errors
    /// When there is none, or it is closed to the user.
    pub fn enter(&self, name: &ShortString) -> Result<Access, EnterError> {
        let vhost = self.node.vhost(name).ok_or(EnterError::NotFound)?;
        let permissions = match self.node.users.permissions(&self.user, name) {
            Some(permissions) => permissions,
            None if self.is(Role::Monitoring) => Arc::new(Permissions::none()),
            None => return Err(EnterError::Refused),
        };
        // A connection that nobody else has: what is exclusive to one is closed to operators.
        let connection = ConnectionId(self.node.next_id());
        let actor = Actor { connection, user: Arc::clone(&self.user), permissions };
        Ok(Access { node: Arc::clone(&self.node), vhost, actor })
    }

    /// All vhosts that the user may see.
    #[must_use]
    pub fn enter_all(&self) -> Vec<Access> {
        self.vhosts().iter().filter_map(|name| self.enter(name).ok()).collect()
    }
}

impl Access {
    /// The vhost's name.
    #[must_use]
    pub fn vhost(&self) -> &ShortString {
        &self.vhost.name
    }
}
