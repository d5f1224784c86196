//! Holds what the queue told, and what can be asked of it, against the list.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use super::disk::message_of;
use super::{Item, Model, lane_of};
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::{Contents, Delivery, Effect};

impl Model {
    pub(super) fn look_at(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Deliver(delivery) => {
                    let (prefetch, no_ack) = self.consumers[&delivery.consumer];
                    self.deliver(&delivery, no_ack);
                    let held = self.unacked.get(&delivery.consumer).map_or(0, BTreeMap::len);
                    assert!(prefetch == 0 || held <= usize::from(prefetch));
                }
                Effect::Got(Some((delivery, left))) => {
                    self.deliver(&delivery, self.got_later);
                    assert_eq!(left, self.ready.len() + self.returned.len());
                }
                Effect::Got(None) => assert!(self.is_empty()),
                Effect::GotLater => {
                    let next = self.next().expect("there is something to wait for");
                    assert!(!self.returned.contains_key(&next), "what came back is in memory");
                    self.got_later = true;
                }
                Effect::Load(run) => {
                    let same_lane = self.loads.iter().any(|other| other.first.lane() == run.first.lane());
                    assert!(!same_lane, "one load at a time for each lane");
                    self.loads.push(run);
                }
                Effect::Gone { sequence, place } => {
                    let (stored, length) = self.disk.records[&(place.file.get(), place.offset)];
                    assert_eq!((stored, length), (sequence.0, place.length));
                    self.gone.push(sequence.0);
                }
                Effect::GoneRun(run) => {
                    self.gone.extend(self.disk.read(run).iter().map(|(sequence, _, _)| sequence.0));
                }
                Effect::Lost(run) => {
                    for sequence in run.first.0..run.first.0 + u64::from(run.count) {
                        assert!(self.damaged.remove(&sequence), "{sequence} was not damaged");
                        self.ready.remove(&sequence).unwrap();
                    }
                }
                Effect::Removed(count) if self.picked.is_some() => assert_eq!(self.picked.take(), Some(count)),
                Effect::Removed(count) => {
                    assert_eq!(count, self.ready.len() + self.returned.len());
                    let all = std::mem::take(&mut self.ready).into_iter().chain(std::mem::take(&mut self.returned));
                    self.leaving.extend(all.filter(|(_, item)| item.stored).map(|(sequence, _)| sequence));
                }
                Effect::Failed { .. } => assert!(self.queue.settings().counts_deliveries()),
                Effect::Relocated(count) => self.relocated = Some(count),
                Effect::Unused
                | Effect::Died
                | Effect::TimedOut { .. }
                | Effect::LeaseEnded
                | Effect::Wanting(_)
                | Effect::Taken(_)
                | Effect::Fetch(_)
                | Effect::Job { .. }
                | Effect::Retried { .. }
                | Effect::ConsumerCancelled(_)
                | Effect::Emptied(_) => unreachable!("{effect:?}"),
            }
        }
        self.check();
    }

    pub(super) fn deliver(&mut self, delivery: &Delivery, no_ack: bool) {
        let sequence = self.next().expect("there is a message");
        let item = self.returned.remove(&sequence).or_else(|| self.ready.remove(&sequence)).unwrap();
        let expected = message_of(SequenceNumber(sequence), self.highest);
        // Where deliveries are counted, headers tell of it.
        if !(self.counting && item.delivered) {
            assert_eq!(delivery.message, expected, "the oldest of the highest priority comes first");
        }
        assert_eq!(delivery.message.body(), expected.body());
        assert_eq!(delivery.redelivered, item.delivered);
        if !no_ack {
            let held = self.unacked.entry(delivery.consumer).or_default();
            held.insert(delivery.checkout, (sequence, Item { delivered: true, ..item }));
        } else if item.stored {
            self.leaving.push(sequence);
        }
    }

    pub(super) fn check(&mut self) {
        self.leaving.sort_unstable();
        self.gone.sort_unstable();
        assert_eq!(std::mem::take(&mut self.gone), std::mem::take(&mut self.leaving), "one farewell for each");
        assert_eq!(self.queue.ready_count(), self.ready.len() + self.returned.len());
        assert_eq!(self.queue.consumer_count(), self.consumers.len());
        let unacked: Vec<u64> =
            self.unacked.values().flat_map(BTreeMap::values).map(|(sequence, _)| *sequence).collect();
        let cost = |sequence: &u64| message_of(SequenceNumber(*sequence), self.highest).cost();
        let cost: usize = unacked.iter().map(cost).sum();
        assert_eq!(self.queue.unacked_bytes(), cost);
        let room = self.consumers.iter().any(|(consumer, (prefetch, no_ack))| {
            let held = self.unacked.get(consumer).map_or(0, BTreeMap::len);
            *no_ack || *prefetch == 0 || held < usize::from(*prefetch)
        });
        if let Some(next) = self.next().filter(|_| room) {
            let lane = lane_of(next);
            let coming = self.loads.iter().any(|run| lane.contains(&run.first.0));
            assert!(coming, "a consumer waits and what it waits for is not loaded");
        }
        self.check_places();
    }

    /// The files hold what is stored and live, each message once.
    fn check_places(&self) {
        let files = self.disk.ends.keys().map(|file| NonZeroU32::new(*file).unwrap());
        let mut all = Vec::new();
        for file in files {
            let Contents { runs, singles } = self.queue.held_in(file);
            assert!(runs.is_sorted() && singles.is_sorted());
            all.extend(
                runs.iter().flat_map(|run| self.disk.read(*run)).map(|(sequence, place, _)| (sequence.0, place)),
            );
            all.extend(singles.into_iter().map(|(sequence, place)| (sequence.0, place)));
        }
        all.sort_unstable();
        let ready = self.ready.iter().chain(&self.returned).map(|(sequence, item)| (*sequence, *item));
        let live = ready.chain(self.unacked.values().flat_map(BTreeMap::values).copied());
        let stored: BTreeSet<u64> = live.filter(|(_, item)| item.stored).map(|(sequence, _)| sequence).collect();
        assert_eq!(all.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), Vec::from_iter(stored));
        let in_segments = all.iter().filter(|(_, place)| place.is_in_segment()).map(|(sequence, _)| *sequence);
        let told = self.queue.held_in_segments();
        assert!(told.is_sorted_by(|a, b| a.end().0 + 1 < b.start().0), "{told:?}");
        let told = told.into_iter().flat_map(|range| range.start().0..=range.end().0);
        assert_eq!(told.collect::<Vec<_>>(), in_segments.collect::<Vec<_>>());
    }
}
