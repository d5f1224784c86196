//! Mandatory publishes that no queue wants come back to their publisher, whole.

use lapin::BasicProperties;
use lapin::message::BasicReturnMessage;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::AMQPValue;

use crate::client::{Client, body, table, with_broker, within};

const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };

fn shown(returned: &BasicReturnMessage) -> String {
    let BasicReturnMessage { reply_code, reply_text, delivery } = returned;
    format!("{reply_code} {reply_text} {}/{} {}", delivery.exchange, delivery.routing_key, body(delivery))
}

/// Publishes with the keys as bodies; what came back. One at a time: when several are confirmed together, lapin does not
/// keep to the order.
async fn returned(client: &Client, publishes: &[(&str, &str, BasicPublishOptions)]) -> Vec<String> {
    let mut messages = Vec::new();
    for (exchange, key, options) in publishes {
        let properties = BasicProperties::default();
        let confirm = client.publish_with(exchange, key, key.as_bytes(), *options, properties).await;
        messages.extend(within(confirm).await.unwrap().take_message());
    }
    messages.iter().map(shown).collect()
}

#[test]
fn only_what_is_mandatory_and_unroutable_comes_back() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("jobs").await;
        client.bind("jobs", "amq.direct", "known").await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let publishes = [
            ("amq.direct", "known", MANDATORY),
            ("amq.direct", "unknown", MANDATORY),
            ("amq.direct", "unknown", BasicPublishOptions::default()),
            ("", "no-such-queue", MANDATORY),
        ];
        assert_eq!(
            returned(&client, &publishes).await,
            ["312 NO_ROUTE amq.direct/unknown unknown", "312 NO_ROUTE /no-such-queue no-such-queue"]
        );
        assert_eq!(client.take_all("jobs").await, ["known"]);
    });
}

#[test]
fn what_comes_back_has_its_properties_and_a_body_of_several_frames() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let properties =
            BasicProperties::default().with_headers(table(&[("n", AMQPValue::LongInt(1))])).with_priority(3);
        let large: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let confirm = client.publish_with("amq.topic", "a.b", &large, MANDATORY, properties.clone()).await;
        let message = within(confirm).await.unwrap().take_message().expect("it comes back");
        assert_eq!((message.reply_code, message.routing_key.as_str()), (312, "a.b"));
        assert_eq!(message.properties, properties);
        assert!(message.data == large);
    });
}

#[test]
fn a_queue_that_is_unbound_or_deleted_is_no_longer_a_route() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.bound_queues("amq.direct", &[("unbound", "a"), ("deleted", "b")]).await;
        client.queue_unbind("unbound".into(), "amq.direct".into(), "a".into(), table(&[])).await.unwrap();
        client.queue_delete("deleted".into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let publishes = [("amq.direct", "a", MANDATORY), ("amq.direct", "b", MANDATORY)];
        let expected = ["312 NO_ROUTE amq.direct/a a", "312 NO_ROUTE amq.direct/b b"];
        assert_eq!(returned(&client, &publishes).await, expected);
    });
}
