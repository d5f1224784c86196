//! How many instructions a message takes on its way through the broker, counted by callgrind: the same on a busy machine as on
//! a quiet one, so that a slower hot path is seen. Octets in, octets out: everything but the sockets.
//!
//! Each figure is that of `MESSAGES` messages and is recorded here. The benchmark fails where one takes more than `SLACK` per
//! cent above it. Record the new figure of what got better; of what got worse only with a reason in the commit.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has to stop")]
#![expect(
    missing_docs,
    unused_qualifications,
    clippy::must_use_candidate,
    reason = "of what the macros of the benchmarks' crate write"
)]

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use gungraun::{Callgrind, EventKind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use leveret::config::Config;
use leveret::node::Node;
use leveret::node::session::{Session, Workspace};
use leveret_protocol::{
    ContentHeader, FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString, basic, channel, confirm, connection,
    exchange, frame, queue,
};

/// Messages of a measurement.
const MESSAGES: u64 = 10_000;
/// Messages that are read at once.
const BATCH: u64 = 500;
/// By how many per cent a figure may be above the recorded one: compilers and C libraries differ a little.
const SLACK: u64 = 3;

/// Fails where a benchmark takes more than so many instructions a message, and a little more.
fn at_most(recorded: u64) -> LibraryBenchmarkConfig {
    let limit = recorded * MESSAGES * (100 + SLACK) / 100;
    LibraryBenchmarkConfig::default().tool(Callgrind::default().hard_limits([(EventKind::Ir, limit)])).clone()
}

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn write(out: &mut BytesMut, method: impl Into<Method>) {
    method.into().write_frame(1, out);
}

/// A client of a node, without a socket.
struct Client {
    session: Session,
    work: Workspace,
    out: BytesMut,
}

impl Client {
    fn open(node: &Arc<Node>) -> Self {
        let session = Session::open(node, SocketAddr::from(([127, 0, 0, 1], 1)));
        let mut client = Self { session, work: Workspace::default(), out: BytesMut::with_capacity(1024 * 1024) };
        let start_ok = connection::StartOk {
            mechanism: name("PLAIN"),
            response: Bytes::from_static(b"\0guest\0guest"),
            ..connection::StartOk::default()
        };
        let open = connection::Open { virtual_host: name("/"), ..connection::Open::default() };
        let mut hello = BytesMut::from(&PROTOCOL_HEADER[..]);
        for method in [
            start_ok.into(),
            connection::TuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 0 }.into(),
            open.into(),
        ] {
            Method::write_frame(&method, 0, &mut hello);
        }
        client.receive(&hello);
        client.call(channel::Open::default());
        client
    }

    fn call(&mut self, method: impl Into<Method>) {
        let mut octets = BytesMut::new();
        write(&mut octets, method);
        self.receive(&octets);
        assert!(!self.session.is_closed(), "a call was refused");
    }

    /// Handles octets and throws away what is answered.
    fn receive(&mut self, octets: &[u8]) {
        let consumed = self.session.receive(octets, usize::MAX, &mut self.work, &mut self.out);
        assert_eq!(consumed, octets.len());
        black_box(&self.out);
        self.out.clear();
    }

    /// Encodes what others have left for it, and throws it away; how many octets that were.
    fn read(&mut self) -> usize {
        while self.session.drain(usize::MAX, &mut self.work, &mut self.out) {}
        let length = self.out.len();
        black_box(&self.out);
        self.out.clear();
        length
    }
}

/// How messages go.
#[derive(Clone, Copy)]
struct Way {
    body: usize,
    confirmed: bool,
    acknowledged: bool,
    exchange: &'static str,
    /// Queues that each message goes to.
    queues: usize,
}

const PLAIN: Way = Way { body: 16, confirmed: false, acknowledged: false, exchange: "", queues: 1 };

/// A publisher with its next octets, and who gets them.
struct Traffic {
    publisher: Client,
    publishes: BytesMut,
    consumers: Vec<Client>,
    /// An acknowledgement of each batch, where they are wanted.
    acknowledgements: Vec<BytesMut>,
}

fn traffic(way: Way) -> Traffic {
    let node = Arc::new(Node::new(&Config::default()).unwrap());
    let mut publisher = Client::open(&node);
    if way.confirmed {
        publisher.call(confirm::Select::default());
    }
    if !way.exchange.is_empty() {
        publisher.call(exchange::Declare {
            exchange: name(way.exchange),
            kind: name("topic"),
            ..exchange::Declare::default()
        });
    }
    let mut consumers = Vec::new();
    for number in 0..way.queues {
        let queue = name(&format!("q{number}"));
        let mut consumer = Client::open(&node);
        consumer.call(queue::Declare { queue: queue.clone(), ..queue::Declare::default() });
        if !way.exchange.is_empty() {
            consumer.call(queue::Bind {
                queue: queue.clone(),
                exchange: name(way.exchange),
                routing_key: name("#"),
                ..queue::Bind::default()
            });
        }
        consumer.call(basic::Consume { queue, no_ack: !way.acknowledged, ..basic::Consume::default() });
        consumers.push(consumer);
    }
    let mut publishes = BytesMut::new();
    for _ in 0..BATCH {
        let publish =
            basic::Publish { exchange: name(way.exchange), routing_key: name("q0"), ..basic::Publish::default() };
        write(&mut publishes, publish);
        ContentHeader::new(way.body as u64, Properties::default()).write_frame(1, &mut publishes);
        frame::write_frame(&mut publishes, FrameKind::Body, 1, |out| out.resize(out.len() + way.body, b'x'));
    }
    let acknowledgements = (1..=(MESSAGES + BATCH) / BATCH).map(|batch| {
        let mut octets = BytesMut::new();
        write(&mut octets, basic::Ack { delivery_tag: batch * BATCH, multiple: true });
        octets
    });
    let acknowledgements = acknowledgements.filter(|_| way.acknowledged).collect();
    let mut traffic = Traffic { publisher, publishes, consumers, acknowledgements };
    // Buffers have their size, and the way is known.
    traffic.batch(0);
    traffic
}

impl Traffic {
    fn batch(&mut self, number: usize) {
        self.publisher.receive(&self.publishes);
        for consumer in &mut self.consumers {
            assert!(consumer.read() > 0, "nothing was delivered");
            if let Some(octets) = self.acknowledgements.get(number) {
                consumer.receive(octets);
            }
        }
    }
}

fn pass(mut traffic: Traffic) -> Traffic {
    let batches = usize::try_from(MESSAGES / BATCH).unwrap();
    for number in 1..=batches {
        traffic.batch(number);
    }
    // Given back, so that taking it apart is not measured.
    traffic
}

#[library_benchmark(config = at_most(1467))]
#[bench::octets_16(traffic(PLAIN))]
fn without_acknowledgements(traffic: Traffic) -> Traffic {
    pass(traffic)
}

#[library_benchmark(config = at_most(1760))]
#[bench::octets_1024(traffic(Way { body: 1024, ..PLAIN }))]
fn of_a_kibibyte(traffic: Traffic) -> Traffic {
    pass(traffic)
}

#[library_benchmark(config = at_most(2173))]
#[bench::octets_16(traffic(Way { confirmed: true, acknowledged: true, ..PLAIN }))]
fn confirmed_and_acknowledged(traffic: Traffic) -> Traffic {
    pass(traffic)
}

#[library_benchmark(config = at_most(8545))]
#[bench::queues_10(traffic(Way { exchange: "topic", queues: 10, ..PLAIN }))]
fn to_ten_queues(traffic: Traffic) -> Traffic {
    pass(traffic)
}

library_benchmark_group!(
    name = messages,
    benchmarks = [without_acknowledgements, of_a_kibibyte, confirmed_and_acknowledged, to_ten_queues]
);

main!(library_benchmark_groups = messages);
