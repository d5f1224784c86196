//! Large messages under the memory limit: the broker keeps to it with messages that are a tenth of it each, and gives back what
//! it does not need.

use crate::backlog::{MIB, number, ready};
use crate::memory::{flood, kept, limited};
use crate::peer::Peer;
use crate::support::commands::{consume, declare};

const LARGE: usize = 16 * MIB;

#[test]
fn large_messages_do_not_outgrow_the_limit() {
    const COUNT: usize = 40;
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    flood(&mut peer, "jobs", 0..COUNT, LARGE);
    assert_eq!(ready(&mut peer, "jobs"), COUNT);
    println!("{} MiB at most while they came in", server.peak() / MIB);
    kept(&server);
    peer.call(1, &consume("jobs", "late").flag("no-ack"), "basic.consume-ok");
    for expected in 0..COUNT {
        let (_, body) = peer.delivery();
        assert_eq!((number(&body), body.len()), (expected, LARGE));
    }
    println!("{} MiB at most while they went out", server.peak() / MIB);
    kept(&server);
}

#[test]
fn what_was_freed_is_given_back_though_nothing_happens_any_more() {
    let server = limited();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs"), "queue.declare-ok");
    let before = server.resident();
    flood(&mut peer, "jobs", 0..10, LARGE);
    peer.call(1, &crate::support::commands::purge("jobs"), "queue.purge-ok");
    // Two of the log's buffers stay for the next ones.
    let after = before + 2 * LARGE;
    crate::memory::wait_until("what was purged is given back", || server.resident() < after);
}
