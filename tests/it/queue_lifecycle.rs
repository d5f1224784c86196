//! How queues come and go: exclusive, auto-delete, server-named, passive, purge, delete.

use std::collections::BTreeSet;

use lapin::options::{BasicCancelOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions};

use crate::client::{Broker, Client, PATIENCE, next, reply, with_broker, within};

fn options() -> QueueDeclareOptions {
    QueueDeclareOptions::default()
}

const PASSIVE: QueueDeclareOptions =
    QueueDeclareOptions { passive: true, durable: false, exclusive: false, auto_delete: false, nowait: false };

/// Asks again until the queue is gone.
async fn until_gone(broker: &Broker, name: &str) {
    let connection = broker.connect().await;
    let asking = async {
        while Client::on(&connection).await.declare(name, PASSIVE).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("the queue goes");
}

#[test]
fn an_exclusive_queue_is_for_its_connection_alone_and_goes_with_it() {
    with_broker(async |broker| {
        let owner = broker.connect().await;
        let exclusive = QueueDeclareOptions { exclusive: true, ..options() };
        let (first, second) = (Client::on(&owner).await, Client::on(&owner).await);
        first.declare("mine", exclusive).await.unwrap();
        second.consume("mine").await;
        let error = broker.client().await.declare("mine", exclusive).await.unwrap_err();
        let (code, text) = reply(&error);
        assert_eq!(code, 405);
        let start = "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'mine' in vhost '/'";
        assert!(text.starts_with(start), "{text}");
        broker.client().await.fill("mine", &["anybody may publish"]).await;
        within(owner.close(200, "bye".into())).await.unwrap();
        until_gone(broker, "mine").await;
        let heir = broker.client().await;
        assert_eq!(heir.queue("mine").await.message_count(), 0);
    });
}

#[test]
fn an_auto_delete_queue_goes_with_its_last_consumer_and_not_before() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.declare("jobs", QueueDeclareOptions { auto_delete: true, ..options() }).await.unwrap();
        client.fill("jobs", &["a"]).await;
        assert_eq!(client.counts("jobs").await, (1, 0), "it has had no consumer yet");
        let (first, second) = (client.consume("jobs").await, client.consume("jobs").await);
        client.basic_cancel(first.tag(), BasicCancelOptions::default()).await.unwrap();
        assert_eq!(client.counts("jobs").await.1, 1);
        client.basic_cancel(second.tag(), BasicCancelOptions::default()).await.unwrap();
        let error = client.declare("jobs", PASSIVE).await.unwrap_err();
        assert_eq!(reply(&error), (404, "NOT_FOUND - no queue 'jobs' in vhost '/'".to_owned()));
    });
}

#[test]
fn an_auto_delete_queue_goes_with_the_channel_of_its_consumer() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.declare("jobs", QueueDeclareOptions { auto_delete: true, ..options() }).await.unwrap();
        let _consumer = client.consume("jobs").await;
        client.close(200, "bye".into()).await.unwrap();
        let error = broker.client().await.declare("jobs", PASSIVE).await.unwrap_err();
        assert_eq!(reply(&error).0, 404);
    });
}

#[test]
fn the_server_names_queues_and_each_name_is_new() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut names = BTreeSet::new();
        for _ in 0..100 {
            let queue = client.declare("", QueueDeclareOptions { exclusive: true, ..options() }).await.unwrap();
            assert!(queue.name().as_str().starts_with("amq.gen-"), "{}", queue.name());
            names.insert(queue.name().to_string());
        }
        assert_eq!(names.len(), 100);
        let last = names.last().unwrap();
        client.fill(last, &["a"]).await;
        assert_eq!(client.counts(last).await, (1, 0));
    });
}

#[test]
fn declaring_again_tells_the_counts_and_a_difference_is_refused() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        assert_eq!(client.queue("jobs").await.message_count(), 2);
        let error = client.declare("jobs", QueueDeclareOptions { durable: true, ..options() }).await.unwrap_err();
        let text = "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'jobs' in vhost '/': \
                    received 'true' but current is 'false'";
        assert_eq!(reply(&error), (406, text.to_owned()));
        assert_eq!(broker.client().await.counts("jobs").await, (2, 0));
    });
}

#[test]
fn purge_removes_what_is_ready_and_nothing_else() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.basic_qos(1, lapin::options::BasicQosOptions::default()).await.unwrap();
        client.fill("jobs", &["held", "b", "c"]).await;
        let mut consumer = client.consume("jobs").await;
        next(&mut consumer).await;
        assert_eq!(client.queue_purge("jobs".into(), QueuePurgeOptions::default()).await.unwrap(), 2);
        assert_eq!(client.counts("jobs").await, (0, 1));
        client.close(200, "bye".into()).await.unwrap();
        assert_eq!(broker.client().await.take_all("jobs").await, ["held"]);
    });
}

#[test]
fn delete_tells_how_many_messages_went() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        let delete = || client.queue_delete("jobs".into(), QueueDeleteOptions::default());
        assert_eq!(delete().await.unwrap(), 2);
        assert_eq!(delete().await.unwrap(), 0, "a second time it is not there, which is no error");
        assert_eq!(client.queue("jobs").await.message_count(), 0);
    });
}

#[test]
fn delete_if_empty_and_if_unused_refuse_and_leave_the_queue() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a"]).await;
        let if_empty = QueueDeleteOptions { if_empty: true, ..QueueDeleteOptions::default() };
        let if_unused = QueueDeleteOptions { if_unused: true, ..QueueDeleteOptions::default() };
        let error = broker.client().await.queue_delete("jobs".into(), if_empty).await.unwrap_err();
        assert_eq!(reply(&error), (406, "PRECONDITION_FAILED - queue 'jobs' in vhost '/' not empty".to_owned()));
        let mut consumer = client.consume("jobs").await;
        let error = broker.client().await.queue_delete("jobs".into(), if_unused).await.unwrap_err();
        assert_eq!(reply(&error), (406, "PRECONDITION_FAILED - queue 'jobs' in vhost '/' in use".to_owned()));
        next(&mut consumer).await;
        client.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await.unwrap();
        // Unacked messages are neither a use nor a content.
        let both = QueueDeleteOptions { if_unused: true, if_empty: true, nowait: false };
        within(client.queue_delete("jobs".into(), both)).await.unwrap();
        assert_eq!(reply(&client.declare("jobs", PASSIVE).await.unwrap_err()).0, 404);
    });
}
