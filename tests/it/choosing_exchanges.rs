//! x-consistent-hash, x-modulus-hash, x-random, x-local-random: each message to one queue.

use std::collections::BTreeMap;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, ExchangeKind};

use crate::client::{Client, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

const QUEUES: [&str; 3] = ["a", "b", "c"];
const MESSAGES: usize = 300;

fn kind(name: &str) -> ExchangeKind {
    ExchangeKind::Custom(name.to_owned())
}

async fn publish(client: &Client, key: &str, properties: BasicProperties) {
    let confirm = client.publish_with("work", key, key.as_bytes(), BasicPublishOptions::default(), properties).await;
    assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
}

/// Publishes once with each key; which of them each queue has got.
async fn spread(client: &Client) -> BTreeMap<&'static str, Vec<String>> {
    for number in 0..MESSAGES {
        client.publish("work", &format!("order-{number}"), &format!("order-{number}")).await;
    }
    client.settle().await;
    contents(client).await
}

async fn contents(client: &Client) -> BTreeMap<&'static str, Vec<String>> {
    let mut contents = BTreeMap::new();
    for queue in QUEUES {
        contents.insert(queue, client.take_all(queue).await);
    }
    contents
}

#[test]
fn hashes_send_the_same_key_the_same_way() {
    with_broker(async |broker| {
        for hashing in ["x-consistent-hash", "x-modulus-hash"] {
            let client = broker.client().await;
            within(client.exchange_delete("work".into(), lapin::options::ExchangeDeleteOptions::default()))
                .await
                .unwrap();
            client.exchange("work", kind(hashing)).await;
            client.bound_queues("work", &QUEUES.map(|queue| (queue, "1"))).await;
            let first = spread(&client).await;
            assert_eq!(first.values().map(Vec::len).sum::<usize>(), MESSAGES, "one copy each");
            assert!(first.values().all(|bodies| bodies.len() > MESSAGES / 6), "{hashing}: {first:?}");
            assert_eq!(spread(&client).await, first);
        }
    });
}

#[test]
fn a_consistent_hash_moves_only_the_keys_of_a_queue_that_is_unbound() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("work", kind("x-consistent-hash")).await;
        client.bound_queues("work", &[("a", "1"), ("b", "2"), ("c", "1")]).await;
        let before = spread(&client).await;
        within(client.queue_unbind("b".into(), "work".into(), "2".into(), FieldTable::default())).await.unwrap();
        let after = spread(&client).await;
        assert!(after["b"].is_empty());
        for queue in ["a", "c"] {
            assert!(before[queue].iter().all(|key| after[queue].contains(key)), "{queue} keeps its keys");
        }
        client.bind("b", "work", "2").await;
        assert_eq!(spread(&client).await, before, "and everything is as before when it comes back");
    });
}

#[test]
fn a_consistent_hash_sends_the_same_key_the_same_way_after_a_restart() {
    with_lasting_broker(async |broker| {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let mut runs = Vec::new();
        for bind_in in [Some(["b", "c", "a"]), None] {
            let client = broker.client().await;
            within(client.exchange_declare("work".into(), kind("x-consistent-hash"), durable, FieldTable::default()))
                .await
                .unwrap();
            for queue in bind_in.into_iter().flatten() {
                let options = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
                client.declare(queue, options).await.unwrap();
                client.bind(queue, "work", "1").await;
            }
            runs.push(spread(&client).await);
            broker.server.restart(Ending::Stop);
        }
        assert_eq!(runs[0], runs[1]);
    });
}

#[test]
fn a_hash_of_a_header_or_property_does_not_look_at_the_routing_key() {
    with_broker(async |broker| {
        for (argument, name) in [("hash-header", "customer"), ("hash-property", "correlation_id")] {
            let client = broker.client().await;
            client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            within(client.exchange_delete("work".into(), lapin::options::ExchangeDeleteOptions::default()))
                .await
                .unwrap();
            client.exchange_with("work", kind("x-consistent-hash"), &[(argument, text(name))]).await;
            client.bound_queues("work", &QUEUES.map(|queue| (queue, "1"))).await;
            let properties = |number: i32| {
                BasicProperties::default()
                    .with_headers(table(&[("customer", AMQPValue::LongInt(number))]))
                    .with_correlation_id(number.to_string().into())
            };
            // The same routing key each time, so that what was remembered of one message would show.
            for number in 0..60 {
                publish(&client, "k", properties(number)).await;
            }
            let spread = contents(&client).await;
            assert!(spread.values().all(|bodies| bodies.len() > 5), "{argument}: {spread:?}");
            for key in ["x", "y", "z"] {
                publish(&client, key, properties(7)).await;
            }
            let counts: Vec<_> = contents(&client).await.into_values().map(|bodies| bodies.len()).collect();
            assert!(counts.contains(&3), "{argument}: one customer, one queue: {counts:?}");
        }
    });
}

#[test]
fn random_types_take_any_queue_for_messages_with_the_same_key() {
    with_broker(async |broker| {
        for random in ["x-random", "x-local-random"] {
            let client = broker.client().await;
            within(client.exchange_delete("work".into(), lapin::options::ExchangeDeleteOptions::default()))
                .await
                .unwrap();
            client.exchange("work", kind(random)).await;
            client.bound_queues("work", &QUEUES.map(|queue| (queue, ""))).await;
            for _ in 0..MESSAGES {
                client.publish("work", "k", "job").await;
            }
            client.settle().await;
            let spread = contents(&client).await;
            assert_eq!(spread.values().map(Vec::len).sum::<usize>(), MESSAGES);
            assert!(spread.values().all(|bodies| bodies.len() > MESSAGES / 6), "{random}: {spread:?}");
        }
    });
}
