//! A connection against any octets in any pieces: it never panics, and what it wants done stays in proportion to what
//! it was sent. An odd first octet starts behind a finished handshake.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use leveret::broker::auth::sasl::Mechanism;
use leveret::broker::connection::{Connection, Effect, Reply, Request, Settings};
use leveret::broker::error::{BrokerError, ChannelError, ConnectionError};
use leveret::broker::ids::{CheckoutId, ConsumerId, QueueId};
use leveret::broker::message::MessageArena;
use leveret::broker::queue::Delivery;
use leveret::broker::time::Timestamp;
use leveret_protocol::{FRAME_OVERHEAD, Method, PROTOCOL_HEADER, ShortString, channel, connection};
use libfuzzer_sys::fuzz_target;

/// Most consumers on one channel.
const CONSUMER_MAX: u32 = 8;

fuzz_target!(|data: &[u8]| {
    let [start, chunks, refusals, input @ ..] = data else { return };
    let mut node = Node::new(*refusals);
    if start & 1 == 1 {
        let script = handshake();
        let taken = node.read(&script);
        assert_eq!(taken, script.len(), "the handshake is understood");
    }
    // As a socket does it: what is not taken stays, and more is read behind it.
    let size = if *chunks == 0 { input.len().max(1) } else { usize::from(*chunks) };
    let mut begin = 0;
    for end in (size..input.len()).step_by(size).chain([input.len()]) {
        begin += node.read(&input[begin..end]);
        assert!(begin <= end, "more taken than there was");
        node.pass(Duration::from_millis(u64::from(*start) * 8));
    }
    // With nothing more to come, it comes to rest and stays there.
    for _ in 0..8 {
        let Some(deadline) = node.connection.next_deadline() else { break };
        node.pass(node.now.until(deadline));
    }
    if !node.connection.is_closed() {
        node.connection.end(&mut node.effects);
        node.execute();
    }
    assert!(node.connection.is_closed());
});

/// Says yes to everything, but for every so manieth request and publish; delivers what is published to the newest
/// consumer.
struct Node {
    connection: Connection,
    arena: MessageArena,
    effects: Vec<Effect>,
    now: Timestamp,
    /// Every so manieth is refused; 0 is none.
    refusals: u8,
    asked: u64,
    consumers: Vec<ConsumerId>,
    deliveries: usize,
    octets: usize,
    ticks: usize,
    carried_out: usize,
}

impl Node {
    fn new(refusals: u8) -> Self {
        let now = Timestamp::ZERO;
        Self {
            connection: Connection::new(Arc::new(settings()), now),
            arena: MessageArena::default(),
            effects: Vec::new(),
            now,
            refusals,
            asked: 0,
            consumers: Vec::new(),
            deliveries: 0,
            octets: 0,
            ticks: 0,
            carried_out: 0,
        }
    }

    fn read(&mut self, input: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let step = self.connection.receive(self.now, &input[taken..], &mut self.arena, &mut self.effects);
            taken += step;
            self.octets += step;
            self.execute();
            assert!(!self.connection.is_waiting(), "waits though everything is answered");
            if step == 0 || taken >= input.len() {
                return taken;
            }
        }
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.connection.tick(self.now, &mut self.effects);
        self.ticks += 1;
        self.execute();
    }

    fn execute(&mut self) {
        let mut failed = None;
        let mut answers = Vec::new();
        for effect in std::mem::take(&mut self.effects) {
            self.carried_out += 1;
            if failed.is_some() && effect.channel() == failed {
                if let Effect::Request { channel, .. } = effect {
                    self.connection.answer(self.now, channel, Ok(Reply::Done), &mut Vec::new());
                }
                continue;
            }
            failed = self.carry_out(effect, &mut answers).or(failed);
            while !answers.is_empty() {
                for effect in std::mem::take(&mut answers) {
                    self.carried_out += 1;
                    self.carry_out(effect, &mut answers);
                }
            }
        }
        self.check_proportion();
    }

    /// A frame may end, or change, all consumers there are; everything else has a fixed price.
    fn check_proportion(&self) {
        let frames = self.octets / FRAME_OVERHEAD + self.ticks + 1;
        let bound = 64 + frames * (8 + self.consumers.len()) + 2 * self.deliveries;
        assert!(self.carried_out <= bound, "{} effects of {} octets", self.carried_out, self.octets);
    }

    fn refuses(&mut self) -> Option<BrokerError> {
        self.asked += 1;
        if self.refusals == 0 || self.asked % u64::from(self.refusals) != 0 {
            return None;
        }
        Some(if self.asked % 2 == 0 {
            ChannelError::DefaultExchange.into()
        } else {
            ConnectionError::Forced("refused".to_owned()).into()
        })
    }

    /// Tells the channel whose publish was refused.
    fn carry_out(&mut self, effect: Effect, answers: &mut Vec<Effect>) -> Option<u16> {
        match effect {
            Effect::Authenticate { .. } => self.connection.authenticated(self.now, true, answers),
            Effect::OpenVhost(_) => self.connection.vhost_opened(self.now, Ok(()), answers),
            Effect::Request { channel, request } => {
                let answer = match self.refuses() {
                    Some(error) => Err(error),
                    None => Ok(self.reply(request)),
                };
                self.connection.answer(self.now, channel, answer, answers);
            }
            Effect::Publish { channel, message, .. } => {
                if let Some(error) = self.refuses() {
                    self.connection.publish_refused(self.now, channel, error, answers);
                    return Some(channel);
                }
                if let Some(consumer) = self.consumers.last().copied() {
                    self.connection.consumers_wanting(&[consumer], answers);
                    self.deliveries += 1;
                    let checkout = CheckoutId(u64::try_from(self.deliveries).unwrap_or(u64::MAX));
                    self.connection.deliver(&Delivery { consumer, checkout, redelivered: false, message });
                }
            }
            Effect::Offer { channel, consumer, room, .. } => {
                assert!(room > 0, "an offer of nothing");
                self.connection.offer_taken(channel, consumer, room.min(1), answers);
            }
            Effect::Send { channel, method } => {
                let mut out = BytesMut::new();
                method.write_frame(channel, &mut out);
            }
            _ => {}
        }
        None
    }

    fn reply(&mut self, request: Request) -> Reply {
        match request {
            Request::DeclareExchange(_) | Request::DeleteExchange { .. } | Request::Bind(_) | Request::Unbind(_) => {
                Reply::Done
            }
            Request::DeclareQueue(leveret_protocol::queue::Declare { queue: name, .. }) | Request::FindQueue(name) => {
                Reply::Queue { name, message_count: 1, consumer_count: 1 }
            }
            Request::PurgeQueue(_) | Request::DeleteQueue { .. } => Reply::Removed(1),
            Request::Consume { consumer_tag, no_ack, .. } => self.consuming(consumer_tag, Some(QueueId(1)), no_ack),
            Request::OpenReplyTo(consumer_tag) => self.consuming(consumer_tag, None, true),
            Request::Get { .. } => Reply::Empty,
            Request::Commit(_) => Reply::Done,
        }
    }

    fn consuming(&mut self, consumer_tag: ShortString, queue: Option<QueueId>, no_ack: bool) -> Reply {
        let number = self.consumers.len();
        let consumer = ConsumerId(u64::try_from(number).unwrap_or(u64::MAX));
        self.consumers.push(consumer);
        let generated = || ShortString::truncated(&format!("amq.ctag-{number}"));
        let consumer_tag = if consumer_tag.is_empty() { generated() } else { consumer_tag };
        Reply::Consuming { consumer_tag, consumer, queue, no_ack }
    }
}

fn settings() -> Settings {
    Settings {
        mechanisms: Mechanism::ALL.to_vec(),
        product: "Leveret".to_owned(),
        version: "0".to_owned(),
        cluster_name: "fuzz".to_owned(),
        frame_max: 131_072,
        initial_frame_max: 8192,
        channel_max: 2047,
        heartbeat: 60,
        handshake_timeout: Duration::from_secs(10),
        max_message_size: 1 << 20,
        consumer_max_per_channel: Some(CONSUMER_MAX),
        default_prefetch: 0,
        qos_dynamic: true,
    }
}

/// What a client sends until its channel 1 is open.
fn handshake() -> BytesMut {
    let mut out = BytesMut::from(&PROTOCOL_HEADER[..]);
    let mut send = |channel, method: Method| method.write_frame(channel, &mut out);
    let start_ok = connection::StartOk {
        mechanism: ShortString::from_static("PLAIN"),
        response: Bytes::from_static(b"\0guest\0guest"),
        locale: ShortString::from_static("en_US"),
        ..connection::StartOk::default()
    };
    send(0, start_ok.into());
    send(0, connection::TuneOk { channel_max: 2047, frame_max: 131_072, heartbeat: 60 }.into());
    send(0, connection::Open { virtual_host: ShortString::from_static("/"), ..Default::default() }.into());
    send(1, channel::Open::default().into());
    out
}
