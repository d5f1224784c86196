//! Delayed messages: the exchange type x-delayed-message, x-delayed-exchange on other types or a policy, and
//! x-hold-until-header on queues.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, ExchangeKind};
use serde_json::json;

use crate::api::Api;
use crate::client::{Client, body, next, reply, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

fn delayed_type() -> ExchangeKind {
    ExchangeKind::Custom("x-delayed-message".to_owned())
}

async fn declare(client: &Client, name: &str, arguments: FieldTable) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    within(client.exchange_declare(name.into(), delayed_type(), options, arguments)).await
}

fn routed_by(kind: &str) -> FieldTable {
    table(&[("x-delayed-type", text(kind))])
}

fn delay(millis: i64) -> BasicProperties {
    BasicProperties::default().with_delivery_mode(2).with_headers(table(&[("x-delay", AMQPValue::LongLongInt(millis))]))
}

async fn publish(client: &Client, exchange: &str, key: &str, body: &str, properties: BasicProperties) {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let confirm = client.publish_with(exchange, key, body.as_bytes(), options, properties).await;
    assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None), "and not returned");
}

async fn confirming(client: &Client) {
    within(client.confirm_select(ConfirmSelectOptions::default())).await.unwrap();
}

#[test]
fn messages_come_when_they_are_due_with_their_delay_negated() {
    with_broker(async |broker| {
        let client = broker.client().await;
        confirming(&client).await;
        declare(&client, "later", routed_by("direct")).await.unwrap();
        client.bound_queues("later", &[("q", "k")]).await;
        let mut consumer = client.consume("q").await;
        let start = Instant::now();
        publish(&client, "later", "k", "second", delay(700)).await;
        publish(&client, "later", "k", "first", delay(300)).await;
        publish(&client, "later", "k", "at once", BasicProperties::default()).await;
        publish(&client, "later", "k", "negative", delay(-300)).await;
        for (expected, millis, header) in
            [("at once", 0, None), ("negative", 0, Some(-300)), ("first", 300, Some(-300)), ("second", 700, Some(-700))]
        {
            let delivery = next(&mut consumer).await;
            assert_eq!(body(&delivery), expected);
            assert!(start.elapsed() >= Duration::from_millis(millis), "{expected} came early");
            let headers = delivery.properties.headers().clone().unwrap_or_default();
            assert_eq!(headers.inner().get("x-delay"), header.map(AMQPValue::LongLongInt).as_ref());
            assert_eq!((delivery.exchange.as_str(), delivery.routing_key.as_str()), ("later", "k"));
            assert!(!headers.contains_key("x-death"));
        }
    });
}

#[test]
fn messages_are_routed_by_the_bindings_of_the_time_when_they_are_due() {
    with_broker(async |broker| {
        let client = broker.client().await;
        confirming(&client).await;
        declare(&client, "later", routed_by("topic")).await.unwrap();
        client.bound_queues("later", &[("early", "a.*")]).await;
        publish(&client, "later", "a.b", "m", delay(500)).await;
        client.bound_queues("later", &[("late", "#")]).await;
        let (mut early, mut late) = (client.consume("early").await, client.consume("late").await);
        assert_eq!(body(&next(&mut early).await), "m");
        assert_eq!(body(&next(&mut late).await), "m");
    });
}

#[test]
fn a_delayed_exchange_says_what_is_wrong_with_its_type() {
    with_broker(async |broker| {
        for (arguments, text) in [
            (FieldTable::default(), "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
            (
                routed_by("x-delayed-message"),
                "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
            ),
            (routed_by("telepathic"), "unknown exchange type 'telepathic'"),
        ] {
            let error = declare(&broker.client().await, "later", arguments).await.unwrap_err();
            assert_eq!(reply(&error), (406, format!("PRECONDITION_FAILED - {text}")));
        }
    });
}

#[test]
fn delayed_messages_are_there_after_a_restart_and_those_that_are_due_come_at_once() {
    for ending in [Ending::Stop, Ending::Kill] {
        with_lasting_broker(async |broker| {
            let client = broker.client().await;
            confirming(&client).await;
            declare(&client, "later", routed_by("fanout")).await.unwrap();
            client.declare("q", DURABLE).await.unwrap();
            client.bind("q", "later", "").await;
            let start = Instant::now();
            for (body, millis) in [("soon", 100), ("later", 3000), ("never", 60_000)] {
                publish(&client, "later", "", body, delay(millis)).await;
            }
            broker.server.restart(ending);
            let client = broker.client().await;
            let mut consumer = client.consume("q").await;
            assert_eq!(body(&next(&mut consumer).await), "soon");
            assert_eq!(body(&next(&mut consumer).await), "later");
            assert!(start.elapsed() >= Duration::from_secs(3));
        });
    }
}

#[test]
fn what_an_exchange_keeps_goes_with_it() {
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        confirming(&client).await;
        for _ in 0..2 {
            declare(&client, "later", routed_by("fanout")).await.unwrap();
            client.declare("q", DURABLE).await.unwrap();
            client.bind("q", "later", "").await;
            publish(&client, "later", "", "gone", delay(400)).await;
            within(client.exchange_delete("later".into(), lapin::options::ExchangeDeleteOptions::default()))
                .await
                .unwrap();
        }
        declare(&client, "later", routed_by("fanout")).await.unwrap();
        client.bind("q", "later", "").await;
        publish(&client, "later", "", "kept", delay(500)).await;
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_eq!(body(&next(&mut client.consume("q").await).await), "kept");
    });
}

#[test]
fn an_exchange_of_any_type_delays_where_it_is_asked_to() {
    with_broker(async |broker| {
        let client = broker.client().await;
        confirming(&client).await;
        client.exchange_with("all", ExchangeKind::Fanout, &[("x-delayed-exchange", AMQPValue::Boolean(true))]).await;
        client.exchange("front", ExchangeKind::Fanout).await;
        client.bound_queues("all", &[("q", "")]).await;
        client.bound_queues("front", &[("now", "")]).await;
        let options = lapin::options::ExchangeBindOptions::default();
        within(client.exchange_bind("all".into(), "front".into(), "".into(), options, FieldTable::default()))
            .await
            .unwrap();
        let start = Instant::now();
        publish(&client, "front", "", "m", delay(300)).await;
        assert_eq!(client.take_all("now").await, ["m"], "only the exchange that delays keeps it");
        assert_eq!(body(&next(&mut client.consume("q").await).await), "m");
        assert!(start.elapsed() >= Duration::from_millis(300));
    });
}

#[test]
fn copies_for_nobody_to_see_come_late_too() {
    with_broker(async |broker| {
        let client = broker.client().await;
        confirming(&client).await;
        declare(&client, "later", routed_by("direct")).await.unwrap();
        client.bound_queues("later", &[("to", "to"), ("copy", "copy"), ("blind", "blind")]).await;
        let keys = |key: &str| AMQPValue::FieldArray(vec![text(key)].into());
        let headers = table(&[("x-delay", AMQPValue::LongInt(200)), ("CC", keys("copy")), ("BCC", keys("blind"))]);
        publish(&client, "later", "to", "m", BasicProperties::default().with_headers(headers)).await;
        for queue in ["to", "copy", "blind"] {
            let delivery = next(&mut client.consume(queue).await).await;
            let headers = delivery.properties.headers().clone().unwrap();
            assert!(headers.contains_key("CC") && !headers.contains_key("BCC"), "{queue}");
        }
    });
}

#[test]
fn a_message_is_held_until_the_time_in_its_header() {
    for ending in [Ending::Stop, Ending::Kill] {
        // A busy machine may take long to start a server: then its time has come before the others are taken.
        let in_time = [3, 25].into_iter().any(|seconds| is_held_over_a_restart(ending, seconds));
        assert!(in_time, "a restart took half a minute");
    }
}

fn millis_now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Whether the server was there again, and had handed out what is not held, before the time in the header of a message that
/// comes so late.
fn is_held_over_a_restart(ending: Ending, seconds: u64) -> bool {
    let mut in_time = false;
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        confirming(&client).await;
        let arguments = table(&[("x-hold-until-header", text("eta"))]);
        within(client.queue_declare("q".into(), DURABLE, arguments)).await.unwrap();
        let due = millis_now() + seconds * 1000;
        let eta = |value| BasicProperties::default().with_delivery_mode(2).with_headers(table(&[("eta", value)]));
        publish(&client, "", "q", "held", eta(AMQPValue::LongLongInt(i64::try_from(due).unwrap()))).await;
        publish(&client, "", "q", "past", eta(text("2001-02-03T04:05:06.000007+00:00"))).await;
        publish(&client, "", "q", "none", eta(AMQPValue::Void)).await;
        let counts = client.counts("q").await;
        if millis_now() >= due {
            return;
        }
        assert_eq!(counts, (2, 0), "held ones are not ready");
        broker.server.restart(ending);
        let client = broker.client().await;
        let mut consumer = client.consume("q").await;
        let first = [body(&next(&mut consumer).await), body(&next(&mut consumer).await)];
        in_time = millis_now() < due;
        if in_time {
            assert_eq!(first, ["past", "none"]);
            assert_eq!(body(&next(&mut consumer).await), "held");
            assert!(millis_now() >= due);
        }
    });
    in_time
}

fn set_delayed(api: &Api, pattern: &str, delayed: bool) {
    let policy = json!({ "pattern": pattern, "apply-to": "exchanges", "definition": { "delayed-message": delayed } });
    assert!([201, 204].contains(&api.put("/policies/%2F/delayed", &policy.to_string()).status));
}

#[test]
fn a_policy_makes_a_running_exchange_delay_and_its_end_leaves_what_is_kept() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        confirming(&client).await;
        client.exchange("x", ExchangeKind::Topic).await;
        client.bound_queues("x", &[("q", "k")]).await;
        let mut consumer = client.consume("q").await;
        publish(&client, "x", "k", "before", delay(900_000)).await;
        assert_eq!(body(&next(&mut consumer).await), "before");
        set_delayed(&api, "^x$", true);
        let start = Instant::now();
        publish(&client, "x", "k", "kept", delay(800)).await;
        let far = delay(900_000).with_message_id("far".into());
        publish(&client, "x", "nowhere", "not returned", far).await;
        let listed = api.get("/exchanges/%2F/x/scheduled").body;
        assert_eq!((&listed["total"], &listed["items"][1]["message_id"]), (&json!(2), &json!("far")));
        assert_eq!(api.delete("/policies/%2F/delayed").status, 204);
        publish(&client, "x", "k", "after", delay(900_000)).await;
        assert_eq!(body(&next(&mut consumer).await), "after");
        let kept = next(&mut consumer).await;
        assert_eq!((body(&kept), start.elapsed() >= Duration::from_millis(800)), ("kept".to_owned(), true));
        let headers = kept.properties.headers().clone().unwrap_or_default();
        assert_eq!(headers.inner().get("x-delay"), Some(&AMQPValue::LongLongInt(-800)));
        assert_eq!(api.get("/exchanges/%2F/x/scheduled").body["total"], 1);
        assert_eq!(api.delete("/exchanges/%2F/x/scheduled/far").body, json!({ "cancelled": 1 }));
    });
}

#[test]
fn what_an_exchange_keeps_by_policy_is_there_after_a_restart_also_without_the_policy() {
    for (ending, stays) in [(Ending::Stop, true), (Ending::Kill, true), (Ending::Kill, false)] {
        with_lasting_broker(async |broker| {
            let (api, client) = (Api::of(&broker.server), broker.client().await);
            confirming(&client).await;
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            within(client.exchange_declare("x".into(), ExchangeKind::Fanout, durable, FieldTable::default()))
                .await
                .unwrap();
            client.declare("q", DURABLE).await.unwrap();
            client.bind("q", "x", "").await;
            set_delayed(&api, "^(x|)$", true);
            let start = Instant::now();
            publish(&client, "x", "", "first", delay(1500)).await;
            publish(&client, "", "q", "second, by the default exchange", delay(2000)).await;
            let listed = |api: &Api, exchange: &str| api.get(&format!("/exchanges/%2F/{exchange}/scheduled")).body;
            assert_eq!(listed(&api, "amq.default")["total"], 1);
            if !stays {
                assert_eq!(api.delete("/policies/%2F/delayed").status, 204);
            }
            broker.server.restart(ending);
            let (api, client) = (Api::of(&broker.server), broker.client().await);
            confirming(&client).await;
            // Only where the policy is still there it is kept, and its header negated.
            let (millis, shown) = if stays { (100, -100) } else { (900_000, 900_000) };
            publish(&client, "x", "", "third", delay(millis)).await;
            let mut consumer = client.consume("q").await;
            let mut came = Vec::new();
            for _ in 0..3 {
                let delivery = next(&mut consumer).await;
                let headers = delivery.properties.headers().clone().unwrap_or_default();
                came.push((body(&delivery), headers.inner().get("x-delay").cloned()));
            }
            assert!(start.elapsed() >= Duration::from_millis(2000));
            came.sort_by(|(one, _), (other, _)| one.cmp(other));
            let expected = [("first", -1500), ("second, by the default exchange", -2000), ("third", shown)];
            assert_eq!(came, expected.map(|(body, delay)| (body.to_owned(), Some(AMQPValue::LongLongInt(delay)))));
            assert_eq!(listed(&api, "x")["total"], 0);
        });
    }
}
