//! Messages that wait for their time, for those who administer the broker: lists of them, page by page, and an end to
//! single ones. Owns no messages; reads those that are not in memory from the log, so that whoever calls may wait for the
//! disk.

use leveret_protocol::{HeaderView, ShortString};
use std::sync::Arc;

use super::Node;
use super::cell::QueueCell;
use super::storage::{self, Payload};
use crate::broker::ids::SequenceNumber;
use crate::broker::message::{Message, MessageArena};
use crate::broker::queue::{Input, Scheduled};
use crate::broker::time::Timestamp;
use crate::store::{Extent, ReadProblem};

/// Messages that are read at a time where all are looked at.
const PAGE: usize = 1000;

/// Where messages wait.
#[derive(Clone, Copy, Debug)]
pub enum WaitingIn<'a> {
    /// In an exchange that delays.
    Exchange(&'a ShortString),
    /// In a queue, held or to be tried again.
    Queue(&'a ShortString),
}

/// A message's turn among those that wait: where the next page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(Timestamp, SequenceNumber);

impl Turn {
    /// When it is, in Unix milliseconds, and the message's number.
    #[must_use]
    pub const fn parts(self) -> (u64, u64) {
        (self.0.as_millis(), self.1.0)
    }

    /// The turn that has these parts.
    #[must_use]
    pub const fn from_parts(due: u64, sequence: u64) -> Self {
        Self(Timestamp::from_millis(due), SequenceNumber(sequence))
    }
}

/// A message that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledMessage {
    /// Its turn.
    pub turn: Turn,
    /// When it is due.
    pub due: Timestamp,
    /// Its property message-id, where it has one.
    pub message_id: Option<ShortString>,
    /// The exchange it was published to.
    pub exchange: ShortString,
    /// The routing key it was published with.
    pub routing_key: ShortString,
    /// Bytes of its body.
    pub bytes: u64,
}

/// Some of the messages that wait.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScheduledPage {
    /// Those that are due first, in order.
    pub messages: Vec<ScheduledMessage>,
    /// All that wait.
    pub total: usize,
    /// How many of them a restart found that have not been looked at yet, so that no page has them.
    pub unread: usize,
}

impl Node {
    /// Messages that wait, those due first in front, behind a turn. `None`: there is no such vhost, or nothing of that
    /// name in which messages wait.
    #[must_use]
    pub fn scheduled(
        &self,
        vhost: &ShortString,
        place: WaitingIn<'_>,
        after: Option<Turn>,
        most: usize,
    ) -> Option<ScheduledPage> {
        let cell = self.waiting_in(vhost, place)?;
        let messages = read_page(&cell, after, most).into_iter().map(|(turn, message)| described(turn, &message));
        let (total, unread) = cell.waiting_counts();
        Some(ScheduledPage { messages: messages.collect(), total, unread })
    }

    /// Ends messages that wait: those with a message-id, all of them or the one that is due first; how many. `None` as for
    /// `scheduled`. Looks at all that wait, which may take seconds where they are millions.
    #[must_use]
    pub fn cancel_scheduled(
        &self,
        vhost: &ShortString,
        place: WaitingIn<'_>,
        message_id: &ShortString,
        all: bool,
    ) -> Option<usize> {
        let cell = self.waiting_in(vhost, place)?;
        let (mut count, mut after) = (0, None);
        loop {
            let page = read_page(&cell, after, PAGE);
            let Some((last, _)) = page.last() else { return Some(count) };
            after = Some(*last);
            let meant = page.iter().filter(|(_, message)| message_id_of(message).as_ref() == Some(message_id));
            let turns: Vec<_> = meant.map(|(Turn(due, sequence), _)| (*due, *sequence)).collect();
            for turns in if all { turns.chunks(PAGE) } else { turns.chunks(1) } {
                let done = cell.run(self.clock.now(), Input::Cancel(turns));
                count += done.map_or(0, |outcome| outcome.removed);
                if !all && count > 0 {
                    return Some(count);
                }
            }
        }
    }

    fn waiting_in(&self, vhost: &ShortString, place: WaitingIn<'_>) -> Option<Arc<QueueCell>> {
        let vhost = self.vhost(vhost)?;
        let topology = vhost.topology();
        let queue = match place {
            WaitingIn::Exchange(name) => topology.exchange(name.as_bytes())?.delay_queue.as_ref()?.id,
            WaitingIn::Queue(name) => topology.queue(name.as_bytes())?.id,
        };
        vhost.cell(queue)
    }
}

/// Messages behind a turn. Those that leave or move while they are read are left out, but for the last one.
fn read_page(cell: &QueueCell, after: Option<Turn>, most: usize) -> Vec<(Turn, Message)> {
    let mut arena = MessageArena::default();
    let mut after = after.map(|Turn(due, sequence)| (due, sequence));
    loop {
        let listed = cell.scheduled(after, most);
        let Some(last) = listed.last() else { return Vec::new() };
        after = Some((last.due, last.sequence));
        let found: Vec<_> = listed
            .into_iter()
            .filter_map(|scheduled| {
                let turn = Turn(scheduled.due, scheduled.sequence);
                Some((turn, read(cell, scheduled, &mut arena)?))
            })
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
}

fn read(cell: &QueueCell, scheduled: Scheduled, arena: &mut MessageArena) -> Option<Message> {
    let Scheduled { sequence, place, message, .. } = scheduled;
    if message.is_some() {
        return message;
    }
    let (mut place, storage) = (place?, cell.storage()?);
    let key = storage::key(cell.entry.id);
    // It may be copied to another file while it is looked for.
    for _ in 0..3 {
        let extent = Extent { first: sequence.0, count: 1, location: storage::location(place) };
        let mut found = None;
        let read = storage.log.read(key, &extent, &mut |_, _, payload| found = Payload::read(payload, arena));
        match read {
            Err(error) if matches!(error.problem, ReadProblem::Gone) => {
                place = cell.scheduled_place(scheduled.due, sequence)?;
            }
            Ok(()) | Err(_) => return found,
        }
    }
    None
}

fn described(turn: Turn, message: &Message) -> ScheduledMessage {
    let name = |octets: &[u8]| ShortString::new(octets).unwrap_or_default();
    ScheduledMessage {
        turn,
        due: turn.0,
        message_id: message_id_of(message),
        exchange: name(message.exchange()),
        routing_key: name(message.routing_key()),
        bytes: message.body_length(),
    }
}

fn message_id_of(message: &Message) -> Option<ShortString> {
    HeaderView::parse(message.header()).ok()?.properties().ok()?.message_id
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use leveret_protocol::{FieldTable, FieldValue, Properties};

    use super::*;
    use crate::broker::auth::{Actor, Permissions, User};
    use crate::broker::ids::ConnectionId;
    use crate::broker::message::Traits;
    use crate::broker::vhost::ExchangeDeclaration;
    use crate::config::Config;
    use crate::node::open::Sizes;
    use crate::store::disk::Disk;
    use crate::store::disk::faulty::FaultyDisk;

    const MESSAGES: u64 = 1500;
    const BODY: usize = 8192;

    fn name(text: &str) -> ShortString {
        ShortString::new(text).unwrap()
    }

    /// A node with an exchange that keeps messages for an hour and longer: more than it keeps in memory, every id twice.
    fn node() -> Node {
        let disk: Arc<dyn Disk> = Arc::new(FaultyDisk::new());
        let node = Node::open_on(&Config::default(), &disk, Sizes::default()).unwrap();
        let actor = Actor {
            connection: ConnectionId(1),
            user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
            permissions: Arc::new(Permissions::parse(".*", ".*", ".*").unwrap()),
        };
        let wanted = ExchangeDeclaration {
            name: name("later"),
            kind: name("x-delayed-message"),
            passive: false,
            durable: true,
            auto_delete: false,
            internal: false,
            arguments: std::iter::once((name("x-delayed-type"), FieldValue::text("fanout"))).collect(),
        };
        let (now, vhost) = (node.clock.now(), node.vhost(&name("/")).unwrap());
        vhost.change(now, |vhost, effects| vhost.declare_exchange(&actor, wanted, effects)).unwrap();
        let cell = node.waiting_in(&name("/"), WaitingIn::Exchange(&name("later"))).unwrap();
        for number in 0..MESSAGES {
            let message = message(number, now);
            cell.publish(now, &mut vec![message.into()]).unwrap();
        }
        node
    }

    /// The later it is published the sooner it is due.
    fn message(number: u64, now: Timestamp) -> Message {
        let delay = i64::try_from(3_600_000 + MESSAGES - number).unwrap();
        let headers: FieldTable = std::iter::once((name("x-delay"), FieldValue::I64(delay))).collect();
        let message_id = Some(name(&format!("id-{}", number % (MESSAGES / 2))));
        let mut header = BytesMut::from(&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..]);
        Properties { headers: Some(headers), message_id, ..Properties::default() }.encode(&mut header);
        let traits = Traits::HEADERS.with(Traits::PERSISTENT);
        MessageArena::default().store(b"\x05later\x03key", &header, &[0; BODY], traits, now).unwrap()
    }

    fn all(node: &Node) -> Vec<ScheduledMessage> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = node.scheduled(&name("/"), WaitingIn::Exchange(&name("later")), after, 400).unwrap();
            let Some(last) = page.messages.last() else { return all };
            after = Some(last.turn);
            all.extend(page.messages);
        }
    }

    #[test]
    fn those_that_wait_are_listed_by_time_and_ended_by_message_id() {
        let node = node();
        let listed = all(&node);
        assert_eq!(listed.len(), usize::try_from(MESSAGES).unwrap());
        assert!(listed.is_sorted_by_key(|message| message.due));
        let last = format!("id-{}", MESSAGES / 2 - 1);
        let first = &listed[0];
        assert_eq!(first.message_id, Some(name(&last)));
        assert_eq!((&first.exchange, &first.routing_key, first.bytes), (&name("later"), &name("key"), 8192));
        let (vhost, exchange) = (name("/"), name("later"));
        let place = WaitingIn::Exchange(&exchange);
        assert_eq!(node.cancel_scheduled(&vhost, place, &name(&last), false), Some(1), "the first");
        assert_eq!(all(&node).first().and_then(|message| message.message_id.clone()), Some(name("id-748")));
        assert_eq!(node.cancel_scheduled(&vhost, place, &name(&last), true), Some(1), "the other");
        assert_eq!(node.cancel_scheduled(&vhost, place, &name("id-7"), true), Some(2));
        assert_eq!(node.cancel_scheduled(&vhost, place, &name("id-7"), true), Some(0));
        let page = node.scheduled(&vhost, place, None, 1).unwrap();
        assert_eq!((page.messages.len(), page.total, page.unread), (1, 1496, 0));
        node.close(false);
    }

    #[test]
    fn nothing_waits_where_nothing_can() {
        let node = Node::new(&Config::default()).unwrap();
        let (vhost, direct) = (name("/"), name("amq.direct"));
        assert_eq!(node.scheduled(&vhost, WaitingIn::Exchange(&direct), None, 1), None);
        assert_eq!(node.scheduled(&vhost, WaitingIn::Queue(&direct), None, 1), None);
        assert_eq!(node.scheduled(&direct, WaitingIn::Queue(&direct), None, 1), None);
    }
}
