//! basic.recover: what the channel holds unacked comes again.

use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicRecoverOptions};

use crate::client::{next, next_shown, with_broker};

#[test]
fn recover_delivers_what_is_unacked_again_in_order_and_marked() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut consumer = client.consume_filled("jobs", &["a", "b", "c"]).await;
        next(&mut consumer).await.ack(BasicAckOptions::default()).await.unwrap();
        next_shown(&mut consumer, 2).await;
        client.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 2).await, ["4 /jobs b redelivered", "5 /jobs c redelivered"]);
    });
}

#[test]
fn recover_leaves_alone_what_needs_no_acknowledgement_and_what_others_hold() {
    with_broker(async |broker| {
        let (client, other) = (broker.client().await, broker.client().await);
        client.queue("jobs").await;
        client.queue("news").await;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut settled = client.consume_with("news", options, &[]).await.unwrap();
        client.fill("news", &["n"]).await;
        assert_eq!(next_shown(&mut settled, 1).await, ["1 /news n"]);
        let mut held = other.consume("jobs").await;
        client.fill("jobs", &["a"]).await;
        assert_eq!(next_shown(&mut held, 1).await, ["1 /jobs a"]);
        client.basic_recover(BasicRecoverOptions { requeue: true }).await.unwrap();
        assert!(client.sees_nothing(&mut settled).await);
        assert!(other.sees_nothing(&mut held).await);
    });
}
