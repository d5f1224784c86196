//! What a frame means in the connection's present state: which channel it is for, whether it fits, who handles it.

use leveret_protocol::{
    FrameKind, Method, MethodError, RawFrame, ShortString, Split, channel, connection, fast, frame,
};

use super::{Assembling, Connection, Effect, State};
use crate::broker::alarm::Alarms;
use crate::broker::channel::{Channel, Context, Step};
use crate::broker::error::{BrokerError, ChannelError, ConnectionError};
use crate::broker::ids::ConsumerId;
use crate::broker::message::MessageArena;
use crate::broker::time::Timestamp;

const NO_METHOD: (u16, u16) = (0, 0);

impl Connection {
    /// Handles one frame, or one whole publish, and returns its length; 0 when it is not complete or has to wait.
    pub(super) fn receive_frame(
        &mut self,
        now: Timestamp,
        input: &[u8],
        arena: &mut MessageArena,
        effects: &mut Vec<Effect>,
    ) -> usize {
        if self.state == State::Running
            && self.alarms() == Alarms::NONE
            && let Some(consumed) = self.receive_publish(now, input, arena, effects)
        {
            return consumed;
        }
        match frame::split(input, self.frame_max) {
            Ok(Split::Incomplete { .. }) => 0,
            Ok(Split::Frame { frame, .. }) if self.holds_up(&frame, effects) => 0,
            Ok(Split::Frame { frame, consumed }) => {
                self.dispatch(now, frame, effects);
                consumed
            }
            Err(error) => {
                self.frame_error(now, ConnectionError::Frame(error.to_string()), effects);
                input.len()
            }
        }
    }

    /// The hot path: basic.publish with its header and its body, all in the buffer. `None`: take it frame by frame.
    fn receive_publish(
        &mut self,
        now: Timestamp,
        input: &[u8],
        arena: &mut MessageArena,
        effects: &mut Vec<Effect>,
    ) -> Option<usize> {
        let whole = fast::whole_publish(input, self.frame_max)?;
        let number = whole.channel;
        let channel = self.channels.get_mut(&number)?;
        let context = Context { now, number, settings: &self.settings, vhost: &self.vhost };
        match channel.publish_at_once(&context, &whole, arena, effects) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => self.fail(now, number, (60, 40), error, effects),
        }
        Some(whole.consumed)
    }

    fn dispatch(&mut self, now: Timestamp, frame: RawFrame<'_>, effects: &mut Vec<Effect>) {
        if frame.kind == FrameKind::Heartbeat {
            return self.receive_heartbeat(now, frame, effects);
        }
        if frame.channel == 0 {
            return self.dispatch_connection(now, frame, effects);
        }
        match self.state {
            State::Running => self.dispatch_channel(now, frame, effects),
            State::Closing(_) => {}
            State::Header
            | State::Starting
            | State::Authenticating
            | State::Tuning
            | State::Opening
            | State::Entering
            | State::Silent(_)
            | State::Closed => self.silence(now, "channel frame before connection.open".to_owned(), effects),
        }
    }

    fn receive_heartbeat(&mut self, now: Timestamp, frame: RawFrame<'_>, effects: &mut Vec<Effect>) {
        if matches!(self.state, State::Closing(_)) {
            return;
        }
        if !frame.payload.is_empty() {
            let text = format!("{}: unknown_frame", frame.describe());
            return self.frame_error(now, ConnectionError::Frame(text), effects);
        }
        if frame.channel != 0 {
            self.frame_error(now, ConnectionError::UnexpectedFrame(frame.describe()), effects);
        }
    }

    /// Frames that cannot be understood end the connection: with a word once it is open, in silence before.
    fn frame_error(&mut self, now: Timestamp, error: ConnectionError, effects: &mut Vec<Effect>) {
        match self.state {
            State::Running | State::Opening => self.close_with(now, NO_METHOD, &error, effects),
            State::Closing(_) | State::Silent(_) | State::Closed => self.end(effects),
            State::Header | State::Starting | State::Authenticating | State::Tuning | State::Entering => {
                self.silence(now, error.to_string(), effects);
            }
        }
    }

    fn dispatch_connection(&mut self, now: Timestamp, frame: RawFrame<'_>, effects: &mut Vec<Effect>) {
        if frame.kind != FrameKind::Method {
            if !matches!(self.state, State::Closing(_)) {
                self.frame_error(now, ConnectionError::UnexpectedFrame(frame.describe()), effects);
            }
            return;
        }
        let method = match Method::decode(frame.payload) {
            Ok(method) => method,
            Err(_) if matches!(self.state, State::Closing(_)) => return,
            Err(error) => return self.method_error(now, &error, effects),
        };
        self.receive_connection_method(now, method, effects);
    }

    fn method_error(&mut self, now: Timestamp, error: &MethodError, effects: &mut Vec<Effect>) {
        let (text, ids) = (error.to_string(), error.ids());
        let error = match error {
            MethodError::Unknown { .. } => ConnectionError::UnimplementedMethod,
            MethodError::Table(_) => ConnectionError::Syntax(text.clone()),
            MethodError::Malformed { .. } | MethodError::InvalidUtf8 => ConnectionError::Frame(text.clone()),
        };
        match self.state {
            State::Running | State::Opening => self.close_with(now, ids, &error, effects),
            State::Header
            | State::Starting
            | State::Authenticating
            | State::Tuning
            | State::Entering
            | State::Closing(_)
            | State::Silent(_)
            | State::Closed => self.silence(now, text, effects),
        }
    }

    fn receive_connection_method(&mut self, now: Timestamp, method: Method, effects: &mut Vec<Effect>) {
        use connection::Method as In;
        match (self.state, method) {
            (State::Closing(_), Method::Connection(In::CloseOk(_))) => self.end(effects),
            (State::Closing(_), Method::Connection(In::Close(_))) => {
                Self::send(0, connection::CloseOk {}, effects);
            }
            (State::Closing(_), _) => {}
            (State::Running | State::Opening | State::Tuning, Method::Connection(In::Close(_))) => {
                self.receive_close(effects);
            }
            (State::Starting, Method::Connection(In::StartOk(start_ok))) => {
                self.receive_start_ok(now, start_ok, effects);
            }
            (State::Tuning, Method::Connection(In::TuneOk(tune_ok))) => self.receive_tune_ok(now, &tune_ok, effects),
            (State::Opening, Method::Connection(In::Open(open))) => self.receive_open(open, effects),
            // The broker's own users have secrets that do not expire: there is nothing to renew.
            (State::Running, Method::Connection(In::UpdateSecret(_))) => {
                Self::send(0, connection::UpdateSecretOk {}, effects);
            }
            (_, method) => self.misplaced(now, &method, effects),
        }
    }

    fn dispatch_channel(&mut self, now: Timestamp, frame: RawFrame<'_>, effects: &mut Vec<Effect>) {
        let number = frame.channel;
        if self.assembles_too_many(&frame) {
            return self.fail(now, number, (60, 40), ChannelError::SentAtOnce.into(), effects);
        }
        let Some(channel) = self.channels.get_mut(&number) else {
            return self.open_channel(now, frame, effects);
        };
        let before = Assembling::of(channel);
        let context = Context { now, number, settings: &self.settings, vhost: &self.vhost };
        let (ids, step) = channel.receive(&context, frame, effects);
        let limited = channel.has_shared_limit();
        self.assembling.change(before, Assembling::of(channel));
        match step {
            Ok(Step::Done) => self.send_cancel_ok(number, effects),
            Ok(Step::Waiting) => self.waiting = true,
            Ok(Step::Closed) => {
                self.end_channel(number, effects);
                self.channels.remove(&number);
                Self::send(number, channel::CloseOk {}, effects);
            }
            Ok(Step::Forget) => {
                self.channels.remove(&number);
            }
            Ok(Step::Cancelled(consumer_tag)) => {
                self.cancel(number, &consumer_tag, effects);
                self.send_cancel_ok(number, effects);
            }
            Ok(Step::Qos(change)) => self.change_limits(number, change, effects),
            Err(error) => self.fail(now, number, ids, error, effects),
        }
        if limited {
            self.offer_room(number, effects);
        }
    }

    /// Ends a consumer. cancel-ok follows once its last delivery is written: see `consumer_ended`.
    fn cancel(&mut self, channel: u16, consumer_tag: &ShortString, effects: &mut Vec<Effect>) {
        let found =
            self.consumers.iter().find(|(_, record)| record.channel == channel && record.consumer_tag == *consumer_tag);
        if let Some((&consumer, record)) = found {
            let queue = record.queue;
            if let Some(open) = self.channels.get_mut(&channel) {
                open.stop_wanting(consumer);
            }
            effects.push(Effect::Unsubscribe { channel, queue, consumer });
        }
    }

    /// A consumer's last deliveries are written: its record is not needed any more.
    pub fn consumer_ended(&mut self, consumer: ConsumerId) {
        self.consumers.remove(&consumer);
    }

    fn send_cancel_ok(&mut self, channel: u16, effects: &mut Vec<Effect>) {
        if let Some(method) = self.channels.get_mut(&channel).and_then(|open| open.take_cancel_ok()) {
            effects.push(Effect::Send { channel, method });
        }
    }

    fn open_channel(&mut self, now: Timestamp, frame: RawFrame<'_>, effects: &mut Vec<Effect>) {
        let method = (frame.kind == FrameKind::Method).then(|| Method::decode(frame.payload));
        match method {
            Some(Ok(Method::Channel(channel::Method::Open(_)))) => {}
            Some(Ok(other)) => {
                let ids = (other.class_id(), other.method_id());
                return self.close_with(now, ids, &ConnectionError::ChannelNotOpen, effects);
            }
            Some(Err(error)) => return self.method_error(now, &error, effects),
            None => return self.close_with(now, NO_METHOD, &ConnectionError::ChannelNotOpen, effects),
        }
        if self.channel_max > 0 && self.channels.len() >= usize::from(self.channel_max) {
            let text = format!(
                "number of channels opened ({}) has reached the negotiated channel_max ({})",
                self.channels.len(),
                self.channel_max
            );
            return self.fail(now, 0, NO_METHOD, BrokerError::Connection(ConnectionError::NotAllowed(text)), effects);
        }
        if self.settings.limits_channels {
            self.waiting = true;
            effects.push(Effect::OpenChannel(frame.channel));
            return;
        }
        self.begin_channel(frame.channel, effects);
    }

    /// The node's word on one more channel.
    pub fn channel_allowed(
        &mut self,
        now: Timestamp,
        channel: u16,
        allowed: Result<(), ConnectionError>,
        effects: &mut Vec<Effect>,
    ) {
        self.waiting = false;
        match allowed {
            Ok(()) => self.begin_channel(channel, effects),
            Err(error) => self.close_with(now, NO_METHOD, &error, effects),
        }
    }

    fn begin_channel(&mut self, channel: u16, effects: &mut Vec<Effect>) {
        let opened = Channel::new(self.prefers_dynamic_prefetch(), &self.settings);
        self.channels.insert(channel, Box::new(opened));
        Self::send(channel, channel::OpenOk::default(), effects);
    }

    /// py-amqp (Celery, kombu) believes what the specification says: that basic.qos acts on the running channel.
    fn prefers_dynamic_prefetch(&self) -> bool {
        let product = self.client_properties.get("product").and_then(leveret_protocol::FieldValue::as_str);
        self.settings.qos_dynamic || matches!(product, Some("py-amqp" | "kombu"))
    }
}
