//! Churn: how fast a broker makes and removes connections, channels, queues or bindings. One file for each kind.
//!
//! A cycle is two steps, make and remove, each timed by itself. Workers go through cycles one after the other, each on a
//! connection of its own.

mod bindings;
mod channels;
mod connections;
mod queues;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use clap::{Args, Subcommand};
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::conductor::{Conductor, Outcome, Role, Workers, show};
use super::connecting::connect_all;
use super::error::PerfError;
use super::measure::{Meter, Meters, Schema};
use super::options::Options;
use super::processor::Processor;
use super::report::{self, Report};
use super::uri::AmqpUri;
use super::values;
use crate::cli::signals::Signals;

/// Options of `leveret perf churn`.
#[derive(Clone, Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

/// What is made and removed.
#[derive(Clone, Debug, Subcommand)]
enum Kind {
    /// Connect and log in, and close the connection
    Connections(Work),
    /// Open a channel and close it
    Channels(Work),
    /// Declare a queue and delete it
    Queues(QueueWork),
    /// Bind a queue to amq.topic and unbind it
    Bindings(Work),
}

/// How much of it.
#[derive(Clone, Debug, Args)]
struct Work {
    #[command(flatten)]
    options: Options,
    /// How many go through cycles at the same time, a connection each
    #[arg(long, short = 'w', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    workers: u16,
    /// End after so many cycles, of all workers together: 5000, 10k, 2M
    #[arg(long, short = 'C', value_name = "N", value_parser = values::positive)]
    count: Option<u64>,
}

#[derive(Clone, Debug, Args)]
struct QueueWork {
    #[command(flatten)]
    work: Work,
    /// Declare durable queues
    #[arg(long, short = 'd')]
    durable: bool,
    /// An argument of the queues, such as x-queue-type=quorum; may be given again
    #[arg(long = "queue-arg", value_name = "NAME=VALUE", value_parser = values::argument)]
    queue_args: Vec<(ShortString, FieldValue)>,
}

impl Kind {
    const fn work(&self) -> &Work {
        match self {
            Self::Connections(work) | Self::Channels(work) | Self::Bindings(work) => work,
            Self::Queues(queues) => &queues.work,
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Connections(_) => "connections",
            Self::Channels(_) => "channels",
            Self::Queues(_) => "queues",
            Self::Bindings(_) => "bindings",
        }
    }

    const fn schema(&self) -> &'static Schema {
        match self {
            Self::Connections(_) => &connections::SCHEMA,
            Self::Channels(_) => &channels::SCHEMA,
            Self::Queues(_) => &queues::SCHEMA,
            Self::Bindings(_) => &bindings::SCHEMA,
        }
    }
}

impl Arguments {
    pub(super) const fn options(&self) -> &Options {
        &self.kind.work().options
    }
}

/// The two steps of a cycle, by place in every schema of this kind.
const MADE: usize = 0;
const REMOVED: usize = 1;

/// What a worker goes through cycles with.
enum Cycle {
    Connections(connections::Cycle),
    Channels(channels::Cycle),
    Queues(queues::Cycle),
    Bindings(bindings::Cycle),
}

impl Cycle {
    async fn prepare(kind: Kind, uri: Arc<AmqpUri>, worker: u16) -> Result<Self, PerfError> {
        Ok(match kind {
            Kind::Connections(_) => Self::Connections(connections::Cycle::prepare(&uri).await?),
            Kind::Channels(_) => Self::Channels(channels::Cycle::prepare(&uri).await?),
            Kind::Queues(queues) => {
                let arguments: FieldTable = queues.queue_args.into_iter().collect();
                Self::Queues(queues::Cycle::prepare(&uri, worker, queues.durable, arguments).await?)
            }
            Kind::Bindings(_) => Self::Bindings(bindings::Cycle::prepare(&uri, worker).await?),
        })
    }

    /// The first step, with the number of the cycle among those of the worker.
    async fn make(&mut self, number: u64) -> Result<(), PerfError> {
        match self {
            Self::Connections(cycle) => cycle.make().await,
            Self::Channels(cycle) => cycle.make().await,
            Self::Queues(cycle) => cycle.make(number).await,
            Self::Bindings(cycle) => cycle.make(number).await,
        }
    }

    /// The second step.
    async fn remove(&mut self, number: u64) -> Result<(), PerfError> {
        match self {
            Self::Connections(cycle) => cycle.remove().await,
            Self::Channels(cycle) => cycle.remove().await,
            Self::Queues(cycle) => cycle.remove(number).await,
            Self::Bindings(cycle) => cycle.remove(number).await,
        }
    }

    /// What the broker said it is.
    fn product(&self) -> &str {
        match self {
            Self::Connections(cycle) => &cycle.product,
            Self::Channels(channels::Cycle { client, .. })
            | Self::Queues(queues::Cycle { client, .. })
            | Self::Bindings(bindings::Cycle { client, .. }) => &client.product,
        }
    }

    async fn end(self) {
        match self {
            Self::Connections(_) => {}
            Self::Channels(channels::Cycle { client, .. })
            | Self::Queues(queues::Cycle { client, .. })
            | Self::Bindings(bindings::Cycle { client, .. }) => client.close().await,
        }
    }
}

/// What all workers share.
#[derive(Clone, Debug)]
struct Shared {
    clock: Clock,
    stop: CancellationToken,
    /// Cycles that nobody has taken yet.
    left: Arc<AtomicU64>,
}

impl Shared {
    /// Takes a cycle, if there is one.
    fn take(&self) -> bool {
        !self.stop.is_cancelled() && self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }

    async fn work(self, mut cycle: Cycle, meter: Arc<Meter>) -> Result<(), PerfError> {
        let mut number = 0;
        let result = loop {
            if !self.take() {
                break Ok(());
            }
            if let Err(error) = self.go_through(&mut cycle, number, &meter).await {
                break Err(error);
            }
            number += 1;
        };
        cycle.end().await;
        result
    }

    async fn go_through(&self, cycle: &mut Cycle, number: u64, meter: &Meter) -> Result<(), PerfError> {
        let began = self.clock.nanos();
        cycle.make(number).await?;
        let made = self.clock.nanos();
        note(meter, MADE, began, made);
        cycle.remove(number).await?;
        note(meter, REMOVED, made, self.clock.nanos());
        Ok(())
    }
}

fn note(meter: &Meter, step: usize, began: u64, ended: u64) {
    if let Some(mut latencies) = meter.record(step) {
        latencies.record(ended.saturating_sub(began));
    }
    meter.count(step, 1, ended);
}

/// Runs to the end and writes the result.
pub(super) async fn run(arguments: &Arguments, mut signals: Signals) -> Result<(), PerfError> {
    let kind = &arguments.kind;
    let work = kind.work();
    let uris = work.options.uris();
    let prepare = |worker: u16, uri: Arc<AmqpUri>| {
        let kind = kind.clone();
        Ok(async move { Cycle::prepare(kind, uri, worker).await })
    };
    let prepared = tokio::select! {
        prepared = connect_all(work.workers, &uris, prepare) => prepared?,
        _ = signals.next() => {
            show("leveret: ended before the run began");
            return Ok(());
        }
    };
    let mut brokers: Vec<_> = prepared.iter().map(|cycle| cycle.product().to_owned()).collect();
    brokers.sort_unstable();
    brokers.dedup();
    let outcome = Box::pin(lead(kind, prepared, &mut signals)).await?;
    let report = Report { schema: kind.schema(), brokers, settings: settings(kind, &uris), notes: Vec::new(), outcome };
    report::write(&work.options, report)
}

async fn lead(kind: &Kind, prepared: Vec<Cycle>, signals: &mut Signals) -> Result<Outcome, PerfError> {
    let work = kind.work();
    let meters = Meters::new(kind.schema(), prepared.len())?;
    let shared = Shared {
        clock: Clock::start(),
        stop: CancellationToken::new(),
        left: Arc::new(AtomicU64::new(work.count.unwrap_or(u64::MAX))),
    };
    let (mut workers, finishing) = (Workers::new(), prepared.len());
    for (number, cycle) in prepared.into_iter().enumerate() {
        let (shared, meter) = (shared.clone(), meters.of(number));
        workers.spawn(async move { (Role::Finishing, shared.work(cycle, meter).await) });
    }
    let conductor = Conductor {
        clock: shared.clock,
        meters: &meters,
        stop: shared.stop,
        signals,
        limit: work.options.limit(work.count.is_some()),
        progress: !work.options.quiet,
        processor: Processor::new(work.options.broker_pid),
    };
    conductor.lead(workers, finishing, |_, _, working| working == 0).await
}

fn settings(kind: &Kind, uris: &[Arc<AmqpUri>]) -> Vec<(&'static str, Value)> {
    let uris: Vec<_> = uris.iter().map(ToString::to_string).collect();
    let mut settings =
        vec![("churn", json!(kind.name())), ("uri", json!(uris.join(" "))), ("workers", json!(kind.work().workers))];
    if let Some(count) = kind.work().count {
        settings.push(("count", json!(count)));
    }
    if let Kind::Queues(queues) = kind {
        settings.push(("durable", json!(queues.durable)));
    }
    settings
}
