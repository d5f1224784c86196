//! What changes in a vhost, kept for whoever watches it until it is taken. While nobody watches nothing is kept.

use std::sync::Arc;

use leveret_protocol::ShortString;

use super::Vhost;
use crate::broker::auth::Actor;
use crate::broker::exchange::{Binding, Exchange};
use crate::broker::queue::QueueEntry;

/// Something that came into being or went.
#[derive(Clone, Debug)]
pub enum Change {
    /// A queue was declared.
    QueueCreated(Arc<QueueEntry>),
    /// A queue is gone.
    QueueDeleted(Arc<QueueEntry>),
    /// An exchange was declared; with the name of the user's policy that applies to it.
    ExchangeCreated(Arc<Exchange>, Option<ShortString>),
    /// An exchange is gone.
    ExchangeDeleted(Arc<Exchange>),
    /// A binding was made.
    Bound(Arc<Binding>),
    /// A binding is gone.
    Unbound(Arc<Binding>),
}

/// What is kept for who watches.
#[derive(Debug, Default)]
pub(super) struct Watch {
    on: bool,
    by: Option<ShortString>,
    changes: Vec<Change>,
}

impl Watch {
    pub(super) fn note(&mut self, change: impl FnOnce() -> Change) {
        if self.on {
            self.changes.push(change());
        }
    }

    /// Nothing of what was noted has happened.
    pub(super) fn forget(&mut self) {
        self.changes.clear();
    }
}

impl Vhost {
    /// From now on somebody watches, or nobody does; what changes next is nobody's doing yet.
    pub fn watch(&mut self, on: bool) {
        (self.watch.on, self.watch.by) = (on, None);
    }

    /// What changes next is somebody's doing.
    pub fn acts(&mut self, actor: &Actor) {
        if self.watch.on {
            self.watch.by = Some(actor.user.name.clone());
        }
    }

    /// What has changed since the last time, in order, and whose doing it was; nobody's: the broker's own.
    pub fn take_changes(&mut self) -> (Vec<Change>, Option<ShortString>) {
        (std::mem::take(&mut self.watch.changes), self.watch.by.take())
    }
}
