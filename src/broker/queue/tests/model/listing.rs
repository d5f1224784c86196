//! Listing what is ready, and picking messages out of the list.

use std::collections::BTreeSet;

use proptest::sample::Index;

use super::disk::message_of;
use super::{Model, lane_of};
use crate::broker::ids::SequenceNumber;
use crate::broker::message::Message;
use crate::broker::queue::{Input, Listed, Pick, Spot};
use crate::broker::time::Timestamp;

impl Model {
    /// Lists everything, which has to be there in the order in which it will be delivered.
    pub(super) fn list(&mut self, most: usize) {
        let (mut found, mut after) = (Vec::new(), None);
        self.listed.clear();
        while let listed = self.queue.list(after, most)
            && let Some(last) = listed.last()
        {
            after = Some(last.last());
            for listed in listed {
                self.expand(listed, &mut found);
            }
        }
        let mut expected: Vec<(u64, bool)> = Vec::new();
        let lanes: BTreeSet<u64> =
            self.ready.keys().chain(self.returned.keys()).map(|number| *lane_of(*number).start()).collect();
        for lane in lanes.into_iter().map(lane_of) {
            let in_order = self.returned.range(lane.clone()).chain(self.ready.range(lane));
            expected.extend(in_order.map(|(sequence, item)| (*sequence, item.delivered)));
        }
        assert_eq!(found, expected);
    }

    fn expand(&mut self, listed: Listed, found: &mut Vec<(u64, bool)>) {
        let mut see = |spot, sequence: SequenceNumber, place, message: &Message, redelivered| {
            assert_eq!(*message, message_of(sequence, self.highest));
            let begins_with = self.queue.list(Some(self.queue.before(sequence)), 1).into_iter().next();
            assert!(begins_with.is_some_and(|listed| listed.first() == sequence));
            self.listed.push(Pick { spot, sequence, place, body: message.body_length() });
            found.push((sequence.0, redelivered));
        };
        match listed {
            Listed::Here { spot, sequence, redelivered, message } => see(spot, sequence, None, &message, redelivered),
            Listed::Stored { run, from, redelivered } => {
                let lane = run.first.lane();
                for (sequence, place, message) in self.disk.read(run) {
                    if sequence >= from {
                        let spot =
                            Spot { lane: if self.highest == 0 { 0 } else { lane }, in_turn: true, number: sequence.0 };
                        let again = redelivered.iter().any(|(first, last)| (*first..=*last).contains(&sequence.0));
                        see(spot, sequence, Some(place), &message, again);
                    }
                }
            }
        }
    }

    /// Picks messages, which are all there if they have just been listed.
    pub(super) fn pick(&mut self, which: &[Index], stale: bool) {
        if !stale {
            self.list(3);
        }
        if self.listed.is_empty() {
            return;
        }
        let mut picks: Vec<Pick> = which.iter().map(|at| *at.get(&self.listed)).collect();
        picks.sort_unstable();
        picks.dedup();
        let wanted = picks.clone();
        let mut effects = Vec::new();
        self.queue.handle(Timestamp::ZERO, Input::Pick(&mut picks), &mut effects).unwrap();
        assert!(stale || picks == wanted, "all of them are there");
        for pick in &picks {
            let item = self.ready.remove(&pick.sequence.0).or_else(|| self.returned.remove(&pick.sequence.0));
            let item = item.expect("it was there");
            self.leaving.extend(item.stored.then_some(pick.sequence.0));
        }
        self.picked = Some(picks.len());
        self.look_at(effects);
    }
}
