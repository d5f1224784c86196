//! x-message-deduplication: a message whose key was seen before goes nowhere.

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeBindOptions, ExchangeDeclareOptions, ExchangeDeleteOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, ExchangeKind};

use serde_json::json;

use crate::api::Api;
use crate::client::{Broker, Client, reply, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

const ON: (&str, AMQPValue) = ("x-message-deduplication", AMQPValue::Boolean(true));
const MANDATORY: BasicPublishOptions = BasicPublishOptions { mandatory: true, immediate: false };

async fn confirming(broker: &Broker) -> Client {
    let client = broker.client().await;
    client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    client
}

fn keyed(key: AMQPValue) -> BasicProperties {
    BasicProperties::default().with_headers(table(&[("x-deduplication-header", key)]))
}

/// Publishes; whether the message was returned.
async fn returned(client: &Client, exchange: &str, body: &str, properties: BasicProperties) -> bool {
    let confirm = client.publish_with(exchange, "jobs", body.as_bytes(), MANDATORY, properties).await;
    match within(confirm).await.unwrap() {
        Confirmation::Ack(message) => message.is_some(),
        other => panic!("every publish is confirmed: {other:?}"),
    }
}

async fn deduplicating_queue(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    within(client.queue_declare(name.into(), options, table(arguments))).await.unwrap();
}

#[test]
fn an_exchange_returns_a_duplicate_as_unroutable() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange_with("work", ExchangeKind::Direct, &[ON]).await;
        client.bound_queues("work", &[("jobs", "jobs")]).await;
        assert!(!returned(&client, "work", "a", keyed(text("1"))).await);
        assert!(returned(&client, "work", "a again", keyed(text("1"))).await);
        assert!(!returned(&client, "work", "b", keyed(text("2"))).await);
        assert!(!returned(&client, "work", "c", BasicProperties::default()).await);
        assert!(!returned(&client, "work", "d", BasicProperties::default()).await, "without a key nothing is told");
        assert_eq!(client.take_all("jobs").await, ["a", "b", "c", "d"]);
    });
}

#[test]
fn an_exchange_that_others_lead_to_tells_duplicates_as_well() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange("in", ExchangeKind::Fanout).await;
        let by_type = ExchangeKind::Custom("x-message-deduplication".to_owned());
        client.exchange_with("once", by_type, &[("x-cache-size", AMQPValue::LongInt(10))]).await;
        let (options, arguments) = (ExchangeBindOptions::default(), FieldTable::default());
        within(client.exchange_bind("once".into(), "in".into(), "".into(), options, arguments)).await.unwrap();
        client.bound_queues("once", &[("jobs", "")]).await;
        for (body, lost) in [("a", false), ("a again", true)] {
            assert_eq!(returned(&client, "in", body, keyed(AMQPValue::LongLongInt(7))).await, lost);
        }
        assert_eq!(client.take_all("jobs").await, ["a"]);
    });
}

#[test]
fn only_so_many_messages_are_remembered_and_a_deleted_exchange_remembers_none() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        let declare = async || {
            let size = ("x-cache-size", AMQPValue::LongInt(2));
            client.exchange_with("work", ExchangeKind::Fanout, &[ON, size]).await;
            client.bound_queues("work", &[("jobs", "")]).await;
        };
        declare().await;
        for key in ["1", "2", "3", "1"] {
            assert!(!returned(&client, "work", key, keyed(text(key))).await, "{key}");
        }
        assert!(returned(&client, "work", "3 again", keyed(text("3"))).await);
        within(client.exchange_delete("work".into(), ExchangeDeleteOptions::default())).await.unwrap();
        declare().await;
        assert!(!returned(&client, "work", "3", keyed(text("3"))).await);
        assert_eq!(client.take_all("jobs").await, ["1", "2", "3", "1", "3"]);
    });
}

#[test]
fn a_key_is_forgotten_when_its_time_is_over() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange_with("work", ExchangeKind::Fanout, &[ON, ("x-cache-ttl", AMQPValue::LongInt(50))]).await;
        client.bound_queues("work", &[("jobs", "")]).await;
        assert!(!returned(&client, "work", "a", keyed(text("1"))).await);
        let again = async { while returned(&client, "work", "a again", keyed(text("1"))).await {} };
        within(again).await;
        assert_eq!(client.take_all("jobs").await, ["a", "a again"]);
    });
}

#[test]
fn a_message_that_is_rolled_back_has_not_been_seen() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange_with("work", ExchangeKind::Fanout, &[ON]).await;
        client.bound_queues("work", &[("jobs", "")]).await;
        let publish = async |client: &Client, body: &str| {
            let options = BasicPublishOptions::default();
            client.publish_with("work", "jobs", body.as_bytes(), options, keyed(text("1"))).await;
        };
        client.tx_select().await.unwrap();
        publish(&client, "rolled back").await;
        client.tx_rollback().await.unwrap();
        publish(&client, "lost with its channel").await;
        client.settle().await;
        client.close(200, "OK".into()).await.unwrap();
        let client = broker.client().await;
        client.tx_select().await.unwrap();
        publish(&client, "a").await;
        publish(&client, "a again").await;
        client.tx_commit().await.unwrap();
        client.tx_rollback().await.unwrap();
        publish(&client, "a again").await;
        client.tx_commit().await.unwrap();
        assert_eq!(client.take_all("jobs").await, ["a"]);
    });
}

#[test]
fn a_queue_drops_a_duplicate_in_silence() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        deduplicating_queue(&client, "once", &[ON, ("x-deduplication-header", text("id"))]).await;
        client.queue("all").await;
        for queue in ["once", "all"] {
            client.bind(queue, "amq.fanout", "").await;
        }
        let with_id = || BasicProperties::default().with_headers(table(&[("id", AMQPValue::LongInt(1))]));
        assert!(!returned(&client, "amq.fanout", "a", with_id()).await);
        assert_eq!(client.take_all("once").await, ["a"], "that it is consumed does not matter");
        let persistent = with_id().with_delivery_mode(2);
        assert!(!returned(&client, "amq.fanout", "a again", persistent).await);
        assert!(!returned(&client, "amq.fanout", "b", keyed(AMQPValue::LongInt(1))).await);
        assert_eq!(client.take_all("once").await, ["b"]);
        assert_eq!(client.take_all("all").await, ["a", "a again", "b"]);
    });
}

#[test]
fn a_persistent_duplicate_does_not_come_back_after_a_restart() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        deduplicating_queue(&client, "jobs", &[ON]).await;
        for body in ["a", "a again"] {
            let confirm = client
                .publish_with(
                    "",
                    "jobs",
                    body.as_bytes(),
                    BasicPublishOptions::default(),
                    keyed(text("1")).with_delivery_mode(2),
                )
                .await;
            assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
        }
        broker.server.restart(Ending::Stop);
        let client = confirming(broker).await;
        assert_eq!(client.take_all("jobs").await, ["a"]);
    });
}

#[test]
fn transient_messages_are_remembered_over_a_stop_in_order_and_may_be_seen_again_after_a_kill() {
    for (ending, again) in [(Ending::Stop, ["3"].as_slice()), (Ending::Kill, &["1", "2", "3"])] {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let arguments =
                table(&[ON, ("x-cache-size", AMQPValue::LongInt(2)), ("x-cache-ttl", AMQPValue::LongInt(3_600_000))]);
            within(client.exchange_declare("work".into(), ExchangeKind::Fanout, durable, arguments.clone()))
                .await
                .unwrap();
            within(client.exchange_declare("all".into(), ExchangeKind::Fanout, durable, FieldTable::default()))
                .await
                .unwrap();
            deduplicating_queue(&client, "of-exchange", &[]).await;
            client.bind("of-exchange", "work", "").await;
            deduplicating_queue(&client, "of-queue", &[ON]).await;
            client.bind("of-queue", "all", "").await;
            for key in ["1", "2"] {
                for exchange in ["work", "all"] {
                    assert!(!returned(&client, exchange, key, keyed(text(key))).await);
                }
            }
            client.take_all("of-exchange").await;
            client.take_all("of-queue").await;
            broker.server.restart(ending);
            let client = confirming(broker).await;
            for key in ["1", "2", "3"] {
                for exchange in ["work", "all"] {
                    returned(&client, exchange, key, keyed(text(key))).await;
                }
            }
            assert_eq!(client.take_all("of-exchange").await, again, "{ending:?}");
            assert_eq!(client.take_all("of-queue").await, again, "{ending:?}");
        });
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    with_broker(async |broker| {
        let client = broker.client().await;
        let arguments = table(&[ON, ("x-cache-size", text("many"))]);
        let options = ExchangeDeclareOptions::default();
        let refused =
            within(client.exchange_declare("work".into(), ExchangeKind::Direct, options, arguments)).await.unwrap_err();
        let text = "PRECONDITION_FAILED - invalid arg 'x-cache-size' for exchange 'work' in vhost '/': \
                    {unacceptable_type,longstr}";
        assert_eq!(reply(&refused), (406, text.to_owned()));
    });
}

/// A persistent message with a key, confirmed.
async fn store(client: &Client, key: &str, body: &[u8], properties: BasicProperties) {
    let properties = keyed_like(properties, text(key)).with_delivery_mode(2);
    let confirm = client.publish_with("", "jobs", body, BasicPublishOptions::default(), properties).await;
    assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
}

fn keyed_like(properties: BasicProperties, key: AMQPValue) -> BasicProperties {
    let headers = keyed(key).headers().clone().unwrap_or_default();
    properties.with_headers(headers)
}

#[test]
fn a_queue_tells_duplicates_of_what_it_holds_after_a_kill() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        let hour = ("x-cache-ttl", AMQPValue::LongInt(3_600_000));
        deduplicating_queue(&client, "jobs", &[ON, hour]).await;
        store(&client, "gone", b"gone", BasicProperties::default()).await;
        assert_eq!(client.take_all("jobs").await, ["gone"]);
        for key in ["1", "2"] {
            store(&client, key, key.as_bytes(), BasicProperties::default()).await;
        }
        for round in 0..2 {
            broker.server.restart(Ending::Kill);
            let client = confirming(broker).await;
            for key in ["1", "2"] {
                store(&client, key, b"again", BasicProperties::default()).await;
            }
            assert_eq!(client.counts("jobs").await, (2 + round, 0));
            // What was noted before it is on the disk with it: that the duplicates went.
            store(&client, &format!("end {round}"), b"end", BasicProperties::default()).await;
        }
        let client = confirming(broker).await;
        store(&client, "3", b"3", BasicProperties::default()).await;
        assert_eq!(client.take_all("jobs").await, ["1", "2", "end", "end", "3"]);
        for key in ["gone", "1"] {
            store(&client, key, b"again", BasicProperties::default()).await;
        }
        assert_eq!(client.take_all("jobs").await, [""; 0], "that they are consumed does not matter");
    });
}

#[test]
fn a_kill_makes_no_key_be_remembered_longer() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        deduplicating_queue(&client, "jobs", &[ON, ("x-cache-ttl", AMQPValue::LongInt(100))]).await;
        let start = std::time::Instant::now();
        store(&client, "1", b"first", BasicProperties::default()).await;
        broker.server.restart(Ending::Kill);
        let client = confirming(broker).await;
        // Starting takes longer than that as a rule; where it does not, duplicates are dropped in silence.
        while client.counts("jobs").await.0 < 2 {
            assert!(start.elapsed() < std::time::Duration::from_secs(30));
            store(&client, "1", b"second", BasicProperties::default()).await;
        }
        assert!(start.elapsed() >= std::time::Duration::from_millis(99));
        assert_eq!(client.take_all("jobs").await, ["first", "second"]);
    });
}

#[test]
fn of_a_long_queue_the_newest_messages_are_remembered_after_a_kill() {
    for priorities in [false, true] {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            let arguments = [
                ON,
                ("x-cache-size", AMQPValue::LongInt(150)),
                ("x-max-priority", AMQPValue::LongInt(if priorities { 3 } else { 1 })),
            ];
            deduplicating_queue(&client, "jobs", &arguments[..if priorities { 3 } else { 2 }]).await;
            for key in 0..200_u8 {
                let properties = BasicProperties::default().with_priority(key % 4);
                store(&client, &key.to_string(), &[key; 16 * 1024], properties).await;
            }
            broker.server.restart(Ending::Kill);
            let client = confirming(broker).await;
            for key in 50..200 {
                store(&client, &key.to_string(), b"again", BasicProperties::default()).await;
            }
            assert_eq!(client.counts("jobs").await, (200, 0));
            store(&client, "49", b"again", BasicProperties::default()).await;
            assert_eq!(client.counts("jobs").await, (201, 0), "there was no room for more");
        });
    }
}

async fn durable_exchange(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    within(client.exchange_declare(name.into(), ExchangeKind::Fanout, durable, table(arguments))).await.unwrap();
}

#[test]
fn exchanges_and_queues_know_persistent_messages_after_kills_whatever_became_of_them() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        durable_exchange(&client, "work", &[ON, ("x-cache-ttl", AMQPValue::LongInt(3_600_000))]).await;
        durable_exchange(&client, "all", &[]).await;
        for (queue, exchange, arguments) in
            [("of-exchange", "work", &[][..]), ("of-queue", "all", &[ON]), ("beside", "all", &[])]
        {
            deduplicating_queue(&client, queue, arguments).await;
            client.bind(queue, exchange, "").await;
        }
        let publish = async |client: &Client, key: &str| {
            for exchange in ["work", "all"] {
                returned(client, exchange, key, keyed(text(key)).with_delivery_mode(2)).await;
            }
        };
        for (round, new) in ["1", "2", "3"].into_iter().enumerate() {
            let client = confirming(broker).await;
            for key in &["1", "2", "3"][..=round] {
                publish(&client, key).await;
            }
            for queue in ["of-exchange", "of-queue"] {
                assert_eq!(client.take_all(queue).await, [new], "{queue}, round {round}");
            }
            // What is written behind the acknowledgements takes them to the disk.
            publish(&client, new).await;
            broker.server.restart(Ending::Kill);
        }
        let client = confirming(broker).await;
        assert_eq!(client.take_all("of-queue").await, [""; 0]);
        broker.server.restart(Ending::Stop);
        let client = confirming(broker).await;
        publish(&client, "3").await;
        assert_eq!(client.take_all("of-exchange").await, [""; 0], "a stop in order after kills");
    });
}

/// What a channel in confirm mode is told of a message.
async fn outcome(client: &Client, exchange: &str, key: &str, body: &str) -> Confirmation {
    let properties = keyed(text(key)).with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    within(client.publish_with(exchange, "jobs", body.as_bytes(), options, properties).await).await.unwrap()
}

#[test]
fn a_message_that_a_full_queue_refused_is_no_duplicate_when_it_comes_again() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange_with("work", ExchangeKind::Fanout, &[ON]).await;
        let full = [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", text("reject-publish"))];
        deduplicating_queue(&client, "jobs", &full).await;
        let full_once = [full[0].clone(), full[1].clone(), ON];
        deduplicating_queue(&client, "once", &full_once).await;
        for queue in ["jobs", "once"] {
            client.bind(queue, "work", "").await;
        }
        assert_eq!(outcome(&client, "work", "1", "a").await, Confirmation::Ack(None));
        assert_eq!(outcome(&client, "work", "2", "b").await, Confirmation::Nack(None));
        assert_eq!(client.take_all("jobs").await, ["a"]);
        assert_eq!(client.take_all("once").await, ["a"]);
        assert_eq!(outcome(&client, "work", "2", "b again").await, Confirmation::Ack(None));
        assert_eq!(outcome(&client, "work", "2", "b once more").await, Confirmation::Ack(None));
        assert_eq!(client.take_all("jobs").await, ["b again"]);
        assert_eq!(client.take_all("once").await, ["b again"]);
        let api = Api::of(&broker.server);
        let publish = |body: &str| {
            let message = json!({
                "routing_key": "jobs", "payload": body, "payload_encoding": "string",
                "properties": { "headers": { "x-deduplication-header": "3" } },
            });
            tokio::task::block_in_place(|| api.post("/exchanges/%2F/work/publish", message.to_string()).status)
        };
        client.fill("jobs", &["in the way"]).await;
        client.settle().await;
        assert_ne!(publish("c"), 200, "refused");
        client.take_all("jobs").await;
        client.take_all("once").await;
        assert_eq!(publish("c again"), 200);
        assert_eq!(client.take_all("jobs").await, ["c again"]);
    });
}

#[test]
fn a_transaction_that_a_full_queue_refused_may_be_tried_again() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.exchange_with("work", ExchangeKind::Fanout, &[ON]).await;
        let full = [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", text("reject-publish"))];
        deduplicating_queue(&client, "jobs", &full).await;
        client.bind("jobs", "work", "").await;
        let try_both = async || {
            let client = broker.client().await;
            client.tx_select().await.unwrap();
            for key in ["1", "2"] {
                let options = BasicPublishOptions::default();
                client.publish_with("work", "", key.as_bytes(), options, keyed(text(key))).await;
            }
            client.tx_commit().await
        };
        assert_eq!(reply(&try_both().await.unwrap_err()).0, 406);
        assert_eq!(client.take_all("jobs").await, ["1"]);
        try_both().await.unwrap();
        assert_eq!(client.take_all("jobs").await, ["2"], "what was taken is a duplicate, what was refused is not");
    });
}

#[test]
fn a_duplicate_of_a_message_that_waits_for_room_is_refused_until_that_is_in() {
    with_broker(async |broker| {
        let (first, second) = (confirming(broker).await, confirming(broker).await);
        first.exchange_with("work", ExchangeKind::Fanout, &[ON]).await;
        let full = [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", text("block"))];
        deduplicating_queue(&first, "jobs", &full).await;
        first.bind("jobs", "work", "").await;
        assert_eq!(outcome(&first, "work", "1", "a").await, Confirmation::Ack(None));
        let publisher = broker.connect().await;
        let publisher = Client::on(&publisher).await;
        publisher.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicPublishOptions::default();
        let waits = publisher.publish_with("work", "jobs", b"b", options, keyed(text("2"))).await;
        let standing = Api::of(&broker.server);
        tokio::task::block_in_place(|| {
            standing.until("/connections", |all| {
                all.as_array()
                    .unwrap()
                    .iter()
                    .any(|connection| connection["state"] == "blocked" || connection["state"] == "flow")
            })
        });
        assert_eq!(outcome(&second, "work", "2", "b again").await, Confirmation::Nack(None));
        assert_eq!(second.take_all("jobs").await[0], "a");
        assert_eq!(within(waits).await.unwrap(), Confirmation::Ack(None));
        assert_eq!(outcome(&second, "work", "2", "b again").await, Confirmation::Ack(None));
        assert_eq!(second.take_all("jobs").await.last().map(String::as_str).unwrap_or("b"), "b");
    });
}

#[test]
fn a_duplicate_right_behind_its_first_is_confirmed_with_it() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange_with("work", ExchangeKind::Fanout, &[ON]).await;
        deduplicating_queue(&client, "jobs", &[]).await;
        client.bind("jobs", "work", "").await;
        let options = BasicPublishOptions::default();
        let mut confirms = Vec::new();
        for _ in 0..50 {
            confirms.push(client.publish_with("work", "jobs", b"a", options, keyed(text("1"))).await);
        }
        for confirm in confirms {
            assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
        }
        assert_eq!(client.take_all("jobs").await, ["a"]);
    });
}
