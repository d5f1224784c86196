//! What a channel remembers of consumers that have gone, and of what stood for it where it used basic.get.

use std::time::Duration;

use leveret_protocol::{Method, ShortString, basic};

use super::{Channel, Context};
use crate::broker::connection::{Effect, Reply, Settings};
use crate::broker::ids::{CheckoutId, ConsumerId, QueueId};
use crate::broker::message::{MessageArena, Traits};
use crate::broker::queue::{Delivery, Outcome};
use crate::broker::time::Timestamp;

const QUEUE: QueueId = QueueId(1);

fn settings() -> Settings {
    Settings {
        mechanisms: Vec::new(),
        product: String::new(),
        version: String::new(),
        cluster_name: String::new(),
        frame_max: 0,
        initial_frame_max: 0,
        channel_max: 0,
        limits_channels: false,
        heartbeat: 0,
        handshake_timeout: Duration::ZERO,
        max_message_size: 0,
        consumer_max_per_channel: None,
        default_prefetch: 0,
        qos_dynamic: false,
    }
}

struct Caller {
    channel: Channel,
    settings: Settings,
    vhost: ShortString,
    effects: Vec<Effect>,
}

impl Caller {
    fn new() -> Self {
        let settings = settings();
        let channel = Channel::new(false, &settings);
        Self { channel, settings, vhost: ShortString::from_static("/"), effects: Vec::new() }
    }

    fn call(&mut self, method: impl Into<Method>) {
        let context = Context { now: Timestamp::ZERO, number: 1, settings: &self.settings, vhost: &self.vhost };
        self.channel.call(&context, method.into(), &mut self.effects).unwrap();
    }

    fn consume(&mut self, consumer: ConsumerId) {
        let consumer_tag = ShortString::from_static("c");
        self.call(basic::Consume { queue: ShortString::from_static("q"), ..basic::Consume::default() });
        self.channel.answered(Reply::Consuming { consumer_tag, consumer, queue: Some(QUEUE), no_ack: false });
        self.channel.forget_idle_getters(&mut self.effects);
    }

    fn cancel(&mut self) {
        self.call(basic::Cancel { consumer_tag: ShortString::from_static("c"), nowait: true });
    }

    fn get(&mut self, consumer: ConsumerId) {
        self.call(basic::Get { queue: ShortString::from_static("q"), ..basic::Get::default() });
        self.channel.deliver_got(Some(QUEUE), &delivery(consumer));
        self.channel.forget_idle_getters(&mut self.effects);
    }

    fn ack(&mut self, delivery_tag: u64) {
        self.call(basic::Ack { delivery_tag, multiple: false });
    }

    /// What the queue was told to give up so far.
    fn abandoned(&self) -> Vec<ConsumerId> {
        let abandoned = |effect: &Effect| {
            if let Effect::Abandon { queue: QUEUE, consumer } = effect { Some(*consumer) } else { None }
        };
        self.effects.iter().filter_map(abandoned).collect()
    }
}

fn delivery(consumer: ConsumerId) -> Delivery {
    let message =
        MessageArena::default().store(b"\0\x01q", b"header", b"", Traits::default(), Timestamp::ZERO).unwrap();
    Delivery { consumer, checkout: CheckoutId(1), redelivered: false, message }
}

#[test]
fn consumers_that_come_and_go_leave_nothing_behind() {
    let mut caller = Caller::new();
    for consumer in 1..=1000 {
        caller.consume(ConsumerId(consumer));
        caller.cancel();
    }
    let kept = caller.channel.holders().len();
    assert!(kept <= 100, "{kept} of 1000 consumers are remembered");
    assert_eq!(caller.abandoned(), [], "their queue has forgotten them by itself");
}

#[test]
fn what_stood_for_the_channel_at_queues_that_it_uses_no_more_is_given_up() {
    let mut caller = Caller::new();
    for getter in 1..=1000 {
        caller.get(ConsumerId(getter));
        if getter != 7 {
            caller.ack(getter);
        }
    }
    let held = caller.channel.holders();
    assert!(held.len() <= 100, "{} of 1000 are remembered", held.len());
    assert_eq!(caller.abandoned().len() + held.len(), 1000, "every queue is told");
    assert!(held.contains(&(QUEUE, ConsumerId(7))), "its delivery is not settled");
}

#[test]
fn a_consumer_that_runs_or_whose_deliveries_are_not_settled_is_remembered() {
    let mut caller = Caller::new();
    let (gone, getter) = (ConsumerId(1), ConsumerId(2));
    caller.consume(gone);
    caller.channel.deliver(Some(QUEUE), &delivery(gone));
    caller.cancel();
    caller.get(getter);
    for consumer in 3..=1000 {
        caller.consume(ConsumerId(consumer));
        if consumer < 1000 {
            caller.cancel();
        }
    }
    let held = caller.channel.holders();
    for consumer in [gone, getter, ConsumerId(1000)] {
        assert!(held.contains(&(QUEUE, consumer)), "{consumer:?}");
    }
    caller.effects.clear();
    caller.ack(1);
    let settled = Effect::Settle { queue: QUEUE, consumer: gone, checkout: CheckoutId(1), outcome: Outcome::Ack };
    assert_eq!(caller.effects, vec![settled]);
}

#[test]
fn who_holds_what_a_transaction_has_settled_but_not_committed_is_remembered() {
    let mut caller = Caller::new();
    let (gone, getter) = (ConsumerId(1), ConsumerId(1001));
    caller.call(leveret_protocol::tx::Select {});
    caller.consume(gone);
    caller.channel.deliver(Some(QUEUE), &delivery(gone));
    caller.cancel();
    caller.ack(1);
    caller.get(getter);
    caller.ack(2);
    for consumer in 2..=1000 {
        caller.consume(ConsumerId(consumer));
        caller.cancel();
    }
    for other in 1002..=1100 {
        caller.get(ConsumerId(other));
    }
    caller.call(basic::Recover { requeue: true });
    caller.channel.forget_idle_getters(&mut caller.effects);
    assert_eq!(caller.abandoned().len(), 99, "those whose deliveries were given back");
    let held = caller.channel.holders();
    assert!(held.contains(&(QUEUE, gone)) && held.contains(&(QUEUE, getter)), "{held:?}");
}
