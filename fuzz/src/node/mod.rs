//! A node that follows a script: feeds a connection what the peer sends, answers what it asks in the ways the script
//! says, and has everything checked.

mod answers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use leveret::broker::auth::sasl::Mechanism;
use leveret::broker::connection::{ChannelFlow, Connection, Effect, Reply, Request, Settings};
use leveret::broker::ids::{CheckoutId, ConsumerId};
use leveret::broker::message::{Message, MessageArena};
use leveret::broker::queue::Delivery;
use leveret::broker::time::Timestamp;
use leveret_protocol::FRAME_OVERHEAD;

use crate::checks::{Checks, Consumer};
use crate::heap;
use crate::samples;
use crate::script::{Profile, Script, Step};

/// A script that goes on for longer than this has shown what it can.
const OCTETS_MAX: usize = 1 << 20;

/// Frames come apart from each other, each in about so many pieces.
const PIECES: usize = 3;

/// Messages that the node keeps to deliver.
const STOCK: usize = 16;

/// Does what the script says.
pub fn run(script: &Script) {
    if script.profile.has(Profile::TWICE) {
        let (first, second) = (follow(script, 1), follow(script, PIECES));
        same(&first.seen, &second.seen);
    } else {
        follow(script, 1);
    }
    assert_eq!(heap::held(), 0, "octets are still held after the end");
}

fn same(first: &[Effect], second: &[Effect]) {
    for (number, (one, other)) in first.iter().zip(second).enumerate() {
        assert_eq!(one, other, "effect {number} depends on how the octets came in");
    }
    assert_eq!(first.len(), second.len(), "it matters how the octets came in: {:?} {:?}", first.last(), second.last());
}

/// What a run led to, however the octets came in.
struct Outcome {
    seen: Vec<Effect>,
}

fn follow(script: &Script, pieces: usize) -> Outcome {
    let mut node = Node::new(script.profile, pieces);
    if script.profile.has(Profile::OPEN) {
        node.open();
    }
    let mut before = None;
    for timed in &script.steps {
        let (step, times) = match (&timed.step, before) {
            (Step::Repeat(times), Some(step)) => (step, usize::from(*times) % 64),
            (step, _) => (step, 1),
        };
        for _ in 0..times {
            node.step(step, timed.joined);
        }
        before = Some(step);
        if node.ended || node.octets > OCTETS_MAX {
            break;
        }
    }
    node.finish()
}

struct Node {
    connection: Connection,
    arena: MessageArena,
    effects: Vec<Effect>,
    checks: Checks,
    profile: Profile,
    pieces: usize,
    now: Timestamp,
    /// What the peer has sent and the connection has not taken.
    stream: Vec<u8>,
    unread: bool,
    answers: VecDeque<u8>,
    stock: VecDeque<Message>,
    outbox: VecDeque<Delivery>,
    gone: Vec<ConsumerId>,
    /// Messages that queues have for consumers under a limit of their channel.
    wanted: BTreeMap<ConsumerId, usize>,
    /// What waits for the store.
    later: Option<(u16, Request)>,
    last_id: u64,
    seen: Vec<Effect>,
    octets: usize,
    beats: usize,
    deliveries: usize,
    carried_out: usize,
    ended: bool,
}

impl Node {
    fn new(profile: Profile, pieces: usize) -> Self {
        let now = Timestamp::ZERO;
        let settings = Arc::new(settings(profile));
        Self {
            connection: heap::counted(|| Connection::new(settings, now)),
            arena: MessageArena::default(),
            effects: Vec::new(),
            checks: Checks::default(),
            profile,
            pieces,
            now,
            stream: Vec::new(),
            unread: false,
            answers: VecDeque::new(),
            stock: VecDeque::new(),
            outbox: VecDeque::new(),
            gone: Vec::new(),
            wanted: BTreeMap::new(),
            later: None,
            last_id: 0,
            seen: Vec::new(),
            octets: 0,
            beats: 0,
            deliveries: 0,
            carried_out: 0,
            ended: false,
        }
    }

    /// Goes through the handshake and opens channel 1.
    fn open(&mut self) {
        let open = samples::method(1, leveret_protocol::channel::Open::default());
        for timed in samples::handshake(60).iter().chain([&open]) {
            self.step(&timed.step, timed.joined);
        }
        assert!(self.stream.is_empty() && self.checks.channel_count() == 1, "the handshake is understood");
    }

    fn step(&mut self, step: &Step, joined: bool) {
        if matches!(step, Step::Time(_) | Step::Event { .. }) {
            self.read_on();
        }
        match step {
            Step::Raw(_) | Step::Frame { .. } => self.send(step, joined),
            Step::Time(units) => self.pass(Duration::from_millis(16 * u64::from(*units))),
            Step::Repeat(_) => {}
            Step::Answers(_) | Step::Event { .. } if self.profile.has(Profile::TWICE) => {}
            Step::Answers(answers) => self.answers.extend(answers),
            Step::Event { event, argument } => self.happen(*event, usize::from(*argument)),
        }
        if matches!(step, Step::Time(_) | Step::Event { .. }) || self.stream.len() >= OCTETS_MAX {
            self.answer_later();
        }
    }

    fn send(&mut self, step: &Step, joined: bool) {
        let mut octets = BytesMut::new();
        step.write(&mut octets);
        if octets.is_empty() {
            return;
        }
        if joined && self.stream.len() < OCTETS_MAX && self.pieces == 1 {
            self.stream.extend_from_slice(&octets);
            self.unread = true;
            return;
        }
        for piece in octets.chunks(octets.len().div_ceil(self.pieces).max(1)) {
            self.read(piece);
        }
    }

    /// What was to be read together with something that has not come.
    fn read_on(&mut self) {
        if self.unread {
            self.read(&[]);
        }
    }

    /// As a socket does it: what is not taken stays, and more is read behind it.
    fn read(&mut self, octets: &[u8]) {
        if self.connection.is_closed() {
            return;
        }
        self.unread = false;
        self.stream.extend_from_slice(octets);
        let mut stream = std::mem::take(&mut self.stream);
        let mut taken = 0;
        loop {
            let rest = &stream[taken..];
            let step = heap::counted(|| self.connection.receive(self.now, rest, &mut self.arena, &mut self.effects));
            assert!(step <= rest.len(), "more taken than there was");
            self.checks.taken(&rest[..step]);
            taken += step;
            self.octets += step;
            self.execute();
            if step == 0 || taken >= stream.len() {
                break;
            }
        }
        stream.drain(..taken);
        self.stream = stream;
        self.rest();
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now.after(span);
        self.beats += 1;
        heap::counted(|| self.connection.tick(self.now, &mut self.effects));
        self.execute();
        self.rest();
    }

    fn happen(&mut self, event: u8, argument: usize) {
        if self.connection.is_closed() {
            return;
        }
        self.beats += 1;
        match event & 7 {
            0 => self.deliver(argument >> 4, 1 + (argument & 15)),
            1 => self.cancel(argument),
            2 => heap::counted(|| self.connection.force_close(self.now, "the end", &mut self.effects)),
            3 => self.deliver_to_the_gone(argument),
            4 => self.connection.note_sent(),
            5 => self.ended = true,
            6 => self.want(argument >> 4, 1 + (argument & 15)),
            _ => {}
        }
        self.execute();
        self.rest();
    }

    fn consumer(&self, which: usize) -> Option<ConsumerId> {
        let running = &self.checks.consumers;
        running.keys().nth(which % running.len().max(1)).copied()
    }

    fn deliver(&mut self, which: usize, count: usize) {
        let Some(consumer) = self.consumer(which) else { return };
        for _ in 0..count {
            let message = self.message();
            self.put(consumer, message);
        }
    }

    /// The queue of a consumer has messages that it hands out only into room that is offered. It says so behind what
    /// it has handed out before.
    fn want(&mut self, which: usize, count: usize) {
        let Some(consumer) = self.consumer(which) else { return };
        *self.wanted.entry(consumer).or_default() += count;
        self.drain(true);
        heap::counted(|| self.connection.consumers_wanting(&[consumer], &mut self.effects));
    }

    fn deliver_to_the_gone(&mut self, which: usize) {
        let Some(consumer) = self.gone.get(which % self.gone.len().max(1)).copied() else { return };
        let message = self.message();
        self.put(consumer, message);
    }

    fn put(&mut self, consumer: ConsumerId, message: Message) {
        let checkout = CheckoutId(self.next_id());
        self.outbox.push_back(Delivery { consumer, checkout, redelivered: checkout.0 % 2 == 0, message });
    }

    fn message(&mut self) -> Message {
        let made = || {
            MessageArena::default().store(
                b"\0\x01q",
                b"\0\x3c\0\0\0\0\0\0\0\0\0\0\0\0",
                b"",
                Default::default(),
                Timestamp::ZERO,
            )
        };
        self.stock.pop_front().or_else(made).expect("a message")
    }

    /// The queue of a consumer is gone. Its deliveries that are on their way come first.
    fn cancel(&mut self, which: usize) {
        let Some(consumer) = self.consumer(which) else { return };
        if self.checks.consumers[&consumer].queue.is_none() {
            return;
        }
        self.drain(true);
        heap::counted(|| self.connection.consumer_cancelled(consumer, &mut self.effects));
        self.checks.consumers.remove(&consumer);
        self.gone.push(consumer);
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn execute(&mut self) {
        let mut failed = BTreeSet::new();
        for effect in std::mem::take(&mut self.effects) {
            if let Some(channel) = effect.channel().filter(|channel| failed.contains(channel)) {
                if matches!(effect, Effect::Request { .. }) {
                    self.connection.answer(self.now, channel, Ok(Reply::Done), &mut Vec::new());
                }
                continue;
            }
            failed.extend(self.carry_out(effect, !failed.is_empty()));
            // The answers of the node.
            while !self.effects.is_empty() {
                for effect in std::mem::take(&mut self.effects) {
                    assert_eq!(self.carry_out(effect, !failed.is_empty()), None, "an answer publishes");
                }
            }
        }
        let waits = self.connection.is_waiting();
        assert!(!waits || self.later.is_some(), "waits though everything is answered");
    }

    /// Tells the channel whose publish was refused.
    fn carry_out(&mut self, effect: Effect, failures: bool) -> Option<u16> {
        self.carried_out += 1;
        self.see(&effect);
        if let Effect::Unsubscribe { consumer, .. } = effect {
            // Nothing of a consumer follows cancel-ok.
            self.drain(false);
            self.checks.carry_out(&effect, failures);
            heap::counted(|| self.connection.consumer_ended(consumer));
            self.gone.push(consumer);
            return None;
        }
        if let Effect::Abandon { consumer, .. } = effect {
            self.gone.push(consumer);
        }
        if let Effect::Send { channel, method } = &effect {
            method.write_frame(*channel, &mut BytesMut::new());
        }
        self.checks.carry_out(&effect, failures);
        self.answer(effect)
    }

    /// What may differ with the way the octets came in is left out.
    fn see(&mut self, effect: &Effect) {
        let differs =
            matches!(effect, Effect::Confirm { .. } | Effect::SetPrefetch { .. } | Effect::SetChannelLimited { .. });
        if self.profile.has(Profile::TWICE) && !self.checks.is_closing() && !differs {
            self.seen.push(effect.clone());
        }
    }

    /// Writes the deliveries that are on their way. While effects are still to be carried out, a consumer may have
    /// ended that is not known to have.
    fn drain(&mut self, settled: bool) {
        while let Some(delivery) = self.outbox.pop_front() {
            let written = heap::counted(|| {
                let mut delivering = self.connection.delivering(delivery.consumer)?;
                Some((delivering.channel(), delivering.next_tag(&delivery)))
            });
            self.deliveries += 1;
            self.checks.delivered(&delivery, written, settled);
        }
    }

    fn rest(&mut self) {
        self.drain(true);
        if self.later.is_none() {
            self.checks.at_rest();
        }
        self.check_proportion();
    }

    /// A frame may end, or change, all consumers there are; a settling, all deliveries; the rest has a fixed price.
    fn check_proportion(&self) {
        let frames = self.octets / FRAME_OVERHEAD + self.beats + 1;
        let consumers = usize::try_from(self.last_id).unwrap_or(usize::MAX).min(frames);
        let bound = 64 + frames * (8 + 2 * consumers) + self.deliveries;
        assert!(self.carried_out <= bound, "{} effects of {} octets", self.carried_out, self.octets);
        // A channel may reserve room for a body that is announced. A value of a table takes one octet on the wire.
        let begun = self.octets + self.stream.len();
        let bound = 128 * 1024 + 64 * 1024 * self.checks.channel_count() + 256 * begun + 128 * self.deliveries;
        assert!(heap::held() <= bound, "{} octets are held for {begun}", heap::held());
    }

    /// With nothing more to come, it comes to rest and stays there.
    fn finish(mut self) -> Outcome {
        self.read_on();
        self.answer_later();
        for _ in 0..8 {
            let deadline = self.connection.next_deadline().filter(|_| !self.ended);
            let Some(deadline) = deadline else { break };
            self.pass(self.now.until(deadline));
        }
        if !self.connection.is_closed() {
            heap::counted(|| self.connection.end(&mut self.effects));
            self.execute();
        }
        assert!(self.connection.is_closed());
        self.checks.at_end();
        Outcome { seen: self.seen }
    }
}

/// The message in memory of its own, so that it does not keep what others are in.
fn copy(message: &Message) -> Message {
    let (names, header, body) = (message.names(), message.header(), message.body());
    let bytes = BytesMut::from([names, header, body].concat().as_slice());
    Message::from_parts(bytes, names.len(), header.len(), message.traits(), message.arrived())
        .expect("lengths that fit")
}

fn keep(stock: &mut VecDeque<Message>, message: &Message) {
    if stock.len() < STOCK {
        stock.push_back(copy(message));
    }
}

fn running(channel: u16, reply: &Reply) -> Option<(ConsumerId, Consumer)> {
    let Reply::Consuming { consumer, queue, no_ack, .. } = reply else { return None };
    Some((*consumer, Consumer { channel, queue: *queue, no_ack: *no_ack }))
}

fn settings(profile: Profile) -> Settings {
    let (tight, boundless) = (profile.has(Profile::TIGHT), profile.has(Profile::BOUNDLESS));
    Settings {
        mechanisms: Mechanism::ALL.to_vec(),
        product: "Leveret".to_owned(),
        version: "0".to_owned(),
        cluster_name: "fuzz".to_owned(),
        frame_max: if boundless { 0 } else { 131_072 },
        initial_frame_max: 8192,
        channel_max: if boundless { 0 } else { 8 },
        limits_channels: tight,
        heartbeat: 60,
        handshake_timeout: Duration::from_secs(10),
        max_message_size: if tight { 64 } else { 1 << 20 },
        consumer_max_per_channel: tight.then_some(2),
        default_prefetch: if tight { 1 } else { 0 },
        qos_dynamic: profile.has(Profile::DYNAMIC),
        channel_flow: ChannelFlow::Auto,
    }
}
