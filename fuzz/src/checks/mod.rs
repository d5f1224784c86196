//! What must hold for everything that a connection wants done. Follows the effects as they are carried out and panics
//! at the first that cannot be right.

mod replies;

use std::collections::BTreeMap;

use leveret::broker::connection::{Effect, Request, Settlement};
use leveret::broker::ids::{CheckoutId, ConsumerId, DeliveryTag, QueueId};
use leveret::broker::queue::Delivery;
use leveret_protocol::{Method, channel, connection};

use self::replies::Replies;

/// A consumer that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer {
    pub channel: u16,
    pub queue: Option<QueueId>,
    pub no_ack: bool,
}

/// What is known of the connection from outside.
#[derive(Debug, Default)]
pub struct Checks {
    pub consumers: BTreeMap<ConsumerId, Consumer>,
    running: bool,
    closing: bool,
    disconnected: bool,
    channels: BTreeMap<u16, Channel>,
    replies: BTreeMap<u16, Replies>,
    held: BTreeMap<(ConsumerId, CheckoutId), u16>,
}

#[derive(Debug, Default)]
struct Channel {
    last_delivery_tag: u64,
    confirms: bool,
    confirmed: u64,
    unconfirmed: u64,
}

impl Checks {
    /// Channels that are open.
    #[must_use]
    pub fn channel_count(&self) -> usize {
        self.channels.len()
    }

    /// Nothing but the end of the connection may follow.
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        self.closing || self.disconnected
    }

    /// Frames have been taken: some of them want a reply.
    pub fn taken(&mut self, octets: &[u8]) {
        if self.running && !self.is_closing() {
            replies::expect(&mut self.replies, octets);
        }
    }

    /// An effect is carried out now.
    pub fn carry_out(&mut self, effect: &Effect, failures: bool) {
        assert!(!self.disconnected, "after Disconnect: {effect:?}");
        match effect {
            Effect::SendProtocolHeader | Effect::SendHeartbeat => self.open("a frame"),
            Effect::Authenticate { .. } | Effect::OpenVhost(_) => assert!(!self.running && !self.closing, "{effect:?}"),
            Effect::Send { channel: 0, method } => self.send_on_connection(method),
            Effect::Send { channel, method } => self.send(*channel, method),
            Effect::Request { channel, request } => {
                self.channel(*channel, effect);
                if let Request::Commit(settlements) = request {
                    for Settlement { consumer, checkout, .. } in settlements {
                        let held = self.held.remove(&(*consumer, *checkout)).is_some();
                        assert!(held || failures, "committed though not held: {effect:?}");
                    }
                }
            }
            Effect::Rollback(channel) => {
                self.channel(*channel, effect);
            }
            Effect::Publish { channel, in_transaction, .. } => {
                let open = self.channel(*channel, effect);
                assert!(!(open.confirms && *in_transaction), "both modes on channel {channel}");
                open.unconfirmed += 1;
            }
            Effect::Confirm { channel, first, through } => {
                let open = self.channel(*channel, effect);
                assert_eq!(*first, open.confirmed + 1, "a gap in the confirms of channel {channel}");
                assert!(first <= through && through - first < open.unconfirmed, "{effect:?}: {open:?}");
                *open = Channel { confirms: true, confirmed: *through, unconfirmed: 0, ..*open };
            }
            Effect::Settle { consumer, checkout, .. } => {
                self.open("a settling");
                let held = self.held.remove(&(*consumer, *checkout)).is_some();
                assert!(held || failures, "settled though not held: {effect:?}");
            }
            Effect::Extend { .. }
            | Effect::SetPrefetch { .. }
            | Effect::SetChannelLimited { .. }
            | Effect::CloseReplyTo(_)
            | Effect::OpenChannel(_) => self.open("a change"),
            Effect::Offer { channel, queue, consumer, room } => {
                self.open("an offer");
                assert!(*room > 0, "an offer of nothing");
                let known = self.consumers.get(consumer);
                let fits = known.is_some_and(|known| known.channel == *channel && known.queue == Some(*queue));
                assert!(fits || failures, "{effect:?} to {known:?}");
            }
            Effect::Unsubscribe { consumer, .. } => {
                self.open("an end of a consumer");
                self.consumers.remove(consumer);
            }
            Effect::Abandon { consumer, .. } => {
                self.open("an end of a consumer");
                self.consumers.remove(consumer);
                self.held.retain(|(holder, _), _| holder != consumer);
            }
            Effect::ChannelEnded(channel) => self.end_channel(*channel, failures),
            Effect::ReleaseExclusive | Effect::Note(_) => {}
            Effect::Disconnect => self.disconnected = true,
        }
    }

    fn open(&self, what: &str) {
        assert!(!self.closing, "{what} after connection.close");
    }

    fn channel(&mut self, channel: u16, effect: &Effect) -> &mut Channel {
        assert!(self.running && !self.closing, "{effect:?} on a connection that is not open");
        self.channels.get_mut(&channel).unwrap_or_else(|| panic!("{effect:?} without a channel"))
    }

    fn send_on_connection(&mut self, method: &Method) {
        match method {
            Method::Connection(connection::Method::OpenOk(_)) => {
                self.open("open-ok");
                self.running = true;
            }
            Method::Connection(connection::Method::Close(_)) => {
                self.open("connection.close");
                self.closing = true;
            }
            Method::Connection(connection::Method::CloseOk(_)) => self.closing = true,
            other => self.open(other.name()),
        }
    }

    fn send(&mut self, number: u16, method: &Method) {
        assert!(self.running && !self.closing, "{method:?} on channel {number} of a connection that is not open");
        let replies = self.replies.entry(number).or_default();
        replies.sent(method);
        match method {
            Method::Channel(channel::Method::OpenOk(_)) => {
                let before = self.channels.insert(number, Channel::default());
                assert!(before.is_none() || !replies.known(), "channel {number} opened twice");
            }
            // These follow the end of the channel.
            Method::Channel(channel::Method::Close(_) | channel::Method::CloseOk(_)) => {}
            other => assert!(self.channels.contains_key(&number), "{other:?} on channel {number}"),
        }
    }

    fn end_channel(&mut self, number: u16, failures: bool) {
        self.open("the end of a channel");
        self.consumers.retain(|_, consumer| consumer.channel != number);
        self.channels.remove(&number);
        let kept = self.held.values().any(|channel| *channel == number);
        assert!(!kept || failures, "channel {number} ended and keeps deliveries");
    }

    /// A publish has been refused: what has been taken of the channel since then is void.
    pub fn refused(&mut self, channel: u16) {
        self.replies.entry(channel).or_default().lose_track();
    }

    /// A consumer runs.
    pub fn consuming(&mut self, id: ConsumerId, consumer: Consumer) {
        self.consumers.insert(id, consumer);
    }

    /// A delivery to a consumer, which is running if all effects have been carried out.
    pub fn delivered(&mut self, delivery: &Delivery, written: Option<(u16, DeliveryTag)>, settled: bool) {
        let Some(consumer) = self.consumers.get(&delivery.consumer).copied() else {
            assert_eq!(written, None, "a delivery to a consumer that has ended");
            return;
        };
        let Some((channel, delivery_tag)) = written else {
            assert!(!settled, "no delivery to {consumer:?}, though it runs");
            return;
        };
        assert_eq!(channel, consumer.channel);
        let wants_settling = consumer.queue.is_some() && !consumer.no_ack;
        self.handed_out(channel, delivery_tag.0, wants_settling.then_some(delivery));
    }

    /// basic.get has found something.
    pub fn got(&mut self, channel: u16, delivery_tag: u64, held: Option<&Delivery>) {
        self.replies.entry(channel).or_default().got();
        self.handed_out(channel, delivery_tag, held);
    }

    fn handed_out(&mut self, channel: u16, delivery_tag: u64, held: Option<&Delivery>) {
        let open = self.channels.get_mut(&channel).expect("deliveries go to open channels");
        open.last_delivery_tag += 1;
        assert_eq!(delivery_tag, open.last_delivery_tag, "delivery tags of channel {channel}");
        if let Some(delivery) = held {
            self.held.insert((delivery.consumer, delivery.checkout), channel);
        }
    }

    /// Everything that was taken has been carried out.
    pub fn at_rest(&self) {
        if self.is_closing() {
            return;
        }
        for (number, open) in &self.channels {
            assert!(!open.confirms || open.unconfirmed == 0, "channel {number} waits for confirms");
        }
        for (number, replies) in &self.replies {
            replies.at_rest(*number);
        }
    }

    /// The connection has ended: it holds nothing any more.
    pub fn at_end(&self) {
        assert!(self.disconnected, "ended without Disconnect");
        assert_eq!(self.held, BTreeMap::new(), "deliveries that nobody will settle");
        assert_eq!(self.consumers, BTreeMap::new(), "consumers that run on");
        assert!(self.channels.is_empty(), "channels that stay open");
    }
}
