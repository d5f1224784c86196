//! Publisher confirms: every publish on a channel in confirm mode is answered, once.

use std::collections::HashSet;

use lapin::BasicProperties;
use lapin::Confirmation;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};

use crate::client::{body, with_broker, within};

#[test]
fn a_publish_is_confirmed_once_it_is_in_its_queue() {
    with_broker(async |broker| {
        let (publisher, other) = (broker.client().await, broker.client().await);
        publisher.queue("jobs").await;
        publisher.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let confirm = publisher.publish("", "jobs", "a").await;
        assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
        assert_eq!(other.take_all("jobs").await, ["a"]);
    });
}

#[test]
fn a_publish_that_no_queue_wants_is_confirmed_too() {
    with_broker(async |broker| {
        let publisher = broker.client().await;
        publisher.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let confirm = publisher.publish("amq.fanout", "nobody", "a").await;
        assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
    });
}

#[test]
fn a_mandatory_publish_that_no_queue_wants_comes_back_before_its_confirm() {
    with_broker(async |broker| {
        let publisher = broker.client().await;
        publisher.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = BasicProperties::default().with_message_id("m".into());
        let confirm = publisher.publish_with("amq.fanout", "nobody", b"a", options, properties.clone()).await;
        let returned = within(confirm).await.unwrap().take_message().expect("it came back with the confirm");
        assert_eq!((returned.reply_code, returned.reply_text.as_str()), (312, "NO_ROUTE"));
        assert_eq!((returned.exchange.as_str(), returned.routing_key.as_str()), ("amq.fanout", "nobody"));
        assert_eq!((body(&returned).as_str(), &returned.properties), ("a", &properties));
    });
}

#[test]
fn three_thousand_publishes_in_flight_are_all_confirmed() {
    with_broker(async |broker| {
        let publisher = broker.client().await;
        publisher.queue("jobs").await;
        publisher.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let mut confirms = Vec::new();
        for number in 0..3_000 {
            confirms.push(publisher.publish("", "jobs", &number.to_string()).await);
        }
        for confirm in confirms {
            assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
        }
        assert_eq!(publisher.counts("jobs").await, (3_000, 0));
        let bodies: HashSet<String> = publisher.take_all("jobs").await.into_iter().collect();
        assert_eq!(bodies.len(), 3_000);
    });
}

#[test]
fn a_channel_without_confirms_on_the_same_connection_gets_none() {
    with_broker(async |broker| {
        let connection = broker.connect().await;
        let (confirmed, plain) =
            (crate::client::Client::on(&connection).await, crate::client::Client::on(&connection).await);
        confirmed.queue("jobs").await;
        confirmed.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let without = plain.publish("", "jobs", "a").await;
        plain.settle().await;
        let with = confirmed.publish("", "jobs", "b").await;
        assert_eq!(within(without).await.unwrap(), Confirmation::NotRequested);
        assert_eq!(within(with).await.unwrap(), Confirmation::Ack(None));
        assert_eq!(plain.take_all("jobs").await, ["a", "b"]);
    });
}
