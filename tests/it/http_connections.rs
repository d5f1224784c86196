//! Connections, channels and consumers as the management API shows them, and the closing of connections.

use lapin::options::{BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::AMQPValue;
use serde_json::{Value, json};

use crate::api::{Api, Reply};
use crate::client::{Client, with_broker, within};
use crate::peer::Peer;
use crate::support::commands::{consume, method};
use crate::support::server::Server;

#[test]
fn a_connection_tells_of_itself_and_of_its_channels() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        assert_eq!(api.get("/connections").body, json!([]));
        let connection = broker.connect().await;
        let (one, two) = (Client::on(&connection).await, Client::on(&connection).await);
        within(one.confirm_select(ConfirmSelectOptions::default())).await.unwrap();
        within(one.basic_qos(7, BasicQosOptions { global: true })).await.unwrap();
        within(two.basic_qos(5, BasicQosOptions { global: false })).await.unwrap();
        two.queue("q").await;
        two.fill("q", &["one", "two"]).await;
        within(two.basic_get("q".into(), lapin::options::BasicGetOptions::default())).await.unwrap().unwrap();
        let list = api.get("/connections").body;
        let shown = &list[0];
        let name = shown["name"].as_str().unwrap();
        assert!(name.ends_with(&format!(" -> {}", broker.server.address())), "{name}");
        let facts = ["vhost", "user", "protocol", "state", "channels", "auth_mechanism", "port", "timeout", "ssl"];
        let facts: Vec<_> = facts.iter().map(|fact| shown[*fact].clone()).collect();
        let port = broker.server.port();
        let expected = json!(["/", "guest", "AMQP 0-9-1", "running", 2, "PLAIN", port, shown["timeout"], false]);
        assert_eq!(json!(facts), expected);
        assert!(shown["connected_at"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(shown["client_properties"]["product"], "lapin");
        let path = format!("/connections/{}", encoded(name));
        assert_eq!(api.get(&path).body, *shown);
        let channels = api.get(&format!("{path}/channels")).body;
        let columns = ["number", "confirm", "prefetch_count", "global_prefetch_count", "messages_unacknowledged"];
        let rows: Vec<Vec<Value>> = channels
            .as_array()
            .unwrap()
            .iter()
            .map(|channel| columns.iter().map(|column| channel[*column].clone()).collect())
            .collect();
        assert_eq!(json!(rows), json!([[1, true, 0, 7, 0], [2, false, 5, 0, 1]]));
        let second = encoded(&format!("{name} (2)"));
        assert_eq!(api.get(&format!("/channels/{second}")).body, channels[1]);
        for path in ["/channels", "/vhosts/%2F/channels"] {
            assert_eq!(api.get(path).body, channels, "{path}");
        }
        assert_eq!(api.get("/vhosts/%2F/connections?columns=name").body, json!([{ "name": name }]));
    });
}

#[test]
fn a_consumer_is_listed_with_its_queue_and_channel() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        let options = BasicConsumeOptions { exclusive: true, ..BasicConsumeOptions::default() };
        within(client.basic_qos(3, BasicQosOptions::default())).await.unwrap();
        let consumer = client.consume_with("q", options, &[("x-priority", AMQPValue::LongInt(4))]).await.unwrap();
        let list = api.get("/consumers").body;
        let shown = &list[0];
        assert_eq!(shown["consumer_tag"], consumer.tag().as_str());
        assert_eq!(shown["queue"], json!({ "name": "q", "vhost": "/" }));
        let facts = [&shown["ack_required"], &shown["exclusive"], &shown["prefetch_count"], &shown["arguments"]];
        assert_eq!(json!(facts), json!([true, true, 3, { "x-priority": 4 }]));
        assert_eq!(shown["channel_details"]["number"], 1);
        assert_eq!(api.get("/consumers/%2F").body, list);
        assert_eq!(api.get("/queues/%2F/q").body["consumers"], 1);
    });
}

#[test]
fn a_connection_is_closed_with_the_reason_given() {
    let server = Server::start();
    let api = Api::of(&server);
    let closed = |close: &dyn Fn(&str) -> Reply| {
        let mut peer = Peer::open(server.address());
        let name = api.get("/connections").body[0]["name"].as_str().unwrap().to_owned();
        let path = format!("/connections/{}", encoded(&name));
        assert_eq!(close(&path).status, 204);
        let told = peer.close("connection.close");
        peer.raw.send_method(0, &method("connection.close-ok"));
        assert!(peer.hangs_up());
        api.until("/connections", |list| *list == json!([]));
        assert_eq!(api.delete(&path).error(), (404, "Object Not Found", &json!("Not Found")));
        told
    };
    let why = |text: &str| (320, format!("CONNECTION_FORCED - {text}"));
    assert_eq!(closed(&|path| api.delete_because("maintenance", path)), why("maintenance"));
    assert_eq!(closed(&|path| api.delete(path)), why("Closed via management plugin"));
    assert_eq!(closed(&|path| api.delete_because(&"x".repeat(1000), path)), why(&"x".repeat(200)));
}

#[test]
fn a_client_that_does_not_read_is_shown_all_the_same() {
    with_broker(async |broker| {
        let (api, client) = (Api::of(&broker.server), broker.client().await);
        client.queue("q").await;
        let mut stuck = Peer::open(broker.server.address());
        stuck.call(1, &consume("q", "stuck").flag("no-ack"), "basic.consume-ok");
        let body = "x".repeat(100_000);
        for _ in 0..200 {
            client.publish("", "q", &body).await;
        }
        client.settle().await;
        api.until("/connections", |list| list.as_array().is_some_and(|list| list.len() == 2));
        assert_eq!(api.get("/consumers").body[0]["channel_details"]["number"], 1);
        drop(stuck);
    });
}

fn encoded(name: &str) -> String {
    name.replace(' ', "%20").replace('>', "%3E")
}
