//! Messages to a queue with priorities.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, basic, confirm, queue};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::client::Client;
use super::{body, name, number, open};
use crate::node::Node;
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

/// Messages to a queue with priorities up to 3, through power cuts.
#[derive(Default)]
struct Urgent {
    /// By number.
    priorities: Vec<u8>,
    confirmed: BTreeSet<u64>,
    taken: BTreeSet<u64>,
    lost: BTreeSet<u64>,
}

impl Urgent {
    const QUEUE: &str = "urgent";
    const OTHER: &str = "other";

    fn declare(client: &mut Client) {
        for (queue, highest) in [(Self::QUEUE, 3), (Self::OTHER, 255)] {
            let mut arguments = FieldTable::new();
            arguments.insert("x-max-priority", FieldValue::I32(highest));
            client.call(queue::Declare { queue: name(queue), durable: true, arguments, ..Default::default() });
        }
        client.call(queue::Bind { queue: name(Self::OTHER), exchange: name("amq.fanout"), ..Default::default() });
        client.call(queue::Bind { queue: name(Self::QUEUE), exchange: name("amq.fanout"), ..Default::default() });
    }

    /// Publishes, to this queue alone or to another one, too, and takes what is first.
    fn work(&mut self, client: &mut Client, turns: u32, random: &mut StdRng) {
        let first = self.next();
        for _ in 0..turns {
            for _ in 0..random.random_range(1..8) {
                let exchange = if random.random() { "amq.fanout" } else { "" };
                let priority = random.random_range(0..6);
                let body = body(self.next(), random.random_range(0..6_000));
                client.publish_urgent(exchange, Self::QUEUE, Some(priority), &body);
                self.priorities.push(priority);
            }
            let least = random.random_range(0..=self.next() - first);
            client.wait_until(|client| client.confirmed >= least);
            for _ in 0..random.random_range(0..4) {
                client.bodies.clear();
                client.call(basic::Get { queue: name(Self::QUEUE), no_ack: true, ..Default::default() });
                self.taken.extend(client.bodies.drain(..).map(|body| number(&body)));
            }
        }
        self.confirmed.extend(first..first + client.confirmed);
    }

    fn next(&self) -> u64 {
        u64::try_from(self.priorities.len()).unwrap()
    }

    fn check(&mut self, node: &Arc<Node>, context: &str) {
        let mut client = Client::connect(node);
        let numbers = client.numbers(Self::QUEUE, false);
        client.session.end(&mut client.work, &mut client.out);
        let place = |number: &u64| (3 - self.priorities[usize::try_from(*number).unwrap()].min(3), *number);
        let in_order = numbers.is_sorted_by(|one, other| place(one) < place(other));
        assert!(in_order, "{context}: by priority, each once: {numbers:?}");
        let there: BTreeSet<u64> = numbers.into_iter().collect();
        assert!(there.is_disjoint(&self.lost), "{context}: one was gone and is back");
        let missing: Vec<_> = self.confirmed.difference(&there).filter(|number| !self.taken.contains(number)).collect();
        assert!(missing.is_empty(), "{context}: {missing:?} were confirmed");
        self.lost.extend((0..self.next()).filter(|number| !there.contains(number)));
        self.confirmed.extend(there);
    }
}

#[test]
fn a_queue_with_priorities_keeps_what_was_confirmed_in_its_order_through_many_power_cuts() {
    let mut segments = 0;
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut disk, mut urgent) = (FaultyDisk::new(), Urgent::default());
        let mut node = open(&disk);
        Urgent::declare(&mut Client::connect(&node));
        for cut in 0..8 {
            let mut client = Client::connect(&node);
            client.call(confirm::Select::default());
            urgent.work(&mut client, random.random_range(1..20), &mut random);
            disk = disk.after_power_cut(Unsynced::Chance(random.random()));
            client.end();
            segments = segments.max(disk.list(Path::new("segments")).unwrap_or_default().len());
            node = open(&disk);
            urgent.check(&node, &format!("seed {seed}, cut {cut}"));
        }
        node.close(false);
    }
    assert!(segments > 0, "old messages have moved");
}
