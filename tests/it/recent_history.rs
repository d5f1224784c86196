//! x-recent-history: a queue that is bound gets the last messages, then all that follow.

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeBindOptions, ExchangeDeclareOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Confirmation, ExchangeKind};

use crate::client::{Client, next_shown, table, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

fn history() -> ExchangeKind {
    ExchangeKind::Custom("x-recent-history".to_owned())
}

async fn confirming(broker: &crate::client::Broker) -> Client {
    let client = broker.client().await;
    client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    client
}

async fn publish(client: &Client, exchange: &str, body: &str, properties: BasicProperties) {
    let options = BasicPublishOptions::default();
    let confirm = client.publish_with(exchange, "k", body.as_bytes(), options, properties).await;
    assert_eq!(within(confirm).await.unwrap(), Confirmation::Ack(None));
}

#[test]
fn a_new_binding_gets_the_last_messages_in_their_order() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange_with("scores", history(), &[("x-recent-history-length", AMQPValue::LongInt(2))]).await;
        client.queue("early").await;
        client.bind("early", "scores", "").await;
        for body in ["1:0", "1:1", "2:1"] {
            publish(&client, "scores", body, BasicProperties::default()).await;
        }
        client.queue("late").await;
        let mut late = client.consume("late").await;
        client.bind("late", "scores", "").await;
        publish(&client, "scores", "3:1", BasicProperties::default()).await;
        assert_eq!(next_shown(&mut late, 3).await, ["1 scores/k 1:1", "2 scores/k 2:1", "3 scores/k 3:1"]);
        assert_eq!(client.take_all("early").await, ["1:0", "1:1", "2:1", "3:1"], "nobody else gets anything again");
    });
}

#[test]
fn twenty_messages_are_kept_unless_said_otherwise() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange("scores", history()).await;
        for number in 0..25 {
            publish(&client, "scores", &number.to_string(), BasicProperties::default()).await;
        }
        client.queue("late").await;
        client.bind("late", "scores", "").await;
        let expected: Vec<_> = (5..25).map(|number| number.to_string()).collect();
        assert_eq!(client.take_all("late").await, expected);
    });
}

#[test]
fn a_message_that_says_so_is_not_kept() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        client.exchange("scores", history()).await;
        let headers = table(&[("x-recent-history-no-store", AMQPValue::Boolean(true))]);
        publish(&client, "scores", "secret", BasicProperties::default().with_headers(headers)).await;
        publish(&client, "scores", "open", BasicProperties::default()).await;
        client.queue("late").await;
        client.bind("late", "scores", "").await;
        assert_eq!(client.take_all("late").await, ["open"]);
    });
}

#[test]
fn every_exchange_with_a_history_on_the_way_keeps_a_message() {
    with_broker(async |broker| {
        let client = confirming(broker).await;
        for exchange in ["first", "second"] {
            client.exchange(exchange, history()).await;
        }
        publish(&client, "first", "before", BasicProperties::default()).await;
        let (options, arguments) = (ExchangeBindOptions::default(), FieldTable::default());
        within(client.exchange_bind("second".into(), "first".into(), "".into(), options, arguments)).await.unwrap();
        publish(&client, "first", "after", BasicProperties::default()).await;
        client.queue("late").await;
        client.bind("late", "second", "").await;
        assert_eq!(client.take_all("late").await, ["before", "after"]);
    });
}

#[test]
fn each_message_comes_to_a_new_binding_once_however_many_are_on_their_way() {
    const MESSAGES: usize = 2_000;
    with_broker(async |broker| {
        let (publisher, binder) = (broker.client().await, broker.client().await);
        let length = AMQPValue::LongInt(i32::try_from(MESSAGES).unwrap());
        publisher.exchange_with("scores", history(), &[("x-recent-history-length", length)]).await;
        let publishing = async {
            for number in 0..MESSAGES {
                publisher.publish("scores", "k", &number.to_string()).await;
            }
            publisher.settle().await;
        };
        let binding = async {
            for queue in ["a", "b", "c", "d", "e", "f"] {
                binder.queue(queue).await;
                binder.bind(queue, "scores", "").await;
            }
        };
        tokio::join!(publishing, binding);
        let expected: Vec<_> = (0..MESSAGES).map(|number| number.to_string()).collect();
        for queue in ["a", "b", "c", "d", "e", "f"] {
            assert_eq!(binder.take_all(queue).await, expected, "{queue}");
        }
    });
}

#[test]
fn the_history_outlasts_a_stop_in_order_and_what_queues_have_got_of_it_any_end() {
    for (ending, expected) in [(Ending::Stop, ["1:0", "2:0"].as_slice()), (Ending::Kill, &["2:0"])] {
        with_lasting_broker(async |broker| {
            let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
            let lasting = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let client = confirming(broker).await;
            within(client.exchange_declare("scores".into(), history(), durable, FieldTable::default())).await.unwrap();
            publish(&client, "scores", "1:0", BasicProperties::default().with_delivery_mode(2)).await;
            client.declare("before", lasting).await.unwrap();
            client.bind("before", "scores", "").await;
            // It waits for the disk, and so for what came before.
            client.declare("k", lasting).await.unwrap();
            publish(&client, "", "last", BasicProperties::default().with_delivery_mode(2)).await;
            broker.server.restart(ending);
            let client = confirming(broker).await;
            client.declare("after", lasting).await.unwrap();
            client.bind("after", "scores", "").await;
            publish(&client, "scores", "2:0", BasicProperties::default()).await;
            assert_eq!(client.take_all("before").await, ["1:0", "2:0"], "{ending:?}");
            assert_eq!(client.take_all("after").await, expected, "{ending:?}");
        });
    }
}
