//! tx: publishes and acks happen at the commit, or not at all.

use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions};

use crate::client::{Client, reply, with_broker, within};

#[test]
fn publishes_of_a_transaction_come_at_its_commit_all_at_once() {
    with_broker(async |broker| {
        let (client, other) = (broker.client().await, broker.client().await);
        client.queue("jobs").await;
        client.tx_select().await.unwrap();
        client.fill("jobs", &["a", "b"]).await;
        client.settle().await;
        assert_eq!(other.counts("jobs").await, (0, 0));
        client.tx_commit().await.unwrap();
        assert_eq!(other.take_all("jobs").await, ["a", "b"]);
    });
}

#[test]
fn a_rollback_forgets_the_publishes_and_a_new_transaction_begins() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.tx_select().await.unwrap();
        client.fill("jobs", &["never"]).await;
        client.tx_rollback().await.unwrap();
        client.fill("jobs", &["a"]).await;
        client.tx_commit().await.unwrap();
        assert_eq!(client.take_all("jobs").await, ["a"]);
    });
}

#[test]
fn acks_of_a_transaction_count_at_its_commit() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        client.tx_select().await.unwrap();
        for _ in 0..2 {
            client.basic_get("jobs".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        }
        client.basic_ack(1, BasicAckOptions::default()).await.unwrap();
        client.tx_commit().await.unwrap();
        client.basic_ack(2, BasicAckOptions::default()).await.unwrap();
        // The second ack is never committed.
        client.close(200, "bye".into()).await.unwrap();
        assert_eq!(broker.client().await.take_all("jobs").await, ["b"]);
    });
}

#[test]
fn an_unroutable_mandatory_publish_comes_back_at_the_commit() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.tx_select().await.unwrap();
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        client.publish_with("amq.direct", "nobody", b"a", options, BasicProperties::default()).await;
        client.settle().await;
        assert_eq!(within(client.wait_for_confirms()).await.unwrap().len(), 0);
        client.tx_commit().await.unwrap();
        let returned = within(client.wait_for_confirms()).await.unwrap();
        let lines: Vec<_> = returned.iter().map(|message| (message.reply_code, message.routing_key.as_str())).collect();
        assert_eq!(lines, [(312, "nobody")]);
    });
}

#[test]
fn closing_the_channel_rolls_back() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.tx_select().await.unwrap();
        client.fill("jobs", &["never"]).await;
        client.close(200, "bye".into()).await.unwrap();
        assert_eq!(broker.client().await.counts("jobs").await, (0, 0));
    });
}

#[test]
fn a_channel_does_not_confirm_and_have_transactions_both() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.tx_select().await.unwrap();
        let error = client.confirm_select(ConfirmSelectOptions::default()).await.unwrap_err();
        assert_eq!(reply(&error), (406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode".to_owned()));
    });
}

#[test]
fn a_transaction_that_grows_without_end_closes_its_channel_and_leaves_nothing() {
    const SIZE: usize = 8 * 1024 * 1024;
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let body = vec![7; SIZE];
        let publish = async |client: &Client, count: usize| {
            for _ in 0..count {
                let options = BasicPublishOptions::default();
                client.publish_with("", "jobs", &body, options, BasicProperties::default()).await;
            }
        };
        client.tx_select().await.unwrap();
        // One less than come to 128 MiB; then as many again: a commit makes room.
        for _ in 0..2 {
            publish(&client, 15).await;
            client.tx_commit().await.unwrap();
        }
        publish(&client, 16).await;
        let error = client.tx_commit().await.unwrap_err();
        let text = "PRECONDITION_FAILED - open transactions of a connection are limited to 134217728 bytes of messages: \
                    commit more often";
        assert_eq!(reply(&error), (406, text.to_owned()));
        assert_eq!(broker.client().await.counts("jobs").await, (30, 0));
    });
}
