//! The options of a load run, and the checks that go over several of them. Short names are those of RabbitMQ's `PerfTest`.

use clap::Args;

use super::message::STAMP;
use super::objects::Objects;
use super::rate::{RatePlan, Rates};
use crate::cli::perf::error::PerfError;
use crate::cli::perf::options::Options;
use crate::cli::perf::values;

/// Options of `leveret perf`.
#[derive(Clone, Debug, Args)]
#[group(skip)]
pub(in crate::cli::perf) struct Arguments {
    #[command(flatten)]
    pub(in crate::cli::perf) options: Options,
    /// End when so many messages are published, by all publishers together, and consumed; without publishers, when consumed: 5000, 10k, 2M
    #[arg(long, short = 'C', value_name = "N", value_parser = values::positive)]
    pub(super) count: Option<u64>,
    #[command(flatten)]
    pub(super) publishing: Publishing,
    #[command(flatten)]
    pub(super) consuming: Consuming,
    #[command(flatten)]
    pub(super) objects: Objects,
}

/// What publishers do.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Publishing")]
pub(super) struct Publishing {
    /// How many publishers, a connection each; 0 only consumes
    #[arg(long, short = 'x', value_name = "N", default_value_t = 1)]
    pub(super) publishers: u16,
    /// Octets of a body: 16, 10k, 4KiB; several sizes with commas are used in turn
    #[arg(long, short = 's', value_name = "SIZE", value_delimiter = ',', default_value = "16", value_parser = values::size)]
    pub(super) size: Vec<usize>,
    /// Messages a second of each publisher: 1000, a ramp 1k..50k:30s, steps 1k:10s,5k:10s [default: all it can]
    #[arg(long, short = 'r', value_name = "RATE")]
    pub(super) rate: Option<Rates>,
    /// Ask for confirms, with at most so many messages of a publisher unconfirmed
    #[arg(long, short = 'c', value_name = "WINDOW", value_parser = values::positive)]
    pub(super) confirm: Option<u64>,
    /// Publish persistent messages
    #[arg(long, short = 'p')]
    pub(super) persistent: bool,
    /// Have messages given back that reach no queue
    #[arg(long)]
    pub(super) mandatory: bool,
}

/// What consumers do.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Consuming")]
pub(super) struct Consuming {
    /// How many consumers, a connection each; 0 only publishes
    #[arg(long, short = 'y', value_name = "N", default_value_t = 1)]
    pub(super) consumers: u16,
    /// Consume without acknowledgements
    #[arg(long, short = 'a', conflicts_with_all = ["ack_every", "prefetch"])]
    pub(super) auto_ack: bool,
    /// Most unacknowledged messages of a consumer; 0 is no limit
    #[arg(long, short = 'q', value_name = "N", default_value_t = 1000)]
    pub(super) prefetch: u16,
    /// Acknowledge so many messages with one basic.ack
    #[arg(long, short = 'A', value_name = "N", default_value = "1", value_parser = values::positive)]
    pub(super) ack_every: u64,
}

impl Arguments {
    /// Refuses what does not go together.
    pub(super) fn check(&self) -> Result<(), PerfError> {
        let Consuming { consumers, auto_ack, prefetch, ack_every } = self.consuming;
        if self.publishing.publishers == 0 && consumers == 0 {
            return Err(PerfError::usage("there is nothing to do without --publishers and without --consumers"));
        }
        if prefetch > 0 && !auto_ack && ack_every > u64::from(prefetch) {
            return Err(PerfError::usage(
                "--ack-every may be no more than --prefetch: the broker would wait for the acknowledgement",
            ));
        }
        self.objects.check()
    }

    /// Whether the latency of all messages can be measured.
    pub(super) fn is_stamped(&self) -> bool {
        self.publishing.size.iter().all(|&size| size >= STAMP)
    }

    pub(super) fn plan(&self) -> Result<Option<RatePlan>, PerfError> {
        let limit = self.options.limit(self.count.is_some());
        self.publishing.rate.as_ref().map(|rates| rates.plan(limit)).transpose().map_err(PerfError::Usage)
    }

    /// The number of messages of each publisher: they share the count.
    pub(super) fn share(&self, publisher: u16) -> Option<u64> {
        let (count, publishers) = (self.count?, u64::from(self.publishing.publishers));
        Some(count / publishers + u64::from(u64::from(publisher) < count % publishers))
    }
}
