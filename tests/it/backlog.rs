//! Backlogs of numbered messages, and how much memory may go where.

use crate::peer::Peer;
use crate::support::commands::{declare_passive, publish};

pub(crate) const MIB: usize = 1024 * 1024;

/// Whatever the kernel keeps between two sockets of this machine, generously.
pub(crate) const SOCKETS: usize = 24 * MIB;

/// What a server may take for its own purposes while a test runs.
pub(crate) const SLACK: usize = 48 * MIB;

/// A body that tells its number and is of this size.
pub(crate) fn numbered(number: usize, size: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.resize(size, b'.');
    body
}

/// The number of such a body.
pub(crate) fn number(body: &[u8]) -> usize {
    usize::from_be_bytes(body[..8].try_into().unwrap())
}

/// Messages that are ready in a queue.
pub(crate) fn ready(peer: &mut Peer, queue: &str) -> usize {
    usize::try_from(peer.call(1, &declare_passive(queue), "queue.declare-ok").number("message-count")).unwrap()
}

/// Publishes many numbered bodies and waits until they are in the queue or beyond.
pub(crate) fn fill(publisher: &mut Peer, queue: &str, numbers: std::ops::Range<usize>, size: usize) {
    for number in numbers {
        publisher.publish(&publish("", queue), &numbered(number, size));
    }
    publisher.call(1, &declare_passive(queue), "queue.declare-ok");
}
