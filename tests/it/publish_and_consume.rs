//! From a publisher to a consumer: bodies, properties, names, order.

use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions};
use lapin::types::AMQPValue;

use crate::client::{next, next_shown, shown, table, text, with_broker};

#[test]
fn a_message_arrives_with_its_body_its_names_and_all_of_its_properties() {
    with_broker(async |broker| {
        let (publisher, worker) = (broker.client().await, broker.client().await);
        worker.queue("jobs").await;
        worker.bind("jobs", "amq.direct", "resize").await;
        let mut consumer = worker.consume("jobs").await;
        let properties = BasicProperties::default()
            .with_content_type("text/plain".into())
            .with_content_encoding("utf-8".into())
            .with_headers(table(&[("width", AMQPValue::LongInt(-640)), ("format", text("webp"))]))
            .with_delivery_mode(2)
            .with_priority(7)
            .with_correlation_id("42".into())
            .with_reply_to("answers".into())
            .with_expiration("600000".into())
            .with_message_id("id-1".into())
            .with_timestamp(1_700_000_000)
            .with_type("job".into())
            .with_user_id("guest".into())
            .with_app_id("web".into())
            .with_cluster_id("here".into());
        let options = BasicPublishOptions::default();
        publisher.publish_with("amq.direct", "resize", b"42.png\0\xff", options, properties.clone()).await;
        let delivery = next(&mut consumer).await;
        assert_eq!(shown(&delivery), "1 amq.direct/resize 42.png\0\u{fffd}");
        assert_eq!(delivery.data, b"42.png\0\xff");
        assert_eq!(delivery.properties, properties);
    });
}

#[test]
fn an_empty_body_arrives_as_one() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let mut consumer = client.consume("jobs").await;
        client.fill("jobs", &["", "after"]).await;
        assert_eq!(next_shown(&mut consumer, 2).await, ["1 /jobs ", "2 /jobs after"]);
    });
}

#[test]
fn messages_of_a_publisher_keep_their_order_whether_they_waited_or_not() {
    with_broker(async |broker| {
        let (publisher, worker) = (broker.client().await, broker.client().await);
        publisher.queue("jobs").await;
        let bodies: Vec<String> = (0..2000).map(|number| number.to_string()).collect();
        let (early, late) = bodies.split_at(1000);
        for body in early {
            publisher.publish("", "jobs", body).await;
        }
        assert_eq!(publisher.counts("jobs").await, (1000, 0));
        let mut consumer = worker.consume("jobs").await;
        for body in late {
            publisher.publish("", "jobs", body).await;
        }
        for (tag, body) in (1_u64..).zip(&bodies) {
            let delivery = next(&mut consumer).await;
            assert_eq!(shown(&delivery), format!("{tag} /jobs {body}"));
            delivery.ack(BasicAckOptions::default()).await.unwrap();
        }
        worker.settle().await;
        assert_eq!(publisher.counts("jobs").await, (0, 1));
    });
}

#[test]
fn without_acknowledgements_a_message_is_gone_once_it_is_sent() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let mut consumer = client.consume_with("jobs", options, &[]).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 2).await, ["1 /jobs a", "2 /jobs b"]);
        client.close(200, "bye".into()).await.unwrap();
        assert_eq!(broker.client().await.counts("jobs").await, (0, 0));
    });
}

#[test]
fn consumers_of_a_queue_get_messages_in_turn() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let (mut first, mut second) = (client.consume("jobs").await, client.consume("jobs").await);
        client.fill("jobs", &["a", "b", "c", "d"]).await;
        assert_eq!(next_shown(&mut first, 2).await, ["1 /jobs a", "3 /jobs c"]);
        assert_eq!(next_shown(&mut second, 2).await, ["2 /jobs b", "4 /jobs d"]);
    });
}
