//! The exchange, queues and bindings of a run: made before it, and removed after it as far as they were made by it.

use std::sync::Arc;

use leveret_protocol::{FieldTable, ReplyCode, ShortString, exchange, queue};

use crate::cli::perf::client::Client;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::uri::AmqpUri;

const CHANNEL: u16 = 1;

/// What a run needs.
#[derive(Clone, Debug, Default)]
pub(super) struct Topology {
    /// Queues exist already and are used as they are.
    pub(super) predeclared: bool,
    /// The exchange to publish to; empty is the default exchange.
    pub(super) exchange: ShortString,
    /// Its type, if it is to be declared.
    pub(super) exchange_type: Option<ShortString>,
    pub(super) queues: Vec<ShortString>,
    /// Queue and binding key.
    pub(super) bindings: Vec<(ShortString, ShortString)>,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) arguments: FieldTable,
}

/// What was made at a broker, and is removed again.
#[derive(Debug)]
pub(super) struct Made {
    uri: Arc<AmqpUri>,
    exchange: Option<ShortString>,
    queues: Vec<ShortString>,
}

impl Topology {
    /// Declares and binds. What existed before has to be as asked for, and is not taken for the run's own.
    pub(super) async fn declare(&self, uri: &Arc<AmqpUri>, made: &mut Vec<Made>) -> Result<String, PerfError> {
        let mut client = Client::connect_with_channel(uri).await?;
        made.push(Made { uri: Arc::clone(uri), exchange: None, queues: Vec::new() });
        if let Some(made) = made.last_mut() {
            self.declare_exchange(&mut client, made).await?;
            if !self.predeclared {
                self.declare_queues(&mut client, made).await?;
                self.bind(&mut client).await?;
            }
        }
        let product = client.product.clone();
        client.close().await;
        Ok(product)
    }

    async fn declare_exchange(&self, client: &mut Client, made: &mut Made) -> Result<(), PerfError> {
        let Some(kind) = &self.exchange_type else { return Ok(()) };
        let declare = exchange::Declare {
            exchange: self.exchange.clone(),
            kind: kind.clone(),
            durable: self.durable,
            ..exchange::Declare::default()
        };
        let passive = exchange::Declare { passive: true, ..declare.clone() };
        let existed = answered(client.call(CHANNEL, passive).await)?;
        if !existed {
            client.open_channel(CHANNEL).await?;
        }
        client.call(CHANNEL, declare).await?;
        if !existed {
            made.exchange = Some(self.exchange.clone());
        }
        Ok(())
    }

    async fn declare_queues(&self, client: &mut Client, made: &mut Made) -> Result<(), PerfError> {
        for queue in &self.queues {
            let declare = queue::Declare {
                queue: queue.clone(),
                durable: self.durable,
                auto_delete: self.auto_delete,
                arguments: self.arguments.clone(),
                ..queue::Declare::default()
            };
            let passive = queue::Declare { passive: true, ..declare.clone() };
            let existed = answered(client.call(CHANNEL, passive).await)?;
            if !existed {
                client.open_channel(CHANNEL).await?;
            }
            client.call(CHANNEL, declare).await?;
            if !existed {
                made.queues.push(queue.clone());
            }
        }
        Ok(())
    }

    async fn bind(&self, client: &mut Client) -> Result<(), PerfError> {
        for (queue, binding_key) in &self.bindings {
            let bind = queue::Bind {
                queue: queue.clone(),
                exchange: self.exchange.clone(),
                routing_key: binding_key.clone(),
                ..queue::Bind::default()
            };
            client.call(CHANNEL, bind).await?;
        }
        Ok(())
    }
}

/// Whether what was asked for exists: the broker closes the channel with 404 if not.
fn answered<T>(result: Result<T, PerfError>) -> Result<bool, PerfError> {
    match result {
        Ok(_) => Ok(true),
        Err(PerfError::ChannelClosed { code, .. }) if code == ReplyCode::NotFound.code() => Ok(false),
        Err(error) => Err(error),
    }
}

impl Made {
    /// Removes what the run made.
    pub(super) async fn remove(self) -> Result<(), PerfError> {
        if self.exchange.is_none() && self.queues.is_empty() {
            return Ok(());
        }
        let mut client = Client::connect_with_channel(&self.uri).await?;
        for queue in self.queues {
            client.call(CHANNEL, queue::Delete { queue, ..queue::Delete::default() }).await?;
        }
        if let Some(exchange) = self.exchange {
            client.call(CHANNEL, exchange::Delete { exchange, ..exchange::Delete::default() }).await?;
        }
        client.close().await;
        Ok(())
    }
}
