//! Carries out what the connection's machine wants done, effect by effect.

use bytes::BytesMut;
use leveret_protocol::{Method, PROTOCOL_HEADER, channel, frame};

use super::Session;
use crate::broker::connection::{Effect, Reply};
use crate::broker::error::ChannelError;
use crate::broker::ids::{ConsumerId, QueueId};
use crate::broker::queue::Input;
use crate::broker::time::Timestamp;

impl Session {
    pub(super) fn execute(&mut self, now: Timestamp, effects: &mut Vec<Effect>, out: &mut BytesMut) {
        let mut failed: Vec<u16> = Vec::new();
        let mut answers = Vec::new();
        let mut effects = effects.drain(..);
        while let Some(effect) = effects.next() {
            // The hot path: a publish that goes well asks for nothing more.
            if failed.is_empty()
                && let Effect::Publish { channel, message, mandatory, in_transaction } = effect
            {
                self.flush_settled(now);
                if let Err(error) = self.publish(now, channel, message, mandatory, in_transaction, out) {
                    self.publish_failed(now, channel, error, &mut answers);
                    failed.push(channel);
                    self.carry_out_answers(now, &mut answers, out);
                }
                continue;
            }
            if !failed.is_empty()
                && let Some(channel) = effect.channel().filter(|channel| failed.contains(channel))
            {
                self.drop_effect(now, channel, &effect);
                continue;
            }
            if let Some((queue, consumer)) = leaves_with(&effect, effects.as_slice().first()) {
                self.flush_settled(now);
                self.forget(queue, consumer);
                self.run_queue(now, queue, Input::Leave(consumer));
                continue;
            }
            failed.extend(self.carry_out(now, effect, &mut answers, out));
            self.carry_out_answers(now, &mut answers, out);
        }
        self.flush_settled(now);
        self.refused.clear();
    }

    /// Carries out what the connection answered to what was done, until it wants nothing more.
    fn carry_out_answers(&mut self, now: Timestamp, answers: &mut Vec<Effect>, out: &mut BytesMut) {
        while !answers.is_empty() {
            let more = std::mem::take(answers);
            for effect in more {
                self.carry_out(now, effect, answers, out);
            }
        }
    }

    /// A publish is refused, which ends its channel. What was published before it goes in first.
    #[cold]
    fn publish_failed(&mut self, now: Timestamp, channel: u16, error: ChannelError, answers: &mut Vec<Effect>) {
        self.flush_published(now);
        self.connection.publish_refused(now, channel, error, answers);
    }

    /// An effect that came after an error on its channel: it does not happen, but nobody may wait for it.
    fn drop_effect(&mut self, now: Timestamp, channel: u16, effect: &Effect) {
        if matches!(effect, Effect::Request { .. }) {
            self.connection.answer(now, channel, Ok(Reply::Done), &mut Vec::new());
        }
    }

    /// Carries out one effect; tells the channel whose publish failed.
    fn carry_out(
        &mut self,
        now: Timestamp,
        effect: Effect,
        answers: &mut Vec<Effect>,
        out: &mut BytesMut,
    ) -> Option<u16> {
        if let Effect::Settle { queue, consumer, checkout, outcome } = effect {
            self.settle(now, (queue, consumer, outcome), checkout);
            return None;
        }
        self.flush_settled(now);
        if let Effect::Publish { channel, message, mandatory, in_transaction } = effect {
            let error = self.publish(now, channel, message, mandatory, in_transaction, out).err()?;
            self.publish_failed(now, channel, error, answers);
            return Some(channel);
        }
        self.flush_published(now);
        match effect {
            Effect::Publish { .. } | Effect::Settle { .. } => {}
            Effect::SendProtocolHeader => out.extend_from_slice(&PROTOCOL_HEADER),
            Effect::SendHeartbeat => out.extend_from_slice(&frame::HEARTBEAT),
            Effect::Send { channel, method } => self.send(channel, method, out),
            Effect::Confirm { channel, first, through } => {
                self.owe_confirm(channel, first, through, out);
            }
            Effect::Authenticate { mechanism, login } => {
                self.authenticate(mechanism, &login);
                self.connection.authenticated(now, self.user.is_some(), answers);
            }
            Effect::OpenVhost(name) => {
                let opened = self.open_vhost(&name);
                self.connection.vhost_opened(now, opened, answers);
            }
            Effect::OpenChannel(channel) => {
                let allowed = self.take_channel(channel);
                self.connection.channel_allowed(now, channel, allowed, answers);
            }
            Effect::Request { channel, request } => self.request(now, channel, request, answers, out),
            Effect::Rollback(channel) => self.roll_back(channel),
            Effect::Extend { queue, consumer, checkout, by } => self.extend(now, queue, consumer, checkout, by),
            Effect::SetPrefetch { queue, consumer, prefetch } => {
                self.run_queue(now, queue, Input::SetPrefetch(consumer, prefetch));
            }
            Effect::SetChannelLimited { queue, consumer, limited } => {
                self.set_channel_limited(now, queue, consumer, limited);
            }
            Effect::Offer { channel, queue, consumer, room } => {
                let taken = self.offer(now, queue, consumer, room);
                self.connection.offer_taken(channel, consumer, taken, answers);
            }
            Effect::Unsubscribe { queue, consumer, .. } => self.unsubscribe(now, queue, consumer, out),
            Effect::CloseReplyTo(channel) => self.close_reply_to(channel),
            Effect::Abandon { queue, consumer } => {
                self.forget(queue, consumer);
                self.run_queue(now, queue, Input::Abandon(consumer));
                self.share_windows(now, self.written.len());
            }
            Effect::ChannelEnded(channel) => self.channel_ended(now, channel),
            Effect::ReleaseExclusive => self.release_exclusive(now),
            Effect::Note(note) => self.log(&note),
            Effect::Disconnect => {}
        }
        None
    }

    fn send(&self, channel: u16, method: Method, out: &mut BytesMut) {
        if matches!(method, Method::Channel(channel::Method::OpenOk(_))) {
            self.tell_channel_created(channel);
        }
        method.write_frame(channel, out);
    }
}

/// A consumer that ends together with the one that the next effect ends: what both hold comes back before any of it is
/// handed out again.
fn leaves_with(effect: &Effect, next: Option<&Effect>) -> Option<(QueueId, ConsumerId)> {
    let Effect::Abandon { queue, consumer } = effect else { return None };
    let Effect::Abandon { queue: of_next, .. } = next? else { return None };
    (queue == of_next).then_some((*queue, *consumer))
}
