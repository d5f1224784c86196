//! The firehose: copies of what is published and delivered while a vhost is traced.

use lapin::BasicProperties;
use lapin::Consumer;
use lapin::message::Delivery;
use lapin::options::BasicPublishOptions;
use lapin::types::AMQPValue;

use crate::api::Api;
use crate::client::{Broker, body, next, table, text, with_broker};

const TRACE: &str = "amq.rabbitmq.trace";

fn trace(broker: &Broker, on: bool) {
    let api = Api::of(&broker.server);
    tokio::task::block_in_place(|| {
        assert_eq!(api.put("/vhosts/%2F", &format!(r#"{{"tracing": {on}}}"#)).status, 204);
        assert_eq!(api.get("/vhosts/%2F").body["tracing"], on);
    });
}

fn header(copy: &Delivery, name: &str) -> AMQPValue {
    copy.properties.headers().as_ref().unwrap().inner().get(name).unwrap_or_else(|| panic!("no {name}")).clone()
}

fn words(value: &AMQPValue) -> Vec<String> {
    let AMQPValue::FieldArray(values) = value else { panic!("{value:?}") };
    let word = |value: &AMQPValue| match value {
        AMQPValue::LongString(word) => word.to_string(),
        other => panic!("{other:?}"),
    };
    values.as_slice().iter().map(word).collect()
}

async fn keys(copies: &mut Consumer, count: usize) -> Vec<String> {
    let mut keys = Vec::new();
    for _ in 0..count {
        keys.push(next(copies).await.routing_key.to_string());
    }
    keys.sort_unstable();
    keys
}

#[test]
fn publishes_and_deliveries_are_copied_while_the_vhost_is_traced() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("copies").await;
        client.bind("copies", TRACE, "#").await;
        let mut copies = broker.client().await.consume("copies").await;
        client.bound_queues("amq.topic", &[("q", "a.*"), ("r", "a.*")]).await;
        client.fill("q", &["untraced"]).await;
        trace(broker, true);
        let properties = BasicProperties::default()
            .with_message_id("id".into())
            .with_priority(3)
            .with_headers(table(&[("h", text("v"))]));
        let options = BasicPublishOptions::default();
        client.publish_with("amq.topic", "a.b", b"body", options, properties).await;
        let copy = next(&mut copies).await;
        assert_eq!((copy.exchange.as_str(), copy.routing_key.as_str()), (TRACE, "publish.amq.topic"));
        assert_eq!(body(&copy), "body");
        assert_eq!(words(&header(&copy, "routing_keys")), ["a.b"]);
        assert_eq!(words(&header(&copy, "routed_queues")), ["q", "r"]);
        assert_eq!(header(&copy, "exchange_name"), text("amq.topic"));
        assert_eq!((header(&copy, "vhost"), header(&copy, "user")), (text("/"), text("guest")));
        assert_eq!(header(&copy, "channel"), AMQPValue::LongInt(1));
        let AMQPValue::FieldTable(properties) = header(&copy, "properties") else { panic!("no table") };
        assert_eq!(properties.inner().get("message_id"), Some(&text("id")));
        assert_eq!(properties.inner().get("priority"), Some(&AMQPValue::LongInt(3)));
        assert!(matches!(properties.inner().get("headers"), Some(AMQPValue::FieldTable(_))));
        assert_eq!(client.take_all("q").await, ["untraced", "body"]);
        let got = next(&mut copies).await;
        assert_eq!((got.routing_key.as_str(), header(&got, "redelivered")), ("deliver.q", AMQPValue::LongInt(0)));
        let mut consumer = client.consume("r").await;
        assert_eq!(body(&next(&mut consumer).await), "body");
        assert_eq!(keys(&mut copies, 2).await, ["deliver.q", "deliver.r"]);
        // A thousand of one batch, by the route that would be remembered, one copy each and none of copies.
        for _ in 0..1000 {
            client.publish("", "q", "more").await;
        }
        assert_eq!(keys(&mut copies, 1000).await, vec!["publish."; 1000]);
        trace(broker, false);
        client.publish("", "q", "untraced").await;
        client.settle().await;
        assert!(client.sees_nothing(&mut copies).await);
    });
}

#[test]
fn a_full_queue_of_copies_holds_nobody_up() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let bound = [("x-max-length", AMQPValue::LongInt(3)), ("x-overflow", text("block"))];
        let declared =
            client.queue_declare("copies".into(), lapin::options::QueueDeclareOptions::default(), table(&bound));
        crate::client::within(declared).await.unwrap();
        client.bind("copies", TRACE, "publish.#").await;
        client.queue("q").await;
        trace(broker, true);
        client.fill("q", &["one", "two", "three", "four", "five"]).await;
        assert_eq!(client.counts("q").await.0, 5);
        assert_eq!(client.counts("copies").await.0, 3);
    });
}
