//! A disk that fails under a running node: nothing is answered that is not durable.

use std::process::Command;

use leveret_protocol::{confirm, tx};

use super::client::Client;
use super::{body, open};
use crate::store::disk::faulty::FaultyDisk;

/// What makes a disk fail.
type Failure = fn(&FaultyDisk);

/// What is done to a disk before something has to be made durable.
const FAILURES: [(&str, Failure); 3] = [
    ("sync", |disk| disk.fail_sync(1)),
    ("write", |disk| disk.fail_write(1)),
    ("full", |disk| disk.full_from_write(1)),
];

#[test]
fn neither_a_confirm_nor_a_commit_is_answered_when_the_disk_fails() {
    const CHILD: &str = "LEVERET_TEST_OF_A_FAILING_LOG";
    const THIS: &str = "node::power_cut_tests::failing::neither_a_confirm_nor_a_commit_is_answered_when_the_disk_fails";
    if let Ok(wanted) = std::env::var(CHILD) {
        let (failure, transaction) = wanted.split_once(' ').unwrap();
        let fail = FAILURES.iter().find(|(name, _)| *name == failure).unwrap().1;
        return answer_on_a_failing_disk(fail, transaction == "tx");
    }
    for (failure, _) in FAILURES {
        for mode in ["tx", "confirm"] {
            let itself = std::env::current_exe().unwrap();
            let mut command = Command::new(itself);
            command.args(["--exact", THIS, "--nocapture"]).env(CHILD, format!("{failure} {mode}"));
            let child = command.output().unwrap();
            let told = String::from_utf8_lossy(&child.stdout);
            assert_eq!(child.status.code(), Some(74), "{failure}, {mode}: {told}");
            assert!(told.contains("answered: 1"), "{failure}, {mode}: {told}");
            assert!(!told.contains("answered: 2"), "{failure}, {mode}: {told}");
        }
    }
}

/// Says how often it is answered. The second answer must not come: the process ends first.
fn answer_on_a_failing_disk(fail: Failure, transaction: bool) {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    client.declare_all();
    if transaction {
        client.call(tx::Select);
    } else {
        client.call(confirm::Select::default());
    }
    for answered in 1..=2 {
        client.publish("amq.fanout", "", &body(answered, 100));
        if transaction {
            client.call(tx::Commit);
        } else {
            client.wait_until(|client| client.confirmed == answered);
        }
        println!("answered: {answered}");
        fail(&disk);
    }
}
