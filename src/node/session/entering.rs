//! A client comes in: its login, the vhost that it opens, and its channels where the node limits them.

use std::sync::Arc;

use leveret_protocol::ShortString;

use super::Session;
use crate::broker::auth::Actor;
use crate::broker::auth::sasl::{Login, Mechanism};
use crate::broker::error::ConnectionError;
use crate::node::Node;

impl Session {
    pub(super) fn authenticate(&mut self, mechanism: Mechanism, login: &Login) {
        let found = self.node.users.authenticate(login, self.peer.ip());
        if let Err(reason) = &found {
            tracing::warn!(peer = %self.peer, "{} login refused: {reason}", mechanism.name());
        }
        self.tell_login(mechanism, login, found.as_ref().err());
        self.user = found.ok();
    }

    pub(super) fn take_channel(&mut self, channel: u16) -> Result<(), ConnectionError> {
        self.node.take_channel()?;
        self.taken_channels.insert(channel);
        Ok(())
    }

    pub(super) fn open_vhost(&mut self, name: &ShortString) -> Result<(), ConnectionError> {
        let slot = Node::take_slot(&self.node).map_err(|limit| {
            ConnectionError::NotAllowed(format!("connection refused: node connection limit ({limit}) is reached"))
        })?;
        let Some(vhost) = self.node.vhost(name) else {
            return Err(ConnectionError::NotAllowed(format!("vhost {name} not found")));
        };
        let Some(user) = &self.user else {
            return Err(ConnectionError::NotAllowed(format!("access to vhost '{name}' refused")));
        };
        let Some(permissions) = self.node.users.permissions(user, name) else {
            let text = format!("access to vhost '{name}' refused for user '{}'", user.name);
            return Err(ConnectionError::NotAllowed(text));
        };
        tracing::info!(
            peer = %self.peer, "connection {}: user '{}' authenticated and granted access to vhost '{name}'",
            self.peer, user.name
        );
        self.actor = Some(Actor { connection: self.id, user: Arc::clone(user), permissions });
        self.vhost = Some(vhost);
        self.slot = Some(slot);
        self.tell_created();
        Ok(())
    }
}
