//! Exchanges, queues and bindings over the management API. Statuses, texts and forms are RabbitMQ 4.3's, compared by hand.

use serde_json::{Value, json};

use crate::api::Api;
use crate::client::{with_broker, with_lasting_broker};
use crate::support::server::{Ending, Server};

fn api() -> (Server, Api) {
    let server = Server::start();
    let api = Api::of(&server);
    (server, api)
}

#[test]
fn a_queue_is_declared_seen_purged_and_deleted() {
    let (_server, api) = api();
    let declaration = r#"{"durable": true, "arguments": {"x-queue-type": "classic"}}"#;
    assert_eq!(api.put("/queues/%2F/jobs", declaration).status, 201);
    assert_eq!(api.put("/queues/%2F/jobs", declaration).status, 204);
    let reply = api.get("/queues/%2F/jobs");
    let expected = json!({
        "name": "jobs", "vhost": "/", "type": "classic", "node": "leveret@localhost", "durable": true,
        "auto_delete": false, "exclusive": false, "arguments": { "x-queue-type": "classic" }, "state": "running",
        "messages": 0, "messages_ready": 0, "messages_unacknowledged": 0, "consumers": 0, "memory": 0,
        "drain_rate": 0.0, "estimated_wait_ms": 0, "high_watermark": { "messages": 9_000_000, "bytes": 15_461_882_266_u64 },
        "policy": null, "operator_policy": null, "effective_policy_definition": {},
    });
    assert_eq!((reply.status, &reply.body), (200, &expected));
    assert_eq!(api.get("/queues/%2F").body, json!([expected]));
    let conflict = api.put("/queues/%2F/jobs", "{}");
    let text = "inequivalent arg 'durable' for queue 'jobs' in vhost '/': received 'false' but current is 'true'";
    assert_eq!(conflict.error(), (400, "bad_request", &json!(text)));
    assert_eq!(api.delete("/queues/%2F/jobs/contents").status, 204);
    assert_eq!(api.delete("/queues/%2F/jobs").status, 204);
    assert_eq!(api.get("/queues/%2F/jobs").error(), (404, "Object Not Found", &json!("Not Found")));
}

#[test]
fn an_exchange_is_declared_seen_and_deleted() {
    let (_server, api) = api();
    let declaration = r#"{"type": "topic", "durable": true, "arguments": {"alternate-exchange": "amq.fanout"}}"#;
    assert_eq!(api.put("/exchanges/%2F/events", declaration).status, 201);
    assert_eq!(api.put("/exchanges/%2F/events", declaration).status, 204);
    let expected = json!({
        "name": "events", "vhost": "/", "type": "topic", "durable": true, "auto_delete": false, "internal": false,
        "arguments": { "alternate-exchange": "amq.fanout" },
    });
    assert_eq!(api.get("/exchanges/%2F/events").body, expected);
    let names: Vec<_> = api.get("/exchanges/%2F?columns=name").body.as_array().unwrap().clone();
    let names: Vec<_> = names.iter().map(|exchange| exchange["name"].as_str().unwrap().to_owned()).collect();
    let predeclared = [
        "",
        "amq.direct",
        "amq.fanout",
        "amq.headers",
        "amq.match",
        "amq.rabbitmq.event",
        "amq.rabbitmq.trace",
        "amq.topic",
    ];
    assert_eq!(names, [&predeclared[..], &["events"]].concat());
    assert_eq!(api.delete("/exchanges/%2F/events").status, 204);
    assert_eq!(api.delete("/exchanges/%2F/events").error(), (404, "Object Not Found", &json!("Not Found")));
}

#[test]
fn what_cannot_be_declared_is_refused_with_rabbitmqs_reasons() {
    let (_server, api) = api();
    let bad = |reason: Value| (400, "bad_request", reason);
    let cases = [
        ("/queues/%2F/q", "{", bad(json!("not_json"))),
        ("/queues/%2F/q", "[1]", bad(json!("not_json"))),
        ("/queues/%2F/q", r#"{"durable": "yes"}"#, bad(json!(["not_boolean", "yes"]))),
        ("/queues/%2F/q", r#"{"arguments": {"a": null}}"#, bad(json!("null_not_allowed"))),
        ("/queues/%2F/q", r#"{"arguments": 5}"#, bad(json!(["not_map", "arguments"]))),
        (
            "/queues/%2F/q",
            r#"{"arguments": {"x-max-length": "a"}}"#,
            bad(json!("invalid arg 'x-max-length' for queue 'q' in vhost '/': \"expected integer, got longstr\"")),
        ),
        ("/exchanges/%2F/x", r#"{"type": "nosuch"}"#, bad(json!("unknown exchange type 'nosuch'"))),
        ("/queues/nov/q", "{}", (404, "not_found", json!("vhost_not_found"))),
        ("/exchanges/nov/x", "{}", (404, "not_found", json!("vhost_not_found"))),
    ];
    for (path, body, (status, error, reason)) in cases {
        assert_eq!(api.put(path, body).error(), (status, error, &reason), "{path} {body}");
    }
    for path in ["/queues/%2F/amq.mine", "/exchanges/%2F/amq.mine", "/exchanges/%2F/amq.default"] {
        assert_eq!(api.put(path, "{}").error().0, 401, "{path}");
    }
    assert_eq!(api.delete("/exchanges/%2F/amq.direct").error().0, 401);
    assert_eq!(api.get("/queues").body, json!([]), "nothing was made");
}

#[test]
fn names_are_percent_decoded_once_after_the_path_is_split() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        assert_eq!(api.put("/queues/%2F/a%2Fb%20c%2B%25%23%C3%BC", "{}").status, 201);
        assert_eq!(broker.client().await.counts("a/b c+%#ü").await, (0, 0));
        assert_eq!(api.get("/queues/%2F/a%2Fb%20c%2B%25%23%C3%BC").body["name"], "a/b c+%#ü");
        assert_eq!(api.get("/queues/%2F/a/b").status, 404);
        assert_eq!(api.get("/queues/%FF/x").status, 404, "no vhost has a name that is not UTF-8");
        assert_eq!(api.get(&format!("/queues/%2F/{}", "x".repeat(256))).status, 404);
    });
}

#[test]
fn conditions_of_deleting_are_kept() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        client.fill("q", &["one"]).await;
        api.until("/queues/%2F/q", |queue| queue["messages"] == 1);
        let reply = api.delete("/queues/%2F/q?if-empty=true");
        assert_eq!(reply.error(), (400, "bad_request", &json!("queue 'q' in vhost '/' not empty")));
        let _consumer = client.consume("q").await;
        let reply = api.delete("/queues/%2F/q?if-unused=true");
        assert_eq!(reply.error(), (400, "bad_request", &json!("queue 'q' in vhost '/' in use")));
        client.bind("q", "amq.direct", "k").await;
        client.exchange("x", lapin::ExchangeKind::Fanout).await;
        client.bind("q", "x", "").await;
        let reply = api.delete("/exchanges/%2F/x?if-unused=true");
        assert_eq!(reply.error(), (400, "bad_request", &json!("exchange 'x' in vhost '/' in use")));
        assert_eq!(api.delete("/exchanges/%2F/x").status, 204);
        assert_eq!(api.delete("/queues/%2F/q").status, 204);
    });
}

#[test]
fn a_binding_is_found_by_the_last_segment_of_its_location() {
    let (_server, api) = api();
    api.put("/exchanges/%2F/x", r#"{"type": "headers"}"#);
    api.put("/queues/%2F/q", "{}");
    let between = "/bindings/%2F/e/x/q/q";
    let made = [
        (r#"{"routing_key": "a b~c/d"}"#, "q/a%2Bb%257Ec%252Fd"),
        ("", "q/~"),
        (r#"{"routing_key": "k", "arguments": {"x-match": "any", "n": 5}}"#, "q/k"),
    ];
    for (body, location) in made {
        let reply = api.post(between, body);
        assert_eq!(reply.status, 201);
        let given = reply.location.unwrap();
        assert!(given.starts_with(location), "{given}");
        let key = given.split_once('/').unwrap().1;
        let shown = api.get(&format!("{between}/{key}")).body;
        assert_eq!(
            (&shown["source"], &shown["destination"], &shown["destination_type"]),
            (&json!("x"), &json!("q"), &json!("queue"))
        );
        assert_eq!(api.get(between).body, json!([shown]));
        assert_eq!(api.delete(&format!("{between}/{key}")).status, 204);
        assert_eq!(api.delete(&format!("{between}/{key}")).error().0, 404);
    }
    assert_eq!(api.get(between).body, json!([]));
}

#[test]
fn bindings_to_exchanges_and_the_implied_ones_are_listed() {
    let (_server, api) = api();
    api.put("/queues/%2F/q", "{}");
    assert_eq!(api.post("/bindings/%2F/e/amq.topic/e/amq.fanout", r##"{"routing_key": "#"}"##).status, 201);
    let implied = json!({
        "source": "", "vhost": "/", "destination": "q", "destination_type": "queue", "routing_key": "q", "arguments": {},
        "properties_key": "q",
    });
    let to_exchange = json!({
        "source": "amq.topic", "vhost": "/", "destination": "amq.fanout", "destination_type": "exchange",
        "routing_key": "#", "arguments": {}, "properties_key": "%23",
    });
    for path in ["/bindings", "/bindings/%2F"] {
        assert_eq!(api.get(path).body, json!([implied, to_exchange]), "{path}");
    }
    for path in
        ["/queues/%2F/q/bindings", "/bindings/%2F/e/amq.default/q/q", "/exchanges/%2F/amq.default/bindings/source"]
    {
        assert_eq!(api.get(path).body, json!([implied]), "{path}");
    }
    for path in ["/exchanges/%2F/amq.topic/bindings/source", "/exchanges/%2F/amq.fanout/bindings/destination"] {
        assert_eq!(api.get(path).body, json!([to_exchange]), "{path}");
    }
}

#[test]
fn bindings_that_cannot_be_are_refused() {
    let (_server, api) = api();
    api.put("/queues/%2F/q", "{}");
    let cases = [
        ("/bindings/%2F/e/amq.topic/q/nonesuch", 404, "no queue 'nonesuch' in vhost '/'"),
        ("/bindings/%2F/e/nonesuch/q/q", 404, "no exchange 'nonesuch' in vhost '/'"),
        ("/bindings/nov/e/amq.topic/q/q", 404, "vhost_not_found"),
    ];
    for (path, status, reason) in cases {
        let reply = api.post(path, r#"{"routing_key": "x"}"#);
        assert_eq!(reply.error(), (status, "not_found", &json!(reason)), "{path}");
    }
    assert_eq!(api.post("/bindings/%2F/e/amq.default/q/q", "{}").error().0, 401);
    assert_eq!(api.post("/bindings/%2F/e/amq.topic/z/q", "{}").error().0, 404);
}

#[test]
fn what_is_declared_durable_survives_a_kill_with_its_bindings() {
    with_lasting_broker(async |broker| {
        let api = Api::of(&broker.server);
        api.put("/queues/%2F/q", r#"{"durable": true}"#);
        api.put("/exchanges/%2F/x", r#"{"type": "headers", "durable": true}"#);
        let location = api.post("/bindings/%2F/e/x/q/q", r#"{"arguments": {"a": 1, "b": 2}}"#).location.unwrap();
        let before = api.get("/bindings/%2F").body;
        broker.server.restart(Ending::Kill);
        let api = Api::of(&broker.server);
        assert_eq!(api.get("/bindings/%2F").body, before);
        let key = location.split_once('/').unwrap().1;
        assert_eq!(api.delete(&format!("/bindings/%2F/e/x/q/q/{key}")).status, 204, "its key is still the same");
    });
}

#[test]
fn lists_are_paged_sorted_and_cut_to_columns() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        for queue in ["b", "a", "c"] {
            client.queue(queue).await;
        }
        client.fill("b", &["one", "two"]).await;
        api.until("/queues/%2F/b", |queue| queue["messages"] == 2);
        let page = api.get("/queues?page=1&page_size=2&sort=messages&sort_reverse=true&columns=name,messages").body;
        assert_eq!(page["items"][0], json!({ "name": "b", "messages": 2 }));
        assert_eq!((&page["total_count"], &page["page_count"], &page["item_count"]), (&json!(3), &json!(2), &json!(2)));
        let found = api.get("/queues/%2F?page=1&name=^[AB]$&use_regex=true&columns=name").body;
        assert_eq!(found["items"], json!([{ "name": "a" }, { "name": "b" }]));
        let text = "Page out of range, page: 3 page size: 2, len: 3";
        assert_eq!(api.get("/queues?page=3&page_size=2").error(), (400, "page_out_of_range", &json!(text)));
    });
}

#[test]
fn vhosts_overview_and_nodes_count_what_there_is() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        client.fill("q", &["one", "two"]).await;
        client.basic_get("q".into(), lapin::options::BasicGetOptions::default()).await.unwrap().unwrap();
        let vhost = api.until("/vhosts/%2F", |vhost| vhost["messages_unacknowledged"] == 1);
        assert_eq!((&vhost["messages"], &vhost["messages_ready"]), (&json!(2), &json!(1)));
        assert_eq!(api.get("/vhosts").body, json!([vhost]));
        let overview = api.get("/overview").body;
        let totals = json!({ "messages": 2, "messages_ready": 1, "messages_unacknowledged": 1 });
        assert_eq!(overview["queue_totals"], totals);
        let objects = json!({ "connections": 1, "channels": 1, "exchanges": 8, "queues": 1, "consumers": 0 });
        assert_eq!(overview["object_totals"], objects);
        let node = overview["node"].as_str().unwrap().to_owned();
        let nodes = api.get("/nodes").body;
        assert_eq!(nodes[0]["name"], node);
        assert!(nodes[0]["mem_used"].as_u64().unwrap() > 1 << 20);
        assert_eq!(api.get(&format!("/nodes/{node}")).body["running"], true);
        assert_eq!(api.get("/nodes/other").status, 404);
        for path in ["/vhosts/nov", "/queues/nov", "/exchanges/nov", "/bindings/nov", "/aliveness-test/nov"] {
            assert_eq!(api.get(path).error(), (404, "Object Not Found", &json!("Not Found")), "{path}");
        }
    });
}

#[test]
fn health_checks_say_what_is_wrong() {
    let (server, api) = api();
    let port = server.port();
    let well = [
        "alarms",
        "local-alarms",
        "virtual-hosts",
        "node-is-quorum-critical",
        "below-node-connection-limit",
        "certificate-expiration/1/months",
        "protocol-listener/amqp091,http",
        &format!("port-listener/{port}"),
    ];
    for check in well {
        let reply = api.get(&format!("/health/checks/{check}"));
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("ok")), "{check}");
    }
    assert_eq!(api.get("/aliveness-test/%2F").body, json!({ "status": "ok" }));
    let reply = api.get("/health/checks/protocol-listener/mqtt,amqp");
    assert_eq!((reply.status, &reply.body["missing"]), (503, &json!(["mqtt"])));
    let reply = api.get("/health/checks/port-listener/1");
    assert_eq!((reply.status, &reply.body["missing"]), (503, &json!(1)));
    assert_eq!(api.get("/health/checks/port-listener/x").error(), (400, "bad_request", &json!("Invalid port")));
    assert_eq!(api.get("/health/checks/nonesuch").status, 404);
}
