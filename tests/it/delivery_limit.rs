//! Messages whose deliveries fail again and again: counted, told, dead-lettered, over restarts.

use lapin::BasicProperties;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicRejectOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::AMQPValue;

use crate::client::{Client, body, next, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

async fn declare(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    within(client.queue_declare(name.into(), DURABLE, table(arguments))).await.unwrap();
}

async fn publish_persistent(client: &Client, queue: &str, body: &str) {
    let properties = BasicProperties::default().with_delivery_mode(2);
    within(client.publish_with("", queue, body.as_bytes(), BasicPublishOptions::default(), properties).await)
        .await
        .unwrap();
}

/// The next message, with what it tells of failed deliveries.
async fn get(client: &Client, queue: &str) -> Option<(BasicGetMessage, i64)> {
    let message = within(client.basic_get(queue.into(), BasicGetOptions::default())).await.unwrap()?;
    let count = match message.properties.headers().as_ref().and_then(|headers| headers.inner().get("x-delivery-count"))
    {
        Some(AMQPValue::LongLongInt(count)) => *count,
        None => 0,
        other => panic!("{other:?}"),
    };
    Some((message, count))
}

async fn reject(message: &BasicGetMessage) {
    within(message.reject(BasicRejectOptions { requeue: true })).await.unwrap();
}

#[test]
fn a_classic_queue_with_a_limit_dead_letters_what_fails_too_often() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("dead").await;
        let limited = [
            ("x-delivery-limit", AMQPValue::LongInt(2)),
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text("dead")),
        ];
        declare(&client, "jobs", &limited).await;
        client.fill("jobs", &["poison"]).await;
        for failed in 0..=2 {
            let (message, count) = get(&client, "jobs").await.unwrap();
            assert_eq!(count, failed);
            reject(&message).await;
        }
        let mut consumer = client.consume("dead").await;
        let dead = next(&mut consumer).await;
        assert_eq!(body(&dead), "poison");
        let headers = dead.properties.headers().clone().unwrap();
        assert_eq!(headers.inner().get("x-first-death-reason"), Some(&text("delivery_limit")));
        assert!(!headers.contains_key("x-delivery-count"));
        assert!(get(&client, "jobs").await.is_none());
    });
}

#[test]
fn what_a_lost_connection_held_has_failed() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, "jobs", &[("x-delivery-limit", AMQPValue::LongInt(1))]).await;
        client.fill("jobs", &["poison"]).await;
        for failed in 0..=1 {
            let connection = broker.connect().await;
            let worker = Client::on(&connection).await;
            assert_eq!(get(&worker, "jobs").await.unwrap().1, failed);
            within(connection.close(200, "crash".into())).await.unwrap();
        }
        client.settle().await;
        assert!(get(&client, "jobs").await.is_none());
    });
}

#[test]
fn failures_are_remembered_over_a_restart() {
    for ending in [Ending::Stop, Ending::Kill] {
        with_lasting_broker(async |broker| {
            let client = broker.client().await;
            client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            declare(&client, "jobs", &[("x-queue-type", text("quorum"))]).await;
            publish_persistent(&client, "jobs", "poison").await;
            for failed in 0..2 {
                let (message, count) = get(&client, "jobs").await.unwrap();
                assert_eq!(count, failed);
                reject(&message).await;
            }
            // Confirmed after what was written before is on the disk, too.
            publish_persistent(&client, "jobs", "fine").await;
            broker.server.restart(ending);

            let client = broker.client().await;
            let (message, count) = get(&client, "jobs").await.unwrap();
            assert_eq!((body(&message).as_str(), count, message.redelivered), ("poison", 2, true));
            assert_eq!(get(&client, "jobs").await.unwrap().1, 0);
        });
    }
}

#[test]
fn what_is_rejected_waits_as_long_as_rabbitmq_lets_it_wait() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let arguments = [
            ("x-queue-type", text("quorum")),
            ("x-delayed-retry-type", text("failed")),
            ("x-delayed-retry-min", AMQPValue::LongInt(200)),
            ("x-delayed-retry-max", AMQPValue::LongInt(1000)),
            ("x-delivery-limit", AMQPValue::LongInt(2)),
        ];
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        within(client.queue_declare("jobs".into(), durable, table(&arguments))).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        client.fill("jobs", &["a"]).await;
        let requeued = BasicRejectOptions { requeue: true };
        let mut delivery = next(&mut consumer).await;
        for least in [200, 400] {
            let began = std::time::Instant::now();
            delivery.reject(requeued).await.unwrap();
            let again = next(&mut consumer).await;
            let took = began.elapsed();
            assert!(took >= std::time::Duration::from_millis(least - 1), "it waits {least} ms: {took:?}");
            // That does not count as a failure: it is back at once.
            again.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await.unwrap();
            delivery = next(&mut consumer).await;
            assert!(delivery.redelivered);
        }
        delivery.reject(requeued).await.unwrap();
        client.settle().await;
        assert_eq!(client.counts("jobs").await.0, 0, "it has failed often enough");
    });
}
