//! What is there after a restart, in order or by SIGKILL: what was declared durable and persistent messages in it, and
//! nothing else.

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, ExchangeBindOptions,
    ExchangeDeclareOptions, QueueDeclareOptions, QueueDeleteOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Confirmation, ExchangeKind};

use crate::client::{Broker, Client, body, next, next_shown, reply, table, text, with_lasting_broker, within};
use crate::peer::{Peer, persistent};
use crate::support::commands::{declare, get, method};
use crate::support::server::{Ending, Server};

const ENDINGS: [Ending; 2] = [Ending::Stop, Ending::Kill];

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

/// A client whose publishes are confirmed.
async fn confirming(broker: &Broker) -> Client {
    let client = broker.client().await;
    client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    client
}

fn with_mode(delivery_mode: u8) -> BasicProperties {
    BasicProperties::default().with_delivery_mode(delivery_mode)
}

/// Publishes bodies in this delivery mode, and waits until they are confirmed.
async fn fill(client: &Client, queue: &str, delivery_mode: u8, bodies: &[&str]) {
    for body in bodies {
        publish(client, queue, body.as_bytes(), with_mode(delivery_mode)).await;
    }
}

async fn publish(client: &Client, queue: &str, body: &[u8], properties: BasicProperties) {
    let confirm = client.publish_with("", queue, body, BasicPublishOptions::default(), properties).await;
    assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
}

async fn declare_exchange(client: &Client, name: &str, kind: ExchangeKind, durable: bool, arguments: FieldTable) {
    let options = ExchangeDeclareOptions { durable, ..ExchangeDeclareOptions::default() };
    within(client.exchange_declare(name.into(), kind, options, arguments)).await.unwrap();
}

async fn is_missing(broker: &Broker, queue: &str) -> bool {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let found = broker.client().await.declare(queue, passive).await;
    found.is_err_and(|error| reply(&error).0 == 404)
}

#[test]
fn durable_exchanges_queues_and_bindings_come_back_with_their_arguments() {
    let unrouted = table(&[("alternate-exchange", text("unrouted"))]);
    let of_ours = table(&[("x-queue-type", text("classic")), ("x-of-ours", text("kept"))]);
    for ending in ENDINGS {
        with_lasting_broker(async |broker| {
            let client = broker.client().await;
            declare_exchange(&client, "orders", ExchangeKind::Topic, true, unrouted.clone()).await;
            declare_exchange(&client, "unrouted", ExchangeKind::Fanout, true, FieldTable::default()).await;
            declare_exchange(&client, "copies", ExchangeKind::Headers, true, FieldTable::default()).await;
            for queue in ["new", "rest", "red"] {
                within(client.queue_declare(queue.into(), DURABLE, of_ours.clone())).await.unwrap();
            }
            client.bind("new", "orders", "order.*.new").await;
            client.bind("rest", "unrouted", "").await;
            client.bind_with("red", "copies", "", &[("x-match", text("all")), ("colour", text("red"))]).await;
            let options = ExchangeBindOptions::default();
            let key = "order.#".into();
            within(client.exchange_bind("copies".into(), "orders".into(), key, options, FieldTable::default()))
                .await
                .unwrap();
            broker.server.restart(ending);

            let client = broker.client().await;
            let red = with_mode(2).with_headers(table(&[("colour", text("red"))]));
            for (key, properties) in [
                ("order.1.new", with_mode(2)),
                ("order.2.new", red.clone()),
                ("order.3.old", red),
                ("stray", with_mode(2)),
            ] {
                client.publish_with("orders", key, key.as_bytes(), BasicPublishOptions::default(), properties).await;
            }
            assert_eq!(client.take_all("new").await, ["order.1.new", "order.2.new"], "{ending:?}");
            assert_eq!(client.take_all("red").await, ["order.2.new", "order.3.old"], "{ending:?}");
            assert_eq!(client.take_all("rest").await, ["stray"], "{ending:?}");
            declare_exchange(&client, "orders", ExchangeKind::Topic, true, unrouted.clone()).await;
            within(client.queue_declare("new".into(), DURABLE, of_ours.clone())).await.unwrap();
            let without = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let declared =
                client.exchange_declare("orders".into(), ExchangeKind::Topic, without, FieldTable::default());
            assert_eq!(reply(&within(declared).await.unwrap_err()).0, 406, "{ending:?}");
        });
    }
}

#[test]
fn what_was_not_declared_durable_is_gone() {
    for ending in ENDINGS {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            client.queue("transient").await;
            client.declare("exclusive", QueueDeclareOptions { exclusive: true, ..DURABLE }).await.unwrap();
            client.declare("kept", DURABLE).await.unwrap();
            client.exchange("passing", ExchangeKind::Fanout).await;
            client.bind("kept", "passing", "").await;
            client.bind("transient", "amq.fanout", "").await;
            client.bind("kept", "amq.fanout", "").await;
            fill(&client, "transient", 2, &["gone with its queue"]).await;
            broker.server.restart(ending);

            for queue in ["transient", "exclusive"] {
                assert!(is_missing(broker, queue).await, "{queue} after {ending:?}");
            }
            let client = confirming(broker).await;
            client.queue("transient").await;
            client.publish("amq.fanout", "", "a").await.await.unwrap();
            assert_eq!(client.take_all("transient").await, [""; 0], "{ending:?}");
            assert_eq!(client.take_all("kept").await, ["a"], "{ending:?}");
            let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            let found =
                within(client.exchange_declare("passing".into(), ExchangeKind::Fanout, passive, FieldTable::default()));
            assert_eq!(reply(&found.await.unwrap_err()).0, 404, "{ending:?}");
        });
    }
}

#[test]
fn a_queue_that_the_server_named_comes_back_and_the_next_one_has_another_name() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        let queue = client.declare("", DURABLE).await.unwrap();
        let name = queue.name().to_string();
        fill(&client, &name, 2, &["a"]).await;
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_ne!(client.declare("", DURABLE).await.unwrap().name().to_string(), name);
        assert_eq!(client.take_all(&name).await, ["a"]);
    });
}

#[test]
fn persistent_messages_come_back_in_order_with_their_properties_as_they_were() {
    let nested = table(&[("inner", AMQPValue::Timestamp(7)), ("void", AMQPValue::Void)]);
    let headers = table(&[
        ("flag", AMQPValue::Boolean(true)),
        ("float", AMQPValue::Double(0.1)),
        ("nested", AMQPValue::FieldTable(nested)),
        ("list", AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::LongLongInt(i64::MIN), text("x")]))),
    ]);
    let all = with_mode(2)
        .with_content_type("text/plain".into())
        .with_content_encoding("gzip".into())
        .with_headers(headers)
        .with_priority(9)
        .with_correlation_id("correlation".into())
        .with_reply_to("replies".into())
        .with_expiration("3600000".into())
        .with_message_id("m".into())
        .with_timestamp(1_700_000_000)
        .with_type("kind".into())
        .with_user_id("guest".into())
        .with_app_id("app".into())
        .with_cluster_id("c".into());
    for ending in ENDINGS {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            client.declare("jobs", DURABLE).await.unwrap();
            let large = vec![7; 300_000];
            publish(&client, "jobs", b"first", all.clone()).await;
            publish(&client, "jobs", b"", with_mode(2)).await;
            publish(&client, "jobs", &large, all.clone()).await;
            fill(&client, "jobs", 2, &["last"]).await;
            broker.server.restart(ending);

            let client = broker.client().await;
            assert_eq!(client.counts("jobs").await, (4, 0), "{ending:?}");
            let expected = [(&b"first"[..], &all), (b"", &with_mode(2)), (&large, &all), (b"last", &with_mode(2))];
            for (body, properties) in expected {
                let message = client.take("jobs").await.expect("it is there");
                assert_eq!((message.exchange.as_str(), message.routing_key.as_str()), ("", "jobs"));
                assert!(message.data == body, "{} bytes after {ending:?}", message.data.len());
                assert_eq!(&message.properties, properties, "{ending:?}");
            }
            assert!(client.take("jobs").await.is_none());
        });
    }
}

#[test]
fn transient_messages_are_gone_and_the_others_keep_their_order() {
    for ending in ENDINGS {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            client.declare("jobs", DURABLE).await.unwrap();
            for (mode, body) in [(1, "t1"), (2, "p1"), (1, "t2"), (2, "p2"), (2, "p3"), (1, "t3")] {
                fill(&client, "jobs", mode, &[body]).await;
            }
            assert_eq!(client.counts("jobs").await, (6, 0));
            broker.server.restart(ending);
            let client = broker.client().await;
            assert_eq!(client.counts("jobs").await, (3, 0), "{ending:?}");
            assert_eq!(client.take_all("jobs").await, ["p1", "p2", "p3"], "{ending:?}");
        });
    }
}

#[test]
fn what_was_acknowledged_before_a_stop_does_not_come_back_and_the_rest_is_redelivered() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        client.declare("jobs", DURABLE).await.unwrap();
        fill(&client, "jobs", 2, &["a", "b", "c", "d"]).await;
        let mut consumer = client.consume("jobs").await;
        let mut deliveries = Vec::new();
        for _ in 0..4 {
            deliveries.push(next(&mut consumer).await);
        }
        for number in [0, 2] {
            deliveries[number].ack(BasicAckOptions::default()).await.unwrap();
        }
        client.settle().await;
        broker.server.restart(Ending::Stop);
        let client = broker.client().await;
        let mut consumer = client.consume("jobs").await;
        assert_eq!(next_shown(&mut consumer, 2).await, ["1 /jobs b redelivered", "2 /jobs d redelivered"]);
        assert!(client.sees_nothing(&mut consumer).await);
    });
}

#[test]
fn only_what_was_delivered_before_a_stop_is_redelivered_and_after_a_kill_all_may_have_been() {
    // Peers that hang up by themselves: a client that takes seconds to answer connection.close, on a busy machine, is
    // dropped, and then the stop is none in order.
    let mut server = Server::start();
    let mut peer = Peer::open(server.address());
    peer.call(1, &declare("jobs").flag("durable"), "queue.declare-ok");
    peer.call(1, &method("confirm.select"), "confirm.select-ok");
    for body in ["a", "b", "c"] {
        peer.raw.send(&persistent(&crate::support::commands::publish("", "jobs"), body.as_bytes()));
        peer.expect("basic.ack");
    }
    peer.raw.send_method(1, &get("jobs"));
    peer.delivery();
    for (ending, flags) in [
        (Ending::Stop, [true, false, false]),
        (Ending::Stop, [true, true, false]),
        (Ending::Kill, [true, true, true]),
        (Ending::Stop, [true, true, true]),
    ] {
        drop(peer);
        server.restart(ending);
        peer = Peer::open(server.address());
        // They go back when the server ends.
        let count = if ending == Ending::Kill { 3 } else { 2 };
        for flag in &flags[..count] {
            peer.raw.send_method(1, &get("jobs"));
            assert_eq!(peer.delivery().0.is_set("redelivered"), *flag, "after {ending:?}");
        }
    }
}

#[test]
fn everything_that_comes_back_after_a_kill_is_redelivered() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        client.declare("jobs", DURABLE).await.unwrap();
        fill(&client, "jobs", 2, &["delivered", "never seen"]).await;
        let got = within(client.basic_get("jobs".into(), BasicGetOptions { no_ack: false })).await.unwrap();
        assert_eq!(body(&got.unwrap()), "delivered");
        broker.server.restart(Ending::Kill);
        let client = confirming(broker).await;
        fill(&client, "jobs", 2, &["new"]).await;
        let mut consumer = client.consume("jobs").await;
        let expected = ["1 /jobs delivered redelivered", "2 /jobs never seen redelivered", "3 /jobs new"];
        assert_eq!(next_shown(&mut consumer, 3).await, expected);
    });
}

#[test]
fn an_acknowledgement_before_a_confirmed_publish_outlives_a_kill() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        client.declare("jobs", DURABLE).await.unwrap();
        client.declare("others", DURABLE).await.unwrap();
        fill(&client, "jobs", 2, &["a", "b", "c"]).await;
        client.basic_qos(2, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        next(&mut consumer).await;
        let second = next(&mut consumer).await;
        second.ack(BasicAckOptions { multiple: true }).await.unwrap();
        fill(&client, "others", 2, &["after"]).await;
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_eq!(client.take_all("jobs").await, ["c"]);
        assert_eq!(client.take_all("others").await, ["after"]);
    });
}

#[test]
fn what_was_purged_stays_away() {
    for ending in ENDINGS {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            client.declare("jobs", DURABLE).await.unwrap();
            fill(&client, "jobs", 2, &["held", "b", "c"]).await;
            let held = within(client.basic_get("jobs".into(), BasicGetOptions { no_ack: false })).await.unwrap();
            assert_eq!(body(&held.unwrap()), "held");
            let purged = within(client.queue_purge("jobs".into(), QueuePurgeOptions::default())).await.unwrap();
            assert_eq!(purged, 2);
            // A confirm is proof that what came before is on disk, too.
            fill(&client, "jobs", 2, &["later"]).await;
            broker.server.restart(ending);
            assert_eq!(broker.client().await.take_all("jobs").await, ["held", "later"], "{ending:?}");
        });
    }
}

#[test]
fn a_deleted_queue_stays_away_and_one_declared_again_is_empty() {
    for ending in ENDINGS {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            for queue in ["deleted", "again"] {
                client.declare(queue, DURABLE).await.unwrap();
                client.bind(queue, "amq.fanout", "").await;
                fill(&client, queue, 2, &["old", "older"]).await;
                within(client.queue_delete(queue.into(), QueueDeleteOptions::default())).await.unwrap();
            }
            client.declare("again", DURABLE).await.unwrap();
            broker.server.restart(ending);
            assert!(is_missing(broker, "deleted").await, "{ending:?}");
            let client = confirming(broker).await;
            assert_eq!(client.counts("again").await, (0, 0), "{ending:?}");
            client.declare("deleted", DURABLE).await.unwrap();
            fill(&client, "again", 2, &["new"]).await;
            client.publish("amq.fanout", "", "to nobody: its bindings went with it").await.await.unwrap();
            broker.server.restart(ending);
            let client = broker.client().await;
            assert_eq!(client.take_all("again").await, ["new"], "{ending:?}");
            assert_eq!(client.take_all("deleted").await, [""; 0], "{ending:?}");
        });
    }
}

#[test]
fn messages_outlive_many_restarts_of_either_kind() {
    with_lasting_broker(async |broker| {
        confirming(broker).await.declare("jobs", DURABLE).await.unwrap();
        let mut expected = Vec::new();
        for round in 0..6 {
            let client = confirming(broker).await;
            let bodies: Vec<String> = (0..3).map(|number| format!("{round}.{number}")).collect();
            fill(&client, "jobs", 2, &bodies.iter().map(String::as_str).collect::<Vec<_>>()).await;
            expected.extend(bodies);
            let first = client.take("jobs").await.expect("it is there");
            assert_eq!(body(&first), expected.remove(0));
            // What was taken is on disk when this is.
            fill(&client, "jobs", 2, &["mark"]).await;
            expected.push("mark".to_owned());
            broker.server.restart(ENDINGS[round % 2]);
        }
        assert_eq!(broker.client().await.take_all("jobs").await, expected);
    });
}
