//! Policies over the management API, and what clients notice of them. Statuses, texts and forms are RabbitMQ 4.3's,
//! compared by hand.

use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::client::with_lasting_broker;
use crate::support::server::{Ending, Server};

fn api() -> (Server, Api) {
    let server = Server::start();
    let api = Api::of(&server);
    (server, api)
}

fn set(api: &Api, path: &str, body: &Value) -> Reply {
    api.put(path, &body.to_string())
}

fn declare(api: &Api, queue: &str) {
    assert_eq!(api.put(&format!("/queues/%2F/{queue}"), r#"{"durable": true}"#).status, 201);
}

fn publish(api: &Api, queue: &str, payload: &str) {
    let properties = json!({ "delivery_mode": 2 });
    let message = json!({
        "routing_key": queue, "properties": properties, "payload": payload, "payload_encoding": "string",
    });
    let body = api.post("/exchanges/%2F/amq.default/publish", message.to_string()).body;
    assert_eq!(body, json!({ "routed": true }));
}

/// What is ready, which stays.
fn ready(api: &Api, queue: &str) -> Vec<String> {
    let wanted = json!({ "count": 100, "ackmode": "ack_requeue_true", "encoding": "auto" }).to_string();
    let got = api.post(&format!("/queues/%2F/{queue}/get"), wanted).body;
    got.as_array().unwrap().iter().map(|message| message["payload"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn policies_of_both_kinds_are_set_seen_and_cleared() {
    let (_server, api) = api();
    for kind in ["policies", "operator-policies"] {
        let path = format!("/{kind}/%2F/a%2Fb");
        let wanted = json!({ "pattern": "^q", "definition": { "max-length": 5, "expires": 60000 } });
        assert_eq!(set(&api, &path, &wanted).status, 201);
        assert_eq!(set(&api, &path, &wanted).status, 204);
        let expected = json!({
            "vhost": "/", "name": "a/b", "pattern": "^q", "apply-to": "all",
            "definition": { "expires": 60000, "max-length": 5 }, "priority": 0,
        });
        assert_eq!(api.get(&path).body, expected);
        assert_eq!(api.get(&format!("/{kind}")).body, json!([expected]));
        assert_eq!(api.get(&format!("/{kind}/%2F")).body, json!([expected]));
        assert_eq!(api.delete(&path).status, 204);
        assert_eq!(api.delete(&path).error(), (404, "Object Not Found", &json!("Not Found")));
        assert_eq!(api.get(&path).error(), (404, "Object Not Found", &json!("Not Found")));
        assert_eq!(api.get(&format!("/{kind}")).body, json!([]));
        assert_eq!(api.get(&format!("/{kind}/nov")).error().0, 404);
    }
}

#[test]
fn what_cannot_be_a_policy_is_refused_with_rabbitmqs_reasons() {
    let (_server, api) = api();
    let cases = [
        (json!({}), "[{key_missing,pattern},{key_missing,definition}]"),
        (json!({ "pattern": "a" }), "[{key_missing,definition}]"),
        (json!({ "pattern": "a", "definition": {} }), "Validation failed\n\nno policy provided\n"),
        (
            json!({ "pattern": "a", "definition": { "message-ttl": null } }),
            "Validation failed\n\nnull is not a valid message TTL\n",
        ),
        (
            json!({ "pattern": 5, "definition": { "max-length": "x" }, "priority": "1" }),
            "Validation failed\n\n<<\"x\">> is not a valid maximum length\npattern should be a binary but was 5\n\
             priority should be a number, actually was <<\"1\">>\n",
        ),
        (
            json!({ "pattern": "a", "definition": { "nonsense": [1, { "a": 2.5 }] } }),
            "Validation failed\n\n[{<<\"nonsense\">>,[1,#{<<\"a\">> => 2.5}]}] are not recognised policy settings\n",
        ),
    ];
    for (body, reason) in cases {
        assert_eq!(set(&api, "/policies/%2F/p", &body).error(), (400, "bad_request", &json!(reason)), "{body}");
    }
    let good = json!({ "pattern": "a", "definition": { "max-length": 1 } });
    assert_eq!(set(&api, "/policies/nov/p", &good).error(), (404, "not_found", &json!("vhost_not_found")));
    let not_for_operators = json!({ "pattern": "a", "definition": { "alternate-exchange": "x" } });
    let reason = "Validation failed\n\n[{<<\"alternate-exchange\">>,<<\"x\">>}] are not recognised policy settings\n";
    let refused = set(&api, "/operator-policies/%2F/p", &not_for_operators);
    assert_eq!(refused.error(), (400, "bad_request", &json!(reason)));
    assert_eq!(api.get("/policies").body, json!([]));
}

#[test]
fn a_queue_and_an_exchange_tell_of_their_policies() {
    let (_server, api) = api();
    declare(&api, "q");
    let both = json!({ "pattern": "^(q|amq.topic)$", "definition": { "max-length": 9, "alternate-exchange": "x" } });
    assert_eq!(set(&api, "/policies/%2F/p", &both).status, 201);
    let bound = json!({ "pattern": "", "definition": { "max-length": 5 } });
    assert_eq!(set(&api, "/operator-policies/%2F/o", &bound).status, 201);
    let queue = api.get("/queues/%2F/q").body;
    assert_eq!((&queue["policy"], &queue["operator_policy"]), (&json!("p"), &json!("o")));
    assert_eq!(queue["effective_policy_definition"], json!({ "alternate-exchange": "x", "max-length": 5 }));
    assert_eq!(api.get("/exchanges/%2F/amq.topic").body["policy"], json!("p"));
    assert!(api.get("/exchanges/%2F/amq.direct").body.get("policy").is_none());
}

#[test]
fn a_bound_by_policy_drops_stored_messages_for_good_and_holds_after_a_restart() {
    with_lasting_broker(async |broker| {
        let api = Api::of(&broker.server);
        declare(&api, "q");
        ["1", "2", "3", "4"].iter().for_each(|payload| publish(&api, "q", payload));
        let wanted = json!({ "pattern": "^q$", "apply-to": "queues", "definition": { "max-length": 2 } });
        assert_eq!(set(&api, "/policies/%2F/p", &wanted).status, 201);
        assert_eq!(ready(&api, "q"), ["3", "4"]);
        broker.server.restart(Ending::Kill);
        let api = Api::of(&broker.server);
        assert_eq!(api.get("/policies/%2F/p").body["definition"], json!({ "max-length": 2 }));
        assert_eq!(ready(&api, "q"), ["3", "4"]);
        publish(&api, "q", "5");
        assert_eq!(ready(&api, "q"), ["4", "5"]);
    });
}

#[test]
fn a_queue_adopts_other_arguments_for_good_where_a_policy_says_so() {
    with_lasting_broker(async |broker| {
        let api = Api::of(&broker.server);
        declare(&api, "q");
        let other = r#"{"durable": true, "arguments": {"x-max-length": 1}}"#;
        assert_eq!(api.put("/queues/%2F/q", other).status, 400);
        let adopt = json!({ "pattern": "^q$", "definition": { "redeclare": "adopt" } });
        assert_eq!(set(&api, "/policies/%2F/p", &adopt).status, 201);
        assert_eq!(api.put("/queues/%2F/q", other).status, 204);
        ["1", "2"].iter().for_each(|payload| publish(&api, "q", payload));
        assert_eq!(ready(&api, "q"), ["2"]);
        assert_eq!(api.get("/queues/%2F/q").body["arguments"], json!({ "x-max-length": 1 }));
        broker.server.restart(Ending::Kill);
        let api = Api::of(&broker.server);
        assert_eq!(api.get("/queues/%2F/q").body["arguments"], json!({ "x-max-length": 1 }));
        assert_eq!(ready(&api, "q"), ["2"]);
    });
}
