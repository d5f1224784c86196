//! Transactions, of which a power cut leaves all or nothing.

use std::ops::Range;

use leveret_protocol::tx;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::client::Client;
use super::{QUEUES, body, open};
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

#[test]
fn a_transaction_survives_a_power_cut_as_a_whole_or_not_at_all() {
    for seed in 0..6 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut disk = FaultyDisk::new();
        let mut node = open(&disk);
        Client::connect(&node).declare_all();
        // Numbers of committed transactions' messages, and those of the one that a power cut met.
        let (mut committed, mut next): (Vec<u64>, u64) = (Vec::new(), 0);
        for cut in 0..6 {
            let mut client = Client::connect(&node);
            client.call(tx::Select);
            for _ in 0..random.random_range(0..4) {
                let numbers = fill(&mut client, &mut next, &mut random);
                client.call(tx::Commit);
                committed.extend(numbers);
            }
            let numbers = fill(&mut client, &mut next, &mut random);
            if random.random() {
                client.send(1, tx::Commit);
            }
            client.turn();
            disk = disk.after_power_cut(Unsynced::Chance(random.random()));
            client.end();
            node = open(&disk);
            let mut client = Client::connect(&node);
            let [whole, _, paged] = QUEUES.map(|queue| client.numbers(queue, false));
            client.session.end(&mut client.work, &mut client.out);
            assert_eq!(whole, paged, "seed {seed}, cut {cut}");
            if whole.len() > committed.len() {
                committed.extend(numbers);
            }
            assert_eq!(whole, committed, "seed {seed}, cut {cut}");
        }
        node.close(false);
    }
}

/// Publishes some messages to two queues, one by one.
fn fill(client: &mut Client, next: &mut u64, random: &mut StdRng) -> Range<u64> {
    let first = *next;
    for _ in 0..random.random_range(1..6) {
        let body = body(*next, random.random_range(0..9_000));
        client.publish("", "whole", &body);
        client.publish("", "paged", &body);
        *next += 1;
    }
    first..*next
}
