//! Connections: TCP, login and vhost, and the end in order.

use std::sync::Arc;

use crate::cli::perf::client::Client;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::measure::Schema;
use crate::cli::perf::uri::AmqpUri;

pub(super) static SCHEMA: Schema =
    Schema { counters: &["opened", "closed"], always: 2, latencies: &["open_latency", "close_latency"] };

pub(super) struct Cycle {
    uri: Arc<AmqpUri>,
    open: Option<Client>,
    pub(super) product: String,
}

impl Cycle {
    pub(super) async fn prepare(uri: &Arc<AmqpUri>) -> Result<Self, PerfError> {
        // A login that is refused is to be known before anything is measured.
        let client = Client::connect(uri).await?;
        let product = client.product.clone();
        client.close().await;
        Ok(Self { uri: Arc::clone(uri), open: None, product })
    }

    pub(super) async fn make(&mut self) -> Result<(), PerfError> {
        self.open = Some(Client::connect(&self.uri).await?);
        Ok(())
    }

    pub(super) async fn remove(&mut self) -> Result<(), PerfError> {
        match self.open.take() {
            Some(client) => client.close_in_order().await,
            None => Ok(()),
        }
    }
}
