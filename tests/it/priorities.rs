//! Queues that tell priorities of messages apart: what is urgent comes first, in memory, from disk and after restarts.

use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Channel, ExchangeKind};

use crate::client::{Broker, Client, body, next, next_shown, reply, table, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

/// So that 1,500 messages are more than three times what a queue keeps in memory.
const SIZE: usize = 10 * 1024;

const COUNT: usize = 1_500;

/// Declares a durable queue with priorities up to the highest.
async fn declare(client: &Client, queue: &str, highest: u8) -> lapin::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let arguments = table(&[("x-max-priority", AMQPValue::ShortShortUInt(highest))]);
    within(client.queue_declare(queue.into(), options, arguments)).await.map(drop)
}

async fn publish(client: &Client, exchange: &str, routing_key: &str, priority: u8, body: &[u8]) {
    let properties = BasicProperties::default().with_delivery_mode(2).with_priority(priority);
    let confirm = client.publish_with(exchange, routing_key, body, BasicPublishOptions::default(), properties).await;
    within(confirm).await.unwrap();
}

async fn fill(client: &Client, queue: &str, messages: &[(u8, &str)]) {
    for (priority, body) in messages {
        publish(client, "", queue, *priority, body.as_bytes()).await;
    }
}

async fn confirming(broker: &Broker) -> Client {
    let client = broker.client().await;
    client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    client
}

/// The priority of a numbered message.
fn priority_of(number: usize) -> u8 {
    u8::try_from(number * 7 % 13).unwrap()
}

/// A message of some size that tells its number.
fn numbered(number: usize) -> Vec<u8> {
    let mut body = format!("{number} ").into_bytes();
    body.resize(SIZE, b'.');
    body
}

fn number(body: &[u8]) -> usize {
    let text = std::str::from_utf8(body).unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// The order in which numbered messages come out of a queue with priorities to 9.
fn in_order(numbers: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut numbers: Vec<usize> = numbers.collect();
    numbers.sort_by_key(|number| 9 - priority_of(*number).min(9));
    numbers
}

/// Publishes numbered messages; they are safe when it returns.
async fn publish_numbered(client: &Client, queue: &str, numbers: impl Iterator<Item = usize>) {
    for number in numbers {
        let properties = BasicProperties::default().with_delivery_mode(2).with_priority(priority_of(number));
        let options = BasicPublishOptions::default();
        // The confirms are waited for together.
        drop(client.publish_with("", queue, &numbered(number), options, properties).await);
    }
    within(client.wait_for_confirms()).await.unwrap();
}

/// Takes so many messages, acknowledging each.
async fn take(client: &Channel, consumer: &mut lapin::Consumer, count: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        let delivery = next(consumer).await;
        numbers.push(number(&delivery.data));
        client.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.unwrap();
    }
    numbers
}

#[test]
fn the_most_urgent_message_comes_first() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        declare(&client, "jobs", 5).await.unwrap();
        fill(&client, "jobs", &[(1, "a"), (5, "b"), (200, "c"), (0, "d"), (5, "e")]).await;
        within(client.publish("", "jobs", "f").await).await.unwrap();
        fill(&client, "jobs", &[(0, "g"), (1, "h")]).await;
        assert_eq!(client.take_all("jobs").await, ["b", "c", "e", "a", "h", "d", "f", "g"]);
    });
}

#[test]
fn a_consumer_finishes_what_it_holds_and_then_has_what_is_most_urgent() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        declare(&client, "jobs", 5).await.unwrap();
        client.basic_qos(1, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        fill(&client, "jobs", &[(1, "a")]).await;
        let first = next(&mut consumer).await;
        fill(&client, "jobs", &[(1, "b"), (3, "c"), (5, "d")]).await;
        assert!(client.sees_nothing(&mut consumer).await);
        client.basic_nack(first.delivery_tag, BasicNackOptions { requeue: true, multiple: false }).await.unwrap();
        let mut order = Vec::new();
        for _ in 0..4 {
            let delivery = next(&mut consumer).await;
            order.push((body(&delivery), delivery.redelivered));
            client.basic_ack(delivery.delivery_tag, BasicAckOptions::default()).await.unwrap();
        }
        let expected = [("d", false), ("c", false), ("a", true), ("b", false)];
        assert_eq!(order, expected.map(|(body, again)| (body.to_owned(), again)));
    });
}

#[test]
fn each_queue_orders_a_message_for_several_as_it_was_declared() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        declare(&client, "ten", 10).await.unwrap();
        declare(&client, "two", 2).await.unwrap();
        client.declare("none", QueueDeclareOptions { durable: true, ..Default::default() }).await.unwrap();
        client.exchange("all", ExchangeKind::Fanout).await;
        for queue in ["ten", "two", "none"] {
            client.bind(queue, "all", "").await;
        }
        for (priority, body) in [(1, "a"), (9, "b"), (2, "c"), (10, "d")] {
            publish(&client, "all", "", priority, body.as_bytes()).await;
        }
        broker.server.restart(Ending::Kill);
        let client = broker.client().await;
        assert_eq!(client.take_all("ten").await, ["d", "b", "c", "a"]);
        assert_eq!(client.take_all("two").await, ["b", "c", "d", "a"]);
        assert_eq!(client.take_all("none").await, ["a", "b", "c", "d"]);
    });
}

#[test]
fn a_transaction_puts_each_message_in_its_place() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, "jobs", 5).await.unwrap();
        within(client.tx_select()).await.unwrap();
        for (priority, body) in [(1, "a"), (5, "b"), (3, "c")] {
            let properties = BasicProperties::default().with_delivery_mode(2).with_priority(priority);
            client.publish_with("", "jobs", body.as_bytes(), BasicPublishOptions::default(), properties).await;
        }
        within(client.tx_commit()).await.unwrap();
        assert_eq!(client.take_all("jobs").await, ["b", "c", "a"]);
    });
}

#[test]
fn a_backlog_larger_than_memory_comes_out_by_priority() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        declare(&client, "jobs", 9).await.unwrap();
        publish_numbered(&client, "jobs", 0..COUNT).await;
        client.basic_qos(50, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        assert_eq!(take(&client, &mut consumer, COUNT).await, in_order(0..COUNT));
        assert!(client.sees_nothing(&mut consumer).await);
    });
}

#[test]
fn a_backlog_comes_out_by_priority_after_restarts_and_with_what_came_in_between() {
    for ending in [Ending::Stop, Ending::Kill] {
        with_lasting_broker(async |broker| {
            let client = confirming(broker).await;
            declare(&client, "jobs", 9).await.unwrap();
            publish_numbered(&client, "jobs", 0..COUNT / 2).await;
            broker.server.restart(ending);
            let client = confirming(broker).await;
            declare(&client, "jobs", 9).await.unwrap();
            publish_numbered(&client, "jobs", COUNT / 2..COUNT).await;
            broker.server.restart(ending);
            let client = broker.client().await;
            assert_eq!(client.counts("jobs").await, (u32::try_from(COUNT).unwrap(), 0));
            client.basic_qos(50, BasicQosOptions::default()).await.unwrap();
            let mut consumer = client.consume("jobs").await;
            assert_eq!(take(&client, &mut consumer, COUNT).await, in_order(0..COUNT));
        });
    }
}

#[test]
fn what_is_requeued_after_a_restart_goes_back_to_its_place() {
    with_lasting_broker(async |broker| {
        let client = confirming(broker).await;
        declare(&client, "jobs", 5).await.unwrap();
        fill(&client, "jobs", &[(1, "a"), (5, "b"), (3, "c"), (5, "d")]).await;
        broker.server.restart(Ending::Stop);
        let client = confirming(broker).await;
        let options = BasicConsumeOptions::default();
        client.basic_qos(3, BasicQosOptions::default()).await.unwrap();
        let mut consumer = client.consume_with("jobs", options, &[]).await.unwrap();
        assert_eq!(next_shown(&mut consumer, 3).await, ["1 /jobs b", "2 /jobs d", "3 /jobs c"]);
        fill(&client, "jobs", &[(5, "e"), (3, "f")]).await;
        broker.server.restart(Ending::Stop);
        let client = broker.client().await;
        assert_eq!(client.take_all("jobs").await, ["b", "d", "e", "c", "f", "a"]);
    });
}

#[test]
fn the_highest_priority_cannot_be_changed() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare(&client, "jobs", 5).await.unwrap();
        declare(&client, "jobs", 5).await.unwrap();
        let error = declare(&client, "jobs", 6).await.unwrap_err();
        let expected = "PRECONDITION_FAILED - inequivalent arg 'x-max-priority' for queue 'jobs' in vhost '/': \
                        received '6' but current is '5'";
        assert_eq!(reply(&error), (406, expected.to_owned()));
    });
}
