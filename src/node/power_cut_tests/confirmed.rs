//! Confirmed messages to several queues at once.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use leveret_protocol::{basic, confirm};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::client::Client;
use super::{QUEUES, body, name, number, open};
use crate::node::Node;
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

/// What clients were told, through all power cuts.
#[derive(Default)]
struct Told {
    published: u64,
    confirmed: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    /// Was not there after a power cut.
    lost: BTreeSet<u64>,
}

impl Told {
    /// Publishes to all queues and takes from one, for so many turns; what has been confirmed by then is noted.
    fn work(&mut self, client: &mut Client, turns: u32, random: &mut StdRng) {
        let (first, mut sent) = (self.published, 0);
        for _ in 0..turns {
            for _ in 0..random.random_range(1..8) {
                client.publish("amq.fanout", "", &body(self.published, random.random_range(0..6_000)));
                (self.published, sent) = (self.published + 1, sent + 1);
            }
            if random.random_ratio(1, 3) {
                client.turn();
            } else {
                let least = random.random_range(0..=sent);
                client.wait_until(|client| client.confirmed >= least);
            }
            if random.random_ratio(1, 2) {
                client.bodies.clear();
                client.call(basic::Get { queue: name("taken"), no_ack: true, ..Default::default() });
                client.wait_until(|client| client.replies.is_empty());
                self.taken.extend(client.bodies.drain(..).map(|body| number(&body)));
            }
        }
        self.confirmed.extend(first..first + client.confirmed);
    }

    /// Holds a node after a power cut against it.
    fn check(&mut self, node: &Arc<Node>, context: &str) {
        let mut client = Client::connect(node);
        let [whole, taken, paged] = QUEUES.map(|queue| client.numbers(queue, false));
        client.session.end(&mut client.work, &mut client.out);
        assert_eq!(whole, paged, "{context}: a message is in all its queues or in none");
        for numbers in [&whole, &taken] {
            assert!(numbers.is_sorted_by(|one, other| one < other), "{context}: in order, each once: {numbers:?}");
            assert!(numbers.iter().all(|number| *number < self.published), "{context}: nobody published one");
            assert!(numbers.iter().all(|number| !self.lost.contains(number)), "{context}: one was gone and is back");
        }
        let there: BTreeSet<u64> = whole.into_iter().collect();
        let missing: Vec<_> = self.confirmed.difference(&there).collect();
        assert!(missing.is_empty(), "{context}: {missing:?} were confirmed");
        let left: BTreeSet<u64> = taken.into_iter().chain(self.taken.iter().copied()).collect();
        let missing: Vec<_> = there.difference(&left).collect();
        assert!(missing.is_empty(), "{context}: {missing:?} are in one queue and not in the other");
        self.lost.extend((0..self.published).filter(|number| !there.contains(number)));
        // Whatever survived one power cut is as good as confirmed.
        self.confirmed.extend(there);
    }
}

#[test]
fn what_was_confirmed_is_in_all_its_queues_through_many_power_cuts() {
    let mut segments = 0;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = FaultyDisk::new();
        let mut told = Told::default();
        let mut node = open(&disk);
        Client::connect(&node).declare_all();
        for cut in 0..8 {
            let mut client = Client::connect(&node);
            client.call(confirm::Select::default());
            told.work(&mut client, random.random_range(1..20), &mut random);
            let fate = match random.random_range(0..4) {
                0 => Unsynced::Lost,
                1 => Unsynced::Kept,
                _ => Unsynced::Chance(random.random()),
            };
            disk = disk.after_power_cut(fate);
            client.end();
            segments = segments.max(disk.list(Path::new("segments")).unwrap_or_default().len());
            node = open(&disk);
            told.check(&node, &format!("seed {seed}, cut {cut}, {fate:?}"));
        }
        node.close(false);
    }
    assert!(segments > 0, "old messages have moved");
}
