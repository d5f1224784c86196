//! Retry with back-off: what consumers give back is tried again later, so many times, and then dead-lettered.

use std::time::{Duration, Instant};

use lapin::message::Delivery;
use lapin::options::{BasicNackOptions, BasicRejectOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, ExchangeKind};

use crate::client::{Client, next, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

async fn declare(client: &Client, arguments: &[(&str, AMQPValue)]) {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    client.declare("dead", options).await.unwrap();
    let dead = [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dead"))];
    let arguments: Vec<_> = dead.iter().chain(arguments).cloned().collect();
    within(client.queue_declare("work".into(), options, table(&arguments))).await.unwrap();
}

async fn publish(client: &Client) {
    within(client.confirm_select(ConfirmSelectOptions::default())).await.unwrap();
    let properties = BasicProperties::default().with_delivery_mode(2);
    within(client.publish_with("", "work", b"m", Default::default(), properties).await).await.unwrap();
}

async fn give_back(delivery: &Delivery, requeue: bool) {
    within(delivery.nack(BasicNackOptions { requeue, ..BasicNackOptions::default() })).await.unwrap();
}

fn attempts(delivery: &Delivery) -> Option<i64> {
    match delivery.properties.headers().as_ref()?.inner().get("x-retry-count")? {
        AMQPValue::LongLongInt(count) => Some(*count),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_tried_again_after_each_delay_and_dies_after_the_last() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, &[("x-retry-delays", text("200, 400"))]).await;
        publish(&client).await;
        let mut consumer = client.consume("work").await;
        let start = Instant::now();
        for (count, millis) in [(None, 0), (Some(1), 200), (Some(2), 600)] {
            let delivery = next(&mut consumer).await;
            assert_eq!((attempts(&delivery), delivery.redelivered), (count, count.is_some()));
            assert!(start.elapsed() >= Duration::from_millis(millis));
            give_back(&delivery, true).await;
        }
        let dead = next(&mut client.consume("dead").await).await;
        assert_eq!(attempts(&dead), Some(2));
        let headers = dead.properties.headers().clone().unwrap();
        assert_eq!(headers.inner().get("x-first-death-reason"), Some(&text("delivery_limit")));
        assert_eq!(client.counts("work").await.0, 0);
    });
}

#[test]
fn what_is_rejected_for_good_dies_at_once_unless_the_queue_says_otherwise() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, &[("x-retry-delays", text("60000"))]).await;
        publish(&client).await;
        let delivery = next(&mut client.consume("work").await).await;
        within(delivery.reject(BasicRejectOptions { requeue: false })).await.unwrap();
        assert_eq!(attempts(&next(&mut client.consume("dead").await).await), None);
    });
    with_broker(async |broker| {
        let client = broker.client().await;
        let min = ("x-retry-min", AMQPValue::LongInt(50));
        declare(&client, &[min, ("x-retry-limit", AMQPValue::LongInt(1)), ("x-retry-on", text("reject"))]).await;
        publish(&client).await;
        let mut consumer = client.consume("work").await;
        for count in [None, Some(1)] {
            let delivery = next(&mut consumer).await;
            assert_eq!(attempts(&delivery), count);
            give_back(&delivery, false).await;
        }
        let dead = next(&mut client.consume("dead").await).await;
        assert_eq!(
            dead.properties.headers().clone().unwrap().inner().get("x-first-death-reason"),
            Some(&text("rejected"))
        );
    });
}

#[test]
fn attempts_are_counted_across_a_restart() {
    for ending in [Ending::Stop, Ending::Kill] {
        with_lasting_broker(async |broker| {
            let client = broker.client().await;
            declare(&client, &[("x-retry-delays", text("1500,1500"))]).await;
            publish(&client).await;
            give_back(&next(&mut client.consume("work").await).await, true).await;
            let start = Instant::now();
            // A message of another queue is on disk after it.
            client.exchange("x", ExchangeKind::Fanout).await;
            let properties = BasicProperties::default().with_delivery_mode(2);
            client.settle().await;
            within(client.publish_with("", "dead", b"m", Default::default(), properties).await).await.unwrap();
            broker.server.restart(ending);
            let client = broker.client().await;
            let delivery = next(&mut client.consume("work").await).await;
            assert_eq!((attempts(&delivery), delivery.redelivered), (Some(1), true));
            assert!(start.elapsed() >= Duration::from_millis(1400), "{:?}", start.elapsed());
        });
    }
}
