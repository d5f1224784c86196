//! What well-known frameworks declare and rely on, as topology: each as its library does it, with shorter times.

mod celery;
mod ladder;
mod laravel;
mod nservicebus;
mod sneakers;
mod spring;
mod symfony;

use lapin::ExchangeKind;
use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::AMQPValue;
use lapin::{BasicProperties, Confirmation};

use crate::client::{Client, PATIENCE, table, within};

const DURABLE: QueueDeclareOptions =
    QueueDeclareOptions { passive: false, durable: true, exclusive: false, auto_delete: false, nowait: false };

async fn durable_queue(client: &Client, name: &str, arguments: &[(&str, AMQPValue)]) {
    within(client.queue_declare(name.into(), DURABLE, table(arguments))).await.expect("it is declared");
}

async fn durable_exchange(client: &Client, name: &str, kind: ExchangeKind) {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    within(client.exchange_declare(name.into(), kind, options, table(&[]))).await.expect("it is declared");
}

/// Publishes with the flag mandatory on a channel with confirms: whether a queue took it.
async fn is_routed(client: &Client, exchange: &str, routing_key: &str, body: &str) -> bool {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let confirm = client.publish_with(exchange, routing_key, body.as_bytes(), options, properties).await;
    match within(confirm).await.expect("the channel is open") {
        Confirmation::Ack(returned) => returned.is_none(),
        other => panic!("{other:?}"),
    }
}

/// Publishes until no queue takes it any more: what was there has expired. Publishing does not renew a lease.
async fn wait_until_unrouted(client: &Client, exchange: &str, routing_key: &str) {
    let gone = async { while is_routed(client, exchange, routing_key, "is it there?").await {} };
    tokio::time::timeout(PATIENCE, gone).await.expect("the queue expires");
}
