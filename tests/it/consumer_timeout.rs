//! Deliveries that stay unacked for too long, over the running server.

use futures_util::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;
use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::client::{Client, body, next, next_shown, table, text, with_broker, with_settings, within};

async fn declare(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    within(client.queue_declare(name.into(), options, table(arguments))).await.unwrap();
}

const SHORT: (&str, AMQPValue) = ("x-consumer-timeout", AMQPValue::LongInt(200));

#[test]
fn a_quorum_queue_cancels_a_consumer_that_settles_too_late_and_gives_its_messages_to_others() {
    with_broker(async |broker| {
        let (slow, other) = (broker.client().await, broker.client().await);
        declare(&slow, "jobs", &[("x-queue-type", text("quorum")), SHORT]).await;
        let mut consumer = slow.consume("jobs").await;
        slow.fill("jobs", &["a"]).await;
        let late = next(&mut consumer).await;
        assert!(within(consumer.next()).await.is_none(), "it is cancelled");
        let mut heir = other.consume("jobs").await;
        let delivery = next(&mut heir).await;
        assert_eq!((body(&delivery).as_str(), delivery.redelivered), ("a", true));
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        late.ack(BasicAckOptions::default()).await.unwrap();
        slow.settle().await;
        assert_eq!(slow.counts("jobs").await, (0, 1), "the channel lives on");
    });
}

#[test]
fn a_classic_queue_closes_the_channel_where_a_timeout_is_configured() {
    with_settings(&[("consumer_timeout", "200")], async |broker| {
        let (slow, other) = (broker.client().await, broker.client().await);
        declare(&slow, "jobs", &[]).await;
        let mut consumer = slow.consume("jobs").await;
        slow.fill("jobs", &["a"]).await;
        next(&mut consumer).await;
        let error = within(consumer.next()).await.expect("it is told why").unwrap_err();
        let (code, text) = crate::client::reply(&error);
        assert_eq!(code, 406);
        assert!(text.contains("timed out. Timeout value used: 200 ms."), "{text}");
        let mut heir = other.consume("jobs").await;
        let delivery = next(&mut heir).await;
        assert_eq!((body(&delivery).as_str(), delivery.redelivered), ("a", true));
        delivery.ack(BasicAckOptions::default()).await.unwrap();
    });
}

#[test]
fn the_late_delivery_alone_comes_back_where_that_is_asked_for() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, "jobs", &[SHORT, ("x-consumer-timeout-action", text("requeue"))]).await;
        let mut consumer = client.consume("jobs").await;
        client.fill("jobs", &["a"]).await;
        assert_eq!(next_shown(&mut consumer, 2).await, ["1 /jobs a", "2 /jobs a redelivered"]);
        client.basic_ack(1, BasicAckOptions::default()).await.unwrap();
        client.settle().await;
        assert_eq!(client.counts("jobs").await.1, 1, "the consumer is still there");
    });
}

#[test]
fn a_client_may_ask_for_more_time() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let short = ("x-consumer-timeout", AMQPValue::LongInt(1000));
        declare(&client, "jobs", &[short, ("x-consumer-timeout-action", text("requeue"))]).await;
        let mut consumer = client.consume("jobs").await;
        client.fill("jobs", &["long", "short"]).await;
        let extended = next(&mut consumer).await;
        next(&mut consumer).await;
        let tag = AMQPValue::LongLongInt(extended.delivery_tag.try_into().unwrap());
        let arguments = table(&[("x-extend-delivery", tag), ("x-extend-by", AMQPValue::LongInt(600_000))]);
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        within(client.queue_declare("jobs".into(), passive, arguments)).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 1).await, ["3 /jobs short redelivered"], "the other one");
        extended.ack(BasicAckOptions::default()).await.unwrap();
        client.settle().await;
        assert_eq!(client.counts("jobs").await.0, 0);
    });
}

#[test]
fn a_consumer_has_a_time_of_its_own() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        let mut hasty = client.consume_with("jobs", BasicConsumeOptions::default(), &[SHORT]).await.unwrap();
        client.fill("jobs", &["a"]).await;
        next(&mut hasty).await;
        assert!(within(hasty.next()).await.expect("it is told why").is_err());
    });
}

#[test]
fn an_operator_gives_a_delivery_more_time() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let long = ("x-consumer-timeout", AMQPValue::LongInt(600_000));
        declare(&client, "jobs", &[long, ("x-consumer-timeout-action", text("requeue"))]).await;
        declare(&client, "patient", &[]).await;
        let (mut jobs, mut patient) = (client.consume("jobs").await, client.consume("patient").await);
        for (queue, id) in [("jobs", "a"), ("jobs", "b"), ("patient", "c")] {
            let properties = BasicProperties::default().with_message_id(id.into());
            client.publish_with("", queue, id.as_bytes(), BasicPublishOptions::default(), properties).await;
        }
        let (_a, b, _c) = (next(&mut jobs).await, next(&mut jobs).await, next(&mut patient).await);
        let api = Api::of(&broker.server);
        let now = |action: &dyn Fn() -> Reply| tokio::task::block_in_place(action);
        let listed = now(&|| api.get("/queues/%2F/jobs/deliveries")).body;
        let [first, second] = listed["items"].as_array().unwrap().as_slice() else { panic!("two: {listed}") };
        assert_eq!((&first["message_id"], &second["message_id"]), (&json!("a"), &json!("b")));
        assert_eq!(first["consumer_tag"].as_str(), Some(jobs.tag().as_str()));
        let millis = |value: &Value| value.as_u64().unwrap();
        assert_eq!(millis(&first["deadline"]), millis(&first["delivered"]) + 600_000);
        let page =
            now(&|| api.get(&format!("/queues/%2F/jobs/deliveries?count=1&after={}", first["id"].as_str().unwrap())));
        assert_eq!((&page.body["items"][0]["id"], &page.body["next"]), (&second["id"], &second["id"]));
        let path = |delivery: &Value| format!("/queues/%2F/jobs/deliveries/{}", delivery["id"].as_str().unwrap());
        let longer = now(&|| api.patch(&path(first), r#"{"by": 3600000}"#));
        assert_eq!((longer.status, millis(&longer.body["deadline"]) > millis(&first["deadline"])), (200, true));
        // Less time is more of the same, and shows that the deadline is what counts.
        assert_eq!(now(&|| api.patch(&path(second), r#"{"by": 1}"#)).status, 200);
        let again = next(&mut jobs).await;
        assert_eq!((body(&again).as_str(), again.redelivered), ("b", true));
        b.ack(BasicAckOptions::default()).await.unwrap();
        again.ack(BasicAckOptions::default()).await.unwrap();
        client.settle().await;
        assert_eq!(now(&|| api.patch(&path(second), r#"{"by": 1000}"#)).status, 404);
        for wrong in ["{}", r#"{"by": -1}"#, r#"{"by": "long"}"#, r#"{"by": 1, "for": 2}"#] {
            assert_eq!(now(&|| api.patch(&path(first), wrong)).status, 400, "{wrong}");
        }
        let other = now(&|| api.get("/queues/%2F/patient/deliveries")).body["items"][0].clone();
        assert_eq!((&other["delivered"], &other["deadline"]), (&Value::Null, &Value::Null));
        let path = format!("/queues/%2F/patient/deliveries/{}", other["id"].as_str().unwrap());
        assert_eq!(now(&|| api.patch(&path, r#"{"by": 1000}"#)).status, 400);
        assert_eq!(now(&|| api.get("/queues/%2F/none/deliveries")).status, 404);
    });
}
