//! A whole node on a disk that loses what was not synced: clients are told nothing that a power cut makes untrue, through
//! many cuts in a row, with log files and segments so small that messages move from one to the other meanwhile.

mod client;
mod closing;
mod confirmed;
mod damage;
mod declarations;
mod deduplication;
mod delayed;
mod failing;
mod priorities;
mod reading;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::ShortString;

use super::Node;
use super::open::Sizes;
use crate::config::Config;
use crate::store::disk::Disk;
use crate::store::disk::faulty::FaultyDisk;

const QUEUES: [&str; 3] = ["whole", "taken", "paged"];

const FILE: u32 = 64 * 1024;

/// How long anything may take that has to happen.
const PATIENCE: Duration = Duration::from_secs(30);

fn open(disk: &FaultyDisk) -> Arc<Node> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Arc::new(Node::open_on(&Config::default(), &disk, Sizes { file: Some(FILE) }).unwrap())
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

/// A body that tells its number and is that of no other.
fn body(number: u64, size: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(8 + size, number.to_le_bytes()[0]);
    body
}

fn number(body: &[u8]) -> u64 {
    assert!(body[8..].iter().all(|byte| *byte == body[0]), "a message is altered");
    u64::from_le_bytes(body[..8].try_into().unwrap())
}
