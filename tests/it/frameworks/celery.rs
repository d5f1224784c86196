//! Celery with Kombu: native delayed delivery, and the queues of remote control.

use std::time::{Duration, Instant};

use lapin::ExchangeKind;
use lapin::options::{BasicConsumeOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;

use super::ladder::{Ladder, bind_exchange, key};
use super::{durable_exchange, durable_queue, is_routed};
use crate::client::{body, next, table, text, with_broker, within};

const LADDER: Ladder = Ladder { level, delivery: "celery_delayed_delivery" };

fn level(level: usize) -> String {
    format!("celery_delayed_{level}")
}

#[test]
fn celerys_ladder_is_declared_twice_and_holds_each_task_for_its_countdown() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        durable_exchange(&client, "tasks", ExchangeKind::Topic).await;
        durable_queue(&client, "celery", &[("x-queue-type", text("quorum"))]).await;
        for _ in 0..2 {
            LADDER.declare(&client).await;
            bind_exchange(&client, "tasks", LADDER.delivery, "#.celery").await;
            client.bind("celery", "tasks", "#.celery").await;
        }
        let mut worker = client.consume("celery").await;
        let began = Instant::now();
        // The longest that there is, 8.5 years, waits at the highest level.
        for (seconds, task) in [(3, "in three"), (u32::MAX >> 4, "far off"), (0, "now"), (1, "in one")] {
            assert!(is_routed(&client, &LADDER.entry(), &key(seconds, "celery"), task).await);
        }
        // Who waited comes from where the lowest level leads to; who did not comes straight from the entry.
        for (seconds, task, exchange) in
            [(0, "now", "celery_delayed_27"), (1, "in one", LADDER.delivery), (3, "in three", LADDER.delivery)]
        {
            let delivery = next(&mut worker).await;
            assert_eq!((body(&delivery).as_str(), delivery.exchange.as_str()), (task, exchange));
            assert_eq!(delivery.routing_key.as_str(), key(seconds, "celery"));
            assert!(began.elapsed() >= Duration::from_secs(u64::from(seconds)), "{task}: {:?}", began.elapsed());
        }
        assert_eq!(LADDER.waiting(&client).await, [(27, 1)]);
    });
}

#[test]
fn remote_controls_transient_queue_is_shared_while_its_worker_is_there_and_goes_with_it() {
    with_broker(async |broker| {
        let (worker, other) = (broker.client().await, broker.client().await);
        let options = QueueDeclareOptions { auto_delete: true, ..QueueDeclareOptions::default() };
        let arguments =
            table(&[("x-message-ttl", AMQPValue::LongInt(300_000)), ("x-expires", AMQPValue::LongInt(10_000))]);
        worker.exchange("celery.pidbox", ExchangeKind::Fanout).await;
        let name = "celery@h.celery.pidbox";
        within(worker.queue_declare(name.into(), options, arguments.clone())).await.unwrap();
        worker.bind(name, "celery.pidbox", "").await;
        let no_ack = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut consumer = worker.consume_with(name, no_ack, &[]).await.unwrap();
        other.publish("celery.pidbox", "", "ping").await;
        assert_eq!(body(&next(&mut consumer).await), "ping");
        // A node of the same name sees by the number of consumers that it is not alone.
        let seen = within(other.queue_declare(name.into(), options, arguments)).await.unwrap();
        assert_eq!(seen.consumer_count(), 1);
        within(worker.basic_cancel(consumer.tag(), Default::default())).await.unwrap();
        other.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        assert!(!is_routed(&other, "celery.pidbox", "", "nobody").await);
    });
}
