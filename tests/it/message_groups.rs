//! Message groups over the running server: who gets what with several consumers, when one is lost, and after a restart.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Consumer};

use crate::client::{Broker, Client, body, next, reply, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

async fn declare(client: &Client, arguments: &[(&str, AMQPValue)]) -> lapin::Result<()> {
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    within(client.queue_declare("jobs".into(), options, table(arguments))).await.map(drop)
}

async fn declare_grouped(client: &Client) {
    declare(client, &[("x-group-by", text("customer"))]).await.unwrap();
    client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
}

fn group_of(name: &str) -> &str {
    name.split_at(1).0
}

/// Publishes messages whose first letter is their group.
async fn publish(client: &Client, bodies: &[&str], size: usize) {
    let mut confirms = Vec::new();
    for shown in bodies {
        let headers = table(&[("customer", text(group_of(shown)))]);
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        let mut body = format!("{shown} ").into_bytes();
        body.resize(body.len().max(size), b'.');
        let options = BasicPublishOptions::default();
        confirms.push(client.publish_with("", "jobs", &body, options, properties).await);
    }
    for confirm in confirms {
        within(confirm).await.unwrap();
    }
}

async fn consumer(broker: &Broker, prefetch: u16) -> (Client, Consumer) {
    let client = broker.client().await;
    within(client.basic_qos(prefetch, BasicQosOptions::default())).await.unwrap();
    let consumer = client.consume("jobs").await;
    (client, consumer)
}

async fn ack(delivery: &Delivery) {
    within(delivery.ack(BasicAckOptions::default())).await.unwrap();
}

fn named(delivery: &Delivery) -> String {
    let name = body(delivery).split(' ').next().unwrap().to_owned();
    if delivery.redelivered { format!("{name} again") } else { name }
}

#[test]
fn each_group_is_with_one_consumer_at_a_time_and_keeps_its_order() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_grouped(&client).await;
        let (_ann, mut ann) = consumer(broker, 1).await;
        let (bobs, mut bob) = consumer(broker, 1).await;
        publish(&client, &["a1", "a2", "b1", "b2", "a3"], 0).await;
        let a1 = next(&mut ann).await;
        assert_eq!(named(&a1), "a1");
        for name in ["b1", "b2"] {
            let delivery = next(&mut bob).await;
            assert_eq!(named(&delivery), name);
            ack(&delivery).await;
        }
        assert!(bobs.sees_nothing(&mut bob).await, "group a is in flight");
        assert_eq!(client.counts("jobs").await, (2, 2), "what waits for its group is ready");
        ack(&a1).await;
        let a2 = tokio::select! {
            delivery = next(&mut ann) => delivery,
            delivery = next(&mut bob) => delivery,
        };
        assert_eq!(named(&a2), "a2");
    });
}

#[test]
fn a_group_of_a_lost_consumer_goes_on_with_another_in_order() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_grouped(&client).await;
        let (anns, mut ann) = consumer(broker, 2).await;
        publish(&client, &["a1", "a2", "a3"], 0).await;
        for name in ["a1", "a2"] {
            assert_eq!(named(&next(&mut ann).await), name);
        }
        let (_bobs, mut bob) = consumer(broker, 1).await;
        within(anns.close(200, "bye".into())).await.unwrap();
        for name in ["a1 again", "a2 again", "a3"] {
            let delivery = next(&mut bob).await;
            assert_eq!(named(&delivery), name);
            ack(&delivery).await;
        }
    });
}

#[test]
fn what_is_given_back_comes_before_what_came_later_in_its_group() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_grouped(&client).await;
        let (_anns, mut ann) = consumer(broker, 1).await;
        publish(&client, &["a1", "a2"], 0).await;
        let a1 = next(&mut ann).await;
        within(a1.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() })).await.unwrap();
        for name in ["a1 again", "a2"] {
            let delivery = next(&mut ann).await;
            assert_eq!(named(&delivery), name);
            ack(&delivery).await;
        }
    });
}

#[test]
fn basic_get_has_a_group_until_its_ack() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_grouped(&client).await;
        publish(&client, &["a1", "a2"], 0).await;
        let got = within(client.basic_get("jobs".into(), BasicGetOptions::default())).await.unwrap().unwrap();
        assert_eq!(named(&got), "a1");
        assert!(broker.client().await.take("jobs").await.is_none(), "the group is another channel's");
        ack(&got).await;
        assert!(broker.client().await.take("jobs").await.is_some());
    });
}

#[test]
fn a_shared_limit_of_a_channel_lets_groups_go_on() {
    with_broker(async |broker| {
        let client = broker.client().await;
        declare_grouped(&client).await;
        publish(&client, &["a1", "a2", "b1", "b2"], 0).await;
        within(client.basic_qos(1, BasicQosOptions { global: true })).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        for name in ["a1", "a2", "b1", "b2"] {
            let delivery = next(&mut consumer).await;
            assert_eq!(named(&delivery), name);
            ack(&delivery).await;
        }
        assert_eq!(client.counts("jobs").await, (0, 1));
    });
}

#[test]
fn groups_of_a_long_queue_keep_their_order_from_disk_and_after_a_kill() {
    const GROUPS: [&str; 4] = ["a", "b", "c", "d"];
    with_lasting_broker(async |broker| {
        let client = broker.client().await;
        declare_grouped(&client).await;
        let names: Vec<String> = (0..1200).map(|number| format!("{}{number}", GROUPS[number * 7 % 11 % 4])).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // Three times what a queue keeps in memory.
        publish(&client, &names, 10 * 1024).await;
        broker.server.restart(Ending::Kill);
        let (_anns, mut ann) = consumer(broker, 3).await;
        let (_bobs, mut bob) = consumer(broker, 3).await;
        let mut seen = BTreeMap::<String, Vec<String>>::new();
        for _ in 0..names.len() {
            let delivery = within(async {
                tokio::select! {
                    delivery = ann.next() => delivery.unwrap().unwrap(),
                    delivery = bob.next() => delivery.unwrap().unwrap(),
                }
            });
            let delivery = delivery.await;
            // All are marked as redelivered: a kill leaves no word of what was handed out.
            let name = named(&delivery).replace(" again", "");
            seen.entry(group_of(&name).to_owned()).or_default().push(name);
            ack(&delivery).await;
        }
        for group in GROUPS {
            let sent: Vec<&str> = names.iter().copied().filter(|name| name.starts_with(group)).collect();
            assert_eq!(seen[group], sent);
        }
    });
}

#[test]
fn a_bad_name_of_a_header_is_refused_and_so_are_priorities_besides() {
    with_broker(async |broker| {
        let refused = async |arguments: &[(&str, AMQPValue)]| {
            reply(&declare(&broker.client().await, arguments).await.unwrap_err())
        };
        let text_of = |reason: &str| {
            let text =
                format!("PRECONDITION_FAILED - invalid arg 'x-group-by' for queue 'jobs' in vhost '/': {reason}");
            (406, text)
        };
        assert_eq!(refused(&[("x-group-by", text(""))]).await, text_of("invalid_header"));
        let flag = [("x-group-by", AMQPValue::Boolean(true))];
        assert_eq!(refused(&flag).await, text_of("{unacceptable_type,bool}"));
        let both = [("x-group-by", text("customer")), ("x-max-priority", AMQPValue::LongInt(5))];
        assert_eq!(refused(&both).await, text_of("group_by_with_max_priority"));
    });
}
