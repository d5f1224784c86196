//! How deliveries are settled: ack, nack, reject, and what comes back when nobody settles them.

use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicNackOptions, BasicQosOptions, BasicRejectOptions};

use crate::client::{next, next_shown, reply, shown, with_broker, within};

const REQUEUE: BasicNackOptions = BasicNackOptions { multiple: false, requeue: true };

#[test]
fn an_ack_of_several_settles_all_up_to_its_tag_and_no_more() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut consumer = client.consume_filled("jobs", &["a", "b", "c", "d"]).await;
        next_shown(&mut consumer, 4).await;
        client.basic_ack(3, BasicAckOptions { multiple: true }).await.unwrap();
        client.settle().await;
        client.close(200, "bye".into()).await.unwrap();
        assert_eq!(broker.client().await.take_all("jobs").await, ["d"]);
    });
}

#[test]
fn an_ack_of_several_with_tag_zero_settles_everything() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut consumer = client.consume_filled("jobs", &["a", "b"]).await;
        next_shown(&mut consumer, 2).await;
        client.basic_ack(0, BasicAckOptions { multiple: true }).await.unwrap();
        client.close(200, "bye".into()).await.unwrap();
        assert_eq!(broker.client().await.counts("jobs").await, (0, 0));
    });
}

#[test]
fn requeued_messages_go_back_to_their_places() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b", "c", "d", "e"]).await;
        client.basic_qos(3, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        next_shown(&mut consumer, 3).await;
        client.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
        // Not in the order of delivery.
        client.basic_nack(3, REQUEUE).await.unwrap();
        client.basic_reject(1, BasicRejectOptions { requeue: true }).await.unwrap();
        client.settle().await;
        let mut again = client.consume("jobs").await;
        assert_eq!(
            next_shown(&mut again, 2).await,
            ["4 /jobs a redelivered", "5 /jobs c redelivered"],
            "b is still with the first consumer, so there is room for three"
        );
        client.basic_ack(4, BasicAckOptions::default()).await.unwrap();
        assert_eq!(next_shown(&mut again, 2).await, ["6 /jobs d", "7 /jobs e"]);
    });
}

#[test]
fn a_nack_of_several_requeues_all_of_them_in_order() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut consumer = client.consume_filled("jobs", &["a", "b", "c"]).await;
        next_shown(&mut consumer, 3).await;
        client.basic_nack(2, BasicNackOptions { multiple: true, requeue: true }).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 2).await, ["4 /jobs a redelivered", "5 /jobs b redelivered"]);
        client.basic_nack(0, BasicNackOptions { multiple: true, requeue: true }).await.unwrap();
        assert_eq!(
            next_shown(&mut consumer, 3).await,
            ["6 /jobs a redelivered", "7 /jobs b redelivered", "8 /jobs c redelivered"]
        );
    });
}

#[test]
fn without_requeue_nack_and_reject_drop_the_message() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut consumer = client.consume_filled("jobs", &["a", "b", "c"]).await;
        next_shown(&mut consumer, 3).await;
        client.basic_nack(1, BasicNackOptions::default()).await.unwrap();
        client.basic_reject(2, BasicRejectOptions::default()).await.unwrap();
        client.settle().await;
        client.close(200, "bye".into()).await.unwrap();
        assert_eq!(broker.client().await.take_all("jobs").await, ["c"]);
    });
}

#[test]
fn what_a_channel_leaves_unacked_comes_back_in_order_and_marked() {
    with_broker(async |broker| {
        let (leaver, other) = (broker.client().await, broker.client().await);
        leaver.queue("jobs").await;
        leaver.fill("jobs", &["a", "b", "c", "d"]).await;
        leaver.basic_qos(3, BasicQosOptions::default()).await.unwrap();
        let mut consumer = leaver.consume("jobs").await;
        next_shown(&mut consumer, 3).await;
        leaver.basic_ack(2, BasicAckOptions::default()).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 1).await, ["4 /jobs d"]);
        leaver.close(200, "bye".into()).await.unwrap();
        let mut heir = other.consume("jobs").await;
        assert_eq!(
            next_shown(&mut heir, 3).await,
            ["1 /jobs a redelivered", "2 /jobs c redelivered", "3 /jobs d redelivered"]
        );
    });
}

#[test]
fn what_a_lost_connection_leaves_unacked_goes_to_a_waiting_consumer() {
    with_broker(async |broker| {
        let (leaver, other) = (broker.connect().await, broker.client().await);
        let channel = crate::client::Client::on(&leaver).await;
        channel.queue("jobs").await;
        channel.basic_qos(2, BasicQosOptions::default()).await.unwrap();
        let mut consumer = channel.consume("jobs").await;
        channel.fill("jobs", &["a", "b"]).await;
        next_shown(&mut consumer, 2).await;
        let mut heir = other.consume("jobs").await;
        within(leaver.close(200, "bye".into())).await.unwrap();
        assert_eq!(next_shown(&mut heir, 2).await, ["1 /jobs a redelivered", "2 /jobs b redelivered"]);
    });
}

#[test]
fn what_several_consumers_of_a_channel_leave_comes_back_in_the_order_of_the_queue() {
    with_broker(async |broker| {
        let (leaver, other) = (broker.client().await, broker.client().await);
        leaver.queue("jobs").await;
        let (mut first, mut second) = (leaver.consume("jobs").await, leaver.consume("jobs").await);
        leaver.fill("jobs", &["a", "b", "c", "d"]).await;
        assert_eq!(next_shown(&mut first, 2).await, ["1 /jobs a", "3 /jobs c"]);
        assert_eq!(next_shown(&mut second, 2).await, ["2 /jobs b", "4 /jobs d"]);
        let mut heir = other.consume("jobs").await;
        leaver.close(200, "bye".into()).await.unwrap();
        let expected = ["1 /jobs a redelivered", "2 /jobs b redelivered", "3 /jobs c redelivered"];
        assert_eq!(next_shown(&mut heir, 3).await, expected);
        assert_eq!(next_shown(&mut heir, 1).await, ["4 /jobs d redelivered"]);
    });
}

#[test]
fn a_second_ack_of_a_delivery_closes_the_channel_and_the_others_come_back() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut consumer = client.consume_filled("jobs", &["a", "b"]).await;
        next_shown(&mut consumer, 2).await;
        client.basic_ack(1, BasicAckOptions::default()).await.unwrap();
        client.basic_ack(1, BasicAckOptions::default()).await.unwrap();
        let error = within(futures_util::StreamExt::next(&mut consumer)).await.unwrap().unwrap_err();
        assert_eq!(reply(&error), (406, "PRECONDITION_FAILED - unknown delivery tag 1".to_owned()));
        let mut heir = broker.client().await.consume("jobs").await;
        assert_eq!(shown(&next(&mut heir).await), "1 /jobs b redelivered");
    });
}
