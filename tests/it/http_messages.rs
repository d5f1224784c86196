//! Publishing and getting over the management API, beside AMQP clients.

use lapin::options::{BasicGetOptions, QueueDeclareOptions};
use serde_json::{Value, json};

use crate::api::Api;
use crate::client::{body, next, with_broker, with_lasting_broker, with_settings};
use crate::support::server::{Ending, Server};

const TO_DEFAULT: &str = "/exchanges/%2F/amq.default/publish";

fn message(routing_key: &str, payload: &str) -> String {
    json!({ "properties": {}, "routing_key": routing_key, "payload": payload, "payload_encoding": "string" })
        .to_string()
}

fn wanted(count: i64, ackmode: &str) -> String {
    json!({ "count": count, "ackmode": ackmode, "encoding": "auto" }).to_string()
}

#[test]
fn messages_that_wait_are_listed_and_ended_by_message_id() {
    let server = Server::start();
    let api = Api::of(&server);
    let declaration = r#"{"type": "x-delayed-message", "durable": true, "arguments": {"x-delayed-type": "fanout"}}"#;
    assert_eq!(api.put("/exchanges/%2F/later", declaration).status, 201);
    for (id, delay) in [("a", 900_000), ("b", 800_000), ("a", 700_000)] {
        let properties = json!({ "message_id": id, "headers": { "x-delay": delay } });
        let message =
            json!({ "routing_key": "k", "properties": properties, "payload": "text", "payload_encoding": "string" });
        let reply = api.post("/exchanges/%2F/later/publish", message.to_string());
        assert_eq!(reply.body, json!({ "routed": true }));
    }
    let listed = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["message_id"].as_str().unwrap().to_owned()).collect()
    };
    let page = api.get("/exchanges/%2F/later/scheduled?count=2").body;
    assert_eq!((listed(&page), &page["total"], &page["unread"]), (vec!["a".into(), "b".into()], &json!(3), &json!(0)));
    assert_eq!((&page["items"][0]["routing_key"], &page["items"][0]["payload_bytes"]), (&json!("k"), &json!(4)));
    let next = page["next"].as_str().unwrap();
    assert_eq!(listed(&api.get(&format!("/exchanges/%2F/later/scheduled?after={next}")).body), ["a"]);
    assert_eq!(api.get("/exchanges/%2F/later/scheduled?after=soon").status, 400);
    assert_eq!(api.delete("/exchanges/%2F/later/scheduled/b").body, json!({ "cancelled": 1 }));
    assert_eq!(api.delete("/exchanges/%2F/later/scheduled/b").status, 404);
    assert_eq!(api.delete("/exchanges/%2F/later/scheduled/a?all=true").body, json!({ "cancelled": 2 }));
    assert_eq!(api.get("/exchanges/%2F/amq.fanout/scheduled").status, 404);
    assert_eq!(api.get("/queues/%2F/nowhere/scheduled").status, 404);
}

#[test]
fn a_message_goes_to_its_consumer_with_all_its_properties() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        let mut consumer = client.consume("q").await;
        let request = json!({
            "properties": {
                "content_type": "text/plain", "delivery_mode": 2, "priority": 3, "correlation_id": "c", "type": "t",
                "headers": { "number": 5, "list": ["x", true], "table": { "k": 2.5 } }, "timestamp": 7,
            },
            "routing_key": "q", "payload": "AP/+", "payload_encoding": "base64",
        });
        assert_eq!(api.post(TO_DEFAULT, request.to_string()).body, json!({ "routed": true }));
        let delivery = next(&mut consumer).await;
        assert_eq!(delivery.data, [0, 0xFF, 0xFE]);
        let properties = &delivery.properties;
        assert_eq!(properties.content_type().as_ref().unwrap().as_str(), "text/plain");
        assert_eq!(
            (*properties.delivery_mode(), *properties.priority(), *properties.timestamp()),
            (Some(2), Some(3), Some(7))
        );
        assert_eq!(properties.headers().as_ref().unwrap().inner().len(), 3);
    });
}

#[test]
fn a_message_without_a_queue_is_not_routed() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        assert_eq!(api.post(TO_DEFAULT, message("nonesuch", "x")).body, json!({ "routed": false }));
    });
}

#[test]
fn a_publish_that_makes_no_sense_is_refused() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        api.put("/queues/%2F/q", "{}");
        let with = |change: Value| {
            let mut request: Value = serde_json::from_str(&message("q", "x")).unwrap();
            request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            request.to_string()
        };
        let bad = |reason: Value| (400, "bad_request", reason);
        let cases = [
            (
                TO_DEFAULT,
                "{}".to_owned(),
                bad(json!(
                    "[{key_missing,routing_key},{key_missing,properties},{key_missing,payload},{key_missing,payload_encoding}]"
                )),
            ),
            (TO_DEFAULT, with(json!({ "payload": 5 })), bad(json!("payload_not_string"))),
            (TO_DEFAULT, with(json!({ "payload_encoding": "x" })), bad(json!(["unsupported_encoding", "x"]))),
            (
                TO_DEFAULT,
                with(json!({ "payload": "**", "payload_encoding": "base64" })),
                bad(json!(["not_base64", "**"])),
            ),
            (
                TO_DEFAULT,
                with(json!({ "properties": { "delivery_mode": "a" } })),
                bad(json!(["not_int", "delivery_mode"])),
            ),
            (
                TO_DEFAULT,
                with(json!({ "properties": { "expiration": "abc" } })),
                bad(json!("406 PRECONDITION_FAILED - invalid expiration 'abc': no_integer")),
            ),
            (
                TO_DEFAULT,
                with(json!({ "properties": { "user_id": "abc" } })),
                bad(json!(
                    "406 PRECONDITION_FAILED - user_id property set to 'abc' but authenticated user was 'guest'"
                )),
            ),
            (
                "/exchanges/%2F/amq.rabbitmq.trace/publish",
                with(json!({})),
                bad(json!(
                    "403 ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'"
                )),
            ),
            ("/exchanges/%2F/nonesuch/publish", with(json!({})), (404, "not_found", json!("exchange_not_found"))),
            ("/exchanges/nov/x/publish", with(json!({})), (404, "not_found", json!("vhost_not_found"))),
        ];
        for (path, request, (status, error, reason)) in cases {
            assert_eq!(api.post(path, &request).error(), (status, error, &reason), "{request}");
        }
        assert_eq!(api.get("/queues/%2F/q").body["messages"], 0);
    });
}

#[test]
fn a_message_above_the_size_limit_is_refused() {
    with_settings(&[("max_message_size", "100")], async |broker| {
        let api = Api::of(&broker.server);
        api.put("/queues/%2F/q", "{}");
        assert_eq!(api.post(TO_DEFAULT, message("q", &"x".repeat(100))).status, 200);
        let text = "406 PRECONDITION_FAILED - message size 101 is larger than configured max size 100";
        let reply = api.post(TO_DEFAULT, message("q", &"x".repeat(101)));
        assert_eq!(reply.error(), (400, "bad_request", &json!(text)));
    });
}

#[test]
fn a_persistent_message_is_safe_when_the_answer_comes() {
    with_lasting_broker(async |broker| {
        let api = Api::of(&broker.server);
        api.put("/queues/%2F/q", r#"{"durable": true}"#);
        let request = json!({
            "properties": { "delivery_mode": 2 }, "routing_key": "q", "payload": "safe", "payload_encoding": "string",
        });
        assert_eq!(api.post(TO_DEFAULT, request.to_string()).body, json!({ "routed": true }));
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_eq!(client.take_all("q").await, ["safe"]);
    });
}

#[test]
fn publishers_are_told_to_come_back_while_an_alarm_is_on() {
    // Nobody has so much.
    with_settings(&[("disk_free_limit.absolute", "1000000TB")], async |broker| {
        let api = Api::of(&broker.server);
        api.put("/queues/%2F/q", "{}");
        let reply = api.post(TO_DEFAULT, message("q", "x"));
        assert_eq!(reply.error(), (503, "blocked", &json!("publishers are blocked: low on disk")));
        assert_eq!(reply.retry_after.as_deref(), Some("5"));
        let reply = api.get("/health/checks/alarms");
        let expected = json!([{ "node": "leveret@localhost", "resource": "disk" }]);
        assert_eq!((reply.status, &reply.body["alarms"]), (503, &expected));
        assert_eq!(api.get("/health/checks/local-alarms").status, 503);
    });
}

#[test]
fn publishers_are_told_to_come_back_when_a_queue_is_full() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        api.put("/queues/%2F/q", r#"{"arguments": {"x-max-length": 1, "x-overflow": "reject-publish"}}"#);
        assert_eq!(api.post(TO_DEFAULT, message("q", "one")).body, json!({ "routed": true }));
        let reply = api.post(TO_DEFAULT, message("q", "two"));
        assert_eq!(reply.error(), (503, "queue_full", &json!("a queue is full and refused the message")));
        assert_eq!(reply.retry_after.as_deref(), Some("60"), "nothing is taken out");
        assert_eq!(api.delete("/queues/%2F/q/contents").status, 204);
        assert_eq!(api.post(TO_DEFAULT, message("q", "three")).body, json!({ "routed": true }));
        assert_eq!(broker.client().await.take_all("q").await, ["three"]);
    });
}

#[test]
fn what_is_got_goes_back_to_its_place_or_not_as_wanted() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        for payload in ["one", "two", "three", "four"] {
            api.post(TO_DEFAULT, message("q", payload));
        }
        let get = |count, ackmode: &str| -> Vec<(String, bool, u64)> {
            let reply = api.post("/queues/%2F/q/get", wanted(count, ackmode));
            assert_eq!(reply.status, 200, "{}", reply.body);
            let shown = |message: &Value| {
                let payload = message["payload"].as_str().unwrap().to_owned();
                (payload, message["redelivered"].as_bool().unwrap(), message["message_count"].as_u64().unwrap())
            };
            reply.body.as_array().unwrap().iter().map(shown).collect()
        };
        let seen = |payload: &str, redelivered, after| (payload.to_owned(), redelivered, after);
        assert_eq!(get(2, "ack_requeue_true"), [seen("one", false, 3), seen("two", false, 2)]);
        assert_eq!(get(1, "reject_requeue_true"), [seen("one", true, 3)]);
        assert_eq!(get(1, "ack_requeue_false"), [seen("one", true, 3)]);
        assert_eq!(get(1, "reject_requeue_false"), [seen("two", true, 2)]);
        assert_eq!(get(-1, "ack_requeue_true"), [seen("three", false, 1), seen("four", false, 0)]);
        assert_eq!(get(0, "ack_requeue_false"), []);
        let queue = api.get("/queues/%2F/q").body;
        assert_eq!((&queue["messages_ready"], &queue["messages_unacknowledged"]), (&json!(2), &json!(0)));
        assert_eq!(client.take_all("q").await, ["three", "four"]);
    });
}

#[test]
fn payloads_are_text_where_they_are_and_cut_where_wanted() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        client.fill("q", &["grün"]).await;
        api.until("/queues/%2F/q", |queue| queue["messages"] == 1);
        let get = |encoding: &str, truncate: Value| {
            let request =
                json!({ "count": 1, "ackmode": "ack_requeue_true", "encoding": encoding, "truncate": truncate });
            let mut request = request;
            if truncate.is_null() {
                request.as_object_mut().unwrap().remove("truncate");
            }
            let message = api.post("/queues/%2F/q/get", request.to_string()).body[0].clone();
            assert_eq!((&message["payload_bytes"], &message["properties"]), (&json!(5), &json!([])));
            (message["payload"].clone(), message["payload_encoding"].clone())
        };
        assert_eq!(get("auto", Value::Null), (json!("grün"), json!("string")));
        assert_eq!(get("auto", json!(2)), (json!("gr"), json!("string")));
        assert_eq!(get("auto", json!(3)), (json!("Z3LD"), json!("base64")), "half a letter is no text");
        assert_eq!(get("base64", json!(100)), (json!("Z3LDvG4="), json!("base64")));
    });
}

#[test]
fn a_get_that_makes_no_sense_is_refused() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        api.put("/queues/%2F/q", "{}");
        let ackmodes = "Invalid ackmode value: x. Valid values are: ack_requeue_true, ack_requeue_false, \
                        reject_requeue_true, reject_requeue_false";
        let cases = [
            (r#"{"count": 1, "encoding": "auto"}"#, json!("[{key_missing,ackmode}]")),
            (r#"{"count": 1, "ackmode": "x", "encoding": "auto"}"#, json!(ackmodes)),
            (
                r#"{"count": 1, "ackmode": "ack_requeue_true", "encoding": "x"}"#,
                json!("Unsupported encoding. Please use auto or base64."),
            ),
            (r#"{"count": "z", "ackmode": "ack_requeue_true", "encoding": "auto"}"#, json!(["not_int", "count"])),
        ];
        for (request, reason) in cases {
            assert_eq!(api.post("/queues/%2F/q/get", request).error(), (400, "bad_request", &reason), "{request}");
        }
        let reply = api.post("/queues/%2F/nonesuch/get", wanted(1, "ack_requeue_true"));
        assert_eq!(reply.error(), (404, "not_found", &json!("queue_not_found")));
    });
}

#[test]
fn messages_on_disk_alone_are_got_after_a_restart() {
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        client.declare("q", QueueDeclareOptions { durable: true, ..Default::default() }).await.unwrap();
        let api = Api::of(&broker.server);
        for n in 0..20 {
            let request = json!({
                "properties": { "delivery_mode": 2 }, "routing_key": "q", "payload": n.to_string(), "payload_encoding": "string",
            });
            api.post(TO_DEFAULT, request.to_string());
        }
        drop(client);
        broker.server.restart(Ending::Stop);
        let api = Api::of(&broker.server);
        let got = api.post("/queues/%2F/q/get", wanted(20, "ack_requeue_false")).body;
        let got: Vec<_> = got.as_array().unwrap().iter().map(|message| message["payload"].as_str().unwrap()).collect();
        assert_eq!(got, (0..20).map(|n| n.to_string()).collect::<Vec<_>>());
        assert_eq!(broker.client().await.counts("q").await, (0, 0));
    });
}

#[test]
fn a_consumer_that_waits_gets_what_is_put_back() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        client.fill("q", &["one"]).await;
        let got = client.basic_get("q".into(), BasicGetOptions { no_ack: false }).await.unwrap().unwrap();
        assert_eq!(api.post("/queues/%2F/q/get", wanted(1, "ack_requeue_true")).body, json!([]));
        let mut consumer = broker.client().await.consume("q").await;
        got.acker.nack(lapin::options::BasicNackOptions { requeue: true, ..Default::default() }).await.unwrap();
        assert_eq!(body(&next(&mut consumer).await), "one");
    });
}
