//! A server with lapin clients, and short spellings for what tests do most. Every wait has a deadline.

use std::future::Future;
use std::ops::Deref;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::PublisherConfirm;
use lapin::message::{BasicGetMessage, Delivery};
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, Consumer, Error, ErrorKind, ExchangeKind, Queue,
};

use crate::support::server::Server;

/// How long anything may take that has to happen. Generous: the machine may be busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server of the test's own.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) server: Server,
}

/// A channel on a connection of its own.
#[derive(Debug)]
pub(crate) struct Client {
    channel: Channel,
}

/// Runs a test against a new server.
pub(crate) fn with_broker(test: impl AsyncFnOnce(&Broker)) {
    with_settings(&[], test);
}

/// As [`with_broker`], with further settings for the server.
pub(crate) fn with_settings(settings: &[(&str, &str)], test: impl AsyncFnOnce(&Broker)) {
    with_own_broker(settings, async |broker| test(broker).await);
}

/// Runs a test against a new server that it ends and starts again.
pub(crate) fn with_lasting_broker(test: impl AsyncFnOnce(&mut Broker)) {
    with_own_broker(&[], test);
}

fn with_own_broker(settings: &[(&str, &str)], test: impl AsyncFnOnce(&mut Broker)) {
    let mut broker = Broker { server: Server::start_with(settings) };
    // A worker besides the test's own thread: connections close while the server is dropped.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(test(&mut broker));
    drop(broker);
}

/// Waits for what has to happen.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

impl Broker {
    pub(crate) async fn connect(&self) -> Connection {
        let uri = self.server.uri();
        within(Connection::connect(&uri, ConnectionProperties::default()))
            .await
            .expect("the server takes the connection")
    }

    /// A channel on a connection of its own.
    pub(crate) async fn client(&self) -> Client {
        Client::on(&self.connect().await).await
    }
}

impl Deref for Client {
    type Target = Channel;

    fn deref(&self) -> &Channel {
        &self.channel
    }
}

impl Client {
    /// Another channel on a connection.
    pub(crate) async fn on(connection: &Connection) -> Self {
        Self { channel: within(connection.create_channel()).await.expect("the channel opens") }
    }

    /// Declares a transient queue that everybody may use.
    pub(crate) async fn queue(&self, name: &str) -> Queue {
        self.declare(name, QueueDeclareOptions::default()).await.expect("the queue is declared")
    }

    pub(crate) async fn declare(&self, name: &str, options: QueueDeclareOptions) -> lapin::Result<Queue> {
        within(self.queue_declare(name.into(), options, FieldTable::default())).await
    }

    /// Ready messages and consumers.
    pub(crate) async fn counts(&self, queue: &str) -> (u32, u32) {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let queue = self.declare(queue, options).await.expect("the queue is there");
        (queue.message_count(), queue.consumer_count())
    }

    pub(crate) async fn exchange(&self, name: &str, kind: ExchangeKind) {
        self.exchange_with(name, kind, &[]).await;
    }

    pub(crate) async fn exchange_with(&self, name: &str, kind: ExchangeKind, arguments: &[(&str, AMQPValue)]) {
        let options = ExchangeDeclareOptions::default();
        within(self.exchange_declare(name.into(), kind, options, table(arguments))).await.expect("it is declared");
    }

    pub(crate) async fn bind(&self, queue: &str, exchange: &str, binding_key: &str) {
        self.bind_with(queue, exchange, binding_key, &[]).await;
    }

    pub(crate) async fn bind_with(&self, queue: &str, exchange: &str, key: &str, arguments: &[(&str, AMQPValue)]) {
        let options = QueueBindOptions::default();
        within(self.queue_bind(queue.into(), exchange.into(), key.into(), options, table(arguments)))
            .await
            .expect("it is bound");
    }

    /// Declares a queue of each name and binds it with this key.
    pub(crate) async fn bound_queues(&self, exchange: &str, bindings: &[(&str, &str)]) {
        for (queue, binding_key) in bindings {
            self.queue(queue).await;
            self.bind(queue, exchange, binding_key).await;
        }
    }

    pub(crate) async fn publish(&self, exchange: &str, routing_key: &str, body: &str) -> PublisherConfirm {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        self.publish_with(exchange, routing_key, body.as_bytes(), options, properties).await
    }

    pub(crate) async fn publish_with(
        &self,
        exchange: &str,
        routing_key: &str,
        body: &[u8],
        options: BasicPublishOptions,
        properties: BasicProperties,
    ) -> PublisherConfirm {
        within(self.basic_publish(exchange.into(), routing_key.into(), options, body, properties))
            .await
            .expect("the channel is open")
    }

    /// Publishes each body to the queue.
    pub(crate) async fn fill(&self, queue: &str, bodies: &[&str]) {
        for body in bodies {
            self.publish("", queue, body).await;
        }
    }

    pub(crate) async fn consume(&self, queue: &str) -> Consumer {
        self.consume_with(queue, BasicConsumeOptions::default(), &[]).await.expect("the consumer starts")
    }

    /// A consumer of a new queue that has these messages.
    pub(crate) async fn consume_filled(&self, queue: &str, bodies: &[&str]) -> Consumer {
        self.queue(queue).await;
        self.fill(queue, bodies).await;
        self.consume(queue).await
    }

    pub(crate) async fn consume_with(
        &self,
        queue: &str,
        options: BasicConsumeOptions,
        arguments: &[(&str, AMQPValue)],
    ) -> lapin::Result<Consumer> {
        within(self.basic_consume(queue.into(), "".into(), options, table(arguments))).await
    }

    /// Takes the next message out of a queue.
    pub(crate) async fn take(&self, queue: &str) -> Option<BasicGetMessage> {
        within(self.basic_get(queue.into(), BasicGetOptions { no_ack: true })).await.expect("the queue is there")
    }

    /// Empties a queue: the bodies in order.
    pub(crate) async fn take_all(&self, queue: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        while let Some(message) = self.take(queue).await {
            bodies.push(body(&message));
        }
        bodies
    }

    /// What comes before this has been dealt with, and whatever others had left for the connection has arrived: the
    /// first answer may overtake that, the second follows it.
    pub(crate) async fn settle(&self) {
        for _ in 0..2 {
            let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
            within(self.exchange_declare("amq.direct".into(), ExchangeKind::Direct, options, FieldTable::default()))
                .await
                .expect("the channel is open");
        }
    }

    /// Whether the consumer, which is on this connection, has been sent nothing.
    pub(crate) async fn sees_nothing(&self, consumer: &mut Consumer) -> bool {
        self.settle().await;
        consumer.next().now_or_never().is_none()
    }
}

/// The next delivery.
pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    within(consumer.next()).await.expect("the consumer is not cancelled").expect("the channel is open")
}

/// The next deliveries as [`shown`].
pub(crate) async fn next_shown(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..count {
        lines.push(shown(&next(consumer).await));
    }
    lines
}

/// `DELIVERY-TAG EXCHANGE/ROUTING-KEY BODY`, and whether it is redelivered.
pub(crate) fn shown(delivery: &Delivery) -> String {
    let Delivery { delivery_tag, exchange, routing_key, redelivered, .. } = delivery;
    let again = if *redelivered { " redelivered" } else { "" };
    format!("{delivery_tag} {exchange}/{routing_key} {}{again}", body(delivery))
}

pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8_lossy(&delivery.data).into_owned()
}

/// Reply code and text of an error that the server closed a channel or a connection with.
pub(crate) fn reply(error: &Error) -> (u16, String) {
    match error.kind() {
        ErrorKind::ProtocolError(error) => (error.get_id(), error.get_message().to_string()),
        other => panic!("not an error of the protocol: {other:?}"),
    }
}

/// A table of these entries.
pub(crate) fn table(entries: &[(&str, AMQPValue)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in entries {
        table.insert((*name).into(), value.clone());
    }
    table
}

/// A long string.
pub(crate) fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}
