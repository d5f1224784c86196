//! Queues, each with a name of its own.

use std::sync::Arc;

use leveret_protocol::{FieldTable, ShortString, queue};

use crate::cli::perf::client::Client;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::measure::Schema;
use crate::cli::perf::uri::AmqpUri;

pub(super) static SCHEMA: Schema =
    Schema { counters: &["declared", "deleted"], always: 2, latencies: &["declare_latency", "delete_latency"] };

const CHANNEL: u16 = 1;

pub(super) struct Cycle {
    pub(super) client: Client,
    /// What all names begin with; random, so that no queue of somebody else has one.
    prefix: String,
    durable: bool,
    arguments: FieldTable,
}

impl Cycle {
    pub(super) async fn prepare(
        uri: &Arc<AmqpUri>,
        worker: u16,
        durable: bool,
        arguments: FieldTable,
    ) -> Result<Self, PerfError> {
        let client = Client::connect_with_channel(uri).await?;
        let prefix = format!("leveret-perf-churn-{:08x}-{worker}", rand::random::<u32>());
        Ok(Self { client, prefix, durable, arguments })
    }

    fn name(&self, number: u64) -> ShortString {
        ShortString::truncated(&format!("{}-{number}", self.prefix))
    }

    pub(super) async fn make(&mut self, number: u64) -> Result<(), PerfError> {
        let declare = queue::Declare {
            queue: self.name(number),
            durable: self.durable,
            arguments: self.arguments.clone(),
            ..queue::Declare::default()
        };
        self.client.call(CHANNEL, declare).await.map(drop)
    }

    pub(super) async fn remove(&mut self, number: u64) -> Result<(), PerfError> {
        let delete = queue::Delete { queue: self.name(number), ..queue::Delete::default() };
        self.client.call(CHANNEL, delete).await.map(drop)
    }
}
