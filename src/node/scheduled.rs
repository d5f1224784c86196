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
