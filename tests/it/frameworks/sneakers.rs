//! Sneakers' Maxretry handler: a rejected message waits in a retry queue, comes back, and is given up when `x-death`
//! counts enough rejections of the worker's own queue.

use lapin::ExchangeKind;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use lapin::types::AMQPValue;

use super::{durable_exchange, durable_queue};
use crate::client::{Client, body, next, text, with_broker, within};

const RETRIES: i64 = 3;

async fn declare(client: &Client) {
    durable_exchange(client, "sneakers", ExchangeKind::Direct).await;
    for exchange in ["downloads-retry", "downloads-error", "downloads-retry-requeue"] {
        durable_exchange(client, exchange, ExchangeKind::Topic).await;
    }
    // The library waits for 60,000 ms.
    let wait = [("x-dead-letter-exchange", text("downloads-retry-requeue")), ("x-message-ttl", AMQPValue::LongInt(20))];
    durable_queue(client, "downloads-retry", &wait).await;
    durable_queue(client, "downloads-error", &[]).await;
    durable_queue(client, "downloads", &[("x-dead-letter-exchange", text("downloads-retry"))]).await;
    client.bind("downloads-retry", "downloads-retry", "#").await;
    client.bind("downloads-error", "downloads-error", "#").await;
    client.bind("downloads", "downloads-retry-requeue", "#").await;
    client.bind("downloads", "sneakers", "downloads").await;
}

/// How often the worker's queue has rejected the message, as the handler counts it.
fn failures(delivery: &Delivery) -> i64 {
    let Some(headers) = delivery.properties.headers() else { return 0 };
    let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else { return 0 };
    let own = deaths.as_slice().iter().filter_map(|death| match death {
        AMQPValue::FieldTable(death) => Some(death.inner()),
        _ => None,
    });
    own.filter(|death| death.get("queue") == Some(&text("downloads")))
        .map(|death| match death.get("count") {
            Some(AMQPValue::LongLongInt(count)) => *count,
            other => panic!("{other:?}"),
        })
        .sum()
}

#[test]
fn a_message_that_keeps_failing_is_retried_as_often_as_allowed_and_then_set_aside() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client).await;
        client.publish("sneakers", "downloads", "https://example.com/a").await;
        let mut worker = client.consume("downloads").await;
        for expected in 0..=RETRIES {
            let delivery = next(&mut worker).await;
            assert_eq!(failures(&delivery), expected);
            if expected < RETRIES {
                within(delivery.reject(BasicRejectOptions { requeue: false })).await.unwrap();
            } else {
                client.publish("downloads-error", "downloads", &body(&delivery)).await;
                within(delivery.ack(BasicAckOptions::default())).await.unwrap();
            }
        }
        client.settle().await;
        assert_eq!(client.take_all("downloads-error").await, ["https://example.com/a"]);
        for empty in ["downloads", "downloads-retry"] {
            assert_eq!(client.counts(empty).await.0, 0, "{empty}");
        }
    });
}
