//! Files that are damaged or missing at a start.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use leveret_protocol::{basic, confirm};

use super::client::Client;
use super::{FILE, body, name, open};
use crate::config::Config;
use crate::node::open::Sizes;
use crate::node::{Node, NodeError};
use crate::store::disk::Disk;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

/// Flips a bit in a file.
fn damage(disk: &FaultyDisk, path: &Path, offset: u64) {
    let file = disk.open(path, false).unwrap();
    let mut byte = [0];
    file.read_at(offset, &mut byte).unwrap();
    file.write_at(offset, &[&[byte[0] ^ 1]]).unwrap();
}

pub(super) fn segments(disk: &FaultyDisk) -> Vec<PathBuf> {
    let directory = Path::new("segments");
    let names = disk.list(directory).unwrap().into_iter();
    names.filter(|name| name.extension().is_some_and(|it| it == "seg")).map(|name| directory.join(name)).collect()
}

/// A disk with messages in segments, of a node that has ended, and how many were published.
fn with_segments() -> (FaultyDisk, usize) {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    client.declare_all();
    client.call(confirm::Select::default());
    let mut published = 0;
    while segments(&disk).len() < 2 {
        client.publish("", "whole", &body(published, 4000));
        published += 1;
        client.wait_until(|client| client.confirmed == published);
    }
    client.end();
    (disk.after_power_cut(Unsynced::Kept), usize::try_from(published).unwrap())
}

/// Starts on what is on the disk, which the node before may not have let go of yet.
fn start(disk: &mut FaultyDisk, salvage: bool) -> Result<Arc<Node>, NodeError> {
    *disk = disk.after_power_cut(Unsynced::Kept);
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let config = Config { salvage, ..Config::default() };
    Node::open_on(&config, &disk, Sizes { file: Some(FILE) }).map(Arc::new)
}

#[test]
fn a_damaged_segment_is_refused_and_salvage_goes_on_without_it_at_all_later_starts() {
    for missing in [false, true] {
        let (mut disk, published) = with_segments();
        let name = segments(&disk).remove(0);
        if missing {
            disk.remove(&name).unwrap();
        } else {
            damage(&disk, &name, 20);
        }
        let error = start(&mut disk, false).unwrap_err();
        assert!(error.is_damage() && error.to_string().contains("segments/00000001.seg"), "{error}");
        let mut there = Vec::new();
        for salvage in [true, false, false] {
            let node = start(&mut disk, salvage).unwrap();
            let mut client = Client::connect(&node);
            let numbers = client.numbers("whole", false);
            client.end();
            assert!(!numbers.is_empty() && numbers.len() < published);
            assert!(there.is_empty() || there == numbers, "what is left stays");
            there = numbers;
        }
        assert_eq!(disk.open(&name, false).is_ok(), !missing, "a damaged file is kept");
    }
}

#[test]
fn a_damaged_message_that_was_given_up_keeps_no_later_start_from_going_on() {
    let (mut disk, published) = with_segments();
    damage(&disk, &segments(&disk)[0], 32 + 6000);
    for _ in 0..3 {
        let node = start(&mut disk, false).unwrap();
        let mut client = Client::connect(&node);
        let numbers = client.numbers("whole", false);
        client.end();
        assert_eq!(numbers, (0..published as u64).filter(|number| *number != 1).collect::<Vec<_>>());
    }
}

#[test]
fn a_damaged_message_beside_settled_ones_is_salvaged_once() {
    let (mut disk, published) = with_segments();
    let node = start(&mut disk, false).unwrap();
    let mut client = Client::connect(&node);
    client.bodies.clear();
    client.call(basic::Get { queue: name("whole"), no_ack: true, ..Default::default() });
    client.wait_until(|client| client.bodies.len() == 1);
    client.end();
    disk = disk.after_power_cut(Unsynced::Kept);
    damage(&disk, &segments(&disk)[0], 32 + 6000);
    assert!(start(&mut disk, false).unwrap_err().is_damage());
    for salvage in [true, false, false] {
        let node = start(&mut disk, salvage).unwrap();
        let mut client = Client::connect(&node);
        assert_eq!(client.numbers("whole", false), (2..published as u64).collect::<Vec<_>>());
        client.end();
    }
}
