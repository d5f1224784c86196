//! The ready messages of a queue, or of one of its priorities, in their order: those that came back, those in memory,
//! those that are paged out. Owns the rules for what is paged out and when it is loaded again.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU32;

use super::effect::Effect;
use super::input::Arrival;
use super::lazily::Lazily;
use super::paged::Paged;
use super::place::{Place, Run};
use super::ranges::Ranges;
use super::relocate::find_single;
use super::unacked::Held;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;

#[derive(Debug)]
pub(super) struct Ready {
    /// Messages that came back, by number or by the order of their return, and those that have waited. They go first; by
    /// number, the former are older than any in `loaded`, since the oldest is always handed out first (apart from reserved
    /// numbers that come late, for which there is no order).
    pub(super) returned: BTreeMap<SequenceNumber, Held>,
    pub(super) loaded: VecDeque<Held>,
    /// Behind all in `loaded`.
    pub(super) paged: Lazily<Paged>,
    /// What the messages in memory cost.
    pub(super) bytes: usize,
    /// Bytes of the bodies of all messages. Of those that a restart left on disk the length of the record counts until they
    /// are loaded.
    pub(super) body_bytes: u64,
    /// The first number of which that is not so.
    pub(super) weighed_from: SequenceNumber,
    /// From how many bytes on stored messages are paged out.
    limit: usize,
    /// basic.get found nothing in memory.
    wanted: bool,
    /// Paged messages that were handed out before a restart.
    pub(super) redelivered: Ranges,
    /// Where messages are served in the order in which they came back: how many have.
    pub(super) returns: Option<u64>,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            returned: BTreeMap::new(),
            loaded: VecDeque::new(),
            paged: Lazily::default(),
            bytes: 0,
            body_bytes: 0,
            weighed_from: SequenceNumber(0),
            limit: usize::MAX,
            wanted: false,
            redelivered: Ranges::default(),
            returns: None,
        }
    }
}

impl Ready {
    pub(super) fn recovered(runs: Vec<Run>, redelivered: Ranges) -> Self {
        let body_bytes = runs.iter().map(|run| u64::from(run.place.length)).sum();
        let weighed_from = runs.iter().map(Run::end).max().unwrap_or(SequenceNumber(0));
        Self { paged: Paged::new(runs).into(), redelivered, body_bytes, weighed_from, ..Self::default() }
    }

    /// What is on disk alone: runs, and which of them were handed out before.
    pub(super) fn into_runs(self) -> (Vec<Run>, Ranges) {
        debug_assert!(!self.is_loaded(), "what is in memory would be lost");
        (self.paged.runs().copied().collect(), self.redelivered)
    }

    /// All messages, in memory or not.
    pub(super) fn len(&self) -> usize {
        self.returned.len() + self.loaded.len() + self.paged.len()
    }

    /// Whether a message can be handed out at once.
    pub(super) fn is_loaded(&self) -> bool {
        !self.loaded.is_empty() || !self.returned.is_empty()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the bodies of all messages.
    pub(super) const fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The oldest message, if it is in memory.
    #[inline]
    pub(super) fn first(&self) -> Option<&Held> {
        self.returned.first_key_value().map(|(_, held)| held).or_else(|| self.loaded.front())
    }

    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    pub(super) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Whether the next message that has a place will be paged out.
    pub(super) fn is_paged(&self) -> bool {
        !self.paged.is_empty() || self.bytes >= self.limit
    }

    /// Whether there are messages that are not in memory.
    pub(super) fn has_paged(&self) -> bool {
        !self.paged.is_empty()
    }

    /// Takes a message that comes for the first time, to its place by number. Inline, so that it is moved once.
    #[inline(always)]
    pub(super) fn add(&mut self, sequence: SequenceNumber, arrival: Arrival) {
        self.body_bytes += arrival.message.body_length();
        if self.is_paged() {
            return self.add_paged(sequence, arrival);
        }
        let Arrival { message, place } = arrival;
        self.bytes += message.cost();
        self.load(Held { sequence, message, place, redelivered: false });
    }

    /// As `add`, when messages are to be paged out.
    #[cold]
    fn add_paged(&mut self, sequence: SequenceNumber, Arrival { message, place }: Arrival) {
        if let Some(place) = place
            && self.is_behind_memory(sequence)
        {
            return self.paged.insert(Run::single(sequence, place));
        }
        self.bytes += message.cost();
        let held = Held { sequence, message, place, redelivered: false };
        if self.paged.first().is_some_and(|first| first < sequence) {
            self.paged.strand(held);
        } else {
            self.load(held);
        }
    }

    /// Whether a message of that number comes after all that are in memory and may be paged out.
    fn is_behind_memory(&self, sequence: SequenceNumber) -> bool {
        match self.paged.first() {
            Some(first) => first < sequence,
            None => self.loaded.back().is_none_or(|last| last.sequence < sequence),
        }
    }

    /// Puts a message among those in memory; at their end, but for reserved numbers that come late.
    #[inline]
    fn load(&mut self, held: Held) {
        if self.loaded.back().is_none_or(|last| last.sequence < held.sequence) {
            self.loaded.push_back(held);
        } else {
            self.load_late(held);
        }
    }

    #[cold]
    fn load_late(&mut self, held: Held) {
        let at = self.loaded.partition_point(|other| other.sequence < held.sequence);
        self.loaded.insert(at, held);
    }

    /// Serves what comes back in the order of its return, not of its number.
    pub(super) const fn keep_order_of_return(&mut self) {
        self.returns = Some(0);
    }

    /// Takes a message back that was handed out.
    pub(super) fn give_back(&mut self, held: Held) {
        self.bytes += held.message.cost();
        self.body_bytes += held.message.body_length();
        let at = self.place_among_returned(held.sequence);
        self.returned.insert(at, Held { redelivered: true, ..held });
    }

    fn place_among_returned(&mut self, sequence: SequenceNumber) -> SequenceNumber {
        let Some(returns) = &mut self.returns else { return sequence };
        *returns += 1;
        SequenceNumber(*returns)
    }

    /// Takes a message that has waited, before those that have not. Where memory is full, what is stored does not stay there
    /// and comes in its place by number.
    pub(super) fn join(&mut self, held: Held) {
        self.body_bytes += held.message.body_length();
        if let Some(place) = held.place.filter(|_| self.is_paged()) {
            return self.paged.insert(Run::single(held.sequence, place));
        }
        self.bytes += held.message.cost();
        let at = self.place_among_returned(held.sequence);
        self.returned.insert(at, held);
    }

    /// Takes out all messages that are not in memory, where no others are there.
    pub(super) fn take_runs(&mut self) -> VecDeque<Run> {
        self.body_bytes = 0;
        self.paged.clear().0
    }

    /// Takes out the oldest message in memory.
    #[inline(always)]
    pub(super) fn take_first(&mut self) -> Option<Held> {
        if !self.returned.is_empty() {
            return self.take_returned();
        }
        // Counted before it is moved: to read it right after that would stall, see `Held`.
        let message = &self.loaded.front()?.message;
        let (cost, body_length) = (message.cost(), message.body_length());
        self.count_out(cost, body_length);
        self.loaded.pop_front()
    }

    #[cold]
    fn take_returned(&mut self) -> Option<Held> {
        let (_, held) = self.returned.pop_first()?;
        self.count_out(held.message.cost(), held.message.body_length());
        Some(held)
    }

    fn count_out(&mut self, cost: usize, body_length: u64) {
        self.bytes -= cost;
        self.body_bytes = self.body_bytes.saturating_sub(body_length);
    }

    /// Nothing is in memory: whether there is something to wait for, which is loaded then.
    pub(super) fn want(&mut self) -> bool {
        self.wanted = !self.paged.is_empty();
        self.wanted
    }

    /// What to load now: below half of the limit, when somebody is to take it or it has to be looked at.
    pub(super) fn next_load(&mut self, demand: bool) -> Option<Run> {
        if self.paged.is_empty() {
            return None;
        }
        let room = !self.is_loaded() || self.bytes < self.limit / 2;
        (room && (demand || self.wanted)).then(|| self.paged.start_load())?
    }

    /// Takes what has been loaded, unless it is not what comes next any more. `keep` gives back what is to stay ready.
    pub(super) fn loaded(
        &mut self,
        run: Run,
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        effects: &mut Vec<Effect>,
        keep: &mut impl FnMut(Held) -> Option<Held>,
    ) {
        if !self.paged.finish_load(run) {
            messages.clear();
            return;
        }
        self.wanted = false;
        let mut next = run.first;
        for (sequence, place, message) in messages.drain(..) {
            if sequence < next || sequence >= run.end() {
                debug_assert!(false, "{sequence:?} is not what was asked for");
                continue;
            }
            effects.extend(lost(run, next, sequence));
            next = SequenceNumber(sequence.0 + 1);
            let body = message.body_length();
            if sequence < self.weighed_from {
                let record = self.body_bytes.saturating_sub(u64::from(place.length));
                self.body_bytes = record.saturating_add(body);
            }
            let redelivered = self.redelivered.contains(sequence);
            match keep(Held { sequence, message, place: Some(place), redelivered }) {
                Some(held) => {
                    self.bytes += held.message.cost();
                    self.load(held);
                }
                None => self.body_bytes = self.body_bytes.saturating_sub(body),
            }
        }
        effects.extend(lost(run, next, run.end()));
        self.unstrand();
    }

    pub(super) fn unstrand(&mut self) {
        while let Some(held) = self.paged.pop_stranded() {
            self.load(held);
        }
        if self.paged.is_empty() {
            self.redelivered = Ranges::default();
        }
    }

    /// Removes everything and tells of what was stored; returns how many messages that were.
    pub(super) fn purge(&mut self, effects: &mut Vec<Effect>) -> usize {
        let count = self.len();
        effects.extend(self.returned.values().chain(&self.loaded).filter_map(Held::gone));
        self.returned.clear();
        self.loaded.clear();
        let (runs, stranded) = self.paged.clear();
        effects.extend(runs.into_iter().map(Effect::GoneRun));
        effects.extend(stranded.values().filter_map(Held::gone));
        (self.bytes, self.body_bytes, self.wanted, self.redelivered) = (0, 0, false, Ranges::default());
        count
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.paged.runs()
    }

    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Held> {
        self.returned.values().chain(&self.loaded).chain(self.paged.stranded())
    }

    /// Gives messages new places; tells how many.
    pub(super) fn relocate(&mut self, from: NonZeroU32, runs: &[Run], singles: &[(SequenceNumber, Place)]) -> usize {
        let moved = self.paged.relocate(from, runs, singles);
        let in_memory = self.returned.values_mut().chain(&mut self.loaded).chain(self.paged.stranded_mut());
        moved + relocate_held(in_memory, from, singles)
    }

    /// Which messages were handed out before.
    pub(super) fn delivered(&self) -> Ranges {
        let in_memory = self.in_memory().filter(|held| held.redelivered).map(|held| (held.sequence.0, held.sequence.0));
        in_memory.chain(self.runs().flat_map(|run| self.redelivered.within(*run))).collect()
    }
}

/// Gives messages in memory new places; tells how many.
pub(super) fn relocate_held<'a>(
    in_memory: impl Iterator<Item = &'a mut Held>,
    from: NonZeroU32,
    singles: &[(SequenceNumber, Place)],
) -> usize {
    if singles.is_empty() {
        return 0;
    }
    let mut moved = 0;
    for held in in_memory {
        if held.place.is_some_and(|place| place.file == from)
            && let Some(place) = find_single(singles, held.sequence)
        {
            held.place = Some(place);
            moved += 1;
        }
    }
    moved
}

/// The part of a run that could not be read.
pub(super) fn lost(run: Run, from: SequenceNumber, to: SequenceNumber) -> Option<Effect> {
    let count = u32::try_from(to.0.checked_sub(from.0)?).ok()?;
    (count > 0).then_some(Effect::Lost(Run { first: from, count, place: run.place }))
}
