//! The ready messages of a queue: in one lane, or in one for each priority, of which the highest that has messages is
//! served until it is empty, or in one with groups. What a message's lane is says its number.

mod by_priority;
mod lane_set;

use std::collections::VecDeque;
use std::num::NonZeroU32;

use leveret_protocol::ShortString;

use self::by_priority::ByPriority;
use super::browse::Pick;
use super::effect::Effect;
use super::groups::Grouped;
use super::input::Arrival;
use super::place::{Place, Run};
use super::ranges::{Ranges, SequenceRange};
use super::ready::Ready;
use super::unacked::Held;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;

/// Ready messages. A queue without priorities, as nearly every one is, has nothing but its one lane, in place, which is reached
/// without a detour.
#[derive(Debug)]
pub(super) enum Lanes {
    One(Ready),
    Many(Box<ByPriority>),
    Grouped(Box<Grouped>),
}

impl Default for Lanes {
    fn default() -> Self {
        Self::One(Ready::default())
    }
}

impl Lanes {
    /// What a restart left on disk; in one lane, until the queue's priorities are known.
    pub(super) fn recovered(runs: Vec<Run>, redelivered: Ranges) -> Self {
        Self::One(Ready::recovered(runs, redelivered))
    }

    /// Makes a lane for each priority, for a queue with nothing in memory.
    pub(super) fn divided(self, highest: u8) -> Self {
        let Self::One(ready) = self else { return self };
        let (runs, redelivered) = ready.into_runs();
        let mut by_priority = ByPriority::new(highest);
        for runs in runs.chunk_by(|one, next| one.first.lane() == next.first.lane()) {
            by_priority.recover(runs, &redelivered);
        }
        Self::Many(Box::new(by_priority))
    }

    /// Tells groups apart by a header, in one lane with nothing in memory.
    pub(super) fn grouped(self, header: ShortString) -> Self {
        let Self::One(ready) = self else { return self };
        Self::Grouped(Box::new(Grouped::new(ready, header)))
    }

    pub(super) const fn is_grouped(&self) -> bool {
        matches!(self, Self::Grouped(_))
    }

    /// A message is not in anybody's hands any more.
    #[inline]
    pub(super) fn let_go(&mut self, held: &Held) {
        if let Self::Grouped(grouped) = self {
            grouped.let_go(held);
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(ready) => ready.len(),
            Self::Many(lanes) => lanes.total.messages,
            Self::Grouped(grouped) => grouped.len(),
        }
    }

    /// Whether the next message can be handed out at once.
    #[inline]
    pub(super) fn is_loaded(&self) -> bool {
        match self {
            Self::One(ready) => ready.is_loaded(),
            Self::Many(lanes) => lanes.head().is_some_and(Ready::is_loaded),
            Self::Grouped(grouped) => grouped.is_loaded(),
        }
    }

    pub(super) const fn bytes(&self) -> usize {
        match self {
            Self::One(ready) => ready.bytes(),
            Self::Many(lanes) => lanes.total.bytes,
            Self::Grouped(grouped) => grouped.bytes(),
        }
    }

    pub(super) const fn body_bytes(&self) -> u64 {
        match self {
            Self::One(ready) => ready.body_bytes(),
            Self::Many(lanes) => lanes.total.body_bytes,
            Self::Grouped(grouped) => grouped.body_bytes(),
        }
    }

    /// The next message, if it is in memory.
    #[inline]
    pub(super) fn first(&self) -> Option<&Held> {
        match self {
            Self::One(ready) => ready.first(),
            Self::Many(lanes) => lanes.head()?.first(),
            Self::Grouped(grouped) => grouped.first(),
        }
    }

    pub(super) const fn set_limit(&mut self, limit: usize) {
        match self {
            Self::One(ready) => ready.set_limit(limit),
            Self::Many(lanes) => lanes.limit = limit,
            Self::Grouped(grouped) => grouped.set_limit(limit),
        }
    }

    /// Whether a message that comes next and has a place may be paged out.
    pub(super) fn is_paged(&self) -> bool {
        match self {
            Self::One(ready) => ready.is_paged(),
            Self::Many(lanes) => lanes.paged.first().is_some() || lanes.total.bytes >= lanes.limit,
            Self::Grouped(grouped) => grouped.ready.is_paged(),
        }
    }

    /// Takes a message that comes for the first time, to its place by number. Inline, so that it is moved once.
    #[inline(always)]
    pub(super) fn add(&mut self, sequence: SequenceNumber, arrival: Arrival) {
        match self {
            Self::One(ready) => ready.add(sequence, arrival),
            Self::Many(lanes) => lanes.add(sequence, arrival),
            Self::Grouped(grouped) => grouped.ready.add(sequence, arrival),
        }
    }

    /// Serves what comes back in the order of its return, not of its number: in one lane.
    pub(super) const fn keep_order_of_return(&mut self) {
        match self {
            Self::One(ready) => ready.keep_order_of_return(),
            Self::Grouped(grouped) => grouped.ready.keep_order_of_return(),
            Self::Many(_) => {}
        }
    }

    /// Takes a message back that was handed out.
    pub(super) fn give_back(&mut self, held: Held) {
        match self {
            Self::One(ready) => ready.give_back(held),
            Self::Many(lanes) => lanes.change(held.sequence.lane(), |ready| ready.give_back(held)),
            Self::Grouped(grouped) => grouped.give_back(held),
        }
    }

    /// Takes out the next message, if it is in memory.
    #[inline]
    pub(super) fn take_first(&mut self) -> Option<Held> {
        match self {
            Self::One(ready) => ready.take_first(),
            Self::Many(lanes) => lanes.take_first(),
            Self::Grouped(grouped) => grouped.take_first(),
        }
    }

    /// The next message is not in memory: whether there is one to wait for, which is loaded then.
    pub(super) fn want(&mut self) -> bool {
        match self {
            Self::One(ready) => ready.want(),
            Self::Many(lanes) => lanes.occupied.first().is_some_and(|lane| lanes.change(lane, Ready::want)),
            Self::Grouped(grouped) => grouped.want(),
        }
    }

    /// What to load now, when somebody is to take it or it has to be looked at.
    #[inline]
    pub(super) fn next_load(&mut self, demand: bool) -> Option<Run> {
        match self {
            Self::One(ready) => ready.next_load(demand),
            // No lane behind it can be reached before it is read.
            Self::Many(lanes) => lanes.change(lanes.paged.first()?, |ready| ready.next_load(demand)),
            Self::Grouped(grouped) => grouped.ready.next_load(demand),
        }
    }

    /// Takes what has been loaded, unless it is not what comes next in its lane any more. `keep` gives back what is to stay
    /// ready.
    pub(super) fn loaded(
        &mut self,
        run: Run,
        messages: &mut Vec<(SequenceNumber, Place, Message)>,
        effects: &mut Vec<Effect>,
        keep: &mut impl FnMut(Held) -> Option<Held>,
    ) {
        match self {
            Self::One(ready) => ready.loaded(run, messages, effects, keep),
            Self::Many(lanes) => lanes.change(run.first.lane(), |ready| ready.loaded(run, messages, effects, keep)),
            Self::Grouped(grouped) => grouped.ready.loaded(run, messages, effects, keep),
        }
    }

    /// Takes a message that has waited, before those of its lane that have not.
    pub(super) fn join(&mut self, held: Held) {
        match self {
            Self::One(ready) => ready.join(held),
            Self::Many(lanes) => lanes.change(held.sequence.lane(), |ready| ready.join(held)),
            Self::Grouped(grouped) => grouped.ready.join(held),
        }
    }

    /// Takes out all messages that are not in memory, where no others are there.
    pub(super) fn take_runs(&mut self) -> VecDeque<Run> {
        match self {
            Self::One(ready) => ready.take_runs(),
            Self::Grouped(grouped) => grouped.ready.take_runs(),
            Self::Many(lanes) => {
                let mut all = VecDeque::new();
                lanes.change_all(|ready| {
                    all.extend(ready.take_runs());
                    0
                });
                all
            }
        }
    }

    /// From how many bytes on stored messages are paged out.
    pub(super) const fn limit(&self) -> usize {
        match self {
            Self::One(ready) => ready.limit(),
            Self::Many(lanes) => lanes.limit,
            Self::Grouped(grouped) => grouped.limit(),
        }
    }

    /// Removes everything and tells of what was stored; returns how many messages that were.
    pub(super) fn purge(&mut self, effects: &mut Vec<Effect>) -> usize {
        match self {
            Self::One(ready) => ready.purge(effects),
            Self::Many(lanes) => lanes.change_all(|ready| ready.purge(effects)),
            Self::Grouped(grouped) => grouped.purge(effects),
        }
    }

    /// Gives messages new places; tells how many.
    pub(super) fn relocate(&mut self, from: NonZeroU32, runs: &[Run], singles: &[(SequenceNumber, Place)]) -> usize {
        match self {
            Self::One(ready) => ready.relocate(from, runs, singles),
            Self::Many(lanes) => lanes.change_all(|ready| ready.relocate(from, runs, singles)),
            Self::Grouped(grouped) => grouped.relocate(from, runs, singles),
        }
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.each().flat_map(Ready::runs)
    }

    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Held> {
        let grouped = if let Self::Grouped(grouped) = self { Some(grouped) } else { None };
        self.each().flat_map(Ready::in_memory).chain(grouped.into_iter().flat_map(|grouped| grouped.aside()))
    }

    /// Which messages were handed out before, in the order of numbers.
    pub(super) fn delivered(&self) -> Vec<SequenceRange> {
        if let Self::Grouped(grouped) = self {
            return grouped.delivered();
        }
        self.each().flat_map(|ready| ready.delivered().into_inner()).collect()
    }

    /// Takes messages of one lane out, see [`Ready::pick`].
    pub(super) fn pick(&mut self, picks: &[Pick]) -> Vec<(SequenceNumber, Option<Place>)> {
        match self {
            Self::One(ready) => ready.pick(picks),
            Self::Many(lanes) => {
                let lane = picks.first().map_or(0, |pick| pick.spot.lane);
                lanes.change(lane, |ready| ready.pick(picks))
            }
            Self::Grouped(grouped) => grouped.pick(picks),
        }
    }

    fn each(&self) -> impl Iterator<Item = &Ready> {
        let (one, many) = match self {
            Self::One(ready) => (Some(ready), None),
            Self::Many(lanes) => (None, Some(lanes)),
            Self::Grouped(grouped) => (Some(&grouped.ready), None),
        };
        one.into_iter().chain(many.into_iter().flat_map(|lanes| lanes.lanes.values()))
    }
}
