//! What the management API says of connections, channels and queues while publishers are held back.

use serde_json::{Value, json};

use crate::api::Api;
use crate::client::with_broker;
use crate::peer::Peer;
use crate::support::commands::{declare, get, method, publish, purge};
use crate::support::raw::{Handshake, capabilities, frame, header};
use crate::support::value::{entries, int, text};

/// A client with two open channels, of which one has declared a queue that lets publishers wait.
fn with_queue(address: std::net::SocketAddr, obeys_flow: bool, length: i32) -> Peer {
    let mut peer = Peer::connect(address);
    let client_properties = capabilities(if obeys_flow { &["channel_flow"] } else { &[] });
    peer.handshake(&Handshake { client_properties, ..Handshake::default() });
    peer.expect("connection.open-ok");
    for channel in [1, 2] {
        peer.call(channel, &method("channel.open"), "channel.open-ok");
    }
    let arguments = entries([("x-max-length", int(length)), ("x-overflow", text("block"))]);
    peer.call(1, &declare("full").set("arguments", arguments), "queue.declare-ok");
    peer
}

/// States by number of the channel; `null` for one that is closed.
fn channels(found: &Value) -> [Value; 2] {
    [1, 2].map(|number| {
        let channel = found.as_array().unwrap().iter().find(|channel| channel["number"] == json!(number));
        channel.map_or(Value::Null, |channel| channel["state"].clone())
    })
}

fn states(api: &Api) -> (Value, [Value; 2], Value) {
    let connection = api.get("/connections").body[0]["state"].clone();
    (connection, channels(&api.get("/channels").body), api.get("/queues/%2f/full").body["state"].clone())
}

#[test]
fn a_channel_whose_publishes_wait_for_room_is_in_flow_and_others_are_not() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        let mut peer = with_queue(broker.server.address(), false, 2);
        let running = (json!("running"), [json!("running"), json!("running")], json!("running"));
        assert_eq!(states(&api), running);
        for _ in 0..4 {
            peer.publish(&publish("", "full"), b"body");
        }
        api.until("/channels", |found| channels(found) == [json!("flow"), json!("running")]);
        assert_eq!(states(&api), (json!("flow"), [json!("flow"), json!("running")], json!("flow")));
        let name = api.get("/channels").body[0]["name"].as_str().unwrap().to_owned();
        let one = api.get(&format!("/channels/{}", name.replace(' ', "%20").replace('>', "%3E")));
        assert_eq!((one.status, &one.body["state"]), (200, &json!("flow")));

        let mut other = Peer::open(broker.server.address());
        other.call(1, &purge("full"), "queue.purge-ok");
        drop(other);
        api.until("/channels", |found| channels(found) == [json!("running"), json!("running")]);
    });
}

#[test]
fn a_channel_that_was_asked_to_pause_is_in_flow_until_it_may_go_on() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        let mut peer = with_queue(broker.server.address(), true, 10);
        for _ in 0..9 {
            peer.publish(&publish("", "full"), b"body");
        }
        assert!(!peer.expect("channel.flow").is_set("active"));
        peer.raw.send_method(1, &method("channel.flow-ok"));
        assert_eq!(states(&api), (json!("flow"), [json!("flow"), json!("running")], json!("flow")));
        // On a connection of its own: who also gets is not held back by channel.flow.
        let mut other = Peer::open(broker.server.address());
        for _ in 0..3 {
            other.raw.send_method(1, &get("full").flag("no-ack"));
            other.delivery();
        }
        drop(other);
        assert!(peer.expect("channel.flow").is_set("active"));
        api.until("/channels", |found| channels(found) == [json!("running"), json!("running")]);
        api.until("/connections", |found| found[0]["state"] == json!("running"));
    });
}

#[test]
fn a_channel_whose_close_is_not_answered_is_closing() {
    with_broker(async |broker| {
        let api = Api::of(&broker.server);
        let mut peer = with_queue(broker.server.address(), false, 10);
        peer.raw.send_method(2, &publish("nowhere", ""));
        peer.raw.send(&frame(2, 2, &header(60, 0, 0, &[0, 0])));
        assert_eq!(peer.close("channel.close").0, 404);
        assert_eq!(channels(&api.get("/channels").body), [json!("running"), json!("closing")]);
        peer.raw.send_method(2, &method("channel.close-ok"));
        api.until("/channels", |found| channels(found) == [json!("running"), Value::Null]);
    });
}
