//! The headers CC and BCC: further routing keys (RabbitMQ extension, sender-selected distribution).

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldArray, FieldTable};

use crate::client::{Client, body, reply, table, text, with_broker, within};

fn keys(keys: &[&str]) -> AMQPValue {
    AMQPValue::FieldArray(FieldArray::from(keys.iter().map(|key| text(key)).collect::<Vec<_>>()))
}

async fn publish(client: &Client, headers: FieldTable) -> lapin::PublisherConfirm {
    let properties = BasicProperties::default().with_headers(headers);
    client.publish_with("", "to", b"hello", BasicPublishOptions::default(), properties).await
}

#[test]
fn copies_go_to_the_keys_of_cc_and_bcc_and_only_cc_stays_readable() {
    with_broker(async |broker| {
        let client = broker.client().await;
        for queue in ["to", "copy", "blind"] {
            client.queue(queue).await;
        }
        let other = ("other", AMQPValue::LongInt(1));
        let headers = [("CC", keys(&["copy", "nowhere"])), ("BCC", keys(&["blind"])), (other.0, other.1.clone())];
        publish(&client, table(&headers)).await;
        for queue in ["to", "copy", "blind"] {
            let message = client.take(queue).await.expect("a copy is there");
            assert_eq!(
                (body(&message).as_str(), message.routing_key.as_str(), message.message_count),
                ("hello", "to", 0)
            );
            let left = table(&[("CC", keys(&["copy", "nowhere"])), other.clone()]);
            assert_eq!(message.properties.headers(), &Some(left), "as {queue} sees it");
        }
    });
}

#[test]
fn a_queue_that_is_named_twice_gets_one_copy() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.queue("to").await;
        publish(&client, table(&[("CC", keys(&["to", "to"])), ("BCC", keys(&["to"]))])).await;
        assert_eq!(client.take_all("to").await, ["hello"]);
    });
}

#[test]
fn a_cc_that_is_no_list_closes_the_channel() {
    with_broker(async |broker| {
        let client = broker.client().await;
        client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let confirm = publish(&client, table(&[("CC", text("copy"))])).await;
        let error = within(confirm).await.unwrap_err();
        let text = "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,\"CC\",longstr}";
        assert_eq!(reply(&error), (406, text.to_owned()));
    });
}
