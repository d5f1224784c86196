//! Queues that are bounded in length or time, as clients meet them.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Confirmation, ExchangeKind};

use crate::client::{Broker, Client, PATIENCE, reply, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

async fn declare(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    within(client.queue_declare(name.into(), QueueDeclareOptions::default(), table(arguments))).await.unwrap();
}

async fn confirming(broker: &Broker) -> Client {
    let client = broker.client().await;
    client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    client
}

fn refusing(length: i32) -> Vec<(&'static str, AMQPValue)> {
    vec![("x-max-length", AMQPValue::LongInt(length)), ("x-overflow", text("reject-publish"))]
}

/// Publishes as fast as the client can, then tells which were taken.
async fn taken(client: &Client, exchange: &str, key: &str, properties: &BasicProperties, count: usize) -> Vec<usize> {
    let mut confirms = Vec::new();
    for number in 0..count {
        let (options, body) = (BasicPublishOptions::default(), number.to_string());
        confirms.push(client.publish_with(exchange, key, body.as_bytes(), options, properties.clone()).await);
    }
    let mut taken = Vec::new();
    for (number, confirm) in confirms.into_iter().enumerate() {
        match within(confirm).await.unwrap() {
            Confirmation::Ack(_) => taken.push(number),
            Confirmation::Nack(_) => {}
            Confirmation::NotRequested => panic!("confirms are on"),
        }
    }
    taken
}

fn numbers(bodies: &[String]) -> Vec<usize> {
    bodies.iter().map(|body| body.parse().unwrap()).collect()
}

#[test]
fn exactly_what_is_acked_is_in_the_queue_and_what_is_nacked_is_not() {
    for delivery_mode in [1, 2] {
        with_broker(async |broker| {
            let client = confirming(broker).await;
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            within(client.queue_declare("full".into(), options, table(&refusing(100)))).await.unwrap();
            let properties = BasicProperties::default().with_delivery_mode(delivery_mode);
            let acked = taken(&client, "", "full", &properties, 1000).await;
            assert_eq!(acked, (0..100).collect::<Vec<_>>());
            assert_eq!(numbers(&client.take_all("full").await), acked);
            assert_eq!(taken(&client, "", "full", &properties, 10).await.len(), 10, "there is room again");
        });
    }
}

#[test]
fn a_persistent_message_for_two_queues_is_nacked_if_one_is_full_and_the_other_keeps_it() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange("both", ExchangeKind::Fanout).await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        within(client.queue_declare("full".into(), options, table(&refusing(5)))).await.unwrap();
        within(client.queue_declare("open".into(), options, table(&[]))).await.unwrap();
        client.bind("full", "both", "").await;
        client.bind("open", "both", "").await;
        let properties = BasicProperties::default().with_delivery_mode(2);
        assert_eq!(taken(&client, "both", "", &properties, 20).await, [0, 1, 2, 3, 4]);
        client.publish_with("", "open", b"20", BasicPublishOptions::default(), properties).await.await.unwrap();
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_eq!(numbers(&client.take_all("full").await), [0, 1, 2, 3, 4]);
        assert_eq!(numbers(&client.take_all("open").await), (0..=20).collect::<Vec<_>>());
    });
}

#[test]
fn two_publishers_never_overfill_a_queue() {
    with_broker(async |broker| {
        let (one, two) = (confirming(broker).await, confirming(broker).await);
        declare(&one, "full", &refusing(50)).await;
        let properties = BasicProperties::default();
        let (first, second) =
            tokio::join!(taken(&one, "", "full", &properties, 300), taken(&two, "", "full", &properties, 300));
        assert_eq!(first.len() + second.len(), 50);
        assert_eq!(one.counts("full").await.0, 50);
    });
}

#[test]
fn a_queue_that_expires_is_gone_with_its_bindings_and_after_a_restart() {
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let expires = table(&[("x-expires", AMQPValue::LongInt(300))]);
        within(client.queue_declare("short".into(), options, expires)).await.unwrap();
        client.bind("short", "amq.fanout", "").await;
        // Each look is by a client of its own, since an error closes the channel, and renews nothing: a publish that
        // comes back is no use of the queue.
        let gone = async || loop {
            let client = confirming(broker).await;
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let confirm = client.publish_with("amq.fanout", "", b"?", options, BasicProperties::default()).await;
            if matches!(within(confirm).await.unwrap(), Confirmation::Ack(Some(_))) {
                break;
            }
        };
        tokio::time::timeout(PATIENCE, gone()).await.expect("it expires");
        broker.server.restart(Ending::Kill);
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let error = broker.client().await.declare("short", passive).await.unwrap_err();
        assert_eq!(reply(&error), (404, "NOT_FOUND - no queue 'short' in vhost '/'".to_owned()));
    });
}

#[test]
fn a_time_to_live_goes_on_over_a_restart() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        within(client.queue_declare("lasting".into(), options, table(&[]))).await.unwrap();
        for (expiration, body) in [("1", "dies"), ("600000", "lives")] {
            let properties = BasicProperties::default().with_delivery_mode(2).with_expiration(expiration.into());
            client.publish_with("", "lasting", body.as_bytes(), BasicPublishOptions::default(), properties).await;
        }
        client.settle().await;
        broker.server.restart(Ending::Stop);
        assert_eq!(broker.client().await.take_all("lasting").await, ["lives"]);
    });
}

#[test]
fn drop_head_keeps_the_newest_over_a_restart() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let arguments = table(&[("x-max-length", AMQPValue::LongInt(3))]);
        within(client.queue_declare("newest".into(), options, arguments)).await.unwrap();
        let properties = BasicProperties::default().with_delivery_mode(2);
        assert_eq!(taken(&client, "", "newest", &properties, 100).await.len(), 100);
        broker.server.restart(Ending::Stop);
        assert_eq!(numbers(&broker.client().await.take_all("newest").await), [97, 98, 99]);
    });
}
