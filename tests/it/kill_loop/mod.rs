//! The server is killed over and over while clients publish and consume; afterwards nothing that was confirmed may be
//! missing. `LEVERET_KILL_ROUNDS` and `LEVERET_KILL_SEED` make a longer run, or the same again.

mod clients;
mod history;

use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::clients::{Published, consume, consumer, publish, publisher};
use self::history::{EXCHANGE, History, PUBLISHERS, QUEUES, Round, Sighting};
use crate::client::PATIENCE;
use crate::peer::{Peer, persistent};
use crate::support::commands::{self, bind, declare, declare_passive, method};
use crate::support::server::{Ending, Server};

/// Enough to see most of what can go wrong, in the time that a build may take.
const ROUNDS: u64 = 20;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect("a number"))
}

fn server() -> Server {
    let server = Server::start();
    let mut peer = Peer::open(server.address());
    peer.call(1, &commands::declare_exchange(EXCHANGE, "fanout").flag("durable"), "exchange.declare-ok");
    for queue in QUEUES {
        peer.call(1, &declare(queue).flag("durable"), "queue.declare-ok");
        peer.call(1, &bind(queue, EXCHANGE, ""), "queue.bind-ok");
    }
    server
}

#[test]
fn nothing_confirmed_is_lost_or_altered_or_comes_twice_unflagged_whenever_the_server_is_killed() {
    let (rounds, seed) = (setting("LEVERET_KILL_ROUNDS", ROUNDS), setting("LEVERET_KILL_SEED", 7));
    println!("LEVERET_KILL_SEED={seed} LEVERET_KILL_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = server();
    let mut history = History::default();
    let mut before = Ending::Stop;
    for round in 0..rounds {
        let ending = if random.random_ratio(1, 6) { Ending::Stop } else { Ending::Kill };
        let sightings = work_until_the_end(&mut server, &mut history, ending, &mut random);
        for (queue, sightings) in sightings.iter().enumerate() {
            history.look(queue, &Round { number: round, after: before, sightings });
        }
        before = ending;
        server.begin();
    }
    history.nothing_published();
    let mut peer = Peer::open(server.address());
    for queue in 0..QUEUES.len() {
        let sightings = drain(&mut peer, queue);
        history.look(queue, &Round { number: rounds, after: before, sightings: &sightings });
        history.expect_nothing_missing(queue, &sightings);
    }
    println!("{history}");
    history.expect_much();
}

/// Clients work until the server ends, at a moment that depends on how much it has confirmed; what each queue's consumer
/// saw and did.
fn work_until_the_end(
    server: &mut Server,
    history: &mut History,
    ending: Ending,
    random: &mut StdRng,
) -> Vec<Vec<Sighting>> {
    let (progress, confirmed) = channel();
    // All have opened before the first confirm, so that the server does not end while one still shakes hands.
    let publishers: Vec<_> = (0..PUBLISHERS).map(|_| publisher(server.address())).collect();
    let consumers: Vec<_> = QUEUES.iter().map(|_| consumer(server.address())).collect();
    let publishers: Vec<_> = (0..)
        .zip(publishers)
        .map(|(publisher, peer)| {
            let (first, progress, seed) = (history.next(publisher), progress.clone(), random.random());
            thread::spawn(move || publish(peer, publisher, first, &progress, seed))
        })
        .collect();
    let consumers: Vec<_> = (0..)
        .zip(consumers)
        .map(|(queue, peer)| {
            let seed = random.random();
            thread::spawn(move || consume(peer, queue, seed))
        })
        .collect();
    drop(progress);
    wait_for(&confirmed, random.random_range(1..1_500));
    server.end(ending);
    let published: Vec<Published> =
        publishers.into_iter().map(|publisher| publisher.join().expect("it ends with the server")).collect();
    published.iter().enumerate().for_each(|(publisher, published)| history.published(publisher, published));
    consumers.into_iter().map(|consumer| consumer.join().expect("it ends with the server")).collect()
}

/// Waits until so many publishes are confirmed.
fn wait_for(confirmed: &Receiver<u64>, wanted: u64) {
    let mut total = 0;
    while total < wanted {
        total += confirmed.recv_timeout(PATIENCE).expect("confirms keep coming");
    }
}

/// Takes everything out of a queue.
fn drain(peer: &mut Peer, queue: usize) -> Vec<Sighting> {
    let ready = peer.call(1, &declare_passive(QUEUES[queue]), "queue.declare-ok").number("message-count");
    let mut sightings = Vec::new();
    for _ in 0..ready {
        peer.raw.send_method(1, &commands::get(QUEUES[queue]).flag("no-ack"));
        let (method, body) = peer.delivery();
        sightings.push(Sighting::of(&body, method.is_set("redelivered")));
    }
    peer.call(1, &commands::get(QUEUES[queue]), "basic.get-empty");
    sightings
}

#[test]
fn what_was_confirmed_is_there_when_the_server_is_killed_at_once() {
    let mut server = server();
    let mut expected = Vec::new();
    for round in 0..8_usize {
        let mut peers: Vec<Peer> = (0..3).map(|_| Peer::open(server.address())).collect();
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.call(1, &method("confirm.select"), "confirm.select-ok");
            for copy in 0..=round {
                let body = format!("{round} {number} {copy}");
                peer.raw.send(&persistent(&commands::publish(EXCHANGE, ""), body.as_bytes()));
                expected.push(body);
            }
        }
        for peer in &mut peers {
            while peer.expect("basic.ack").number("delivery-tag") <= u64::try_from(round).unwrap() {}
        }
        server.restart(Ending::Kill);
    }
    expected.sort_unstable();
    let mut peer = Peer::open(server.address());
    for queue in QUEUES {
        let mut found = Vec::new();
        for _ in 0..expected.len() {
            peer.raw.send_method(1, &commands::get(queue).flag("no-ack"));
            found.push(String::from_utf8(peer.delivery().1).unwrap());
        }
        found.sort_unstable();
        assert_eq!(found, expected);
        peer.call(1, &commands::get(queue), "basic.get-empty");
    }
}
