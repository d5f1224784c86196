//! Channels of one connection.

use std::sync::Arc;

use leveret_protocol::channel;

use crate::cli::perf::client::Client;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::measure::Schema;
use crate::cli::perf::uri::AmqpUri;

pub(super) static SCHEMA: Schema =
    Schema { counters: &["opened", "closed"], always: 2, latencies: &["open_latency", "close_latency"] };

const CHANNEL: u16 = 1;

pub(super) struct Cycle {
    pub(super) client: Client,
}

impl Cycle {
    pub(super) async fn prepare(uri: &Arc<AmqpUri>) -> Result<Self, PerfError> {
        Ok(Self { client: Client::connect(uri).await? })
    }

    pub(super) async fn make(&mut self) -> Result<(), PerfError> {
        self.client.open_channel(CHANNEL).await
    }

    pub(super) async fn remove(&mut self) -> Result<(), PerfError> {
        let close = channel::Close { reply_code: 200, ..channel::Close::default() };
        self.client.call(CHANNEL, close).await.map(drop)
    }
}
