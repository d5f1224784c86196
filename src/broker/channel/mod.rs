//! A channel: the methods a client calls on it, the content it publishes, the deliveries it has not settled.
//! One file per class of effect on the channel's state; one per method in `methods`.

pub mod checks;
mod content;
mod methods;
pub mod reply_to;
mod settle;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use leveret_protocol::{FrameKind, Method, MethodError, RawFrame, ShortString, basic, channel, queue};

use self::content::Assembly;
use super::connection::{Effect, Reply, Request, Settings};
use super::error::{BrokerError, ConnectionError};
use super::ids::{ConsumerId, DeliveryTag, QueueId};
use super::ledger::Ledger;
use super::queue::Delivery;

/// What a channel may look at of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
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
    /// Running consumers get another prefetch.
    Prefetch(u16),
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

/// Consumers that have gone and hold nothing are remembered up to this many more than there are others.
const IDLE_HOLDERS: usize = 32;

/// A channel.
#[derive(Debug)]
pub(super) struct Channel {
    closing: bool,
    assembly: Option<Box<Assembly>>,
    mode: Mode,
    last_delivery_tag: u64,
    unsettled: Ledger<Unsettled>,
    holders: BTreeMap<ConsumerId, QueueId>,
    /// How many holders there may be before those that hold nothing are given up.
    holder_limit: usize,
    consumer_tags: BTreeMap<ShortString, Option<ConsumerId>>,
    prefetch: u16,
    dynamic_prefetch: bool,
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
            holders: BTreeMap::new(),
            holder_limit: IDLE_HOLDERS,
            consumer_tags: BTreeMap::new(),
            prefetch: settings.default_prefetch,
            dynamic_prefetch,
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
            return ((0, 0), Ok(Self::receive_while_closing(context, frame, effects)));
        }
        if self.assembly.is_some() {
            return ((60, 40), self.receive_content(context, frame, effects).map(|()| Step::Done));
        }
        if frame.kind != FrameKind::Method {
            let text = "expected method frame, got non method frame instead".to_owned();
            return ((0, 0), Err(ConnectionError::UnexpectedFrame(text).into()));
        }
        match Method::decode(frame.payload) {
            Ok(method) => {
                let ids = (method.class_id(), method.method_id());
                (ids, self.call(context, method, effects))
            }
            Err(error) => (error.ids(), Err(undecodable(&error).into())),
        }
    }

    /// Until the client agrees to the closing, all that it sent before is discarded.
    fn receive_while_closing(context: &Context<'_>, frame: RawFrame<'_>, effects: &mut Vec<Effect>) -> Step {
        if frame.kind != FrameKind::Method {
            return Step::Done;
        }
        match Method::decode(frame.payload) {
            Ok(Method::Channel(channel::Method::CloseOk(_))) => Step::Forget,
            Ok(Method::Channel(channel::Method::Close(_))) => {
                effects.push(Effect::Send { channel: context.number, method: channel::CloseOk {}.into() });
                Step::Done
            }
            Ok(_) | Err(_) => Step::Done,
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
        self.holders.clear();
        self.consumer_tags.clear();
        self.reply_consumer = None;
        self.awaited = None;
        self.mode = Mode::Plain;
    }

    /// Everything that may hold messages of a queue on behalf of this channel.
    pub(super) fn holders(&self) -> Vec<(QueueId, ConsumerId)> {
        self.holders.iter().map(|(consumer, queue)| (*queue, *consumer)).collect()
    }

    /// Gives up consumers that have gone and hold nothing, once there are many of them: a channel may live long and
    /// have a consumer for each request it makes. Only to be called when all effects have been carried out, for a
    /// consumer that is about to end may still be sent deliveries.
    pub(super) fn give_up_idle_holders(&mut self, effects: &mut Vec<Effect>) {
        if self.holders.len() <= self.holder_limit {
            return;
        }
        let mut needed: BTreeSet<ConsumerId> = self.consumer_tags.values().flatten().copied().collect();
        needed.extend(self.unsettled.values().map(|unsettled| unsettled.consumer));
        if let Mode::Transaction { settled } = &self.mode {
            needed.extend(settled.iter().map(|(_, unsettled, _)| unsettled.consumer));
        }
        self.holders.retain(|consumer, queue| {
            let holds = needed.contains(consumer);
            if !holds {
                effects.push(Effect::Abandon { queue: *queue, consumer: *consumer });
            }
            holds
        });
        self.holder_limit = 2 * self.holders.len() + IDLE_HOLDERS;
    }

    pub(super) fn forget_consumer(&mut self, consumer_tag: &ShortString) {
        self.consumer_tags.remove(consumer_tag);
    }

    /// The next delivery tag, kept as outstanding when the message came from a queue that waits for its settling.
    pub(super) fn deliver(&mut self, queue: Option<QueueId>, delivery: &Delivery) -> DeliveryTag {
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
            self.holders.insert(delivery.consumer, queue);
        }
        self.deliver(queue, delivery)
    }

    /// basic.cancel-ok, once a consumer's last delivery is written.
    pub(super) fn take_cancel_ok(&mut self) -> Option<Method> {
        let consumer_tag = self.after_cancel.take()?;
        Some(basic::CancelOk { consumer_tag }.into())
    }

    /// The method whose request is with the node.
    pub(super) fn awaited_method(&self) -> (u16, u16) {
        self.awaited.map_or((0, 0), |awaited| awaited.ids)
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
                    Some(queue) => {
                        self.holders.insert(consumer, queue);
                    }
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
