//! Messages that an exchange delays.

use std::collections::BTreeSet;

use leveret_protocol::{FieldValue, confirm, exchange, queue};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::client::Client;
use super::{PATIENCE, body, name, open};
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

#[test]
fn delayed_messages_come_once_and_all_that_were_confirmed_through_power_cuts() {
    for seed in 0..4 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = FaultyDisk::new();
        let mut node = open(&disk);
        let mut client = Client::connect(&node);
        let arguments = std::iter::once((name("x-delayed-type"), FieldValue::text("fanout"))).collect();
        let (exchange, kind) = (name("later"), name("x-delayed-message"));
        client.call(exchange::Declare { exchange, kind, durable: true, arguments, ..Default::default() });
        client.call(queue::Declare { queue: name("whole"), durable: true, ..Default::default() });
        client.call(queue::Bind { queue: name("whole"), exchange: name("later"), ..Default::default() });
        let (mut published, mut confirmed) = (0, BTreeSet::new());
        for _ in 0..6 {
            let mut client = Client::connect(&node);
            client.call(confirm::Select::default());
            let (first, count) = (published, random.random_range(1..60));
            for _ in 0..count {
                client.publish_delayed(random.random_range(0..400), &body(published, random.random_range(0..3_000)));
                published += 1;
            }
            let least = random.random_range(0..=count);
            client.wait_until(|client| client.confirmed >= least);
            confirmed.extend(first..first + client.confirmed);
            disk = disk.after_power_cut(Unsynced::Chance(random.random()));
            client.end();
            node = open(&disk);
        }
        let mut client = Client::connect(&node);
        let deadline = node.clock.now().after(PATIENCE);
        let mut there = Vec::new();
        while !confirmed.iter().all(|number| there.contains(number)) {
            assert!(node.clock.now() < deadline, "seed {seed}: of {confirmed:?} only {there:?} came");
            there.extend(client.numbers("whole", true));
        }
        let all = there.len();
        there.sort_unstable();
        there.dedup();
        assert_eq!(there.len(), all, "seed {seed}: each once");
        node.close(false);
    }
}
