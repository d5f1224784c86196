//! Dead letters over the running server: through chains and circles of queues, over kills, from disk.

use std::collections::BTreeSet;

use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Confirmation};

use crate::client::{Client, body, next, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

/// The arguments of a queue whose dead messages go to another queue.
fn to(queue: &str) -> Vec<(&str, AMQPValue)> {
    vec![("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(queue))]
}

async fn declare(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    within(client.queue_declare(name.into(), DURABLE, table(arguments))).await.unwrap();
}

async fn publish_persistent(client: &Client, queue: &str, body: &[u8]) {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let confirm = client.publish_with("", queue, body, BasicPublishOptions::default(), properties).await;
    assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
}

/// Rejects the next message of a queue without wanting it back.
async fn reject_next(client: &Client, queue: &str) -> String {
    let message = within(client.basic_get(queue.into(), BasicGetOptions::default())).await.unwrap().unwrap();
    within(message.nack(BasicNackOptions::default())).await.unwrap();
    body(&message)
}

#[test]
fn a_chain_of_full_queues_passes_a_message_to_its_end_up_to_256_deaths() {
    with_broker(async |broker| {
        let client = broker.client().await;
        const LENGTH: usize = 255;
        for number in 0..1000 {
            let next = format!("chain-{}", number + 1);
            let mut arguments = to(&next);
            arguments.push(("x-max-length", AMQPValue::LongInt(0)));
            let options = QueueDeclareOptions { nowait: true, ..QueueDeclareOptions::default() };
            within(client.queue_declare(format!("chain-{number}").into(), options, table(&arguments))).await.unwrap();
        }
        client.queue("chain-1000").await;
        within(client.queue_delete("chain-255".into(), QueueDeleteOptions::default())).await.unwrap();
        client.queue("chain-255").await;
        client.fill("chain-0", &["one", "two"]).await;
        let mut consumer = client.consume("chain-255").await;
        let message = next(&mut consumer).await;
        let deaths = message.properties.headers().as_ref().unwrap().inner().get("x-death").cloned();
        let Some(AMQPValue::FieldArray(deaths)) = deaths else { panic!("{deaths:?}") };
        assert_eq!((body(&message).as_str(), deaths.as_slice().len()), ("one", LENGTH));
        assert_eq!(body(&next(&mut consumer).await), "two");
        client.fill("chain-256", &["goes too far"]).await;
        client.settle().await;
        assert_eq!(client.counts("chain-1000").await.0, 0);
    });
}

#[test]
fn a_rejected_message_is_in_its_new_place_after_a_kill_and_not_in_the_old() {
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        declare(&client, "dead", &[]).await;
        declare(&client, "work", &to("dead")).await;
        for body in ["a", "b", "c"] {
            publish_persistent(&client, "work", body.as_bytes()).await;
        }
        assert_eq!(reject_next(&client, "work").await, "a");
        // Confirmed behind it, so that it is on disk.
        publish_persistent(&client, "work", b"d").await;
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_eq!(client.take_all("dead").await, ["a"]);
        assert_eq!(client.take_all("work").await, ["b", "c", "d"]);
    });
}

#[test]
fn every_kill_leaves_a_dying_message_in_one_place() {
    const MESSAGES: usize = 200;
    for round in 0..3 {
        with_lasting_broker(async |broker| {
            let client = broker.client().await;
            client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            declare(&client, "dead", &[]).await;
            declare(&client, "work", &to("dead")).await;
            for number in 0..MESSAGES {
                publish_persistent(&client, "work", number.to_string().as_bytes()).await;
            }
            let mut consumer = client.consume("work").await;
            for _ in 0..=round * 60 {
                let message = next(&mut consumer).await;
                within(message.nack(BasicNackOptions::default())).await.unwrap();
            }
            broker.server.restart(Ending::Kill);
            let client = broker.client().await;
            let (dead, work) = (client.take_all("dead").await, client.take_all("work").await);
            let all: BTreeSet<usize> = dead.iter().chain(&work).map(|body| body.parse().unwrap()).collect();
            assert_eq!(dead.len() + work.len(), MESSAGES, "none is twice");
            assert_eq!(all.len(), MESSAGES, "none is missing");
        });
    }
}

#[test]
fn messages_on_disk_alone_die_of_age_without_a_consumer() {
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        declare(&client, "dead", &[]).await;
        let mut arguments = to("dead");
        arguments.push(("x-message-ttl", AMQPValue::LongInt(2000)));
        declare(&client, "work", &arguments).await;
        let large = vec![b'x'; 64 * 1024];
        for _ in 0..100 {
            publish_persistent(&client, "work", &large).await;
        }
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        let mut consumer = client.consume("dead").await;
        for _ in 0..100 {
            let message = next(&mut consumer).await;
            assert_eq!(message.data.len(), large.len());
            within(message.ack(BasicAckOptions::default())).await.unwrap();
        }
        assert_eq!(client.counts("work").await.0, 0);
    });
}

#[test]
fn a_dead_message_reaches_a_queue_that_is_deleted_and_declared_again_meanwhile_or_none() {
    with_broker(async |broker| {
        let client = broker.client().await;
        within(client.queue_declare("work".into(), QueueDeclareOptions::default(), table(&to("dead")))).await.unwrap();
        client.fill("work", &["lost", "kept"]).await;
        assert_eq!(reject_next(&client, "work").await, "lost");
        client.settle().await;
        client.queue("dead").await;
        assert_eq!(reject_next(&client, "work").await, "kept");
        client.settle().await;
        assert_eq!(client.take_all("dead").await, ["kept"]);
        within(client.queue_delete("work".into(), QueueDeleteOptions::default())).await.unwrap();
    });
}

#[test]
fn a_rejection_in_a_transaction_dead_letters_with_the_commit() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("dead").await;
        within(client.queue_declare("work".into(), QueueDeclareOptions::default(), table(&to("dead")))).await.unwrap();
        client.fill("work", &["a", "b"]).await;
        within(client.tx_select()).await.unwrap();
        assert_eq!(reject_next(&client, "work").await, "a");
        let other = broker.client().await;
        assert_eq!(other.counts("dead").await.0, 0);
        within(client.tx_commit()).await.unwrap();
        assert_eq!(other.take_all("dead").await, ["a"]);
    });
}

#[test]
fn two_queues_that_dead_letter_to_each_other_settle_down() {
    with_broker(async |broker| {
        let client = broker.client().await;
        for (queue, other) in [("one", "two"), ("two", "one")] {
            let mut arguments = to(other);
            arguments.push(("x-max-length", AMQPValue::LongInt(1)));
            let options = QueueDeclareOptions::default();
            within(client.queue_declare(queue.into(), options, table(&arguments))).await.unwrap();
        }
        let (one, two) = (broker.client().await, broker.client().await);
        for number in 0..200 {
            let body = number.to_string();
            tokio::join!(one.publish("", "one", &body), two.publish("", "two", &body));
        }
        one.settle().await;
        two.settle().await;
        assert_eq!((client.counts("one").await.0, client.counts("two").await.0), (1, 1));
    });
}
