//! Options that all kinds of runs have: which broker, how long, and what is shown of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::uri::AmqpUri;
use super::values;

/// How long a run takes when nothing says so.
const USUAL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, Args)]
pub(in crate::cli::perf) struct Options {
    /// Where the broker is; given several times, connections are spread over all
    #[arg(long = "uri", short = 'H', value_name = "URI", default_value = "amqp://guest:guest@127.0.0.1:5672/%2f")]
    uris: Vec<AmqpUri>,
    /// End after this time: 500ms, 30s, 5m, 1h [default: 10s, without --count]
    #[arg(long, short = 'z', value_name = "TIME", value_parser = values::duration)]
    time: Option<Duration>,
    /// How to write the result to standard output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(super) format: Format,
    /// Draw rates and latencies over time into this SVG file
    #[arg(long, value_name = "FILE")]
    pub(super) chart: Option<PathBuf>,
    /// Show no progress on standard error
    #[arg(long, short = 'Q')]
    pub(super) quiet: bool,
    /// Process of the broker, if it runs on this machine: its processor time is told as well
    #[arg(long, value_name = "PID")]
    pub(super) broker_pid: Option<u32>,
    /// Threads to use [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) threads: Option<u16>,
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// One object, with every second of the run
    Json,
    /// A line for each second, and one for the whole run
    Csv,
}

impl Options {
    /// When to end, `counted` saying that the run ends by itself.
    pub(super) fn limit(&self, counted: bool) -> Option<Duration> {
        self.time.or_else(|| (!counted).then_some(USUAL))
    }

    pub(super) fn uris(&self) -> Vec<Arc<AmqpUri>> {
        self.uris.iter().cloned().map(Arc::new).collect()
    }
}
