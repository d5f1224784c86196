//! basic.qos: how many unacked deliveries a consumer may hold.

use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};

use crate::client::{next, next_shown, shown, with_broker};

#[test]
fn a_consumer_holds_no_more_than_its_prefetch() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b", "c", "d"]).await;
        client.basic_qos(2, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        let first = next(&mut consumer).await;
        assert_eq!(next_shown(&mut consumer, 1).await, ["2 /jobs b"]);
        assert!(client.sees_nothing(&mut consumer).await);
        assert_eq!(client.counts("jobs").await, (2, 1));
        first.ack(BasicAckOptions::default()).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 1).await, ["3 /jobs c"]);
        assert!(client.sees_nothing(&mut consumer).await);
        client.basic_ack(3, BasicAckOptions { multiple: true }).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 1).await, ["4 /jobs d"]);
        client.settle().await;
        assert_eq!(client.counts("jobs").await, (0, 1));
    });
}

#[test]
fn each_consumer_has_the_prefetch_that_was_set_when_it_started() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let mut one = client.consume("jobs").await;
        client.basic_qos(3, BasicQosOptions::default()).await.unwrap();
        let mut three = client.consume("jobs").await;
        client.fill("jobs", &["a", "b", "c", "d", "e", "f"]).await;
        assert_eq!(next_shown(&mut one, 1).await, ["1 /jobs a"]);
        assert_eq!(next_shown(&mut three, 3).await, ["2 /jobs b", "3 /jobs c", "4 /jobs d"]);
        assert!(client.sees_nothing(&mut one).await);
        assert!(client.sees_nothing(&mut three).await);
        assert_eq!(client.counts("jobs").await, (2, 2));
    });
}

#[test]
fn a_prefetch_of_zero_is_no_limit() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        client.basic_qos(0, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        client.fill("jobs", &["a", "b", "c"]).await;
        assert_eq!(next_shown(&mut consumer, 3).await, ["1 /jobs a", "2 /jobs b", "3 /jobs c"]);
    });
}

#[test]
fn without_acknowledgements_the_prefetch_does_not_count() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut consumer = client.consume_with("jobs", options, &[]).await.unwrap();
        client.fill("jobs", &["a", "b", "c"]).await;
        assert_eq!(next_shown(&mut consumer, 3).await, ["1 /jobs a", "2 /jobs b", "3 /jobs c"]);
    });
}

#[test]
fn a_nack_makes_room_as_an_ack_does() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        client.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        let first = next(&mut consumer).await;
        first.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await.unwrap();
        let again = next(&mut consumer).await;
        assert_eq!(shown(&again), "2 /jobs a redelivered");
        again.nack(BasicNackOptions::default()).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 1).await, ["3 /jobs b"]);
    });
}

#[test]
fn a_consumer_that_is_full_does_not_hold_up_another() {
    with_broker(async |broker| {
        let (full, other) = (broker.client().await, broker.client().await);
        full.queue("jobs").await;
        full.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let mut stuck = full.consume("jobs").await;
        full.fill("jobs", &["a"]).await;
        assert_eq!(next_shown(&mut stuck, 1).await, ["1 /jobs a"]);
        let mut consumer = other.consume("jobs").await;
        full.fill("jobs", &["b", "c", "d"]).await;
        assert_eq!(next_shown(&mut consumer, 3).await, ["1 /jobs b", "2 /jobs c", "3 /jobs d"]);
        assert!(full.sees_nothing(&mut stuck).await);
    });
}
