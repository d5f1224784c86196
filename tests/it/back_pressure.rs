//! Full queues that let publishers wait: nothing is lost or refused, confirms are withheld, consumers go on, nobody
//! overtakes.

use lapin::options::{
    BasicAckOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Confirmation, ExchangeKind, PublisherConfirm};

use crate::client::{Broker, Client, PATIENCE, body, next, table, text, with_broker, with_settings, within};
use crate::peer::Peer;
use crate::support::commands::{consume, declare, get, method, publish};
use crate::support::raw::{Event, Handshake};

fn blocking(length: i32) -> Vec<(&'static str, AMQPValue)> {
    vec![("x-max-length", AMQPValue::LongInt(length)), ("x-overflow", text("block"))]
}

async fn declare_blocking(client: &Client, queue: &str, length: i32) {
    within(client.queue_declare(queue.into(), QueueDeclareOptions::default(), table(&blocking(length)))).await.unwrap();
}

async fn confirming(broker: &Broker) -> Client {
    let client = broker.client().await;
    client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    client
}

/// Publishes numbers, without waiting for confirms.
async fn send(client: &Client, queue: &str, numbers: std::ops::Range<usize>) -> Vec<PublisherConfirm> {
    let mut confirms = Vec::new();
    for number in numbers {
        confirms.push(client.publish("", queue, &number.to_string()).await);
    }
    confirms
}

async fn is_acked(confirm: PublisherConfirm) -> bool {
    matches!(within(confirm).await.unwrap(), Confirmation::Ack(None))
}

/// A peer whose client-properties say nothing of flow, and which confirms.
fn raw_publisher(broker: &Broker) -> Peer {
    let mut peer = Peer::open(broker.server.address());
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    peer
}

fn raw_publish(peer: &mut Peer, queue: &str, body: &str) {
    peer.publish(&publish("", queue), body.as_bytes());
}

#[test]
fn a_full_queue_withholds_confirms_until_there_is_room_and_loses_nothing() {
    with_broker(async |broker| {
        let (publisher, consumer) = (confirming(broker).await, broker.client().await);
        declare_blocking(&publisher, "full", 10).await;
        let mut confirms = send(&publisher, "full", 0..10).await;
        for confirm in confirms.drain(..) {
            assert!(is_acked(confirm).await);
        }
        let mut waiting = raw_publisher(broker);
        for number in 10..30 {
            raw_publish(&mut waiting, "full", &number.to_string());
        }
        let bodies: Vec<usize> = {
            let mut bodies = Vec::new();
            let mut deliveries = consumer.consume("full").await;
            for _ in 0..30 {
                let delivery = next(&mut deliveries).await;
                assert!(consumer.counts("full").await.0 <= 10, "never more than it may hold");
                bodies.push(body(&delivery).parse().unwrap());
                within(delivery.ack(BasicAckOptions::default())).await.unwrap();
            }
            bodies
        };
        assert_eq!(bodies, (0..30).collect::<Vec<_>>());
        let mut confirmed = 0;
        while confirmed < 20 {
            match waiting.event() {
                Event::Method { method, .. } if method.name == "basic.ack" => confirmed = method.number("delivery-tag"),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn a_publisher_that_waits_goes_on_when_the_queue_is_purged() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        declare_blocking(&client, "full", 1).await;
        let mut waiting = raw_publisher(broker);
        raw_publish(&mut waiting, "full", "in");
        waiting.expect("basic.ack");
        raw_publish(&mut waiting, "full", "waits");
        within(client.queue_purge("full".into(), QueuePurgeOptions::default())).await.unwrap();
        waiting.expect("basic.ack");
        assert_eq!(client.take_all("full").await, ["waits"]);
    });
}

#[test]
fn a_connection_that_consumes_its_own_full_queue_goes_on() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        declare_blocking(&client, "own", 5).await;
        client.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let mut deliveries = client.consume("own").await;
        let confirms = send(&client, "own", 0..500).await;
        for number in 0..500 {
            let delivery = next(&mut deliveries).await;
            assert_eq!(body(&delivery), number.to_string());
            within(delivery.ack(BasicAckOptions::default())).await.unwrap();
        }
        for confirm in confirms {
            assert!(is_acked(confirm).await);
        }
    });
}

#[test]
fn a_connection_that_consumes_is_refused_beyond_its_allowance() {
    with_broker(async |broker| {
        let mut peer = raw_publisher(broker);
        let arguments = crate::support::value::entries([
            ("x-max-length", crate::support::value::int(1)),
            ("x-overflow", crate::support::value::text("block")),
        ]);
        peer.call(1, &declare("full").set("arguments", arguments), "queue.declare-ok");
        peer.call(1, &declare("idle"), "queue.declare-ok");
        peer.call(1, &consume("idle", "c"), "basic.consume-ok");
        for number in 0..1 + 1024 + 3 {
            raw_publish(&mut peer, "full", &number.to_string());
        }
        let mut nacked = Vec::new();
        while nacked.len() < 3 {
            match peer.event() {
                Event::Method { method, .. } if method.name == "basic.nack" => {
                    nacked.push(method.number("delivery-tag"));
                }
                Event::Method { method, .. } if method.name == "basic.ack" => {
                    assert_eq!(method.number("delivery-tag"), 1);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(nacked, [1026, 1027, 1028]);
        let client = broker.client().await;
        let mut deliveries = client.consume("full").await;
        for number in 0..=1024 {
            let delivery = next(&mut deliveries).await;
            assert_eq!(body(&delivery), number.to_string());
            within(delivery.ack(BasicAckOptions::default())).await.unwrap();
        }
    });
}

#[test]
fn without_confirms_its_channel_is_closed_beyond_the_allowance() {
    with_broker(async |broker| {
        let mut peer = Peer::open(broker.server.address());
        let arguments = crate::support::value::entries([
            ("x-max-length", crate::support::value::int(0)),
            ("x-overflow", crate::support::value::text("block")),
        ]);
        peer.call(1, &declare("full").set("arguments", arguments), "queue.declare-ok");
        peer.call(1, &declare("idle"), "queue.declare-ok");
        peer.call(1, &consume("idle", "c"), "basic.consume-ok");
        for number in 0..2000 {
            raw_publish(&mut peer, "full", &number.to_string());
        }
        let Event::Method { method, .. } = peer.event() else { panic!("no answer") };
        assert_eq!((method.name, method.number("reply-code")), ("channel.close", 506));
    });
}

#[test]
fn what_a_channel_that_closes_had_published_is_in_the_queue() {
    with_broker(async |broker| {
        let mut peer = Peer::open(broker.server.address());
        let client = broker.client().await;
        declare_blocking(&client, "full", 1).await;
        peer.call(1, &declare("idle"), "queue.declare-ok");
        peer.call(1, &consume("idle", "c"), "basic.consume-ok");
        for body in ["a", "b", "c"] {
            raw_publish(&mut peer, "full", body);
        }
        peer.call(1, &method("channel.close"), "channel.close-ok");
        assert_eq!(client.take_all("full").await, ["a", "b", "c"]);
    });
}

#[test]
fn publishers_of_a_full_queue_get_in_turn() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 1).await;
        let mut peers: Vec<_> = (0..4).map(|_| raw_publisher(broker)).collect();
        raw_publish(&mut peers[0], "full", "first");
        peers[0].expect("basic.ack");
        for (number, peer) in peers.iter_mut().enumerate() {
            for round in 0..3 {
                raw_publish(peer, "full", &format!("{number}-{round}"));
            }
        }
        let mut deliveries = client.consume("full").await;
        let mut taken = vec![0; peers.len()];
        for _ in 0..13 {
            let delivery = next(&mut deliveries).await;
            if let Some((number, round)) = body(&delivery).split_once('-') {
                let (number, round): (usize, usize) = (number.parse().unwrap(), round.parse().unwrap());
                assert_eq!(taken[number], round, "each in its order");
                taken[number] += 1;
            }
            within(delivery.ack(BasicAckOptions::default())).await.unwrap();
        }
        assert_eq!(taken, [3; 4]);
        for peer in &mut peers {
            peer.expect("basic.ack");
        }
    });
}

#[test]
fn a_message_for_a_full_queue_and_an_open_one_waits_for_both() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 1).await;
        client.queue("open").await;
        client.exchange("both", ExchangeKind::Fanout).await;
        client.bind("full", "both", "").await;
        client.bind("open", "both", "").await;
        let mut peer = raw_publisher(broker);
        for body in ["a", "b", "c"] {
            peer.publish(&publish("both", ""), body.as_bytes());
        }
        peer.expect("basic.ack");
        assert_eq!(client.take("full").await.map(|message| body(&message)).as_deref(), Some("a"));
        peer.expect("basic.ack");
        assert_eq!(client.take("full").await.map(|message| body(&message)).as_deref(), Some("b"));
        peer.expect("basic.ack");
        assert_eq!(client.take_all("full").await, ["c"]);
        assert_eq!(client.take_all("open").await, ["a", "b", "c"]);
    });
}

#[test]
fn a_deleted_queue_lets_its_waiting_publishers_go() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 1).await;
        let mut peers: Vec<_> = (0..3).map(|_| raw_publisher(broker)).collect();
        raw_publish(&mut peers[0], "full", "in");
        peers[0].expect("basic.ack");
        peers.iter_mut().for_each(|peer| raw_publish(peer, "full", "waits"));
        client.settle().await;
        within(client.queue_delete("full".into(), QueueDeleteOptions::default())).await.unwrap();
        for peer in &mut peers {
            peer.expect("basic.ack");
        }
    });
}

#[test]
fn a_publisher_that_goes_away_gives_its_place_to_the_next() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 1).await;
        let mut first = raw_publisher(broker);
        raw_publish(&mut first, "full", "in");
        first.expect("basic.ack");
        let mut second = raw_publisher(broker);
        raw_publish(&mut second, "full", "second");
        client.settle().await;
        let mut third = raw_publisher(broker);
        raw_publish(&mut third, "full", "third");
        client.settle().await;
        drop(second);
        let mut deliveries = client.consume("full").await;
        let mut seen = Vec::new();
        while !seen.contains(&"third".to_owned()) {
            let delivery = next(&mut deliveries).await;
            seen.push(body(&delivery));
            within(delivery.ack(BasicAckOptions::default())).await.unwrap();
        }
        third.expect("basic.ack");
    });
}

#[test]
fn the_nodes_bound_holds_publishers_of_queues_that_set_none() {
    with_settings(&[("default_queue.max_length", "3")], async |broker| {
        let client = broker.client().await;
        client.queue("plain").await;
        let mut peer = raw_publisher(broker);
        for body in ["a", "b", "c", "d"] {
            raw_publish(&mut peer, "plain", body);
        }
        let mut confirmed = 0;
        while confirmed < 3 {
            let Event::Method { method, .. } = peer.event() else { panic!("no confirm") };
            confirmed = method.number("delivery-tag");
        }
        assert_eq!((confirmed, client.counts("plain").await.0), (3, 3));
        let mut peer_of_get = Peer::open(broker.server.address());
        peer_of_get.raw.send_method(1, &get("plain").flag("no-ack"));
        assert_eq!(peer_of_get.delivery().1, b"a");
        peer.expect("basic.ack");
        assert_eq!(client.take_all("plain").await, ["b", "c", "d"]);
    });
}

#[test]
fn lapin_waits_for_a_full_queue_and_goes_on_with_it() {
    with_broker(async |broker| {
        let (publisher, consumer) = (confirming(broker).await, broker.client().await);
        declare_blocking(&publisher, "full", 100).await;
        let sending = async {
            let mut confirms = Vec::new();
            for number in 0..1000 {
                let body = number.to_string();
                let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
                let confirm = publisher.basic_publish("".into(), "full".into(), options, body.as_bytes(), properties);
                let confirm = tokio::time::timeout(PATIENCE, confirm).await.expect("it goes on");
                confirms.push(confirm.unwrap());
            }
            for confirm in confirms {
                assert!(is_acked(confirm).await);
            }
        };
        let consuming = async {
            // The publisher gets ahead first.
            while consumer.counts("full").await.0 < 90 {}
            let mut deliveries = consumer.consume("full").await;
            for number in 0..1000 {
                let delivery = next(&mut deliveries).await;
                assert_eq!(body(&delivery), number.to_string());
                within(delivery.ack(BasicAckOptions::default())).await.unwrap();
            }
        };
        tokio::join!(sending, consuming);
    });
}

#[test]
fn a_requeue_into_a_full_queue_is_taken() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 2).await;
        client.fill("full", &["a", "b"]).await;
        let mut deliveries = client.consume("full").await;
        let first = next(&mut deliveries).await;
        within(first.nack(BasicNackOptions { multiple: false, requeue: true })).await.unwrap();
        let mut seen = Vec::new();
        for _ in 0..2 {
            let delivery = next(&mut deliveries).await;
            seen.push(body(&delivery));
            within(delivery.ack(BasicAckOptions::default())).await.unwrap();
        }
        seen.sort();
        assert_eq!(seen, ["a", "b"]);
    });
}

/// A peer that says that it obeys channel.flow.
fn obedient(broker: &Broker) -> Peer {
    let mut peer = Peer::connect(broker.server.address());
    let capabilities = crate::support::raw::capabilities(&["channel_flow"]);
    peer.handshake(&Handshake { client_properties: capabilities, ..Handshake::default() });
    peer.expect("connection.open-ok");
    peer.call(1, &method("channel.open"), "channel.open-ok");
    peer
}

#[test]
fn a_client_that_obeys_flow_is_asked_to_pause_before_it_has_to_wait_and_to_go_on() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 10).await;
        let mut peer = obedient(broker);
        for number in 0..9 {
            raw_publish(&mut peer, "full", &number.to_string());
        }
        let flow = peer.expect("channel.flow");
        assert!(!flow.is_set("active"));
        peer.raw.send_method(1, &method("channel.flow-ok"));
        // Nine tenths of the bound are taken; it goes on below seven tenths.
        for _ in 0..3 {
            assert!(client.take("full").await.is_some());
        }
        assert!(peer.expect("channel.flow").is_set("active"));
        peer.raw.send_method(1, &method("channel.flow-ok").flag("active"));
        peer.call(1, &declare("still-open"), "queue.declare-ok");
    });
}

#[test]
fn a_client_whose_messages_go_to_several_queues_is_asked_to_pause_until_none_of_them_is_nearly_full() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 10).await;
        declare_blocking(&client, "full-too", 10).await;
        client.queue("open").await;
        client.exchange("all", ExchangeKind::Fanout).await;
        for queue in ["full", "full-too", "open"] {
            client.bind(queue, "all", "").await;
        }
        let mut peer = obedient(broker);
        for number in 0..9 {
            peer.publish(&publish("all", ""), number.to_string().as_bytes());
        }
        assert!(!peer.expect("channel.flow").is_set("active"));
        peer.raw.send_method(1, &method("channel.flow-ok"));
        assert_eq!(client.take_all("full").await.len(), 9);
        peer.call(1, &declare("asked-before-the-second-is-low"), "queue.declare-ok");
        assert_eq!(client.take_all("full-too").await.len(), 9);
        assert!(peer.expect("channel.flow").is_set("active"));
    });
}

#[test]
fn a_client_that_ignores_flow_waits_like_any_other() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_blocking(&client, "full", 10).await;
        let mut peer = obedient(broker);
        for number in 0..100 {
            raw_publish(&mut peer, "full", &number.to_string());
        }
        let mut deliveries = client.consume("full").await;
        for number in 0..100 {
            let delivery = next(&mut deliveries).await;
            assert_eq!(body(&delivery), number.to_string());
            within(delivery.ack(BasicAckOptions::default())).await.unwrap();
        }
    });
}
