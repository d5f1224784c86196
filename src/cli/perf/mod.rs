//! `leveret perf`: puts load on an AMQP 0-9-1 broker, this one or another, and measures. It knows brokers by the protocol alone.

mod churn;
mod client;
mod clock;
mod conductor;
mod connecting;
mod error;
mod load;
mod measure;
mod options;
mod percent;
mod processor;
mod report;
mod uri;
mod values;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use tokio::runtime::Runtime;

pub(super) use self::error::PerfError;
use self::options::Options;
use super::error::CliError;
use super::signals::Signals;

/// Shown under the options.
pub(super) const EXAMPLES: &str = "\
Examples:
  leveret perf
      One publisher, one consumer, one queue, messages of 16 octets, ten seconds, as fast as the broker takes them
  leveret perf --auto-ack --time 30s
      The same without acknowledgements, for half a minute
  leveret perf --count 1M --size 1KiB --persistent --durable --confirm 1000 --ack-every 100
      A million persistent messages, confirmed and acknowledged
  leveret perf --rate 1000 --confirm 100 --time 1m --chart latency.svg
      Latency at a rate that the broker keeps up with; latency at full speed is that of full buffers
  leveret perf --rate 1k..100k --time 2m --format csv > ramp.csv
      A ramp, to find the rate at which latency begins to grow
  leveret perf --publishers 4 --consumers 8 --queues 16 --queue 'jobs-{queue}' --durable --queue-arg x-queue-type=quorum
      Many queues, shared out over publishers and consumers
  leveret perf --exchange events --exchange-type topic --routing-key 'sensor.{publisher}.{1..100}' --binding-key 'sensor.#'
      Through an exchange, with routing keys in turn
  leveret perf --publishers 0 --predeclared --queue jobs --count 10k
      Take ten thousand messages out of a queue that is there, no more
  leveret perf --uri amqp://app:secret@rabbit-1/shop --uri amqp://app:secret@rabbit-2/shop
      Another broker; connections are spread over both addresses
  leveret perf churn queues --workers 4 --time 30s
      How fast queues are declared and deleted

Queues that exist are used if they are as the options say, and left as they are; what the run declares itself is removed after it.
Ctrl-C ends a run and writes the result so far. At a fixed rate latency counts from when a message was due, not from when it could
be sent, so that a broker that stalls shows it. More: docs/guide/load-testing.md

Exit codes: 0 done, also after Ctrl-C, 64 wrong use, 65 the broker refused something, 69 no broker there, no login, or the connection
broke, 73 the chart cannot be written, 76 the broker does not keep to the protocol.";

/// Shown under `churn`.
const CHURN_EXAMPLES: &str = "\
Examples:
  leveret perf churn connections --workers 8
      Connect, log in and close, from eight connections at the same time, for ten seconds
  leveret perf churn queues --durable --count 10k --format json
      Declare and delete ten thousand durable queues
  leveret perf churn bindings --uri amqp://app:secret@rabbit/shop --chart bindings.svg
      Bindings of another broker, with a picture";

/// Options of `leveret perf`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    load: load::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make and remove connections, channels, queues or bindings
    #[command(after_help = CHURN_EXAMPLES)]
    Churn(churn::Arguments),
}

/// Does what the arguments say.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let options = match &arguments.command {
        Some(Command::Churn(churn)) => churn.options(),
        None => &arguments.load.options,
    };
    let runtime = runtime(options)?;
    let result = runtime.block_on(async {
        // Before anything is connected: a signal means from now on that the result is wanted.
        let signals = Signals::new().map_err(PerfError::Signals)?;
        match &arguments.command {
            Some(Command::Churn(churn)) => Box::pin(churn::run(churn, signals)).await,
            None => Box::pin(load::run(&arguments.load, signals)).await,
        }
    });
    // Connections that a second signal left open are not waited for.
    runtime.shutdown_background();
    result?;
    Ok(ExitCode::SUCCESS)
}

fn runtime(options: &Options) -> Result<Runtime, PerfError> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = options.threads {
        builder.worker_threads(usize::from(threads));
    }
    builder.thread_name("leveret perf").enable_all().build().map_err(PerfError::Runtime)
}
