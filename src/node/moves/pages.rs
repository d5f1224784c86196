//! A queue's ready messages, page by page in their order, read from the disk where they are not in memory. Whoever calls
//! may wait for the disk.

use crate::broker::ids::SequenceNumber;
use crate::broker::message::{Message, MessageArena};
use crate::broker::queue::{Listed, Place, Run, Spot};
use crate::node::cell::QueueCell;
use crate::node::storage::{self, Payload};
use crate::store::{Extent, ReadProblem};

/// Messages that are listed under one lock.
const AT_ONCE: usize = 512;

/// Bytes of messages after which a page has no further ones: what is moved of it becomes one record of the log.
const PAGE_BYTES: usize = 4 << 20;

/// How often a run is looked for again that is copied to another file meanwhile.
const TRIES: usize = 3;

/// A message that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeked {
    /// Where it is.
    pub spot: Spot,
    /// Its number in its queue.
    pub sequence: SequenceNumber,
    /// Where it was read; `None`: it was in memory.
    pub place: Option<Place>,
    /// It was handed out before.
    pub redelivered: bool,
    /// The message.
    pub message: Message,
}

/// Messages behind a spot, a few hundred or a few megabytes or what is in one piece on disk, and where to go on. `None`: there are no more.
pub(in crate::node) fn next_page(cell: &QueueCell, after: Option<Spot>, most: usize) -> Option<(Vec<Peeked>, Spot)> {
    let mut tries = TRIES;
    'again: loop {
        let listed = cell.list(after, most.min(AT_ONCE));
        let mut last = listed.last()?.last();
        let (mut page, mut bytes) = (Vec::new(), 0);
        for listed in listed {
            let (end, before) = (listed.last(), page.len());
            match listed {
                Listed::Here { spot, sequence, redelivered, message } => {
                    page.push(Peeked { spot, sequence, place: None, redelivered, message });
                }
                Listed::Stored { run, from, redelivered } => {
                    if !read(cell, run, from, &redelivered, &mut page) && tries > 0 {
                        tries -= 1;
                        continue 'again;
                    }
                }
            }
            bytes += page.iter().skip(before).map(|peeked| peeked.message.cost()).sum::<usize>();
            if bytes >= PAGE_BYTES {
                last = end;
                break;
            }
        }
        return Some((page, last));
    }
}

/// Where to go on behind so many messages, without reading any. `None`: there are no more.
pub(in crate::node) fn skip(cell: &QueueCell, mut count: usize) -> Option<Option<Spot>> {
    let mut after = None;
    while count > 0 {
        let listed = cell.list(after, count.min(AT_ONCE));
        if listed.is_empty() {
            return None;
        }
        for listed in listed {
            if listed.len() > count {
                // In the middle of what is in one piece on disk.
                let Listed::Stored { from, .. } = listed else { return Some(after) };
                let number = from.0 + u64::try_from(count).unwrap_or(u64::MAX) - 1;
                return Some(Some(Spot { number, ..listed.last() }));
            }
            count -= listed.len();
            after = Some(listed.last());
        }
    }
    Some(after)
}

/// Reads a run from a number on. False: it is somewhere else by now.
fn read(cell: &QueueCell, run: Run, from: SequenceNumber, redelivered: &[(u64, u64)], page: &mut Vec<Peeked>) -> bool {
    let Some(store) = cell.storage() else { return true };
    let mut arena = MessageArena::default();
    let Extent { first, count, location } = storage::extent(run);
    let extent = Extent { first, count, location };
    let spot = Listed::Stored { run, from, redelivered: Vec::new() }.last();
    let done = store.log.read(storage::key(cell.entry.id), &extent, &mut |sequence, location, payload| {
        if sequence < from.0 {
            return;
        }
        if let (Some(place), Some(message)) = (storage::place(location), Payload::read(payload, &mut arena)) {
            page.push(Peeked {
                spot: Spot { number: sequence, ..spot },
                sequence: SequenceNumber(sequence),
                place: Some(place),
                redelivered: redelivered.iter().any(|(first, last)| (*first..=*last).contains(&sequence)),
                message,
            });
        }
    });
    !done.is_err_and(|error| matches!(error.problem, ReadProblem::Gone))
}
