//! Messages that wait for their time, for operators.

use leveret_protocol::ShortString;

use super::Access;
use crate::broker::auth::Permission;
use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;
use crate::node::definitions::blocking;
use crate::node::{ScheduledPage, Turn, WaitingIn};

impl Access {
    /// Messages that wait in an exchange or a queue, see [`crate::node::Node::scheduled`].
    ///
    /// # Errors
    /// 403 without the permission to read, 404 where there is no such thing, or nothing can wait in it.
    pub fn scheduled(
        &self,
        place: WaitingIn<'_>,
        after: Option<Turn>,
        most: usize,
    ) -> Result<ScheduledPage, ChannelError> {
        let resource = self.require_reading(place)?;
        let page = blocking(|| self.node.scheduled(&self.vhost.name, place, after, most));
        page.ok_or(ChannelError::NotFound(resource))
    }

    /// Ends messages that wait, see [`crate::node::Node::cancel_scheduled`].
    ///
    /// # Errors
    /// As `scheduled`.
    pub fn cancel_scheduled(
        &self,
        place: WaitingIn<'_>,
        message_id: &ShortString,
        all: bool,
    ) -> Result<usize, ChannelError> {
        let resource = self.require_reading(place)?;
        let count = blocking(|| self.node.cancel_scheduled(&self.vhost.name, place, message_id, all));
        count.ok_or(ChannelError::NotFound(resource))
    }

    fn require_reading(&self, place: WaitingIn<'_>) -> Result<Resource, ChannelError> {
        let resource = match place {
            WaitingIn::Exchange(name) => Resource::exchange(name, &self.vhost.name),
            WaitingIn::Queue(name) => Resource::queue(name, &self.vhost.name),
        };
        self.actor.require(Permission::Read, &resource)?;
        Ok(resource)
    }
}
