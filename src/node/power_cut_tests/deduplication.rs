//! Keys by which duplicates are told, through power cuts: what was confirmed is known, and what was lost may come again.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, confirm, exchange, queue};

use super::client::Client;
use super::{body, name, open};
use crate::node::Node;
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

/// Where keys are remembered, and how messages come there: a queue by its name, one together with another by a fan-out, and
/// an exchange.
const WAYS: [(&str, &str, &str); 3] = [("", "alone", "alone"), ("all", "", "together"), ("once", "", "behind")];

/// Messages that a window remembers.
const WINDOW: u64 = 60;

fn declare(client: &mut Client) {
    let mut deduplicating = FieldTable::new();
    deduplicating.insert("x-message-deduplication", FieldValue::Bool(true));
    deduplicating.insert("x-cache-size", FieldValue::I64(i64::try_from(WINDOW).unwrap()));
    for (exchange, arguments) in [("all", FieldTable::new()), ("once", deduplicating.clone())] {
        let kind = name("fanout");
        client.call(exchange::Declare {
            exchange: name(exchange),
            kind,
            durable: true,
            arguments,
            ..Default::default()
        });
    }
    for queue in ["alone", "together"] {
        let arguments = deduplicating.clone();
        client.call(queue::Declare { queue: name(queue), durable: true, arguments, ..Default::default() });
    }
    for queue in ["beside", "behind"] {
        client.call(queue::Declare { queue: name(queue), durable: true, ..Default::default() });
    }
    for (exchange, queue) in [("all", "together"), ("all", "beside"), ("once", "behind")] {
        client.call(queue::Bind { queue: name(queue), exchange: name(exchange), ..Default::default() });
    }
    client.call(confirm::Select::default());
}

/// Publishes these keys, each by itself; how many were confirmed in time.
fn publish(client: &mut Client, (exchange, routing_key, _): (&str, &str, &str), keys: Range<u64>, size: usize) {
    let confirmed = client.confirmed;
    let count = keys.end - keys.start;
    keys.for_each(|key| client.publish_keyed(exchange, routing_key, key, &body(key, size)));
    client.wait_until(|client| client.confirmed >= confirmed + count);
}

fn reconnect(node: &Arc<Node>) -> Client {
    let mut client = Client::connect(node);
    client.call(confirm::Select::default());
    client
}

#[test]
fn keys_that_were_confirmed_are_known_through_power_cuts_wherever_their_records_moved_meanwhile() {
    for way in WAYS {
        let mut disk = FaultyDisk::new();
        let mut node = open(&disk);
        let mut client = Client::connect(&node);
        declare(&mut client);
        let mut next = 0;
        for cut in 0..6 {
            let context = format!("{way:?}, cut {cut}");
            // Enough to fill log files, all of it consumed, so that hardly more than keys moves to segments.
            for first in (next..next + 40).step_by(4) {
                publish(&mut client, way, first..first + 4, 12_000);
            }
            next += 40;
            assert_eq!(client.numbers(way.2, true), (next - 40..next).collect::<Vec<_>>(), "{context}");
            client.numbers("beside", true);
            if cut == 2 {
                client.wait_until(|_| disk.list(Path::new("segments")).is_ok_and(|names| !names.is_empty()));
            }
            let fate = [Unsynced::Lost, Unsynced::Kept, Unsynced::Chance(cut)][usize::try_from(cut % 3).unwrap()];
            disk = disk.after_power_cut(fate);
            client.end();
            node = open(&disk);
            client = reconnect(&node);
            let known = next.saturating_sub(WINDOW);
            // What was consumed may be back, as nobody waits for acknowledgements.
            client.numbers(way.2, true);
            publish(&mut client, way, known..next, 10);
            assert_eq!(client.numbers(way.2, true), [0; 0], "{context}: all of them are known");
        }
        // The oldest of all are forgotten.
        publish(&mut client, way, 0..1, 10);
        assert_eq!(client.numbers(way.2, true), [0], "{way:?}");
        client.end();
    }
}

#[test]
fn a_key_is_never_known_after_a_power_cut_whose_message_is_lost() {
    // An exchange's keys follow their messages: what was not confirmed may come a second time.
    for (seed, way) in (0..6).flat_map(|seed| [WAYS[0], WAYS[1]].map(|way| (seed, way))) {
        let disk = FaultyDisk::new();
        let mut client = Client::connect(&open(&disk));
        declare(&mut client);
        for key in 0..20 {
            client.publish_keyed(way.0, way.1, key, &body(key, 500));
            client.turn();
        }
        let after = disk.after_power_cut(Unsynced::Chance(seed));
        client.end();
        let node = open(&after);
        let mut client = reconnect(&node);
        publish(&mut client, way, 0..20, 10);
        let mut numbers = client.numbers(way.2, true);
        numbers.sort_unstable();
        let expected: Vec<u64> = (0..20).collect();
        assert_eq!(numbers, expected, "seed {seed}, {way:?}: each is there, and once");
        client.end();
    }
}

#[test]
fn an_exchange_knows_no_key_after_a_power_cut_whose_message_is_lost() {
    let way = WAYS[2];
    for seed in 0..6 {
        let disk = FaultyDisk::new();
        let mut client = Client::connect(&open(&disk));
        declare(&mut client);
        for key in 0..20 {
            client.publish_keyed(way.0, way.1, key, &body(key, 500));
            client.turn();
        }
        let confirmed = client.confirmed;
        let after = disk.after_power_cut(Unsynced::Chance(seed));
        client.end();
        let node = open(&after);
        let mut client = reconnect(&node);
        publish(&mut client, way, 0..20, 10);
        let numbers = client.numbers(way.2, true);
        for key in 0..20 {
            let times = numbers.iter().filter(|number| **number == key).count();
            assert!(times == 1 || times == 2 && key >= confirmed, "seed {seed}: {key} is there {times} times");
        }
        client.end();
    }
}

#[test]
fn nothing_of_a_duplicate_is_written_down() {
    for way in WAYS.into_iter().filter(|(exchange, ..)| *exchange != "all") {
        let disk = FaultyDisk::new();
        let node = open(&disk);
        let mut client = Client::connect(&node);
        declare(&mut client);
        publish(&mut client, way, 0..1, 10);
        let end = node.storage.as_ref().unwrap().log.end();
        publish(&mut client, way, 0..1, 10);
        assert_eq!(node.storage.as_ref().unwrap().log.end(), end, "{way:?}");
        client.end();
    }
}

#[test]
fn a_duplicate_to_several_queues_is_written_down_for_those_alone_that_take_it() {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    declare(&mut client);
    publish(&mut client, WAYS[1], 0..1, 10);
    publish(&mut client, WAYS[1], 0..1, 10);
    let disk = disk.after_power_cut(Unsynced::Kept);
    client.end();
    let node = open(&disk);
    let mut client = reconnect(&node);
    assert_eq!((client.numbers("together", true), client.numbers("beside", true)), (vec![0], vec![0, 0]));
    client.end();
}

#[test]
fn keys_of_what_was_deleted_are_not_those_of_what_is_declared_under_its_name() {
    let mut disk = FaultyDisk::new();
    let mut client = Client::connect(&open(&disk));
    declare(&mut client);
    WAYS.into_iter().for_each(|way| publish(&mut client, way, 0..3, 10));
    client.call(exchange::Delete { exchange: name("once"), ..Default::default() });
    for queue in ["alone", "together", "behind"] {
        client.call(queue::Delete { queue: name(queue), ..Default::default() });
    }
    declare(&mut client);
    disk = disk.after_power_cut(Unsynced::Kept);
    client.end();
    let mut client = reconnect(&open(&disk));
    for way in WAYS {
        publish(&mut client, way, 0..3, 10);
        assert_eq!(client.numbers(way.2, true), [0, 1, 2], "{way:?}");
    }
    client.end();
}
