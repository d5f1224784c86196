//! Messages of a queue looked at, removed and moved over the management API.

use lapin::BasicProperties;
use lapin::options::{BasicGetOptions, BasicNackOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;
use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::client::{Client, body, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

fn now<T>(action: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(action)
}

async fn declare(client: &Client, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    within(client.queue_declare(queue.into(), durable, table(arguments))).await.unwrap();
}

async fn publish(client: &Client, queue: &str, body: &str, kind: &str) {
    let properties = BasicProperties::default()
        .with_delivery_mode(2)
        .with_message_id(format!("id-{body}").into())
        .with_headers(table(&[("kind", text(kind))]));
    client.publish_with("", queue, body.as_bytes(), BasicPublishOptions::default(), properties).await;
}

async fn fill(client: &Client, queue: &str, count: usize) {
    for number in 0..count {
        publish(client, queue, &number.to_string(), if number % 3 == 0 { "third" } else { "other" }).await;
    }
    client.settle().await;
}

fn payloads(page: &Value) -> Vec<String> {
    page["items"].as_array().unwrap().iter().map(|item| item["payload"].as_str().unwrap().to_owned()).collect()
}

fn done(api: &Api, started: &Reply) -> Value {
    assert_eq!(started.status, 202, "{:?}", started.body);
    let path = format!("/moves/%2F/{}", started.body["id"]);
    api.until(&path, |job| job["state"] == "done")
}

#[test]
fn messages_are_peeked_at_page_by_page_and_nothing_of_them_changes() {
    with_broker(async |broker| {
        let (client, api) = (broker.client().await, Api::of(&broker.server));
        declare(&client, "q", &[]).await;
        fill(&client, "q", 7).await;
        now(|| {
            let page = api.get("/queues/%2F/q/messages?count=3").body;
            assert_eq!(payloads(&page), ["0", "1", "2"]);
            let first = &page["items"][0];
            assert_eq!((&first["redelivered"], &first["routing_key"]), (&json!(false), &json!("q")));
            assert_eq!(first["properties"]["message_id"], "id-0");
            let next = page["next"].as_str().unwrap();
            assert_eq!(payloads(&api.get(&format!("/queues/%2F/q/messages?after={next}")).body), ["3", "4", "5", "6"]);
            assert_eq!(payloads(&api.get("/queues/%2F/q/messages?offset=5&count=1").body), ["5"]);
            let behind = api.get("/queues/%2F/q/messages?offset=50").body;
            assert_eq!(behind, json!({ "items": [], "next": null }));
            assert_eq!(api.get("/queues/%2F/q/messages?count=x").status, 400);
            assert_eq!(api.get("/queues/%2F/q/messages?after=x").status, 400);
            assert_eq!(api.get("/queues/%2F/nowhere/messages").status, 404);
        });
        let got = within(client.basic_get("q".into(), BasicGetOptions::default())).await.unwrap().unwrap();
        assert!(!got.redelivered && body(&got) == "0");
        within(got.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() })).await.unwrap();
        client.settle().await;
        let page = now(|| api.get("/queues/%2F/q/messages?count=1").body);
        assert_eq!((payloads(&page), &page["items"][0]["redelivered"]), (vec!["0".to_owned()], &json!(true)));
    });
}

#[test]
fn single_messages_and_those_that_match_are_removed_and_stay_away_after_a_kill() {
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, "q", &[]).await;
        fill(&client, "q", 9).await;
        let api = Api::of(&broker.server);
        now(|| {
            let page = api.get("/queues/%2F/q/messages").body;
            let id = page["items"][1]["id"].as_str().unwrap();
            assert_eq!(api.delete(&format!("/queues/%2F/q/messages/{id}")).status, 204);
            assert_eq!(api.delete(&format!("/queues/%2F/q/messages/{id}")).status, 404);
            let reply = api.delete("/queues/%2F/q/messages/id-5?by=message_id");
            assert_eq!(reply.body, json!({ "removed": 1, "complete": true }));
            assert_eq!(api.delete("/queues/%2F/q/messages/id-5?by=message_id").status, 404);
            let third = json!({ "filter": { "headers": { "kind": "third" } }, "limit": 2 }).to_string();
            assert_eq!(api.post("/queues/%2F/q/purge", &third).body, json!({ "removed": 2, "complete": true }));
            assert_eq!(payloads(&api.get("/queues/%2F/q/messages").body), ["2", "4", "6", "7", "8"]);
            let unknown = json!({ "filter": { "header": {} } }).to_string();
            assert_eq!(api.post("/queues/%2F/q/purge", unknown).status, 400, "it would mean all");
        });
        // Nobody was told that it is on the disk; a confirm behind it tells.
        within(client.confirm_select(lapin::options::ConfirmSelectOptions::default())).await.unwrap();
        let properties = BasicProperties::default().with_delivery_mode(2);
        within(client.publish_with("", "q", b"last", BasicPublishOptions::default(), properties).await).await.unwrap();
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_eq!(client.take_all("q").await, ["2", "4", "6", "7", "8", "last"]);
    });
}

#[test]
fn messages_are_moved_by_filter_to_a_queue_or_through_an_exchange() {
    with_broker(async |broker| {
        let (client, api) = (broker.client().await, Api::of(&broker.server));
        for queue in ["q", "to", "bound"] {
            declare(&client, queue, &[]).await;
        }
        client.bind("bound", "amq.topic", "new.*").await;
        fill(&client, "q", 600).await;
        now(|| {
            let wanted = json!({ "destination": "to", "filter": { "headers": { "kind": "third" } } });
            let job = done(&api, &api.post("/queues/%2F/q/move", wanted.to_string()));
            assert_eq!((&job["moved"], &job["seen"], &job["stuck"]), (&json!(200), &json!(600), &json!(0)));
            let page = api.get("/queues/%2F/to/messages?count=2").body;
            assert_eq!(
                (payloads(&page), &page["items"][0]["routing_key"]),
                (vec!["0".into(), "3".into()], &json!("q"))
            );
            let wanted = json!({ "destination": { "exchange": "amq.topic", "routing_key": "new.key" }, "limit": 10 });
            assert_eq!(done(&api, &api.post("/queues/%2F/q/move", wanted.to_string()))["moved"], 10);
            let page = api.get("/queues/%2F/bound/messages?count=1").body;
            assert_eq!((payloads(&page), &page["items"][0]["exchange"]), (vec!["1".into()], &json!("amq.topic")));
            let wanted = json!({ "destination": { "exchange": "amq.topic" }, "limit": 10 });
            let job = done(&api, &api.post("/queues/%2F/q/move", wanted.to_string()));
            assert_eq!((&job["moved"], &job["stuck"]), (&json!(0), &json!(390)), "what goes nowhere stays");
            for (wanted, status) in [
                (json!({ "destination": "q" }), 400),
                (json!({ "destination": "nowhere" }), 404),
                (json!({ "destination": { "exchange": "nowhere" } }), 404),
                (json!({ "destination": { "exchange": "amq.rabbitmq.trace" } }), 401),
                (json!({ "destination": { "queue": "to", "exchange": "" } }), 400),
                (json!({ "destination": "to", "rate": 0 }), 400),
                (json!({}), 400),
            ] {
                assert_eq!(api.post("/queues/%2F/q/move", wanted.to_string()).status, status, "{wanted}");
            }
            assert_eq!(api.get("/moves").body.as_array().unwrap().len(), 3);
        });
        assert_eq!((client.counts("q").await.0, client.counts("to").await.0), (390, 200));
    });
}

#[test]
fn a_move_waits_for_room_goes_on_and_can_be_ended() {
    with_broker(async |broker| {
        let (client, api) = (broker.client().await, Api::of(&broker.server));
        declare(&client, "q", &[]).await;
        declare(&client, "to", &[("x-max-length", AMQPValue::LongInt(10)), ("x-overflow", text("block"))]).await;
        fill(&client, "q", 40).await;
        let started = now(|| api.post("/queues/%2F/q/move", json!({ "destination": "to" }).to_string()));
        let path = format!("/moves/%2F/{}", started.body["id"]);
        now(|| api.until(&path, |job| job["state"] == "blocked"));
        let first: Vec<_> = (0..10).map(|number: u8| number.to_string()).collect();
        assert_eq!(client.take_all("to").await.get(..10), Some(&first[..]));
        let job = now(|| api.until(&path, |job| job["state"] == "blocked" && job["moved"].as_u64() > Some(10)));
        assert_eq!(now(|| api.delete(&path)).status, 204);
        now(|| api.until(&path, |job| job["state"] == "cancelled"));
        assert!(job["moved"].as_u64() < Some(40));
        let rate = json!({ "destination": "to", "rate": 1 });
        let slow = now(|| api.post("/queues/%2F/q/move", rate.to_string()));
        assert_eq!((slow.status, &slow.body["rate"]), (202, &json!(1)));
        assert_eq!(now(|| api.delete(&format!("/moves/%2F/{}", slow.body["id"]))).status, 204);
        assert_eq!(now(|| api.delete("/moves/%2F/99")).status, 404);
    });
}

#[test]
fn dead_letters_go_back_to_where_they_died_as_they_were_published() {
    with_broker(async |broker| {
        let (client, api) = (broker.client().await, Api::of(&broker.server));
        declare(&client, "q", &[("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text("dlq"))])
            .await;
        declare(&client, "dlq", &[]).await;
        client.bind("q", "amq.topic", "#").await;
        for key in ["a", "b"] {
            client.publish("amq.topic", key, key).await;
            let got = within(client.basic_get("q".into(), BasicGetOptions::default())).await.unwrap().unwrap();
            within(got.nack(BasicNackOptions::default())).await.unwrap();
        }
        client.publish("", "dlq", "never dead").await;
        client.settle().await;
        now(|| {
            let expired = json!({ "filter": { "death_reason": "expired" } }).to_string();
            assert_eq!(done(&api, &api.post("/queues/%2F/dlq/redrive", expired))["moved"], 0);
            let rejected = json!({ "to": "first", "filter": { "routing_key": "dlq", "death_reason": "rejected" } });
            let job = done(&api, &api.post("/queues/%2F/dlq/redrive", rejected.to_string()));
            assert_eq!((&job["moved"], &job["stuck"]), (&json!(2), &json!(0)));
            let job = done(&api, &api.post("/queues/%2F/dlq/redrive", "{}"));
            assert_eq!((&job["moved"], &job["stuck"]), (&json!(0), &json!(1)), "it has no home");
            let page = api.get("/queues/%2F/q/messages").body;
            assert_eq!(payloads(&page), ["a", "b"]);
            let first = &page["items"][0];
            assert_eq!((&first["exchange"], &first["routing_key"]), (&json!("amq.topic"), &json!("a")));
            assert_eq!(first["properties"]["headers"]["x-death"][0]["count"], 1, "its history stays");
            assert_eq!(api.post("/queues/%2F/dlq/redrive", r#"{"to": "second"}"#).status, 400);
        });
    });
}
