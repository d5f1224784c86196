//! A client's connection: bytes in, effects out. Owns the handshake, the channels and the rules of closing; what
//! happens on a channel is `channel`'s.

mod assembling;
mod blocking;
mod delivering;
mod description;
mod effect;
mod frames;
mod handshake;
mod heartbeat;
mod qos;
mod settings;
mod shutdown;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::{FieldTable, Method, ShortString};

use self::assembling::Assembling;
use self::blocking::Blocking;
pub use self::delivering::Delivering;
pub use self::description::{ConsumerDescription, Description};
pub use self::effect::{Effect, Note, Reply, Request, Settlement};
use self::heartbeat::{Beat, Heartbeat};
pub use self::settings::{ChannelFlow, Settings};
use super::channel::Channel;
use super::error::{BrokerError, ChannelError};
use super::ids::{ConsumerId, QueueId};
use super::message::MessageArena;
use super::time::Timestamp;

/// How long RabbitMQ leaves a refused client hanging before the socket is closed. Slows down guessing of passwords.
const SILENT_CLOSE: Duration = Duration::from_secs(3);

/// Stops handling frames when so many effects are to be carried out: more of them would not stay in a core's own cache.
const EFFECTS_AT_ONCE: usize = 256;

/// How long a client may take to answer connection.close, at most.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Waits for the protocol header.
    Header,
    /// Waits for start-ok.
    Starting,
    /// Waits for the node's word on a login.
    Authenticating,
    /// Waits for tune-ok.
    Tuning,
    /// Waits for open.
    Opening,
    /// Waits for the node's word on the vhost.
    Entering,
    /// Open.
    Running,
    /// Sent close; everything but close and close-ok is ignored.
    Closing(Timestamp),
    /// Ignores everything and closes the socket at this time.
    Silent(Timestamp),
    /// Done.
    Closed,
}

/// A consumer as the connection finds it when a delivery comes.
#[derive(Clone, Debug)]
pub(super) struct ConsumerRecord {
    pub(super) channel: u16,
    pub(super) consumer_tag: ShortString,
    pub(super) queue: Option<QueueId>,
    pub(super) no_ack: bool,
}

/// A client's connection.
#[derive(Debug)]
pub struct Connection {
    settings: Arc<Settings>,
    state: State,
    handshake_deadline: Timestamp,
    mechanism: Option<super::auth::sasl::Mechanism>,
    vhost: ShortString,
    client_properties: FieldTable,
    frame_max: u32,
    channel_max: u16,
    heartbeat: Option<Heartbeat>,
    /// Each in a place of its own: a node of the tree has room for eleven, and most connections have one channel.
    channels: BTreeMap<u16, Box<Channel>>,
    consumers: BTreeMap<ConsumerId, ConsumerRecord>,
    /// A request is with the node: nothing is read until it is answered.
    waiting: bool,
    blocking: Blocking,
    assembling: Assembling,
}

impl Connection {
    /// A connection whose socket has just been opened.
    #[must_use]
    pub fn new(settings: Arc<Settings>, now: Timestamp) -> Self {
        // Frames as large as those on offer are welcome early, for the sake of long tokens; but nobody who has not
        // logged in may send one without bounds.
        let frame_max = settings.initial_frame_max.max(settings.frame_max);
        Self {
            handshake_deadline: now.after(settings.handshake_timeout),
            settings,
            state: State::Header,
            mechanism: None,
            vhost: ShortString::default(),
            client_properties: FieldTable::default(),
            frame_max,
            channel_max: 0,
            heartbeat: None,
            channels: BTreeMap::new(),
            consumers: BTreeMap::new(),
            waiting: false,
            blocking: Blocking::default(),
            assembling: Assembling::default(),
        }
    }

    /// Handles complete frames at the front of `input` and returns how many bytes they were. Stops early at an effect
    /// that wants an answer, where effects become many, and at a publish while an alarm is on; call again with the rest once
    /// the answer is given, they are carried out, or the alarm is over.
    pub fn receive(
        &mut self,
        now: Timestamp,
        input: &[u8],
        arena: &mut MessageArena,
        effects: &mut Vec<Effect>,
    ) -> usize {
        self.note_received();
        let mut consumed = 0;
        while !self.waiting && !self.is_blocked() && effects.len() < EFFECTS_AT_ONCE {
            let rest = input.get(consumed..).unwrap_or_default();
            let step = match self.state {
                State::Header => self.receive_header(rest, effects),
                State::Silent(_) | State::Closed => rest.len(),
                State::Starting
                | State::Authenticating
                | State::Tuning
                | State::Opening
                | State::Entering
                | State::Running
                | State::Closing(_) => self.receive_frame(now, rest, arena, effects),
            };
            if step == 0 {
                break;
            }
            consumed += step;
        }
        consumed
    }

    /// Whether an effect is out that wants an answer before more is read.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Whether the socket is to be closed once everything is written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Something was written to the socket.
    pub fn note_sent(&mut self) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.on_sent();
        }
    }

    /// Something was read from the socket that is not handled yet: the client is alive.
    pub fn note_received(&mut self) {
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.on_received();
        }
    }

    /// When `tick` wants to be called, at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match self.state {
            State::Running => self.heartbeat.as_ref().map(Heartbeat::next_deadline),
            State::Closing(deadline) | State::Silent(deadline) => Some(deadline),
            State::Closed => None,
            State::Header
            | State::Starting
            | State::Authenticating
            | State::Tuning
            | State::Opening
            | State::Entering => Some(self.handshake_deadline),
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let due = self.next_deadline().is_some_and(|deadline| now >= deadline);
        if !due {
            return;
        }
        match self.state {
            State::Running => match self.heartbeat.as_mut().map(|heartbeat| heartbeat.check(now)) {
                Some(Beat::Send) => effects.push(Effect::SendHeartbeat),
                Some(Beat::Dead) => {
                    effects.push(Effect::Note(Note::MissedHeartbeats));
                    self.end(effects);
                }
                Some(Beat::Fine) | None => {}
            },
            State::Closing(_) | State::Silent(_) => self.end(effects),
            State::Closed => {}
            State::Header
            | State::Starting
            | State::Authenticating
            | State::Tuning
            | State::Opening
            | State::Entering => {
                effects.push(Effect::Note(Note::HandshakeTimeout));
                self.end(effects);
            }
        }
    }

    /// A consumer's queue is gone: tells the client, if it wants to know.
    pub fn consumer_cancelled(&mut self, consumer: ConsumerId, effects: &mut Vec<Effect>) {
        let Some(record) = self.consumers.remove(&consumer) else { return };
        if let Some(channel) = self.channels.get_mut(&record.channel) {
            channel.forget_consumer(consumer, &record.consumer_tag);
        }
        if self.client_can("consumer_cancel_notify") {
            let cancel = leveret_protocol::basic::Cancel { consumer_tag: record.consumer_tag, nowait: true };
            effects.push(Effect::Send { channel: record.channel, method: cancel.into() });
        }
    }

    /// Somebody has held deliveries for too long, which are back in their queue: tells the client that the consumer is
    /// cancelled, or ends the channel. What the client settles of them later has no effect.
    pub fn timed_out(
        &mut self,
        now: Timestamp,
        consumer: ConsumerId,
        timeout: Duration,
        cancels: bool,
        effects: &mut Vec<Effect>,
    ) {
        let channel = match self.consumers.get(&consumer) {
            Some(_) if cancels && self.client_can("consumer_cancel_notify") => {
                return self.consumer_cancelled(consumer, effects);
            }
            Some(record) => Some(record.channel),
            None => self.channels.iter().find(|(_, open)| open.stands_for(consumer)).map(|(number, _)| *number),
        };
        if let Some(channel) = channel {
            // Whatever it waits for will not be answered.
            if self.channels.get(&channel).is_some_and(|open| open.is_asking()) {
                self.waiting = false;
            }
            self.fail(now, channel, (0, 0), ChannelError::ConsumerTimeout { channel, timeout }.into(), effects);
        }
    }

    /// The answer to a request.
    pub fn answer(
        &mut self,
        now: Timestamp,
        channel: u16,
        answer: Result<Reply, BrokerError>,
        effects: &mut Vec<Effect>,
    ) {
        self.waiting = false;
        let Some(open) = self.channels.get_mut(&channel) else { return undo(answer, effects) };
        if let Ok(Reply::Consuming { consumer_tag, consumer, queue, no_ack }) = &answer {
            let record = ConsumerRecord { channel, consumer_tag: consumer_tag.clone(), queue: *queue, no_ack: *no_ack };
            self.consumers.insert(*consumer, record);
        }
        let method = open.awaited_method();
        match answer {
            Ok(reply) => {
                if let Some(method) = open.answered(reply) {
                    effects.push(Effect::Send { channel, method });
                }
                open.forget_idle_getters(effects);
            }
            Err(error) => self.fail(now, channel, method, error, effects),
        }
    }

    /// The properties that the client sent about itself.
    #[must_use]
    pub const fn client_properties(&self) -> &FieldTable {
        &self.client_properties
    }

    /// Bytes that one body frame to this client may carry; 0 is no limit.
    #[must_use]
    pub fn body_max(&self) -> usize {
        usize::try_from(self.frame_max.saturating_sub(8)).unwrap_or(0)
    }

    /// Whether the client holds deliveries that it has not settled.
    #[must_use]
    pub fn holds_deliveries(&self) -> bool {
        self.channels.values().any(|open| open.holds_deliveries())
    }

    /// Whether the channel is in confirm mode.
    #[must_use]
    pub fn confirms(&self, channel: u16) -> bool {
        self.channels.get(&channel).is_some_and(|open| open.confirms())
    }

    /// Whether the client is known to pause its publishes on channel.flow, or says so. Others take it for an error.
    #[must_use]
    pub fn obeys_flow(&self) -> bool {
        let text = |name| self.client_properties.get(name).and_then(leveret_protocol::FieldValue::as_str);
        match self.settings.channel_flow {
            ChannelFlow::Always => true,
            ChannelFlow::Never => false,
            ChannelFlow::Auto => {
                self.client_can("channel_flow")
                    || matches!((text("product"), text("platform")), (Some("RabbitMQ"), Some("Java" | ".NET")))
            }
        }
    }

    /// The client is about to be sent channel.flow, which it answers with flow-ok; false when the channel is closed.
    pub fn ask_for_flow(&mut self, channel: u16) -> bool {
        self.channels.get_mut(&channel).is_some_and(|open| open.ask_for_flow())
    }

    fn client_can(&self, capability: &str) -> bool {
        match self.client_properties.get("capabilities") {
            Some(leveret_protocol::FieldValue::Table(table)) => {
                table.get(capability).and_then(leveret_protocol::FieldValue::as_bool).unwrap_or(false)
            }
            Some(_) | None => false,
        }
    }

    fn send(channel: u16, method: impl Into<Method>, effects: &mut Vec<Effect>) {
        effects.push(Effect::Send { channel, method: method.into() });
    }
}

/// A consumer that has come to run after its channel ended must not stay in its queue.
fn undo(answer: Result<Reply, BrokerError>, effects: &mut Vec<Effect>) {
    if let Ok(Reply::Consuming { consumer, queue: Some(queue), .. }) = answer {
        effects.push(Effect::Abandon { queue, consumer });
    }
}
