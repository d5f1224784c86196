//! A channel: the methods a client calls on it, the content it publishes, the deliveries it has not settled.
//! One file per class of effect on the channel's state; one per method in `methods`.

pub mod checks;
pub mod compose;
mod content;
mod description;
mod holders;
mod methods;
pub mod reply_to;
mod settle;
mod shared_limit;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use leveret_protocol::{FrameKind, Method, MethodError, RawFrame, ShortString, basic, channel, queue};

use self::content::Assembly;
pub use self::description::ChannelDescription;
use self::holders::Holders;
pub(super) use self::shared_limit::Offer;
use self::shared_limit::SharedLimit;
use super::connection::{Effect, Reply, Request, Settings};
use super::error::{BrokerError, ConnectionError};
use super::ids::{ConsumerId, DeliveryTag, QueueId};
use super::ledger::Ledger;
use super::queue::Delivery;
use super::time::Timestamp;

const NO_METHOD: (u16, u16) = (0, 0);
const OPEN: (u16, u16) = (20, 10);

/// What a channel may look at of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) number: u16,
    pub(super) settings: &'a Settings,
    pub(super) vhost: &'a ShortString,
}

/// What the connection is to do after a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing more.
    Done,
    /// Wait for the answer to a request.
    Waiting,
    /// The client closed the channel.
    Closed,
    /// The client agreed to the broker's closing.
    Forget,
    /// The consumer of that tag ends.
    Cancelled(ShortString),
    /// Running consumers get other limits.
    Qos(QosChange),
}

/// What basic.qos changes for consumers that run already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct QosChange {
    /// The prefetch of each; `None`: as it is.
    pub(super) prefetch: Option<u16>,
    /// Whether they are under a limit of the channel; `None`: as they are.
    pub(super) channel_limited: Option<bool>,
}

/// A delivery that the client has not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Unsettled {
    queue: QueueId,
    consumer: ConsumerId,
    checkout: super::ids::CheckoutId,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Mode {
    #[default]
    Plain,
    Confirm {
        published: u64,
    },
    Transaction {
        settled: Vec<(u64, Unsettled, super::queue::Outcome)>,
    },
}

/// How the answer to the request in hand becomes a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Awaited {
    ids: (u16, u16),
    nowait: bool,
}

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    closing: bool,
    assembly: Option<Box<Assembly>>,
    mode: Mode,
    last_delivery_tag: u64,
    unsettled: Ledger<Unsettled>,
    holders: Holders,
    consumer_tags: BTreeMap<ShortString, Option<ConsumerId>>,
    prefetch: u16,
    dynamic_prefetch: bool,
    shared_limit: Option<Box<SharedLimit>>,
    last_queue: Option<ShortString>,
    reply_consumer: Option<ShortString>,
    /// The tag for cancel-ok, which goes out after the consumer's last delivery.
    after_cancel: Option<ShortString>,
    awaited: Option<Awaited>,
}

impl Channel {
    pub(super) fn new(dynamic_prefetch: bool, settings: &Settings) -> Self {
        Self {
            closing: false,
            assembly: None,
            mode: Mode::Plain,
            last_delivery_tag: 0,
            unsettled: Ledger::default(),
            holders: Holders::default(),
            consumer_tags: BTreeMap::new(),
            prefetch: settings.default_prefetch,
            dynamic_prefetch,
            shared_limit: None,
            last_queue: None,
            reply_consumer: None,
            after_cancel: None,
            awaited: None,
        }
    }

    /// Handles a frame; with the ids of the method that an error is about.
    pub(super) fn receive(
        &mut self,
        context: &Context<'_>,
        frame: RawFrame<'_>,
        effects: &mut Vec<Effect>,
    ) -> ((u16, u16), Result<Step, BrokerError>) {
        if self.closing {
            return Self::receive_while_closing(context, frame, effects);
        }
        if let Some(assembly) = &self.assembly {
            return (assembly.ids(), self.receive_content(context, frame, effects).map(|()| Step::Done));
        }
        if frame.kind != FrameKind::Method {
            let text = "expected method frame, got non method frame instead".to_owned();
            return (NO_METHOD, Err(ConnectionError::UnexpectedFrame(text).into()));
        }
        match Method::decode(frame.payload) {
            Ok(method) => {
                let ids = (method.class_id(), method.method_id());
                (ids, self.call(context, method, effects))
            }
            Err(error) => (error.ids(), Err(undecodable(&error).into())),
        }
    }

    /// Until the client agrees to the closing, all that it sent before is discarded; but it cannot have meant to open
    /// the channel before it knew that it was closed.
    fn receive_while_closing(
        context: &Context<'_>,
        frame: RawFrame<'_>,
        effects: &mut Vec<Effect>,
    ) -> ((u16, u16), Result<Step, BrokerError>) {
        if frame.kind != FrameKind::Method {
            return (NO_METHOD, Ok(Step::Done));
        }
        match Method::decode(frame.payload) {
            Ok(Method::Channel(channel::Method::CloseOk(_))) => (NO_METHOD, Ok(Step::Forget)),
            Ok(Method::Channel(channel::Method::Close(_))) => {
                effects.push(Effect::Send { channel: context.number, method: channel::CloseOk {}.into() });
                (NO_METHOD, Ok(Step::Done))
            }
            Ok(Method::Channel(channel::Method::Open(_))) => (OPEN, Err(ConnectionError::ChannelAlreadyOpen.into())),
            Ok(_) | Err(_) => (NO_METHOD, Ok(Step::Done)),
        }
    }

    /// Sends nothing more but waits for channel.close-ok.
    pub(super) fn closing(&mut self) {
        self.closing = true;
    }

    /// Forgets all that the channel holds.
    pub(super) fn clear(&mut self) {
        self.assembly = None;
        self.unsettled = Ledger::default();
        self.holders = Holders::default();
        self.consumer_tags.clear();
        self.shared_limit = None;
        self.reply_consumer = None;
        self.awaited = None;
        self.mode = Mode::Plain;
    }

    /// A queue is gone, and this consumer with it.
    pub(super) fn forget_consumer(&mut self, consumer: ConsumerId, consumer_tag: &ShortString) {
        self.stop_wanting(consumer);
        self.consumer_tags.remove(consumer_tag);
    }

    /// A consumer's delivery gets its tag, kept as outstanding when the message came from a queue that waits for its settling.
    pub(super) fn deliver(&mut self, queue: Option<QueueId>, delivery: &Delivery) -> DeliveryTag {
        if let (Some(_), Some(shared)) = (queue, &mut self.shared_limit) {
            shared.delivered();
        }
        self.next_delivery_tag(queue, delivery)
    }

    fn next_delivery_tag(&mut self, queue: Option<QueueId>, delivery: &Delivery) -> DeliveryTag {
        self.last_delivery_tag += 1;
        if let Some(queue) = queue {
            let unsettled = Unsettled { queue, consumer: delivery.consumer, checkout: delivery.checkout };
            self.unsettled.add(self.last_delivery_tag, unsettled);
        }
        DeliveryTag(self.last_delivery_tag)
    }

    /// As `deliver`, for the answer to basic.get.
    pub(super) fn deliver_got(&mut self, queue: Option<QueueId>, delivery: &Delivery) -> DeliveryTag {
        self.awaited = None;
        if let Some(queue) = queue {
            self.holders.add_getter(delivery.consumer, queue);
        }
        let delivery_tag = self.next_delivery_tag(queue, delivery);
        if let (Some(_), Some(shared)) = (queue, &mut self.shared_limit) {
            shared.got(delivery_tag.0);
        }
        delivery_tag
    }

    /// basic.cancel-ok, once a consumer's last delivery is written.
    pub(super) fn take_cancel_ok(&mut self) -> Option<Method> {
        let consumer_tag = self.after_cancel.take()?;
        Some(basic::CancelOk { consumer_tag }.into())
    }

    /// The method whose request is with the node.
    pub(super) fn awaited_method(&self) -> (u16, u16) {
        self.awaited.map_or(NO_METHOD, |awaited| awaited.ids)
    }

    fn ask(
        &mut self,
        context: &Context<'_>,
        ids: (u16, u16),
        nowait: bool,
        request: Request,
        effects: &mut Vec<Effect>,
    ) -> Step {
        self.awaited = Some(Awaited { ids, nowait });
        effects.push(Effect::Request { channel: context.number, request });
        Step::Waiting
    }

    /// Turns the node's answer into the method that the client waits for.
    pub(super) fn answered(&mut self, reply: Reply) -> Option<Method> {
        let Awaited { ids, nowait } = self.awaited.take()?;
        let method = match reply {
            Reply::Done => methods::done(ids)?,
            Reply::Queue { name, message_count, consumer_count } => {
                self.last_queue = Some(name.clone());
                queue::DeclareOk { queue: name, message_count, consumer_count }.into()
            }
            Reply::Removed(message_count) => methods::removed(ids, message_count)?,
            Reply::Consuming { consumer_tag, consumer, queue, .. } => {
                self.consumer_tags.insert(consumer_tag.clone(), Some(consumer));
                match queue {
                    Some(queue) => self.add_holder(consumer, queue),
                    None => self.reply_consumer = Some(consumer_tag.clone()),
                }
                basic::ConsumeOk { consumer_tag }.into()
            }
            Reply::Empty => basic::GetEmpty::default().into(),
        };
        (!nowait).then_some(method)
    }
}

fn undecodable(error: &MethodError) -> ConnectionError {
    match error {
        MethodError::Unknown { .. } => ConnectionError::UnimplementedMethod,
        MethodError::Table(_) => ConnectionError::Syntax(error.to_string()),
        MethodError::Malformed { .. } | MethodError::InvalidUtf8 => ConnectionError::Frame(error.to_string()),
    }
}
