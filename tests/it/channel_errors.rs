//! An error on a channel closes that channel alone; one that is the connection's closes the connection.

use futures_util::StreamExt;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::{BasicProperties, ExchangeKind};

use crate::client::{Client, next_shown, reply, with_broker, within};

#[test]
fn the_other_channels_of_the_connection_do_not_notice() {
    with_broker(async |broker| {
        let connection = broker.connect().await;
        let (good, bad) = (Client::on(&connection).await, Client::on(&connection).await);
        good.queue("jobs").await;
        let mut consumer = good.consume("jobs").await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let error = bad.declare("missing", passive).await.unwrap_err();
        assert_eq!(reply(&error), (404, "NOT_FOUND - no queue 'missing' in vhost '/'".to_owned()));
        assert!(!bad.status().connected());
        assert!(connection.status().connected());
        good.fill("jobs", &["a"]).await;
        assert_eq!(next_shown(&mut consumer, 1).await, ["1 /jobs a"]);
        let again = Client::on(&connection).await;
        assert_eq!(again.counts("jobs").await, (0, 1));
    });
}

#[test]
fn publishes_behind_a_failed_one_are_void_and_those_before_it_are_not() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let first = client.publish("", "jobs", "before").await;
        assert!(within(first).await.unwrap().is_ack());
        let failed = client.publish("missing", "jobs", "lost").await;
        assert_eq!(
            reply(&within(failed).await.unwrap_err()),
            (404, "NOT_FOUND - no exchange 'missing' in vhost '/'".to_owned())
        );
        assert_eq!(broker.client().await.take_all("jobs").await, ["before"]);
    });
}

#[test]
fn the_consumers_of_a_failed_channel_end_and_what_they_held_comes_back() {
    with_broker(async |broker| {
        let (client, other) = (broker.client().await, broker.client().await);
        client.queue("jobs").await;
        let mut consumer = client.consume("jobs").await;
        client.fill("jobs", &["a"]).await;
        next_shown(&mut consumer, 1).await;
        let kind = ExchangeKind::Direct;
        let options = lapin::options::ExchangeDeclareOptions::default();
        let error = within(client.exchange_declare("amq.new".into(), kind, options, crate::client::table(&[])))
            .await
            .unwrap_err();
        assert_eq!(reply(&error).0, 403);
        assert!(within(consumer.next()).await.unwrap().is_err());
        let mut heir = other.consume("jobs").await;
        assert_eq!(next_shown(&mut heir, 1).await, ["1 /jobs a redelivered"]);
        assert_eq!(other.counts("jobs").await, (0, 1));
    });
}

#[test]
fn an_error_of_the_connection_closes_all_of_its_channels() {
    with_broker(async |broker| {
        let connection = broker.connect().await;
        let (good, bad) = (Client::on(&connection).await, Client::on(&connection).await);
        good.queue("jobs").await;
        let mut consumer = good.consume("jobs").await;
        let options = BasicPublishOptions { immediate: true, ..BasicPublishOptions::default() };
        bad.publish_with("", "jobs", b"x", options, BasicProperties::default()).await;
        let error = within(consumer.next()).await.unwrap().unwrap_err();
        assert_eq!(reply(&error), (540, "NOT_IMPLEMENTED - immediate=true".to_owned()));
        assert_eq!(broker.client().await.counts("jobs").await, (0, 0));
    });
}
