//! Ready messages looked at in their order without being handed out, and single ones taken out wherever they are. Changes
//! nothing by looking: no message counts as delivered for it.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::Queue;
use super::effect::Effect;
use super::groups::Grouped;
use super::lanes::Lanes;
use super::paged::Paged;
use super::place::{Place, Run};
use super::ready::Ready;
use super::unacked::Held;
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;

/// Where a ready message is in the order of delivery, for whoever goes on behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// Its lane.
    pub lane: u8,
    /// It is not among those that came back, which go first.
    pub in_turn: bool,
    /// Its number, or where it is among those that came back.
    pub number: u64,
}

/// What a listing finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// A message that is in memory.
    Here {
        /// Where it is.
        spot: Spot,
        /// Its number.
        sequence: SequenceNumber,
        /// It was handed out before.
        redelivered: bool,
        /// The message.
        message: Message,
    },
    /// Messages that have to be read: those of the run from a number on.
    Stored {
        /// The run, all of it.
        run: Run,
        /// The first number that is meant.
        from: SequenceNumber,
        /// Which of them were handed out before, as first and last numbers.
        redelivered: Vec<(u64, u64)>,
    },
}

impl Listed {
    /// How many messages it is.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Here { .. } => 1,
            Self::Stored { run, from, .. } => usize::try_from(run.end().0 - from.0).unwrap_or(usize::MAX),
        }
    }

    /// Never: there is a message at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of its first message.
    #[must_use]
    pub const fn first(&self) -> SequenceNumber {
        match self {
            Self::Here { sequence, .. } => *sequence,
            Self::Stored { from, .. } => *from,
        }
    }

    /// Where its last message is.
    #[must_use]
    pub const fn last(&self) -> Spot {
        match self {
            Self::Here { spot, .. } => *spot,
            Self::Stored { run, .. } => {
                Spot { lane: run.first.lane(), in_turn: true, number: run.end().0.saturating_sub(1) }
            }
        }
    }
}

/// A message to be taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pick {
    /// Where it was seen.
    pub spot: Spot,
    /// Its number.
    pub sequence: SequenceNumber,
    /// Where it was read; `None`: it was in memory.
    pub place: Option<Place>,
    /// Bytes of its body.
    pub body: u64,
}

impl Queue {
    /// Ready messages behind a spot in the order of delivery: so many, or a few more where they are in one run.
    #[must_use]
    pub fn list(&self, after: Option<Spot>, most: usize) -> Vec<Listed> {
        let mut listed = Listing { most, found: Vec::new() };
        self.ready.list(after, &mut listed);
        listed.found
    }

    /// What to list behind, for a ready message to come first. A number that no ready message has leads somewhere else.
    #[must_use]
    pub fn before(&self, sequence: SequenceNumber) -> Spot {
        self.ready.before(sequence)
    }

    /// Takes out those messages that are still where they were seen, and leaves them alone in the list.
    pub(super) fn pick(&mut self, picks: &mut Vec<Pick>, effects: &mut Vec<Effect>) {
        picks.sort_unstable();
        let mut taken = BTreeSet::new();
        for picks in
            picks.chunk_by(|one, next| (one.spot.lane, one.spot.in_turn) == (next.spot.lane, next.spot.in_turn))
        {
            for (sequence, place) in self.ready.pick(picks) {
                self.hand_outs.deliveries.forget(sequence);
                effects.extend(place.map(|place| Effect::Gone { sequence, place }));
                taken.insert(sequence);
            }
        }
        picks.retain(|pick| taken.contains(&pick.sequence));
        effects.push(Effect::Removed(taken.len()));
    }
}

impl Lanes {
    fn list(&self, after: Option<Spot>, listing: &mut Listing) {
        match self {
            Self::One(ready) => ready.list(0, after, listing),
            Self::Many(lanes) => {
                for (lane, ready) in lanes.from(after.map_or(0, |after| after.lane)) {
                    ready.list(lane, after.filter(|after| after.lane == lane), listing);
                }
            }
            Self::Grouped(grouped) => grouped.list(after, listing),
        }
    }

    fn before(&self, sequence: SequenceNumber) -> Spot {
        let (lane, ready) = match self {
            Self::One(ready) => (0, Some(ready)),
            Self::Many(lanes) => (sequence.lane(), lanes.of(sequence.lane())),
            Self::Grouped(grouped) if grouped.is_aside(sequence) => (ASIDE, None),
            Self::Grouped(grouped) => (0, Some(&grouped.ready)),
        };
        let returned = ready.and_then(|ready| ready.place_of_returned(sequence));
        let number = returned.unwrap_or(sequence.0).saturating_sub(1);
        Spot { lane, in_turn: returned.is_none(), number }
    }
}

/// The lane that messages of groups count as which are set aside: they come last in a listing. Queues with groups have no
/// priorities.
const ASIDE: u8 = 1;

impl Grouped {
    fn list(&self, after: Option<Spot>, listing: &mut Listing) {
        let behind = after.filter(|after| after.lane == ASIDE);
        if behind.is_none() {
            self.ready.list(0, after, listing);
        }
        for held in self.aside_behind(behind.map(|after| SequenceNumber(after.number))) {
            if listing.is_full() {
                return;
            }
            listing.add_held(Spot { lane: ASIDE, in_turn: true, number: held.sequence.0 }, held);
        }
    }

    /// Takes messages out, all of which are set aside or none; those that are there still, and their places.
    pub(super) fn pick(&mut self, picks: &[Pick]) -> Vec<(SequenceNumber, Option<Place>)> {
        if picks.first().is_none_or(|pick| pick.spot.lane != ASIDE) {
            return self.ready.pick(picks);
        }
        let taken = picks.iter().filter_map(|pick| self.remove_aside(pick.sequence));
        taken.map(|held| (held.sequence, held.place)).collect()
    }
}

/// A listing that is being made.
struct Listing {
    most: usize,
    found: Vec<Listed>,
}

impl Listing {
    const fn is_full(&self) -> bool {
        self.most == 0
    }

    fn add(&mut self, listed: Listed) {
        self.most = self.most.saturating_sub(listed.len());
        self.found.push(listed);
    }

    fn add_held(&mut self, spot: Spot, held: &Held) {
        let (sequence, redelivered, message) = (held.sequence, held.redelivered, held.message.clone());
        self.add(Listed::Here { spot, sequence, redelivered, message });
    }
}

impl Ready {
    fn list(&self, lane: u8, after: Option<Spot>, listing: &mut Listing) {
        let start = match after {
            Some(Spot { in_turn: true, number, .. }) => number.saturating_add(1),
            Some(Spot { in_turn: false, number, .. }) => {
                self.list_returned(lane, Bound::Excluded(SequenceNumber(number)), listing);
                0
            }
            None => {
                self.list_returned(lane, Bound::Unbounded, listing);
                0
            }
        };
        let at = self.loaded.partition_point(|held| held.sequence.0 < start);
        for held in self.loaded.range(at..) {
            if listing.is_full() {
                return;
            }
            listing.add_held(Spot { lane, in_turn: true, number: held.sequence.0 }, held);
        }
        self.list_paged(lane, SequenceNumber(start), listing);
    }

    fn list_returned(&self, lane: u8, from: Bound<SequenceNumber>, listing: &mut Listing) {
        for (at, held) in self.returned.range((from, Bound::Unbounded)) {
            if listing.is_full() {
                return;
            }
            listing.add_held(Spot { lane, in_turn: false, number: at.0 }, held);
        }
    }

    fn list_paged(&self, lane: u8, start: SequenceNumber, listing: &mut Listing) {
        let (runs, stranded) = self.paged.from(start);
        let (mut runs, mut stranded) = (runs.peekable(), stranded.peekable());
        while !listing.is_full() {
            let run = runs.peek().copied();
            match stranded.next_if(|held| run.is_none_or(|run| held.sequence < run.first)) {
                Some(held) => listing.add_held(Spot { lane, in_turn: true, number: held.sequence.0 }, held),
                None => {
                    let Some(run) = runs.next() else { return };
                    let (run, from) = (*run, run.first.max(start));
                    listing.add(Listed::Stored { run, from, redelivered: self.redelivered.within(run).collect() });
                }
            }
        }
    }

    /// Where a message is among those that came back.
    fn place_of_returned(&self, sequence: SequenceNumber) -> Option<u64> {
        if self.returned.get(&sequence).is_some_and(|held| held.sequence == sequence) {
            return Some(sequence.0);
        }
        self.returns?;
        self.returned.iter().find(|(_, held)| held.sequence == sequence).map(|(at, _)| at.0)
    }

    /// Takes messages out, all of which came back or none; those that are there still, and their places.
    pub(super) fn pick(&mut self, picks: &[Pick]) -> Vec<(SequenceNumber, Option<Place>)> {
        if picks.first().is_some_and(|pick| !pick.spot.in_turn) {
            let found: Vec<_> = picks.iter().filter_map(|pick| self.pick_returned(pick)).collect();
            return found.into_iter().map(|held| self.taken_out(&held)).collect();
        }
        let mut picked = self.pick_loaded(picks);
        picked.extend(picks.iter().filter_map(|pick| self.paged.pick_stranded(pick.sequence)));
        let mut taken: Vec<_> = picked.into_iter().map(|held| self.taken_out(&held)).collect();
        for (pick, place) in self.paged.pick(picks) {
            // As long as it is not known what the body of a message that a restart left weighs, its record counts.
            let weight = if pick.sequence < self.weighed_from { u64::from(place.length) } else { pick.body };
            self.body_bytes = self.body_bytes.saturating_sub(weight);
            taken.push((pick.sequence, Some(place)));
        }
        self.unstrand();
        taken
    }

    fn pick_returned(&mut self, pick: &Pick) -> Option<Held> {
        let at = SequenceNumber(pick.spot.number);
        if self.returned.get(&at)?.sequence != pick.sequence {
            return None;
        }
        self.returned.remove(&at)
    }

    /// Those in memory: moved to the end of the section that they are in, and cut off there. So the rest moves once.
    fn pick_loaded(&mut self, picks: &[Pick]) -> Vec<Held> {
        let (Some(first), Some(last)) = (picks.first(), picks.last()) else { return Vec::new() };
        let start = self.loaded.partition_point(|held| held.sequence < first.sequence);
        let end = self.loaded.partition_point(|held| held.sequence <= last.sequence);
        let mut kept = start;
        for at in start..end {
            let stays = self.loaded.get(at).is_some_and(|held| !is_picked(picks, held.sequence));
            if stays {
                self.loaded.swap(kept, at);
                kept += 1;
            }
        }
        let mut picked: Vec<_> = self.loaded.drain(kept..end).collect();
        picked.sort_unstable_by_key(|held| held.sequence);
        picked
    }

    fn taken_out(&mut self, held: &Held) -> (SequenceNumber, Option<Place>) {
        self.bytes -= held.message.cost();
        self.body_bytes = self.body_bytes.saturating_sub(held.message.body_length());
        (held.sequence, held.place)
    }
}

/// Both lists are in the order of numbers.
fn is_picked(picks: &[Pick], sequence: SequenceNumber) -> bool {
    picks.binary_search_by_key(&sequence, |pick| pick.sequence).is_ok()
}

impl Paged {
    /// What is there from a number on: runs, the first one perhaps in part, and what is stranded.
    fn from(&self, start: SequenceNumber) -> (impl Iterator<Item = &Run>, impl Iterator<Item = &Held>) {
        let at = self.runs.partition_point(|run| run.end() <= start);
        (self.runs.range(at..), self.stranded.range(start..).map(|(_, held)| held))
    }

    fn pick_stranded(&mut self, sequence: SequenceNumber) -> Option<Held> {
        self.stranded.remove(&sequence)
    }

    /// Cuts messages out of runs that still are where they were read.
    fn pick<'a>(&mut self, picks: &'a [Pick]) -> Vec<(&'a Pick, Place)> {
        let mut picked = Vec::new();
        let Some(first) = picks.first() else { return picked };
        let at = self.runs.partition_point(|run| run.end() <= first.sequence);
        let mut rest = self.runs.split_off(at);
        let mut picks = picks.iter().peekable();
        while picks.peek().is_some()
            && let Some(mut run) = rest.pop_front()
        {
            while let Some(pick) = picks.next_if(|pick| pick.sequence < run.end()) {
                let Some((place, before, behind)) = pick.place.and_then(|place| cut(&run, pick.sequence, place)) else {
                    continue;
                };
                picked.push((pick, place));
                self.runs.extend(before);
                match behind {
                    Some(behind) => run = behind,
                    None => run.count = 0,
                }
            }
            if run.count > 0 {
                self.runs.push_back(run);
            }
        }
        self.count -= picked.len();
        self.runs.append(&mut rest);
        picked
    }
}

/// Cuts a message out of a run: its place, and what is left before and behind it. `None`: it is not there.
fn cut(run: &Run, sequence: SequenceNumber, place: Place) -> Option<(Place, Option<Run>, Option<Run>)> {
    let before = u32::try_from(sequence.0.checked_sub(run.first.0)?).ok().filter(|before| *before < run.count)?;
    let behind = run.count - before - 1;
    let offset = place.offset.checked_sub(run.place.offset).filter(|_| place.file == run.place.file)?;
    let end = offset.checked_add(place.length)?;
    let length = run.place.length.checked_sub(end)?;
    let part = |first, count, offset, length| {
        let place = Place { offset: run.place.offset + offset, length, ..run.place };
        (count > 0).then_some(Run { first: SequenceNumber(first), count, place })
    };
    Some((place, part(run.first.0, before, 0, offset), part(sequence.0.saturating_add(1), behind, end, length)))
}
