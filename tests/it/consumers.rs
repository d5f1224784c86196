//! Consumers: priorities, exclusive ones, tags, cancelling from either side.

use futures_util::StreamExt;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};

use crate::client::{next_shown, reply, with_broker, within};

#[test]
fn a_consumer_of_higher_priority_is_served_until_it_is_full() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.basic_qos(2, BasicQosOptions::default()).await.unwrap();
        let options = BasicConsumeOptions::default();
        let mut low = client.consume_with("jobs", options, &[("x-priority", AMQPValue::LongInt(-1))]).await.unwrap();
        let mut high = client.consume_with("jobs", options, &[("x-priority", AMQPValue::LongInt(5))]).await.unwrap();
        let mut plain = client.consume("jobs").await;
        client.fill("jobs", &["a", "b", "c", "d", "e", "f", "g"]).await;
        assert_eq!(next_shown(&mut high, 2).await, ["1 /jobs a", "2 /jobs b"]);
        assert_eq!(next_shown(&mut plain, 2).await, ["3 /jobs c", "4 /jobs d"]);
        assert_eq!(next_shown(&mut low, 2).await, ["5 /jobs e", "6 /jobs f"]);
        client.basic_ack(1, lapin::options::BasicAckOptions::default()).await.unwrap();
        assert_eq!(next_shown(&mut high, 1).await, ["7 /jobs g"]);
    });
}

#[test]
fn an_exclusive_consumer_wants_the_queue_for_itself() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let exclusive = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        let consumer = client.consume_with("jobs", exclusive, &[]).await.unwrap();
        let refusal = (403, "ACCESS_REFUSED - queue 'jobs' in vhost '/' in exclusive use".to_owned());
        let plain = BasicConsumeOptions::default();
        let error = broker.client().await.consume_with("jobs", plain, &[]).await.unwrap_err();
        assert_eq!(reply(&error), refusal);
        client.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
        let other = broker.client().await;
        let _consumer = other.consume("jobs").await;
        let error = client.consume_with("jobs", exclusive, &[]).await.unwrap_err();
        assert_eq!(reply(&error), refusal);
    });
}

#[test]
fn consumers_are_told_when_their_queue_is_deleted() {
    with_broker(async |broker| {
        let (deleter, other) = (broker.client().await, broker.client().await);
        deleter.queue("jobs").await;
        let (mut own, mut others) = (deleter.consume("jobs").await, other.consume("jobs").await);
        deleter.queue_delete("jobs".into(), QueueDeleteOptions::default()).await.unwrap();
        assert!(within(own.next()).await.is_none());
        assert!(within(others.next()).await.is_none());
        // The channels live on.
        other.queue("jobs").await;
        let mut again = other.consume("jobs").await;
        deleter.fill("jobs", &["a"]).await;
        assert_eq!(next_shown(&mut again, 1).await, ["1 /jobs a"]);
    });
}

#[test]
fn nothing_is_delivered_after_a_cancel_and_the_rest_stays_in_the_queue() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        client.fill("jobs", &["a", "b"]).await;
        let mut consumer = client.consume("jobs").await;
        assert_eq!(next_shown(&mut consumer, 1).await, ["1 /jobs a"]);
        client.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
        client.basic_ack(1, lapin::options::BasicAckOptions::default()).await.unwrap();
        client.settle().await;
        assert!(within(consumer.next()).await.is_none());
        assert_eq!(client.counts("jobs").await, (1, 0));
    });
}

#[test]
fn the_server_makes_a_tag_up_and_takes_one_that_is_given() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let unnamed = client.consume("jobs").await;
        assert!(unnamed.tag().as_str().starts_with("amq.ctag-"), "{}", unnamed.tag());
        let (options, arguments) = (BasicConsumeOptions::default(), FieldTable::default());
        let named = client.basic_consume("jobs".into(), "worker".into(), options, arguments).await.unwrap();
        assert_eq!(named.tag().as_str(), "worker");
        assert_eq!(client.counts("jobs").await, (0, 2));
    });
}
