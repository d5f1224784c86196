//! Sessions of one node without sockets: a limit that consumers share holds exactly and wastes no room, whatever the
//! order of publishes, settlings, changes and writes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use leveret_protocol::{
    ContentHeader, FrameKind, Method, PROTOCOL_HEADER, Properties, ShortString, Split, basic, channel, connection,
    frame, queue,
};

use super::super::{Session, Workspace};
use crate::config::Config;
use crate::node::Node;

const QUEUES: [&str; 2] = ["one", "two"];
/// Consumer tag and queue: two consumers compete on the first.
const CONSUMERS: [(&str, &str); 3] = [("a", "one"), ("b", "one"), ("c", "two")];

/// A client whose channel 1 is open.
struct Client {
    session: Session,
    work: Workspace,
    out: BytesMut,
    /// Methods that came and were not looked at.
    replies: Vec<Method>,
    /// Delivery tags that came and were not settled, by consumer tag.
    unacked: BTreeMap<u64, ShortString>,
}

fn name(text: &'static str) -> ShortString {
    ShortString::from_static(text)
}

fn octets(method: impl Into<Method>, channel: u16) -> BytesMut {
    let mut out = BytesMut::new();
    method.into().write_frame(channel, &mut out);
    out
}

impl Client {
    fn connect(node: &Arc<Node>) -> Self {
        let session = Session::open(node, SocketAddr::from(([127, 0, 0, 1], 5672)));
        let (work, out) = (Workspace::default(), BytesMut::new());
        let mut client = Self { session, work, out, replies: Vec::new(), unacked: BTreeMap::new() };
        let start_ok =
            connection::StartOk { mechanism: name("PLAIN"), response: "\0guest\0guest".into(), ..Default::default() };
        client.send_octets(&PROTOCOL_HEADER);
        client.send_octets(&octets(start_ok, 0));
        client.send_octets(&octets(connection::TuneOk { channel_max: 1, frame_max: 4096, heartbeat: 0 }, 0));
        client.send_octets(&octets(connection::Open { virtual_host: name("/"), ..Default::default() }, 0));
        client.call(channel::Open::default());
        client.replies.clear();
        client
    }

    fn send_octets(&mut self, octets: &[u8]) {
        let taken = self.session.receive(octets, usize::MAX, &mut self.work, &mut self.out);
        assert_eq!(taken, octets.len());
    }

    fn call(&mut self, method: impl Into<Method>) {
        self.send_octets(&octets(method, 1));
        self.look();
    }

    fn publish(&mut self, queue: &'static str) {
        let mut out = octets(basic::Publish { routing_key: name(queue), ..Default::default() }, 1);
        ContentHeader { class_id: 60, weight: 0, body_size: 0, properties: Properties::default() }
            .write_frame(1, &mut out);
        self.send_octets(&out);
    }

    /// One write of the connection, which takes so many octets at most, and perhaps one delivery more.
    fn write(&mut self, limit: usize) -> bool {
        let more = self.session.drain(limit, &mut self.work, &mut self.out);
        self.look();
        more
    }

    /// Writes until there is nothing to write.
    fn settle_down(&mut self) {
        loop {
            let mut idle = false;
            self.session.outbox.put(|content| idle = content.deliveries.is_empty() && content.wanting.is_empty());
            if !self.write(usize::MAX) && idle {
                return;
            }
        }
    }

    /// Looks at everything that has been written.
    fn look(&mut self) {
        while let Ok(Split::Frame { frame, consumed }) = frame::split(&self.out, 0) {
            if frame.kind == FrameKind::Method {
                let method = Method::decode(frame.payload).unwrap();
                if let Method::Basic(basic::Method::Deliver(deliver)) = method {
                    self.unacked.insert(deliver.delivery_tag, deliver.consumer_tag);
                } else {
                    self.replies.push(method);
                }
            }
            self.out.advance(consumed);
        }
    }

    fn consume(&mut self, (consumer_tag, queue): (&'static str, &'static str)) {
        self.call(basic::Consume { queue: name(queue), consumer_tag: name(consumer_tag), ..Default::default() });
    }

    fn share(&mut self, prefetch_count: u16) {
        self.call(basic::Qos { prefetch_count, global: true, ..Default::default() });
    }

    /// Messages of all queues that are ready.
    fn ready(&mut self) -> usize {
        self.replies.clear();
        for queue in QUEUES {
            self.call(queue::Declare { queue: name(queue), passive: true, ..Default::default() });
        }
        let count = |reply: &Method| {
            let Method::Queue(queue::Method::DeclareOk(ok)) = reply else { panic!("{reply:?}") };
            usize::try_from(ok.message_count).unwrap()
        };
        self.replies.drain(..).map(|reply| count(&reply)).sum()
    }
}

/// A consuming and a publishing client of one node, and what is known of their messages.
struct World {
    consumer: Client,
    publisher: Client,
    /// Messages that are not settled: ready, or handed out.
    alive: usize,
    limit: u16,
    outstanding: usize,
    running: Vec<(&'static str, &'static str)>,
    random: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let node = Arc::new(Node::new(&Config::default()).unwrap());
        let (mut consumer, publisher) = (Client::connect(&node), Client::connect(&node));
        for queue in QUEUES {
            consumer.call(queue::Declare { queue: name(queue), ..Default::default() });
        }
        CONSUMERS.into_iter().for_each(|each| consumer.consume(each));
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { consumer, publisher, alive: 0, limit: 0, outstanding: 0, running: CONSUMERS.to_vec(), random }
    }

    /// xorshift64.
    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % below as u64).unwrap()
    }

    fn some_tag(&mut self) -> Option<u64> {
        let count = self.consumer.unacked.len();
        let at = self.random(count.max(1));
        self.consumer.unacked.keys().nth(at).copied()
    }

    fn step(&mut self) {
        match self.random(16) {
            0..=3 => {
                for _ in 0..=self.random(4) {
                    let queue = QUEUES[self.random(2)];
                    self.publisher.publish(queue);
                    self.alive += 1;
                }
            }
            4..=6 => {
                let limit = 1 + self.random(300);
                self.consumer.write(limit);
            }
            7..=9 => {
                if let Some(delivery_tag) = self.some_tag() {
                    self.consumer.unacked.remove(&delivery_tag);
                    self.consumer.call(basic::Ack { delivery_tag, multiple: false });
                    self.alive -= 1;
                }
            }
            10 => {
                if let Some(delivery_tag) = self.some_tag() {
                    let rest = self.consumer.unacked.split_off(&(delivery_tag + 1));
                    self.consumer.unacked = rest;
                    self.consumer.call(basic::Nack { delivery_tag, multiple: true, requeue: true });
                }
            }
            11 => {
                self.consumer.unacked.clear();
                self.consumer.call(basic::Recover { requeue: true });
            }
            12 => self.cancel_or_consume(),
            13 => self.get(),
            14 => {
                self.limit = u16::try_from(self.random(5)).unwrap();
                self.consumer.share(self.limit);
            }
            _ => self.settle_down(),
        }
    }

    fn cancel_or_consume(&mut self) {
        let which = CONSUMERS[self.random(CONSUMERS.len())];
        if let Some(at) = self.running.iter().position(|each| *each == which) {
            self.running.remove(at);
            self.consumer.call(basic::Cancel { consumer_tag: name(which.0), nowait: false });
        } else {
            self.running.push(which);
            self.consumer.consume(which);
        }
    }

    /// Somebody else takes a message.
    fn get(&mut self) {
        self.publisher.replies.clear();
        self.publisher.call(basic::Get { queue: name("one"), no_ack: true, ..Default::default() });
        if matches!(self.publisher.replies.as_slice(), [Method::Basic(basic::Method::GetOk(_))]) {
            self.alive -= 1;
        }
    }

    /// Nothing is handed out beyond the limit, also if it is not written yet.
    fn check_limit(&mut self) {
        let outstanding = self.alive - self.publisher.ready();
        let allowed = self.outstanding.max(usize::from(self.limit));
        assert!(self.limit == 0 || outstanding <= allowed, "{outstanding} are out, {allowed} may be");
        self.outstanding = outstanding;
    }

    /// Where a message is ready and its queue has a consumer, there is no room.
    fn settle_down(&mut self) {
        self.consumer.settle_down();
        self.check_limit();
        let all_served = QUEUES.iter().all(|queue| self.running.iter().any(|(_, other)| other == queue));
        if all_served && (self.limit == 0 || self.outstanding < usize::from(self.limit)) {
            assert_eq!(self.publisher.ready(), 0, "room for {} more is not used", self.limit);
        }
    }
}

#[test]
fn a_shared_limit_holds_exactly_and_wastes_no_room() {
    for seed in 1..=60 {
        let mut world = World::new(seed);
        for _ in 0..250 {
            world.step();
            world.check_limit();
        }
        for which in CONSUMERS {
            if !world.running.contains(&which) {
                world.consumer.consume(which);
                world.running.push(which);
                world.check_limit();
            }
        }
        world.limit = 1;
        world.consumer.share(1);
        while world.alive > 0 {
            world.settle_down();
            let acknowledged = world.consumer.unacked.len();
            assert!(acknowledged > 0, "seed {seed}: {} messages do not come", world.alive);
            world.consumer.unacked.clear();
            world.consumer.call(basic::Ack { delivery_tag: 0, multiple: true });
            world.alive -= acknowledged;
        }
    }
}
