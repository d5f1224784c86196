//! A load run: publishers and consumers, what they work on, and how it ends.

mod arguments;
mod confirms;
mod consumer;
mod counters;
mod course;
mod deliveries;
mod ending;
mod keys;
mod message;
mod objects;
mod publisher;
mod rate;
mod settings;
mod timer;
mod topology;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use leveret_protocol::ShortString;
use tokio_util::sync::CancellationToken;

pub(super) use self::arguments::Arguments;
use self::arguments::{Consuming, Publishing};
use self::consumer::Consumer;
use self::counters::{CONFIRMED, CONSUMED, FOREIGN, NACKED, PUBLISHED, RETURNED, SCHEMA};
use self::course::{Bounds, Schedule};
use self::ending::{Ending, Standing};
use self::message::Form;
use self::objects::queues_of;
use self::publisher::Publisher;
use self::topology::{Made, Topology};
use super::clock::Clock;
use super::conductor::{Conductor, Outcome, Role, Workers, show};
use super::connecting::connect_all;
use super::error::PerfError;
use super::measure::Meters;
use super::processor::Processor;
use super::report::{self, Report};
use super::uri::AmqpUri;
use crate::cli::signals::Signals;

/// Runs to the end and writes the result.
pub(super) async fn run(arguments: &Arguments, mut signals: Signals) -> Result<(), PerfError> {
    arguments.check()?;
    let topology = arguments.objects.topology(arguments.publishing.publishers)?;
    let (uris, mut made, mut brokers) = (arguments.options.uris(), Vec::new(), Vec::new());
    let prepared = async {
        for uri in &uris {
            brokers.push(topology.declare(uri, &mut made).await?);
        }
        connect(arguments, &topology, &uris).await
    };
    let prepared = tokio::select! {
        prepared = Box::pin(prepared) => prepared.map(Some),
        _ = signals.next() => Ok(None),
    };
    let outcome = match prepared {
        Ok(Some(ready)) => Box::pin(ready.lead(arguments, &mut signals)).await.map(Some),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    if !arguments.objects.lifetime.keep {
        remove(made).await;
    }
    let Some(outcome) = outcome? else {
        show("leveret: ended before the run began");
        return Ok(());
    };
    let settings = settings::of(arguments, &uris);
    let notes = notes(arguments, &outcome);
    brokers.dedup();
    report::write(&arguments.options, Report { schema: &SCHEMA, brokers, settings, notes, outcome })
}

async fn remove(made: Vec<Made>) {
    for made in made {
        // The result is worth more than tidiness.
        if let Err(error) = made.remove().await {
            show(&format!("leveret: cannot remove what the run had declared: {error}"));
        }
    }
}

/// Everybody connected, nobody working.
struct Ready {
    publishers: Vec<Publisher>,
    consumers: Vec<Consumer>,
    meters: Meters,
}

/// Boxed where it is called: it holds what all connections need to be made.
async fn connect(arguments: &Arguments, topology: &Topology, uris: &[Arc<AmqpUri>]) -> Result<Ready, PerfError> {
    let run = rand::random();
    let Publishing { publishers, .. } = arguments.publishing;
    let Consuming { consumers, prefetch, ack_every, auto_ack } = arguments.consuming;
    let workers = usize::from(publishers.max(consumers));
    let meters = Meters::new(&SCHEMA, workers)?;
    // Without publishers the count is that of the consumers.
    let left = arguments.count.filter(|_| publishers == 0).map(|count| Arc::new(AtomicU64::new(count)));
    let consumer = |number: u16, uri: Arc<AmqpUri>| {
        let task = consumer::Task {
            queues: queues_of(number, consumers, &topology.queues),
            prefetch,
            ack_every: (!auto_ack).then_some(ack_every),
            run,
            left: left.clone(),
        };
        let meter = meters.of(usize::from(number));
        Ok(async move { Consumer::connect(&uri, task, meter).await })
    };
    let consumers = connect_all(consumers, uris, consumer).await?;
    let plan = arguments.plan()?;
    let publisher = |number: u16, uri: Arc<AmqpUri>| {
        let phase = f64::from(number) / f64::from(publishers);
        let task = publisher::Task {
            form: form(
                &arguments.publishing,
                &topology.exchange,
                arguments.objects.routing_keys(number, publishers)?,
                run,
            ),
            bounds: Bounds {
                window: arguments.publishing.confirm,
                schedule: plan.clone().map(|plan| Schedule { plan, phase }),
                count: arguments.share(number),
            },
        };
        let (meters, meter) = (meters.clone(), meters.of(usize::from(number)));
        Ok(async move { Publisher::connect(&uri, task, meters, meter).await })
    };
    let publishers = connect_all(publishers, uris, publisher).await?;
    Ok(Ready { publishers, consumers, meters })
}

fn form(publishing: &Publishing, exchange: &ShortString, routing_keys: Vec<ShortString>, run: u32) -> Form {
    Form {
        exchange: exchange.clone(),
        routing_keys,
        sizes: publishing.size.clone(),
        persistent: publishing.persistent,
        mandatory: publishing.mandatory,
        frame_max: 0,
        run,
    }
}

impl Ready {
    async fn lead(self, arguments: &Arguments, signals: &mut Signals) -> Result<Outcome, PerfError> {
        let (clock, stop) = (Clock::start(), CancellationToken::new());
        let mut workers = Workers::new();
        for consumer in self.consumers {
            let stop = stop.clone();
            workers.spawn(async move { (Role::Lasting, consumer.run(clock, stop).await) });
        }
        let publishers = self.publishers.len();
        for publisher in self.publishers {
            let stop = stop.clone();
            workers.spawn(async move { (Role::Finishing, publisher.run(clock, stop).await) });
        }
        let conductor = Conductor {
            clock,
            meters: &self.meters,
            stop,
            signals,
            limit: arguments.options.limit(arguments.count.is_some()),
            progress: !arguments.options.quiet,
            processor: Processor::new(arguments.options.broker_pid),
        };
        let (ending, mut published) = (ending(arguments), None);
        let over = |meters: &Meters, now: u64, publishing: usize| {
            let Some(ending) = ending else { return false };
            ending.is_reached(standing(meters, now, publishing), &mut published)
        };
        conductor.lead(workers, publishers, over).await
    }
}

fn standing(meters: &Meters, now: u64, publishing: usize) -> Standing {
    let lost = meters.total(NACKED) + meters.total(RETURNED);
    Standing {
        now,
        publishing,
        expected: meters.total(PUBLISHED).saturating_sub(lost) + meters.total(FOREIGN),
        consumed: meters.total(CONSUMED),
        moved: meters.moved(CONSUMED),
    }
}

/// How the run ends by itself, if it has a count.
fn ending(arguments: &Arguments) -> Option<Ending> {
    let count = arguments.count?;
    Some(match (arguments.publishing.publishers, arguments.consuming.consumers) {
        (0, _) => Ending::Consumed(count),
        (_, 0) => Ending::Published,
        _ if arguments.objects.exchange.is_none() => Ending::Delivered,
        _ => Ending::Quiet,
    })
}

/// What has to be known to read the figures rightly.
fn notes(arguments: &Arguments, outcome: &Outcome) -> Vec<String> {
    let mut notes = Vec::new();
    let total = |place: usize| outcome.timeline.totals.get(place).copied().unwrap_or_default();
    if arguments.consuming.consumers > 0 && arguments.publishing.publishers > 0 && !arguments.is_stamped() {
        notes.push(format!("latency is measured only where a body has {} octets or more", message::STAMP));
    }
    if total(FOREIGN) > 0 {
        notes.push(
            "foreign messages were in the queues before, or came from others; their latency is not measured".to_owned(),
        );
    }
    if arguments.publishing.confirm.is_some() {
        let unconfirmed = total(PUBLISHED).saturating_sub(total(CONFIRMED) + total(NACKED));
        if unconfirmed > 0 {
            notes.push(format!("{unconfirmed} messages were not confirmed when the run ended"));
        }
    }
    if arguments.publishing.rate.is_some() {
        notes.push(
            "latency counts from when a message was due by the rate, so that a broker that stalls shows it".to_owned(),
        );
    }
    notes
}
