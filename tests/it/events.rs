//! What the broker tells to amq.rabbitmq.event.

use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, QueueBindOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Consumer, ExchangeKind};
use serde_json::json;

use crate::api::Api;
use crate::client::{Client, next, with_broker, with_lasting_broker, with_settings, within};
use crate::support::server::Ending;

const EVENTS: &str = "amq.rabbitmq.event";

/// A consumer of the events whose keys match.
async fn watch(client: &Client, keys: &[&str]) -> Consumer {
    client.queue("events").await;
    for key in keys {
        client.bind("events", EVENTS, key).await;
    }
    client.consume("events").await
}

fn header(event: &Delivery, name: &str) -> Option<AMQPValue> {
    event.properties.headers().as_ref().and_then(|headers| headers.inner().get(name).cloned())
}

fn word(event: &Delivery, name: &str) -> String {
    match header(event, name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The next event's key and one of its headers.
async fn seen(events: &mut Consumer, name: &str) -> (String, String) {
    let event = next(events).await;
    (event.routing_key.to_string(), word(&event, name))
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn queues_exchanges_and_bindings_are_told_of_in_order() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut events = watch(&client, &["binding.*", "queue.*", "exchange.*"]).await;
        // Nobody watched while the first of them was made.
        for key in ["queue.*", "exchange.*"] {
            assert_eq!(seen(&mut events, "routing_key").await, pair("binding.created", key));
        }
        client.queue("q").await;
        let event = next(&mut events).await;
        assert_eq!((event.routing_key.as_str(), word(&event, "name")), ("queue.created", "q".to_owned()));
        assert_eq!((word(&event, "vhost"), word(&event, "user_who_performed_action")), ("/".into(), "guest".into()));
        assert_eq!(header(&event, "durable"), Some(AMQPValue::Boolean(false)));
        assert!(event.data.is_empty() && *event.properties.delivery_mode() == Some(2));
        let millis = header(&event, "timestamp_in_ms");
        assert!(matches!(millis, Some(AMQPValue::LongLongInt(ms)) if ms > 1_700_000_000_000), "{millis:?}");
        client.exchange("x", ExchangeKind::Fanout).await;
        client.bind("q", "x", "k").await;
        let (bind, none) = (QueueBindOptions::default(), FieldTable::default());
        within(client.queue_bind("q".into(), "x".into(), "k".into(), bind, none)).await.unwrap();
        within(client.queue_delete("q".into(), QueueDeleteOptions::default())).await.unwrap();
        assert_eq!(seen(&mut events, "name").await, pair("exchange.created", "x"));
        assert_eq!(seen(&mut events, "routing_key").await, pair("binding.created", "k"));
        let mut last =
            [seen(&mut events, "user_who_performed_action").await.0, next(&mut events).await.routing_key.to_string()];
        last.sort_unstable();
        assert_eq!(last, ["binding.deleted", "queue.deleted"], "a binding that is there already is no news");
    });
}

#[test]
fn clients_are_told_of_as_they_come_and_go() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut events = watch(&client, &["connection.*", "channel.*", "consumer.*", "user.authentication.*"]).await;
        assert_eq!(seen(&mut events, "queue").await, pair("consumer.created", "events"));
        let other = broker.connect().await;
        let channel = Client::on(&other).await;
        channel.queue("q").await;
        let consumer = channel.consume("q").await;
        let login = next(&mut events).await;
        assert_eq!((login.routing_key.as_str(), word(&login, "name")), ("user.authentication.success", "guest".into()));
        let created = next(&mut events).await;
        assert_eq!((created.routing_key.as_str(), word(&created, "user")), ("connection.created", "guest".into()));
        assert!(matches!(header(&created, "client_properties"), Some(AMQPValue::FieldTable(_))));
        let name = word(&created, "name");
        assert_eq!(seen(&mut events, "connection").await, pair("channel.created", &name));
        assert_eq!(seen(&mut events, "queue").await, pair("consumer.created", "q"));
        within(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await.unwrap();
        assert_eq!(seen(&mut events, "queue").await, pair("consumer.deleted", "q"));
        within(other.close(200, "done".into())).await.unwrap();
        assert_eq!(seen(&mut events, "name").await, pair("channel.closed", &format!("{name} (1)")));
        assert_eq!(seen(&mut events, "name").await, pair("connection.closed", &name));
    });
}

#[test]
fn policies_are_told_of() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut events = watch(&client, &["policy.*", "parameter.*", "operator.policy.*"]).await;
        let api = Api::of(&broker.server);
        let policy = json!({ "pattern": "^q", "definition": { "max-length": 5 } }).to_string();
        for kind in ["policies", "operator-policies"] {
            let path = format!("/{kind}/%2F/p");
            tokio::task::block_in_place(|| {
                assert_eq!(api.put(&path, &policy).status, 201);
                assert_eq!(api.delete(&path).status, 204);
            });
        }
        let said = ["apply-to", "definition", "name", "pattern", "priority", "vhost"];
        for (key, names) in [
            ("policy.set", &said[..]),
            ("policy.cleared", &["name", "vhost"]),
            ("parameter.set", &["component", "name", "value", "vhost"]),
            ("policy.set", &said),
            ("parameter.cleared", &["component", "name", "vhost"]),
            ("operator.policy.cleared", &["name", "vhost"]),
        ] {
            let event = next(&mut events).await;
            assert_eq!((event.routing_key.as_str(), word(&event, "name")), (key, "p".to_owned()));
            assert_eq!(names_in(&event), [names, &["timestamp_in_ms", "user_who_performed_action"]].concat(), "{key}");
        }
    });
}

/// The names of an event's headers but for the order: the two that all have come last.
fn names_in(event: &Delivery) -> Vec<String> {
    let headers = event.properties.headers().clone().unwrap_or_default();
    let (last, mut names): (Vec<String>, Vec<String>) = headers
        .inner()
        .keys()
        .map(ToString::to_string)
        .partition(|name| matches!(name.as_str(), "timestamp_in_ms" | "user_who_performed_action"));
    names.extend(last);
    names
}

const ALL_HAVE: [&str; 2] = ["timestamp_in_ms", "user_who_performed_action"];

/// As RabbitMQ 4.3 tells them, and ours.
#[test]
fn events_have_the_headers_that_are_written_down() {
    with_broker(async |broker| {
        let client = broker.client().await;
        // Bindings first: of each one that follows there is an event, however late it is told.
        let mut events = watch(&client, &["binding.*", "queue.*", "exchange.*"]).await;
        next(&mut events).await;
        next(&mut events).await;
        let api = Api::of(&broker.server);
        let policy =
            json!({ "pattern": "^x", "definition": { "alternate-exchange": "amq.fanout" }, "apply-to": "exchanges" });
        tokio::task::block_in_place(|| assert_eq!(api.put("/policies/%2F/p", &policy.to_string()).status, 201));
        client.queue("classic").await;
        let quorum = [("x-queue-type", AMQPValue::LongString("quorum".into()))];
        let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        within(client.queue_declare("quorum".into(), durable, crate::client::table(&quorum))).await.unwrap();
        client.exchange("x", ExchangeKind::Fanout).await;
        client.bind("quorum", "x", "").await;
        within(client.queue_delete("quorum".into(), QueueDeleteOptions::default())).await.unwrap();
        let binding =
            ["arguments", "destination_kind", "destination_name", "routing_key", "source_kind", "source_name", "vhost"];
        let queue = ["arguments", "auto_delete", "durable", "exclusive"];
        let classic = [&queue[..], &["leader", "members", "name", "type", "vhost"]].concat();
        let quorum = [&queue[..], &["name", "type", "vhost"]].concat();
        let exchange = ["arguments", "auto_delete", "durable", "internal", "name", "policy", "type", "vhost"];
        for (key, names) in [
            ("queue.created", &classic[..]),
            ("queue.created", &quorum),
            ("exchange.created", &exchange),
            ("binding.created", &binding),
            ("binding.deleted", &binding),
            ("queue.deleted", &["name", "type", "vhost"]),
        ] {
            let event = next(&mut events).await;
            assert_eq!(event.routing_key.as_str(), key);
            assert_eq!(names_in(&event), [names, &ALL_HAVE].concat(), "{key}");
            match key {
                "exchange.created" => assert_eq!(word(&event, "policy"), "p"),
                "queue.deleted" => assert_eq!(word(&event, "type"), "rabbit_quorum_queue"),
                _ => {}
            }
        }
    });
}

const LOGIN: &[&str] = &[
    "auth_mechanism",
    "connection_name",
    "connection_type",
    "host",
    "name",
    "peer_host",
    "peer_port",
    "protocol",
    "ssl",
    "timestamp_in_ms",
];

const CONNECTED: &[&str] = &[
    "auth_mechanism",
    "channel_max",
    "client_properties",
    "connected_at",
    "frame_max",
    "host",
    "name",
    "node",
    "peer_cert_issuer",
    "peer_cert_serial_number",
    "peer_cert_subject",
    "peer_cert_validity",
    "peer_host",
    "peer_port",
    "pid",
    "port",
    "protocol",
    "ssl",
    "ssl_cipher",
    "ssl_hash",
    "ssl_key_exchange",
    "ssl_protocol",
    "timeout",
    "type",
    "user",
    "vhost",
];

const CONSUMER: &[&str] = &["channel", "consumer_tag", "queue", "vhost"];

const CONSUMING: &[&str] =
    &["ack_required", "arguments", "channel", "consumer_tag", "exclusive", "prefetch_count", "queue", "vhost"];

#[test]
fn events_of_clients_have_the_headers_that_are_written_down() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let mut events = watch(&client, &["connection.*", "channel.*", "user.authentication.*", "consumer.*"]).await;
        next(&mut events).await;
        let other = broker.connect().await;
        let channel = Client::on(&other).await;
        channel.queue("q").await;
        let consumer = channel.consume("q").await;
        within(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await.unwrap();
        within(other.close(200, "done".into())).await.unwrap();
        for (key, names) in [
            ("user.authentication.success", LOGIN),
            ("connection.created", &[CONNECTED, &ALL_HAVE].concat()),
            ("channel.created", &["connection", "name", "number", "pid", "user", "vhost", ALL_HAVE[0], ALL_HAVE[1]]),
            ("consumer.created", &[CONSUMING, &ALL_HAVE].concat()),
            ("consumer.deleted", &[CONSUMER, &ALL_HAVE].concat()),
            ("channel.closed", &["consumer_count", "name", "pid", ALL_HAVE[0], ALL_HAVE[1]]),
            (
                "connection.closed",
                &["client_properties", "name", "node", "pid", "user", "vhost", ALL_HAVE[0], ALL_HAVE[1]],
            ),
        ] {
            let event = next(&mut events).await;
            assert_eq!(event.routing_key.as_str(), key);
            let names_there: Vec<_> =
                names_in(&event).into_iter().filter(|name| name != "user_provided_name").collect();
            assert_eq!(names_there, names, "{key}");
        }
    });
}

#[test]
fn a_durable_binding_is_told_to_after_a_restart_and_an_unbound_queue_no_more() {
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        let durable = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
        client.declare("events", durable).await.unwrap();
        client.bind("events", EVENTS, "queue.*").await;
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        client.queue("q").await;
        let mut events = client.consume("events").await;
        assert_eq!(seen(&mut events, "name").await, pair("queue.created", "q"));
        let none = FieldTable::default();
        within(client.queue_unbind("events".into(), EVENTS.into(), "queue.*".into(), none)).await.unwrap();
        client.queue("other").await;
        assert!(client.sees_nothing(&mut events).await);
    });
}

#[test]
fn there_is_no_such_exchange_where_events_are_off() {
    with_settings(&[("event_exchange.enabled", "false")], async |broker| {
        let api = Api::of(&broker.server);
        let reply = tokio::task::block_in_place(|| api.get("/exchanges/%2F/amq.rabbitmq.event"));
        assert_eq!(reply.status, 404);
    });
}
