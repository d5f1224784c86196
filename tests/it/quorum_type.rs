//! Queues of type quorum over the running server.

use lapin::BasicProperties;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;

use crate::client::{Client, body, next, reply, table, text, with_broker, with_lasting_broker, within};
use crate::support::server::Ending;

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

async fn quorum(client: &Client, name: &str) {
    let arguments = table(&[("x-queue-type", text("quorum"))]);
    within(client.queue_declare(name.into(), DURABLE, arguments)).await.unwrap();
}

#[test]
fn transient_messages_survive_too() {
    for ending in [Ending::Stop, Ending::Kill] {
        with_lasting_broker(async |broker| {
            let client = broker.client().await;
            client.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            quorum(&client, "jobs").await;
            for mode in [1, 2] {
                let properties = BasicProperties::default().with_delivery_mode(mode);
                let options = BasicPublishOptions::default();
                let body = format!("mode {mode}");
                let confirm = client.publish_with("", "jobs", body.as_bytes(), options, properties).await;
                within(confirm).await.unwrap();
            }
            broker.server.restart(ending);

            let client = broker.client().await;
            quorum(&client, "jobs").await;
            assert_eq!(client.take_all("jobs").await, ["mode 1", "mode 2"]);
        });
    }
}

#[test]
fn what_comes_back_is_served_before_the_rest() {
    with_broker(async |broker| {
        let client = broker.client().await;
        quorum(&client, "jobs").await;
        client.fill("jobs", &["a", "b", "c"]).await;
        let get = async || within(client.basic_get("jobs".into(), BasicGetOptions::default())).await.unwrap().unwrap();
        let (first, second) = (get().await, get().await);
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        second.nack(requeue).await.unwrap();
        first.nack(requeue).await.unwrap();
        assert_eq!(client.take_all("jobs").await, ["b", "a", "c"]);
    });
}

#[test]
fn a_global_prefetch_counts_on_a_quorum_queue_too() {
    with_broker(async |broker| {
        let client = broker.client().await;
        quorum(&client, "jobs").await;
        client.fill("jobs", &["a", "b"]).await;
        client.basic_qos(1, BasicQosOptions { global: true }).await.unwrap();
        let mut consumer = client.consume("jobs").await;
        let first = next(&mut consumer).await;
        assert!(client.sees_nothing(&mut consumer).await);
        first.ack(BasicAckOptions::default()).await.unwrap();
        assert_eq!(body(&next(&mut consumer).await), "b");
    });
}

#[test]
fn a_queue_that_cannot_be_of_that_type_is_refused() {
    with_broker(async |broker| {
        let arguments = || table(&[("x-queue-type", text("quorum"))]);
        let declare = async |name: &str, options| {
            let client = broker.client().await;
            reply(&within(client.queue_declare(name.into(), options, arguments())).await.unwrap_err())
        };
        let invalid =
            |property| format!("PRECONDITION_FAILED - invalid property '{property}' for queue 'q' in vhost '/'");
        let transient = QueueDeclareOptions { durable: false, ..DURABLE };
        assert_eq!(declare("q", transient).await, (406, invalid("non-durable")));
        let exclusive = QueueDeclareOptions { exclusive: true, ..DURABLE };
        assert_eq!(declare("q", exclusive).await, (406, invalid("exclusive-owner")));
        let auto_delete = QueueDeclareOptions { auto_delete: true, ..DURABLE };
        assert_eq!(declare("q", auto_delete).await, (406, invalid("auto-delete")));
        assert_eq!(declare("", DURABLE).await.0, 406);
    });
}

#[test]
fn conditions_of_a_deletion_close_the_connection() {
    with_broker(async |broker| {
        let client = broker.client().await;
        quorum(&client, "jobs").await;
        let options = QueueDeleteOptions { if_unused: true, ..QueueDeleteOptions::default() };
        let error = within(client.queue_delete("jobs".into(), options)).await.unwrap_err();
        let (code, text) = reply(&error);
        assert_eq!(code, 540);
        assert!(text.contains("queue.delete operations with if-unused flag set are not supported"), "{text}");
        let passive = QueueDeclareOptions { passive: true, ..DURABLE };
        let client = broker.client().await;
        within(client.queue_declare("jobs".into(), passive, FieldTable::default())).await.unwrap();
    });
}
