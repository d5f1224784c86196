//! What the node says to what it is asked. An octet of the script chooses; without one it is yes.

use leveret::broker::connection::{Effect, Reply, Request};
use leveret::broker::error::{BrokerError, ChannelError, ConnectionError};
use leveret::broker::ids::{CheckoutId, ConsumerId, QueueId};
use leveret::broker::queue::{Delivery, QueueType, consumer_arguments};
use leveret::broker::resource::Resource;
use leveret_protocol::{ShortString, queue};

use super::{Node, keep, running};
use crate::heap;
use crate::script::Profile;

/// How a question is answered.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Yes,
    /// Yes, with a message, or other numbers.
    Rich(u8),
    /// The channel is closed.
    ChannelError(u8),
    /// The connection is closed, where a request can lead to that.
    ConnectionError,
    /// Yes, once the store is ready, where a request may have to wait for it.
    Later,
}

impl Node {
    fn next_answer(&mut self) -> Answer {
        let octet = self.answers.pop_front().unwrap_or(0);
        match octet & 7 {
            4 => Answer::ChannelError(octet >> 3),
            5 => Answer::ConnectionError,
            2 | 3 | 6 => Answer::Rich(octet >> 3),
            7 => Answer::Later,
            _ => Answer::Yes,
        }
    }

    /// Tells the channel whose publish was refused.
    pub(super) fn answer(&mut self, effect: Effect) -> Option<u16> {
        match effect {
            Effect::Authenticate { .. } => {
                let accepted = matches!(self.next_answer(), Answer::Yes | Answer::Rich(_) | Answer::Later);
                heap::counted(|| self.connection.authenticated(self.now, accepted, &mut self.effects));
            }
            Effect::OpenVhost(_) => {
                let opened = match self.next_answer() {
                    Answer::Yes | Answer::Rich(_) | Answer::Later => Ok(()),
                    Answer::ChannelError(_) | Answer::ConnectionError => {
                        Err(ConnectionError::NotAllowed("no".to_owned()))
                    }
                };
                heap::counted(|| self.connection.vhost_opened(self.now, opened, &mut self.effects));
            }
            Effect::OpenChannel(channel) => {
                let allowed = match self.next_answer() {
                    Answer::Yes | Answer::Rich(_) | Answer::ChannelError(_) | Answer::Later => Ok(()),
                    Answer::ConnectionError => Err(ConnectionError::NotAllowed("no".to_owned())),
                };
                heap::counted(|| self.connection.channel_allowed(self.now, channel, allowed, &mut self.effects));
            }
            Effect::Request { channel, request } => self.request(channel, request),
            Effect::Offer { channel, consumer, room, .. } => self.offer(channel, consumer, room),
            Effect::Publish { channel, message, in_transaction, .. } => {
                if let Answer::ChannelError(which) = self.next_answer() {
                    let error = channel_error(which);
                    self.checks.refused(channel);
                    heap::counted(|| {
                        self.connection.publish_refused(self.now, channel, error, &mut self.effects);
                    });
                    return Some(channel);
                }
                keep(&mut self.stock, &message);
                // A delivery in the middle of a read is there earlier or later for what follows.
                let echoes = self.profile.has(Profile::ECHO) && !self.profile.has(Profile::TWICE);
                if echoes && !in_transaction {
                    self.echo();
                }
            }
            _ => {}
        }
        None
    }

    fn echo(&mut self) {
        if let Some(consumer) = self.checks.consumers.keys().next_back().copied() {
            let message = self.message();
            self.put(consumer, message);
        }
    }

    /// A queue uses as much of the room as it has messages for.
    fn offer(&mut self, channel: u16, consumer: ConsumerId, room: usize) {
        let taken = self.wanted.remove(&consumer).unwrap_or(0).min(room);
        for _ in 0..taken {
            let message = self.message();
            self.put(consumer, message);
        }
        heap::counted(|| self.connection.offer_taken(channel, consumer, taken, &mut self.effects));
    }

    fn request(&mut self, channel: u16, request: Request) {
        let answer = self.next_answer();
        match (answer, request) {
            (Answer::Later, request @ (Request::Commit(_) | Request::Get { .. })) => {
                self.later = Some((channel, request));
            }
            // What can be committed was checked when it was published and settled.
            (_, request @ Request::Commit(_)) => self.reply_to(channel, request, Answer::Yes),
            (answer, request) => self.reply_to(channel, request, answer),
        }
    }

    /// The store is ready for what waits for it.
    pub(super) fn answer_later(&mut self) {
        let Some((channel, request)) = self.later.take() else { return };
        if self.connection.is_closed() {
            return;
        }
        let answer = if self.checks.is_closing() { Answer::Yes } else { Answer::Rich(1) };
        self.reply_to(channel, request, answer);
        self.execute();
        self.read(&[]);
    }

    fn reply_to(&mut self, channel: u16, request: Request, answer: Answer) {
        let answer = match (answer, bad_arguments(&request)) {
            (_, Some(error)) => Err(error.into()),
            (Answer::ChannelError(which), None) => Err(channel_error(which).into()),
            (Answer::ConnectionError, None) => Err(BrokerError::from(ConnectionError::NotAllowed("no".to_owned()))),
            (Answer::Yes | Answer::Later, None) => Ok(self.reply(request, 0)),
            (Answer::Rich(number), None) => match request {
                Request::Get { no_ack, .. } => return self.get(channel, no_ack, number),
                request => Ok(self.reply(request, number)),
            },
        };
        if let Some((id, consumer)) = answer.as_ref().ok().and_then(|reply| running(channel, reply)) {
            self.checks.consuming(id, consumer);
        }
        heap::counted(|| self.connection.answer(self.now, channel, answer, &mut self.effects));
    }

    /// Each channel has a consumer that stands for it at each of a few queues.
    fn get(&mut self, channel: u16, no_ack: bool, number: u8) {
        const STANDS_FOR: u64 = 1 << 32;
        let queue = u64::from(number & 3);
        let consumer = ConsumerId(STANDS_FOR + u64::from(channel) * 4 + queue);
        let checkout = CheckoutId(self.next_id());
        let delivery = Delivery { consumer, checkout, redelivered: false, message: self.message() };
        let holder = (!no_ack).then_some(QueueId(queue));
        self.deliveries += 1;
        let delivery_tag = heap::counted(|| self.connection.deliver_got(channel, holder, &delivery));
        let delivery_tag = delivery_tag.expect("a channel that asks is there");
        self.checks.got(channel, delivery_tag.0, (!no_ack).then_some(&delivery));
    }

    fn reply(&mut self, request: Request, number: u8) -> Reply {
        let count = u32::from(number);
        match request {
            Request::DeclareExchange(_)
            | Request::DeleteExchange { .. }
            | Request::Bind(_)
            | Request::Unbind(_)
            | Request::Commit(_) => Reply::Done,
            Request::DeclareQueue(queue::Declare { queue: name, .. }) | Request::FindQueue(name) => {
                let name = if name.is_empty() { self.generated("amq.gen-") } else { name };
                Reply::Queue { name, message_count: count, consumer_count: count }
            }
            Request::PurgeQueue(_) | Request::DeleteQueue { .. } => Reply::Removed(count),
            Request::Consume { consumer_tag, no_ack, .. } => {
                self.consuming(consumer_tag, Some(QueueId(u64::from(number & 3))), no_ack)
            }
            Request::OpenReplyTo(consumer_tag) => self.consuming(consumer_tag, None, true),
            Request::Get { .. } => Reply::Empty,
        }
    }

    fn consuming(&mut self, consumer_tag: ShortString, queue: Option<QueueId>, no_ack: bool) -> Reply {
        let consumer = ConsumerId(self.next_id());
        let consumer_tag = if consumer_tag.is_empty() { self.generated("amq.ctag-") } else { consumer_tag };
        Reply::Consuming { consumer_tag, consumer, queue, no_ack }
    }

    fn generated(&mut self, prefix: &str) -> ShortString {
        ShortString::truncated(&format!("{prefix}{}", self.next_id()))
    }
}

/// Arguments of basic.consume are looked at once its queue is found.
fn bad_arguments(request: &Request) -> Option<ChannelError> {
    let Request::Consume { queue, arguments, .. } = request else { return None };
    let resource = Resource::queue(queue, &ShortString::from_static("/"));
    consumer_arguments::check(arguments, QueueType::Classic, &resource).err()
}

fn channel_error(which: u8) -> ChannelError {
    match which & 3 {
        0 => ChannelError::DefaultExchange,
        1 => ChannelError::UnknownDeliveryTag(u64::from(which)),
        // Longer than a reply text can be, in characters of more than one octet.
        2 => ChannelError::NamePrefixTooLong("é".repeat(200)),
        _ => ChannelError::NoReplyConsumer,
    }
}
