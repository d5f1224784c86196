//! Bindings of a queue to `amq.topic`, each with a binding key of its own.

use std::sync::Arc;

use leveret_protocol::{ShortString, queue};

use crate::cli::perf::client::Client;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::measure::Schema;
use crate::cli::perf::uri::AmqpUri;

pub(super) static SCHEMA: Schema =
    Schema { counters: &["bound", "unbound"], always: 2, latencies: &["bind_latency", "unbind_latency"] };

const CHANNEL: u16 = 1;
const EXCHANGE: &str = "amq.topic";

pub(super) struct Cycle {
    pub(super) client: Client,
    queue: ShortString,
}

impl Cycle {
    pub(super) async fn prepare(uri: &Arc<AmqpUri>, worker: u16) -> Result<Self, PerfError> {
        let mut client = Client::connect_with_channel(uri).await?;
        let name = format!("leveret-perf-churn-{:08x}-{worker}", rand::random::<u32>());
        let queue = ShortString::truncated(&name);
        // It goes with the connection.
        let declare = queue::Declare { queue: queue.clone(), exclusive: true, ..queue::Declare::default() };
        client.call(CHANNEL, declare).await?;
        Ok(Self { client, queue })
    }

    pub(super) async fn make(&mut self, number: u64) -> Result<(), PerfError> {
        let bind = queue::Bind {
            queue: self.queue.clone(),
            exchange: ShortString::from_static(EXCHANGE),
            routing_key: binding_key(number),
            ..queue::Bind::default()
        };
        self.client.call(CHANNEL, bind).await.map(drop)
    }

    pub(super) async fn remove(&mut self, number: u64) -> Result<(), PerfError> {
        let unbind = queue::Unbind {
            queue: self.queue.clone(),
            exchange: ShortString::from_static(EXCHANGE),
            routing_key: binding_key(number),
            ..queue::Unbind::default()
        };
        self.client.call(CHANNEL, unbind).await.map(drop)
    }
}

fn binding_key(number: u64) -> ShortString {
    ShortString::truncated(&format!("churn.{number}"))
}
