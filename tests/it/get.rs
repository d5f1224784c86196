//! basic.get: one message at a time.

use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions};

use crate::client::{reply, shown, with_broker, within};

#[test]
fn get_tells_how_many_messages_are_left() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b", "c"]).await;
        let mut seen = Vec::new();
        while let Some(message) = client.basic_get("jobs".into(), BasicGetOptions::default()).await.unwrap() {
            seen.push((shown(&message), message.message_count));
            message.ack(BasicAckOptions::default()).await.unwrap();
        }
        let expected = [("1 /jobs a", 2), ("2 /jobs b", 1), ("3 /jobs c", 0)];
        assert_eq!(seen, expected.map(|(line, left)| (line.to_owned(), left)));
        assert_eq!(client.counts("jobs").await, (0, 0));
    });
}

#[test]
fn a_requeued_message_is_the_first_again_and_marked() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        let first = client.basic_get("jobs".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        first.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await.unwrap();
        let again = client.take("jobs").await.unwrap();
        assert_eq!((shown(&again).as_str(), again.message_count), ("2 /jobs a redelivered", 1));
        assert_eq!(shown(&client.take("jobs").await.unwrap()), "3 /jobs b");
    });
}

#[test]
fn a_message_that_is_got_is_not_delivered_to_a_consumer_meanwhile() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        client.basic_get("jobs".into(), BasicGetOptions::default()).await.unwrap().unwrap();
        let mut consumer = client.consume("jobs").await;
        assert_eq!(shown(&crate::client::next(&mut consumer).await), "2 /jobs b");
        assert!(client.sees_nothing(&mut consumer).await);
    });
}

#[test]
fn getting_from_a_queue_that_is_not_there_closes_the_channel() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let error = within(client.basic_get("missing".into(), BasicGetOptions::default())).await.unwrap_err();
        assert_eq!(reply(&error), (404, "NOT_FOUND - no queue 'missing' in vhost '/'".to_owned()));
    });
}
