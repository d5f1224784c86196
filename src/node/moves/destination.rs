//! Where messages go that are moved.

use std::sync::Arc;

use leveret_protocol::ShortString;

use crate::broker::auth::{Actor, Permission};
use crate::broker::dead_letter::{Home, WhichDeath, home};
use crate::broker::message::Message;
use crate::broker::queue::Arrival;
use crate::broker::time::Timestamp;
use crate::node::cell::QueueCell;
use crate::node::memories::{Acquaintance, Admission, Way};
use crate::node::vhost::RunningVhost;

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere: they are gone.
    Nowhere,
    /// To a queue, as they are.
    Queue(ShortString),
    /// Through an exchange, with this routing key or their own.
    Exchange(ShortString, Option<ShortString>),
    /// Back to the queue in which they died, as they were published to it.
    Home(WhichDeath),
}

/// A message with the queues it goes to; none for nowhere.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) arrival: Arrival,
    pub(super) targets: Vec<Arc<QueueCell>>,
    /// Exchanges that remember it for having let it pass.
    pub(super) admitted: Vec<Admission>,
}

impl Addressed {
    /// A message that is to be gone.
    pub(super) fn nowhere(message: &Message) -> Self {
        Self::new(message.clone(), Vec::new())
    }

    fn new(message: Message, targets: Vec<Arc<QueueCell>>) -> Self {
        Self { arrival: message.into(), targets, admitted: Vec::new() }
    }
}

impl Destination {
    /// A message as it goes there on somebody's behalf. `None`: there is no way.
    pub(super) fn address(
        &self,
        now: Timestamp,
        (vhost, actor): (&RunningVhost, &Actor),
        message: &Message,
    ) -> Option<Addressed> {
        let own = |octets: &[u8]| ShortString::new(octets).unwrap_or_default();
        match self {
            Self::Nowhere => Some(Addressed::nowhere(message)),
            Self::Queue(queue) => {
                let names = (own(message.exchange()), own(message.routing_key()));
                to_queue(vhost, actor, queue, message.readdressed(&names.0, &names.1, now)?)
            }
            Self::Home(which) => {
                let Home { queue, exchange, routing_key } = home(message, *which)?;
                to_queue(vhost, actor, &queue, message.readdressed(&exchange, &routing_key, now)?)
            }
            Self::Exchange(exchange, routing_key) => {
                let routing_key = routing_key.clone().unwrap_or_else(|| own(message.routing_key()));
                route(now, vhost, &message.readdressed(exchange, &routing_key, now)?)
            }
        }
    }
}

fn to_queue(vhost: &RunningVhost, actor: &Actor, queue: &ShortString, message: Message) -> Option<Addressed> {
    let entry = vhost.topology().access_queue(actor, queue, Permission::Write).ok()?.id;
    Some(Addressed::new(message, vec![vhost.cell(entry)?]))
}

fn route(now: Timestamp, vhost: &RunningVhost, message: &Message) -> Option<Addressed> {
    let Way { route, known: Acquaintance { admitted, .. } } = vhost.way_of(now, message);
    let targets = vhost.cells_of(&route).into_vec();
    if targets.is_empty() {
        vhost.memories.forget(&admitted);
        return None;
    }
    Some(Addressed { admitted, ..Addressed::new(message.clone(), targets) })
}
