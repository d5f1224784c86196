//! Messages of a queue that are not ready before a time. Those due first are in memory as far as there is room, of the
//! others only the places are; what is due soon is fetched ahead. Owns the order, by time and then by number; who waits
//! and what becomes of those that are due is the queue's.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;
use std::time::Duration;

use super::effect::Effect;
use super::place::{Place, Run};
use super::places::{Places, Turn};
use super::ready::lost;
use super::relocate::relocate_runs;
use super::unacked::Held;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::{ENTRY_COST, Message};
use crate::broker::time::Timestamp;

/// How long before its time a message is fetched: longer than a disk under load takes.
const AHEAD: Duration = Duration::from_secs(10);

/// The most bytes that are fetched at once (one large record apart).
const FETCH_BYTES: u64 = 1 << 20;

/// The most records, or runs of them, that are fetched at once.
const FETCH_RUNS: usize = 1024;

/// What has been asked for and not been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetching {
    /// Runs of which nobody knows yet when their messages are due.
    Unread,
    /// Messages that are due soon.
    Due,
}

/// How a message waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) due: Timestamp,
    /// It was handed out before.
    pub(super) redelivered: bool,
}

#[derive(Debug)]
pub(super) struct Waiting {
    /// Those without a place, wherever they stand.
    unstored: BTreeMap<Turn, Held>,
    /// Those that have a place and are in memory, too. None is due after any in `stored`.
    loaded: BTreeMap<Turn, Held>,
    /// All others: 28 bytes each, besides the tree.
    stored: Places,
    /// What a restart found, until it has been looked at.
    unread: VecDeque<Run>,
    unread_count: usize,
    unstored_bytes: usize,
    loaded_bytes: usize,
    /// The most bytes in `loaded`.
    limit: usize,
    fetching: Option<Fetching>,
}

impl Waiting {
    /// An empty room for so many bytes of messages that are stored as well.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            unstored: BTreeMap::new(),
            loaded: BTreeMap::new(),
            stored: Places::default(),
            unread: VecDeque::new(),
            unread_count: 0,
            unstored_bytes: 0,
            loaded_bytes: 0,
            limit,
            fetching: None,
        }
    }

    /// What a restart found: all of it waits, nobody knows until when.
    pub(super) fn recovered(limit: usize, runs: VecDeque<Run>) -> Self {
        let unread_count = runs.iter().map(Run::len).sum();
        Self { unread: runs, unread_count, ..Self::new(limit) }
    }

    pub(super) fn len(&self) -> usize {
        self.unstored.len() + self.loaded.len() + self.stored.len() + self.unread_count
    }

    /// How many messages nobody has looked at.
    pub(super) const fn unread_count(&self) -> usize {
        self.unread_count
    }

    /// Where a message is that is not in memory.
    pub(super) fn place(&self, turn: Turn) -> Option<Place> {
        self.stored.get(turn)
    }

    /// Bytes of memory that messages cost.
    pub(super) const fn bytes(&self) -> usize {
        self.unstored_bytes + self.loaded_bytes
    }

    pub(super) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether it is known of all when they are due.
    pub(super) fn is_read(&self) -> bool {
        self.unread.is_empty()
    }

    /// Takes a message in.
    pub(super) fn add(&mut self, due: Timestamp, held: Held) {
        let turn = (due, held.sequence);
        let cost = held.message.cost();
        let Some(place) = held.place else {
            self.unstored_bytes += cost;
            self.unstored.insert(turn, detached(held));
            return;
        };
        let is_full = self.loaded_bytes + cost > self.limit;
        let behind = |last: Option<&Turn>| last.is_none_or(|last| *last < turn);
        let behind_stored = self.stored.first().is_some_and(|(first, _)| first < turn);
        if behind_stored || (is_full && behind(self.loaded.last_key_value().map(|(last, _)| last))) {
            self.stored.insert(turn, place);
            return;
        }
        self.load(turn, detached(held));
        while self.loaded_bytes > self.limit
            && let Some((turn, held)) = self.loaded.pop_last()
        {
            self.loaded_bytes -= held.message.cost();
            if let Some(place) = held.place {
                self.stored.insert(turn, place);
            }
        }
    }

    fn load(&mut self, turn: Turn, held: Held) {
        self.loaded_bytes += held.message.cost();
        self.loaded.insert(turn, held);
    }

    /// Takes out the first message whose time has come, if it is in memory.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<Held> {
        let unstored = self.unstored.first_key_value().map(|(turn, _)| *turn);
        let loaded = self.loaded.first_key_value().map(|(turn, _)| *turn);
        let (due, _) = unstored.into_iter().chain(loaded).min()?;
        if due > now {
            return None;
        }
        if unstored.is_some_and(|unstored| loaded.is_none_or(|loaded| unstored < loaded)) {
            let (_, held) = self.unstored.pop_first()?;
            self.unstored_bytes -= held.message.cost();
            return Some(held);
        }
        let (_, held) = self.loaded.pop_first()?;
        self.loaded_bytes -= held.message.cost();
        Some(held)
    }

    /// When there is something to do: a message is due, or is to be fetched.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let unstored = self.unstored.first_key_value().map(|((due, _), _)| *due);
        let loaded = self.loaded.first_key_value().map(|((due, _), _)| *due);
        let stored = self.stored.first().filter(|_| self.may_fetch()).map(|((due, _), _)| due.before(AHEAD));
        unstored.into_iter().chain(loaded).chain(stored).min()
    }

    fn may_fetch(&self) -> bool {
        self.fetching.is_none() && self.is_read() && self.has_room()
    }

    /// Whether the next one has room, and it is worth while to ask for more.
    fn has_room(&self) -> bool {
        if self.loaded.is_empty() {
            return true;
        }
        let next = self.stored.first().map_or(0, |(_, place)| weight(place));
        let weight = usize::try_from(next).unwrap_or(usize::MAX);
        self.loaded_bytes < self.limit / 2 && self.loaded_bytes.saturating_add(weight) <= self.limit
    }

    /// What to read now: what nobody has looked at, then what is due soon. Answered with `fetched`.
    pub(super) fn next_fetch(&mut self, now: Timestamp) -> Option<Vec<Run>> {
        if self.fetching.is_some() {
            return None;
        }
        if !self.unread.is_empty() {
            self.fetching = Some(Fetching::Unread);
            return Some(bounded(self.unread.iter().copied(), FETCH_BYTES));
        }
        if !self.has_room() {
            return None;
        }
        let horizon = now.after(AHEAD);
        let soon = self.stored.iter().take_while(|((due, _), _)| *due <= horizon);
        let room = u64::try_from(self.limit.saturating_sub(self.loaded_bytes)).unwrap_or(u64::MAX);
        let runs = bounded(soon.map(|((_, sequence), place)| Run::single(sequence, place)), room.min(FETCH_BYTES));
        if runs.is_empty() {
            return None;
        }
        self.fetching = Some(Fetching::Due);
        Some(runs)
    }

    /// Takes what was read of `runs`. What is not among those that were asked for, or has moved meanwhile, is asked for
    /// anew; what is missing in them is lost.
    pub(super) fn fetched(
        &mut self,
        runs: &[Run],
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        wait: impl Fn(&Message) -> Wait,
        effects: &mut Vec<Effect>,
    ) {
        match self.fetching.take() {
            Some(Fetching::Unread) => self.look_at(runs, messages, wait, effects),
            Some(Fetching::Due) => self.take_up(runs, messages, wait, effects),
            None => {}
        }
        messages.clear();
    }

    fn look_at(
        &mut self,
        runs: &[Run],
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        wait: impl Fn(&Message) -> Wait,
        effects: &mut Vec<Effect>,
    ) {
        let mut messages = messages.drain(..).peekable();
        for run in runs {
            if self.unread.front() != Some(run) {
                break;
            }
            self.unread.pop_front();
            self.unread_count -= run.len();
            let mut next = run.first;
            while let Some((sequence, place, message)) = messages.next_if(|(sequence, ..)| *sequence < run.end()) {
                effects.extend(lost(*run, next, sequence));
                next = SequenceNumber(sequence.0 + 1);
                let Wait { due, redelivered } = wait(&message);
                self.add(due, Held { sequence, message, place: Some(place), redelivered });
            }
            effects.extend(lost(*run, next, run.end()));
        }
    }

    /// Only as long as they are the first of those that are stored: so none in memory is due after any that is not. Runs and
    /// messages are in the order of times.
    fn take_up(
        &mut self,
        runs: &[Run],
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        wait: impl Fn(&Message) -> Wait,
        effects: &mut Vec<Effect>,
    ) {
        let mut messages = messages.drain(..).peekable();
        for run in runs {
            let message = messages.next_if(|(sequence, ..)| *sequence == run.first).map(|(_, _, message)| message);
            let Some((turn, place)) = self.stored.first().filter(|(turn, _)| turn.1 == run.first) else { continue };
            let Some(message) = message else {
                self.stored.remove(turn);
                effects.push(Effect::Lost(Run::single(turn.1, place)));
                continue;
            };
            // Others may have come meanwhile that are due before.
            if !self.loaded.is_empty() && self.loaded_bytes + message.cost() > self.limit {
                break;
            }
            self.stored.remove(turn);
            let Wait { redelivered, .. } = wait(&message);
            self.load(turn, Held { sequence: turn.1, message, place: Some(place), redelivered });
        }
    }

    /// Removes everything and tells of what was stored; returns how many messages that were.
    pub(super) fn clear(&mut self, effects: &mut Vec<Effect>) -> usize {
        let count = self.len();
        let loaded = std::mem::take(&mut self.loaded);
        let loaded = loaded.into_values().filter_map(|held| held.place.map(|place| Run::single(held.sequence, place)));
        let stored = std::mem::take(&mut self.stored);
        let stored = stored.iter().map(|((_, sequence), place)| Run::single(sequence, place));
        let mut singles: Vec<_> = loaded.chain(stored).collect();
        singles.sort_unstable();
        effects.extend(joined(singles).chain(std::mem::take(&mut self.unread)).map(Effect::GoneRun));
        self.unstored.clear();
        (self.unread_count, self.unstored_bytes, self.loaded_bytes) = (0, 0, 0);
        count
    }

    /// Removes one that waits; tells what is to be told of it.
    pub(super) fn remove(&mut self, turn: Turn) -> Option<Option<Effect>> {
        if let Some(held) = self.unstored.remove(&turn) {
            self.unstored_bytes -= held.message.cost();
            return Some(None);
        }
        if let Some(held) = self.loaded.remove(&turn) {
            self.loaded_bytes -= held.message.cost();
            return Some(held.gone());
        }
        let place = self.stored.remove(turn)?;
        Some(Some(Effect::Gone { sequence: turn.1, place }))
    }

    /// Those behind a turn, in order: the message where it is in memory, else its place.
    pub(super) fn after(&self, turn: Option<Turn>, most: usize) -> Vec<(Turn, Result<&Message, Place>)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let behind = (turn.map_or(Unbounded, Excluded), Unbounded);
        let in_memory = self.unstored.range(behind).take(most).chain(self.loaded.range(behind).take(most));
        let in_memory = in_memory.map(|(turn, held)| (*turn, Ok(&held.message)));
        let stored = self.stored.after(turn).take(most).map(|(turn, place)| (turn, Err(place)));
        let mut found: Vec<_> = in_memory.chain(stored).collect();
        found.sort_unstable_by_key(|(turn, _)| *turn);
        found.truncate(most);
        found
    }

    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Held> {
        self.unstored.values().chain(self.loaded.values())
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.unread.iter()
    }

    /// Those of which only the places are in memory.
    pub(super) const fn places(&self) -> &Places {
        &self.stored
    }

    /// Gives messages new places; tells how many.
    pub(super) fn relocate(&mut self, from: NonZeroU32, runs: &[Run], singles: &[(SequenceNumber, Place)]) -> usize {
        let mut moved = 0;
        if self.unread.iter().any(|run| run.place.file == from) {
            (self.unread, moved) = relocate_runs(std::mem::take(&mut self.unread), from, runs, singles);
        }
        moved += self.stored.relocate(from, singles);
        moved + super::ready::relocate_held(self.loaded.values_mut(), from, singles)
    }
}

/// The first runs that together are no more than so many bytes, but one at least.
fn bounded(runs: impl Iterator<Item = Run>, most: u64) -> Vec<Run> {
    let mut bytes = 0;
    let fits = |run: &Run| {
        let first = bytes == 0;
        bytes += weight(run.place);
        first || bytes <= most
    };
    runs.take(FETCH_RUNS).take_while(fits).collect()
}

/// Messages wait for long and leave in another order than they came in.
fn detached(held: Held) -> Held {
    Held { message: held.message.detached(), ..held }
}

/// What a record costs in memory at most.
fn weight(place: Place) -> u64 {
    u64::from(place.length).saturating_add(u64::try_from(ENTRY_COST).unwrap_or(u64::MAX))
}

/// Neighbours as one run.
fn joined(singles: Vec<Run>) -> impl Iterator<Item = Run> {
    let mut singles = singles.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut run = singles.next()?;
        while let Some(longer) = singles.peek().and_then(|next| run.joined(next)) {
            singles.next();
            run = longer;
        }
        Some(run)
    })
}
