//! Reads that fail for a while.

use std::sync::Arc;

use leveret_protocol::{Method, basic, confirm, connection};

use super::client::Client;
use super::{body, name, number, open};
use crate::node::Node;
use crate::store::disk::faulty::{FaultyDisk, Unsynced};

/// A node whose queue holds messages 0 to 2, on the disk alone.
fn with_three_stored() -> (FaultyDisk, Arc<Node>) {
    let disk = FaultyDisk::new();
    let node = open(&disk);
    let mut client = Client::connect(&node);
    client.declare_all();
    client.call(confirm::Select::default());
    (0..3).for_each(|number| client.publish("", "whole", &body(number, 100)));
    client.wait_until(|client| client.confirmed == 3);
    let disk = disk.after_power_cut(Unsynced::Lost);
    client.end();
    let node = open(&disk);
    (disk, node)
}

#[test]
fn a_read_that_fails_once_loses_no_message() {
    let (disk, node) = with_three_stored();
    let mut client = Client::connect(&node);
    disk.fail_read(1);
    assert_eq!(client.numbers("whole", false), [0, 1, 2]);
    let disk = disk.after_power_cut(Unsynced::Kept);
    client.end();
    let node = open(&disk);
    assert_eq!(Client::connect(&node).numbers("whole", false), [0, 1, 2], "nothing was settled for them");
    node.close(false);
}

#[test]
fn a_connection_that_is_closed_while_its_get_waits_for_the_disk_takes_no_message() {
    let (disk, node) = with_three_stored();
    let (mut closed, mut other) = (Client::connect(&node), Client::connect(&node));
    // The message comes half a second later, and so not before the connection is closed.
    disk.fail_read(1);
    closed.send(1, basic::Get { queue: name("whole"), ..Default::default() });
    closed.session.outbox().force_close("to see what becomes of it");
    closed.turn();
    assert!(matches!(closed.replies.as_slice(), [Method::Connection(connection::Method::Close(_))]));
    closed.send(0, connection::CloseOk);
    closed.turn();
    assert!(closed.session.is_closed(), "close-ok is read although the get has no answer");
    for number in 0..3 {
        other.bodies.clear();
        other.send(1, basic::Get { queue: name("whole"), ..Default::default() });
        other.wait_until(|other| {
            closed.turn();
            !other.replies.is_empty()
        });
        other.replies.clear();
        assert_eq!(other.bodies.iter().map(|body| self::number(body)).collect::<Vec<_>>(), [number]);
    }
    node.close(false);
}
