//! How a connection ends: by an error, by either side's close, or because the socket is gone.

use std::time::Duration;

use leveret_protocol::{ReplyCode, channel, connection};

use super::{Assembling, CLOSE_TIMEOUT, Connection, Effect, Note, SILENT_CLOSE, State};
use crate::broker::channel::Channel;
use crate::broker::error::{BrokerError, ChannelError, ConnectionError};
use crate::broker::time::Timestamp;

impl Connection {
    /// Ends what the error says must end: the channel, or the whole connection.
    pub(super) fn fail(
        &mut self,
        now: Timestamp,
        channel: u16,
        (class_id, method_id): (u16, u16),
        error: BrokerError,
        effects: &mut Vec<Effect>,
    ) {
        match error {
            BrokerError::Channel(soft) if channel != 0 => {
                self.end_channel(channel, effects);
                let close = channel::Close {
                    reply_code: soft.code().code(),
                    reply_text: soft.code().reply_text(&soft.to_string()),
                    class_id,
                    method_id,
                };
                Self::send(channel, close, effects);
                // A client that closed the channel itself in the same read has yet to answer the broker's close.
                self.channels.entry(channel).or_insert_with(|| Box::new(Channel::new(false, &self.settings))).closing();
                effects.push(Effect::Note(Note::ChannelError(channel, soft.into())));
            }
            BrokerError::Connection(hard) => self.close_with(now, (class_id, method_id), &hard, effects),
            BrokerError::Channel(soft) => {
                self.close(now, (class_id, method_id), soft.code(), &soft.to_string(), effects);
            }
        }
    }

    /// A publish turned out to be wrong. Later effects of that channel in the same batch are void.
    pub fn publish_refused(&mut self, now: Timestamp, channel: u16, error: ChannelError, effects: &mut Vec<Effect>) {
        if self.state == State::Running {
            self.fail(now, channel, (60, 40), error.into(), effects);
        } else {
            effects.push(Effect::Note(Note::ChannelError(channel, error.into())));
        }
    }

    /// Queues whose declaration was answered could not be stored, and no answer has left: the connection ends. False where it
    /// does so anyway.
    pub fn declarations_lost(&mut self, now: Timestamp, error: &ConnectionError, effects: &mut Vec<Effect>) -> bool {
        let running = self.state == State::Running;
        if running {
            self.close_with(now, (50, 10), error, effects);
        }
        running
    }

    /// The broker ends the connection, for instance at shutdown.
    pub fn force_close(&mut self, now: Timestamp, reason: &str, effects: &mut Vec<Effect>) {
        match self.state {
            State::Running | State::Opening => {
                self.close_with(now, (0, 0), &ConnectionError::Forced(reason.to_owned()), effects);
            }
            State::Header | State::Starting | State::Authenticating | State::Tuning | State::Entering => {
                self.end(effects);
            }
            State::Closing(_) | State::Silent(_) | State::Closed => {}
        }
    }

    pub(super) fn close_with(
        &mut self,
        now: Timestamp,
        ids: (u16, u16),
        error: &ConnectionError,
        effects: &mut Vec<Effect>,
    ) {
        effects.push(Effect::Note(Note::ConnectionError(error.clone().into())));
        self.close(now, ids, error.code(), &error.to_string(), effects);
    }

    fn close(
        &mut self,
        now: Timestamp,
        (class_id, method_id): (u16, u16),
        code: ReplyCode,
        text: &str,
        effects: &mut Vec<Effect>,
    ) {
        self.release(effects);
        let reply_text = code.reply_text(text);
        Self::send(0, connection::Close { reply_code: code.code(), reply_text, class_id, method_id }, effects);
        // After a framing error nothing that follows can be trusted to be a frame.
        let patience = if code == ReplyCode::FrameError { SILENT_CLOSE } else { self.close_timeout() };
        self.state = State::Closing(now.after(patience));
    }

    /// RabbitMQ: a client whose heartbeats would have to come earlier gets no longer than that.
    fn close_timeout(&self) -> Duration {
        self.heartbeat.as_ref().map_or(CLOSE_TIMEOUT, |heartbeat| heartbeat.interval().min(CLOSE_TIMEOUT))
    }

    pub(super) fn receive_close(&mut self, effects: &mut Vec<Effect>) {
        self.release(effects);
        Self::send(0, connection::CloseOk {}, effects);
        self.end(effects);
    }

    /// The socket is gone, or is to go.
    pub fn end(&mut self, effects: &mut Vec<Effect>) {
        self.release(effects);
        self.state = State::Closed;
        effects.push(Effect::Disconnect);
    }

    /// Gives back what the connection holds: unacked messages first, then its exclusive queues.
    fn release(&mut self, effects: &mut Vec<Effect>) {
        // All of them at once: looking for those of each channel would cost their product.
        self.consumers.clear();
        let numbers: Vec<u16> = self.channels.keys().copied().collect();
        for channel in numbers {
            self.end_channel(channel, effects);
            self.channels.remove(&channel);
        }
        // Whoever waited for an answer is gone, and close-ok has to be read.
        self.waiting = false;
        effects.push(Effect::ReleaseExclusive);
    }

    /// Ends a channel's consumers and gives back what it holds. The number stays taken until it is removed.
    pub(super) fn end_channel(&mut self, channel: u16, effects: &mut Vec<Effect>) {
        let Some(open) = self.channels.get_mut(&channel) else { return };
        for (queue, consumer) in open.holders() {
            effects.push(Effect::Abandon { queue, consumer });
        }
        let before = Assembling::of(open);
        open.clear();
        self.assembling.change(before, Assembling::default());
        self.consumers.retain(|_, record| record.channel != channel);
        effects.push(Effect::ChannelEnded(channel));
    }
}
