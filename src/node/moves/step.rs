//! One page of a queue's messages moved: those that are meant, as far as there is room where they go. What leaves the queue
//! and what comes elsewhere is one record of the log: a crash finds each message in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::destination::{Addressed, Destination};
use super::filter::Filter;
use super::pages::{Peeked, next_page};
use crate::broker::auth::Actor;
use crate::broker::ids::{QueueId, SequenceNumber};
use crate::broker::queue::{Input, Pick, Spot};
use crate::broker::time::Timestamp;
use crate::node::cell::QueueCell;
use crate::node::together::{self, Routed, Settled};
use crate::node::vhost::RunningVhost;

/// Messages that move together.
const AT_ONCE: usize = 256;

/// A way through a queue.
#[derive(Debug)]
pub(in crate::node) struct Course {
    pub(in crate::node) cell: Arc<QueueCell>,
    pub(in crate::node) filter: Filter,
    pub(in crate::node) destination: Destination,
    /// On whose behalf.
    actor: Actor,
    /// Messages that come later are not looked at, or a queue that they come back to would never be through.
    end: u64,
    after: Option<Spot>,
    /// What is left of a page: not looked at yet, or without room.
    page: Vec<Peeked>,
}

/// What a step has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::node) struct Step {
    /// Messages that were looked at.
    pub(in crate::node) seen: u64,
    /// Messages that are gone from the queue.
    pub(in crate::node) moved: u64,
    /// Messages that are meant, and stay: there is no way for them.
    pub(in crate::node) stuck: u64,
    /// Where they go is full for now.
    pub(in crate::node) blocked: bool,
    /// Everything has been looked at.
    pub(in crate::node) ended: bool,
}

/// A message on its way.
struct Leaving {
    peeked: Peeked,
    addressed: Addressed,
}

impl Leaving {
    /// There is no room for it yet: nobody may take it for a duplicate of itself later.
    fn stays(self, vhost: &RunningVhost) -> Peeked {
        vhost.memories.forget(&self.addressed.admitted);
        self.peeked
    }
}

impl Course {
    /// Through all that is in the queue now.
    pub(in crate::node) fn new(cell: &Arc<QueueCell>, actor: &Actor, filter: Filter, destination: Destination) -> Self {
        let end = cell.next_number().unwrap_or_default();
        let (cell, actor) = (Arc::clone(cell), actor.clone());
        Self { cell, filter, destination, actor, end, after: None, page: Vec::new() }
    }

    /// Takes out the message of that number; false: it is not ready, or none of that number is there.
    pub(in crate::node) fn remove(&self, now: Timestamp, sequence: SequenceNumber) -> bool {
        let found = next_page(&self.cell, Some(self.cell.before(sequence)), 1);
        let peeked = found.and_then(|(page, _)| page.into_iter().find(|peeked| peeked.sequence == sequence));
        let Some(peeked) = peeked else { return false };
        let addressed = Addressed::nowhere(&peeked.message);
        self.send(now, None, vec![Leaving { peeked, addressed }]) > 0
    }

    /// Goes on: moves at most so many messages.
    pub(in crate::node) fn step(&mut self, now: Timestamp, vhost: &RunningVhost, most: usize) -> Step {
        let mut step = Step::default();
        if self.page.is_empty() {
            match next_page(&self.cell, self.after, AT_ONCE) {
                Some((mut page, last)) => {
                    page.reverse();
                    (self.page, self.after) = (page, Some(last));
                }
                None => return Step { ended: true, ..step },
            }
        }
        let mut leaving = self.choose(now, vhost, most.min(AT_ONCE), &mut step);
        // Nobody knows how many fit into all of the queues before the first ones are in.
        while !leaving.is_empty() && !has_room(&leaving) {
            step.blocked = leaving.len() == 1;
            let back = leaving.split_off(leaving.len() / 2);
            step.seen -= u64::try_from(back.len()).unwrap_or_default();
            self.page.extend(back.into_iter().rev().map(|leaving| leaving.stays(vhost)));
        }
        step.moved = self.send(now, Some(vhost), leaving);
        step
    }

    /// Takes those off the page that are meant, up to so many.
    fn choose(&mut self, now: Timestamp, vhost: &RunningVhost, most: usize, step: &mut Step) -> Vec<Leaving> {
        let mut leaving = Vec::new();
        while leaving.len() < most
            && let Some(peeked) = self.page.pop()
        {
            step.seen += 1;
            if peeked.sequence.number() >= self.end || !self.filter.matches(now, &peeked.message) {
                continue;
            }
            match self.destination.address(now, (vhost, &self.actor), &peeked.message) {
                Some(addressed) if addressed.targets.iter().any(|target| Arc::ptr_eq(target, &self.cell)) => {
                    vhost.memories.forget(&addressed.admitted);
                    step.stuck += 1;
                }
                Some(addressed) => leaving.push(Leaving { peeked, addressed }),
                None => step.stuck += 1,
            }
        }
        leaving
    }

    /// Moves messages that are still in the queue; how many that were.
    fn send(&self, now: Timestamp, vhost: Option<&RunningVhost>, mut leaving: Vec<Leaving>) -> u64 {
        if leaving.is_empty() {
            return 0;
        }
        let _moving = self.cell.storage().map(|storage| storage.cells.moving());
        let mut picks: Vec<Pick> = leaving.iter().map(|leaving| pick(&leaving.peeked)).collect();
        // A queue that is deleted has taken its messages with it.
        let Ok(outcome) = self.cell.run_apart(now, Input::Pick(&mut picks)) else { return 0 };
        let taken: BTreeSet<_> = picks.iter().map(|pick| pick.sequence).collect();
        leaving.retain(|leaving| {
            let taken = taken.contains(&leaving.peeked.sequence);
            if let Some(vhost) = vhost.filter(|_| !taken) {
                vhost.memories.forget(&leaving.addressed.admitted);
            }
            taken
        });
        let routed: Vec<_> = leaving
            .iter()
            .map(|leaving| &leaving.addressed)
            .filter(|addressed| !addressed.targets.is_empty())
            .map(|addressed| Routed { arrival: &addressed.arrival, targets: &addressed.targets })
            .collect();
        let settled = Settled { cell: Arc::clone(&self.cell), gone: outcome.gone };
        let refused = together::apply(now, &routed, vec![settled]).refused;
        if let Some(vhost) = vhost {
            decide(now, vhost, &leaving, &refused);
        }
        self.take_back(now, &leaving, &refused);
        u64::try_from(leaving.len().saturating_sub(refused.len())).unwrap_or(u64::MAX)
    }

    /// Messages that a queue refuses which has become full just now go back to where they came from, to its end.
    fn take_back(&self, now: Timestamp, leaving: &[Leaving], refused: &[usize]) {
        let source = [Arc::clone(&self.cell)];
        for at in refused {
            if let Some(leaving) = leaving.get(*at) {
                let arrival = leaving.peeked.message.clone().into();
                let _back = together::apply(now, &[Routed { arrival: &arrival, targets: &source }], Vec::new());
            }
        }
    }
}

/// Messages were taken where they went, but for those that were refused: exchanges remember them for good.
fn decide(now: Timestamp, vhost: &RunningVhost, leaving: &[Leaving], refused: &[usize]) {
    for (at, Leaving { addressed, .. }) in leaving.iter().enumerate() {
        if refused.contains(&at) {
            vhost.memories.forget(&addressed.admitted);
        } else {
            vhost.keep_keys(now, &addressed.admitted);
        }
    }
}

fn pick(peeked: &Peeked) -> Pick {
    let Peeked { spot, sequence, place, message, .. } = peeked;
    Pick { spot: *spot, sequence: *sequence, place: *place, body: message.body_length() }
}

fn has_room(leaving: &[Leaving]) -> bool {
    let mut bodies: BTreeMap<QueueId, (&Arc<QueueCell>, Vec<u64>)> = BTreeMap::new();
    for Leaving { addressed: Addressed { arrival, targets, .. }, .. } in leaving {
        for target in targets {
            let wanted = bodies.entry(target.entry.id).or_insert_with(|| (target, Vec::new()));
            wanted.1.push(arrival.message.body_length());
        }
    }
    bodies.values().all(|(target, bodies)| target.has_room_for(bodies))
}
