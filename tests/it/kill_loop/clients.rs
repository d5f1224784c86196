//! Clients that work until the server is gone, and tell what they saw of it. None of them checks anything.

use std::net::SocketAddr;
use std::sync::mpsc::Sender;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::history::{self, EXCHANGE, Identity, QUEUES, Sighting};
use crate::client::PATIENCE;
use crate::peer::{Peer, persistent};
use crate::support::commands::{ack, method, prefetch};
use crate::support::raw::Event;
use crate::support::{commands, method::Method};

/// Publishes that may be unconfirmed at once.
const IN_FLIGHT: u64 = 64;

/// Messages that a consumer keeps without acknowledging them; less than its prefetch.
const HELD: usize = 30;
const PREFETCH: u64 = 50;

/// What a publisher has done.
#[derive(Debug)]
pub(super) struct Published {
    /// The number that the next message would have.
    pub(super) next: u64,
    pub(super) confirmed: Vec<u64>,
}

/// A peer that publishes with confirms.
pub(super) fn publisher(address: SocketAddr) -> Peer {
    let mut peer = Peer::open(address);
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    peer
}

/// A peer that may have some messages unacknowledged.
pub(super) fn consumer(address: SocketAddr) -> Peer {
    let mut peer = Peer::open(address);
    peer.call(1, &prefetch(PREFETCH), "basic.qos-ok");
    peer
}

/// Publishes numbered messages and counts confirms.
pub(super) fn publish(mut peer: Peer, publisher: usize, first: u64, progress: &Sender<u64>, seed: u64) -> Published {
    let mut random = StdRng::seed_from_u64(seed);
    let to =
        if history::is_direct(publisher) { commands::publish("", QUEUES[0]) } else { commands::publish(EXCHANGE, "") };
    let mut published = Published { next: first, confirmed: Vec::new() };
    let mut settled = first;
    loop {
        while published.next - settled < IN_FLIGHT {
            let size = if random.random_ratio(1, 50) { 150_000 } else { random.random_range(0..2_000) };
            let body = history::body(Identity { publisher, number: published.next }, size);
            published.next += 1;
            peer.raw.send(&persistent(&to, &body));
        }
        let Some(confirm) = next_method(&mut peer, "basic.ack") else { return published };
        let through = first + confirm.number("delivery-tag");
        assert!(confirm.is_set("multiple") || through == settled + 1, "confirms are in order");
        published.confirmed.extend(settled..through);
        // Whoever counts may have seen enough.
        let _enough = progress.send(through - settled);
        settled = through;
    }
}

/// Takes messages, and acknowledges most of them now or later; gives some back.
pub(super) fn consume(mut peer: Peer, queue: usize, seed: u64) -> Vec<Sighting> {
    let mut random = StdRng::seed_from_u64(seed);
    peer.raw.send_method(1, &commands::consume(QUEUES[queue], "c"));
    let mut sightings = Vec::new();
    let mut held: Vec<(u64, Identity)> = Vec::new();
    if next_method(&mut peer, "basic.consume-ok").is_none() {
        return sightings;
    }
    while let Some((tag, sighting)) = next_delivery(&mut peer) {
        let Sighting::Delivered { identity, redelivered } = sighting else { return sightings };
        sightings.push(sighting);
        let choice = random.random_range(0..100);
        if choice < 10 && !redelivered {
            peer.raw.send_method(1, &method("basic.nack").set("delivery-tag", tag).flag("requeue"));
            sightings.push(Sighting::GivenBack(identity));
        } else if choice < 60 {
            peer.raw.send_method(1, &ack(tag));
            sightings.push(Sighting::Acknowledged(identity));
        } else if choice < 65 {
            peer.raw.send_method(1, &ack(tag).flag("multiple"));
            let all = held.drain(..).map(|(_, identity)| identity).chain([identity]);
            sightings.extend(all.map(Sighting::Acknowledged));
        } else {
            held.push((tag, identity));
        }
        if held.len() > HELD {
            let (tag, identity) = held.remove(0);
            peer.raw.send_method(1, &ack(tag));
            sightings.push(Sighting::Acknowledged(identity));
        }
    }
    sightings
}

/// The next method, which has to be this one; nothing when the server is gone or about to go.
fn next_method(peer: &mut Peer, name: &str) -> Option<Method> {
    match peer.event() {
        Event::Method { method, .. } if method.name == name => Some(method),
        Event::Method { method: close, .. } if close.name == "connection.close" => {
            peer.raw.send_method(0, &method("connection.close-ok"));
            None
        }
        Event::Eof => None,
        other => panic!("{name} is expected within {PATIENCE:?}, not {other:?}"),
    }
}

/// The next delivery with its tag. One that is cut off by the end of the server does not count.
fn next_delivery(peer: &mut Peer) -> Option<(u64, Sighting)> {
    let deliver = next_method(peer, "basic.deliver")?;
    let Event::Header { body_size, .. } = peer.event() else { return None };
    let mut body = Vec::new();
    while u64::try_from(body.len()).is_ok_and(|length| length < body_size) {
        let Event::Body { bytes, .. } = peer.event() else { return None };
        body.extend_from_slice(&bytes);
    }
    Some((deliver.number("delivery-tag"), Sighting::of(&body, deliver.is_set("redelivered"))))
}
