//! What was published, confirmed, seen and acknowledged over all rounds, and the rules that it has to keep.
//!
//! A queue hands out in the order of its numbers. So whatever one publisher sent before a message that a round has
//! seen, and that the round has not seen, is not in the queue any more and must never come again.

use std::collections::BTreeSet;
use std::fmt;

use super::clients::Published;
use crate::support::server::Ending;

pub(super) const EXCHANGE: &str = "all";

pub(super) const QUEUES: [&str; 3] = ["one", "two", "three"];

/// The last one publishes to the first queue alone.
pub(super) const PUBLISHERS: usize = 3;

pub(super) const fn is_direct(publisher: usize) -> bool {
    publisher + 1 == PUBLISHERS
}

const fn goes_to(publisher: usize, queue: usize) -> bool {
    !is_direct(publisher) || queue == 0
}

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) publisher: usize,
    pub(super) number: u64,
}

/// A body that tells which it is, and whether it is whole.
pub(super) fn body(identity: Identity, size: usize) -> Vec<u8> {
    let mut content = u64::try_from(identity.publisher).unwrap().to_be_bytes().to_vec();
    content.extend_from_slice(&identity.number.to_be_bytes());
    let filler = (0..size).map(|at| (at % 251).to_le_bytes()[0].wrapping_add(identity.number.to_le_bytes()[0]));
    content.extend(filler);
    let mut body = hash(&content).to_be_bytes().to_vec();
    body.extend(content);
    body
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What a consumer saw or did.
#[derive(Debug, Clone, Copy)]
pub(super) enum Sighting {
    Delivered { identity: Identity, redelivered: bool },
    Acknowledged(Identity),
    GivenBack(Identity),
}

impl Sighting {
    pub(super) fn of(body: &[u8], redelivered: bool) -> Self {
        let (told, content) = body.split_at(8);
        assert_eq!(told, hash(content).to_be_bytes(), "a message of {} bytes is altered", body.len());
        let number = |at: usize| u64::from_be_bytes(content[at..at + 8].try_into().unwrap());
        let identity = Identity { publisher: usize::try_from(number(0)).unwrap(), number: number(8) };
        Self::Delivered { identity, redelivered }
    }
}

/// What one queue's consumer saw between a start and an end of the server.
#[derive(Debug)]
pub(super) struct Round<'a> {
    pub(super) number: u64,
    /// How the server ended before.
    pub(super) after: Ending,
    pub(super) sightings: &'a [Sighting],
}

#[derive(Debug, Default)]
struct Sent {
    next: u64,
    /// The first number of the last round.
    of_this_round: u64,
    confirmed: BTreeSet<u64>,
}

#[derive(Debug, Default)]
struct Queue {
    seen: BTreeSet<Identity>,
    /// May have reached the server or not.
    acknowledged: BTreeSet<Identity>,
    gone: BTreeSet<Identity>,
    /// The last one of each publisher that came for the first time.
    last_new: [Option<u64>; PUBLISHERS],
    deliveries: u64,
}

#[derive(Debug, Default)]
pub(super) struct History {
    publishers: [Sent; PUBLISHERS],
    queues: [Queue; QUEUES.len()],
}

/// What a round has seen so far.
#[derive(Debug, Default)]
struct InRound {
    seen: BTreeSet<Identity>,
    acknowledged: BTreeSet<Identity>,
    given_back: BTreeSet<Identity>,
    last: [Option<u64>; PUBLISHERS],
}

impl History {
    /// The number of a publisher's next message.
    pub(super) fn next(&self, publisher: usize) -> u64 {
        self.publishers[publisher].next
    }

    /// No more is published.
    pub(super) fn nothing_published(&mut self) {
        self.publishers.iter_mut().for_each(|sent| sent.of_this_round = sent.next);
    }

    pub(super) fn published(&mut self, publisher: usize, published: &Published) {
        let sent = &mut self.publishers[publisher];
        sent.of_this_round = sent.next;
        sent.next = published.next;
        sent.confirmed.extend(&published.confirmed);
    }

    /// Checks what the consumer of a queue saw in a round, which came after everything that it was told of before.
    pub(super) fn look(&mut self, queue: usize, round: &Round<'_>) {
        let mut in_round = InRound::default();
        for sighting in round.sightings {
            match *sighting {
                Sighting::Acknowledged(identity) => {
                    self.queues[queue].acknowledged.insert(identity);
                    in_round.acknowledged.insert(identity);
                }
                Sighting::GivenBack(identity) => {
                    in_round.given_back.insert(identity);
                }
                Sighting::Delivered { identity, redelivered } => {
                    if let Err(wrong) = self.delivered(queue, round, &mut in_round, identity, redelivered) {
                        let place = format!("queue {}, round {}", QUEUES[queue], round.number);
                        panic!("{place}: {identity:?}, redelivered: {redelivered}: {wrong}");
                    }
                }
            }
        }
        self.forget_passed(queue, round, &in_round);
    }

    fn delivered(
        &mut self,
        queue: usize,
        round: &Round<'_>,
        in_round: &mut InRound,
        identity: Identity,
        redelivered: bool,
    ) -> Result<(), &'static str> {
        let Identity { publisher, number } = identity;
        let sent = self.publishers.get(publisher).ok_or("nobody published it")?;
        let fresh = number >= sent.of_this_round;
        let known = &mut self.queues[queue];
        known.deliveries += 1;
        require(number < sent.next && goes_to(publisher, queue), "nobody published it")?;
        require(redelivered || !known.seen.contains(&identity), "it comes twice and does not say so")?;
        require(!known.gone.contains(&identity), "it had gone, and is back")?;
        require(!in_round.acknowledged.contains(&identity), "it was acknowledged, and is back without a restart")?;
        require(fresh || redelivered || round.after == Ending::Stop, "it was there before a kill and does not say so")?;
        let again = in_round.given_back.contains(&identity);
        require(!fresh || redelivered == again, "a new one is redelivered when it was given back, and only then")?;
        if known.seen.insert(identity) {
            require(known.last_new[publisher] < Some(number), "it comes for the first time, after later ones")?;
            known.last_new[publisher] = Some(number);
        }
        if in_round.seen.insert(identity) {
            require(in_round.last[publisher] < Some(number), "it comes out of order")?;
            in_round.last[publisher] = Some(number);
        } else {
            require(again, "it comes twice and was not given back")?;
        }
        Ok(())
    }

    /// What a round has passed by is not in the queue any more.
    fn forget_passed(&mut self, queue: usize, round: &Round<'_>, in_round: &InRound) {
        for (publisher, last) in in_round.last.iter().enumerate() {
            for number in 0..last.unwrap_or_default() {
                let identity = Identity { publisher, number };
                if !in_round.seen.contains(&identity) && self.queues[queue].gone.insert(identity) {
                    self.expect_settled(queue, identity, round.number);
                }
            }
        }
    }

    fn expect_settled(&self, queue: usize, identity: Identity, round: u64) {
        let known = &self.queues[queue];
        let owed = self.publishers[identity.publisher].confirmed.contains(&identity.number)
            && !known.acknowledged.contains(&identity);
        assert!(!owed, "queue {}, round {round}: {identity:?} was confirmed and is lost", QUEUES[queue]);
    }

    /// After a queue was emptied: whatever was confirmed is acknowledged, or was seen in the end.
    pub(super) fn expect_nothing_missing(&self, queue: usize, last: &[Sighting]) {
        let seen: BTreeSet<Identity> = last
            .iter()
            .filter_map(|sighting| match sighting {
                Sighting::Delivered { identity, .. } => Some(*identity),
                Sighting::Acknowledged(_) | Sighting::GivenBack(_) => None,
            })
            .collect();
        for publisher in (0..PUBLISHERS).filter(|publisher| goes_to(*publisher, queue)) {
            for &number in &self.publishers[publisher].confirmed {
                let identity = Identity { publisher, number };
                if !seen.contains(&identity) {
                    self.expect_settled(queue, identity, u64::MAX);
                }
            }
        }
    }

    /// Something was tested.
    pub(super) fn expect_much(&self) {
        assert!(self.publishers.iter().all(|sent| sent.confirmed.len() > 100), "every publisher was confirmed much");
        assert!(self.queues.iter().all(|queue| queue.acknowledged.len() > 100), "every consumer acknowledged much");
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (publisher, sent) in self.publishers.iter().enumerate() {
            writeln!(f, "publisher {publisher}: {} sent, {} confirmed", sent.next, sent.confirmed.len())?;
        }
        for (name, queue) in QUEUES.iter().zip(&self.queues) {
            let (seen, acknowledged) = (queue.seen.len(), queue.acknowledged.len());
            writeln!(f, "queue {name}: {seen} seen in {} deliveries, {acknowledged} acknowledged", queue.deliveries)?;
        }
        Ok(())
    }
}

fn require(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}
