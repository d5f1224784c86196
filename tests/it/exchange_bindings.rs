//! Exchanges bound to exchanges (RabbitMQ extension).

use lapin::ExchangeKind;
use lapin::options::{ExchangeBindOptions, ExchangeDeleteOptions, ExchangeUnbindOptions};
use lapin::types::FieldTable;

use crate::client::{Client, next_shown, reply, with_broker, within};

async fn bind(client: &Client, destination: &str, source: &str, key: &str) {
    let options = ExchangeBindOptions::default();
    within(client.exchange_bind(destination.into(), source.into(), key.into(), options, FieldTable::default()))
        .await
        .unwrap();
}

#[test]
fn a_message_passes_through_bound_exchanges_by_the_rules_of_each() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange("front", ExchangeKind::Topic).await;
        client.exchange("back", ExchangeKind::Direct).await;
        bind(&client, "back", "front", "image.#").await;
        client.bound_queues("back", &[("jobs", "image.resize")]).await;
        let mut consumer = client.consume("jobs").await;
        for key in ["image.resize", "image.crop", "resize"] {
            client.publish("front", key, key).await;
        }
        assert_eq!(next_shown(&mut consumer, 1).await, ["1 front/image.resize image.resize"]);
        assert!(client.sees_nothing(&mut consumer).await);
    });
}

#[test]
fn a_queue_that_is_reached_on_two_ways_gets_one_copy_and_a_circle_ends() {
    with_broker(async |broker| {
        let client = broker.client().await;
        for exchange in ["front", "left", "right"] {
            client.exchange(exchange, ExchangeKind::Fanout).await;
        }
        for (destination, source) in [("left", "front"), ("right", "front"), ("front", "left"), ("front", "right")] {
            bind(&client, destination, source, "").await;
        }
        client.queue("jobs").await;
        for exchange in ["left", "right"] {
            client.bind("jobs", exchange, "").await;
        }
        client.fill("jobs", &["marker"]).await;
        client.publish("front", "", "a").await;
        client.publish("left", "", "b").await;
        assert_eq!(client.take_all("jobs").await, ["marker", "a", "b"]);
    });
}

#[test]
fn an_unbound_or_deleted_exchange_passes_nothing_on() {
    with_broker(async |broker| {
        let client = broker.client().await;
        for exchange in ["front", "undone", "deleted"] {
            client.exchange(exchange, ExchangeKind::Fanout).await;
        }
        for exchange in ["undone", "deleted"] {
            bind(&client, exchange, "front", "k").await;
        }
        client.bound_queues("undone", &[("one", "")]).await;
        client.bound_queues("deleted", &[("two", "")]).await;
        client.publish("front", "", "a").await;
        let options = ExchangeUnbindOptions::default();
        client
            .exchange_unbind("undone".into(), "front".into(), "k".into(), options, FieldTable::default())
            .await
            .unwrap();
        client.exchange_delete("deleted".into(), ExchangeDeleteOptions::default()).await.unwrap();
        client.publish("front", "", "b").await;
        assert_eq!(client.take_all("one").await, ["a"]);
        assert_eq!(client.take_all("two").await, ["a"]);
    });
}

#[test]
fn binding_to_an_exchange_that_is_not_there_closes_the_channel() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let options = ExchangeBindOptions::default();
        let binding =
            client.exchange_bind("amq.fanout".into(), "missing".into(), "".into(), options, FieldTable::default());
        let error = within(binding).await.unwrap_err();
        assert_eq!(reply(&error), (404, "NOT_FOUND - no exchange 'missing' in vhost '/'".to_owned()));
    });
}
