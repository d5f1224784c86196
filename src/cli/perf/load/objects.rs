//! The queues of a load run, its exchange and its keys: options, and who works on what.

use std::ops::RangeInclusive;

use clap::Args;
use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::keys::{self, Pattern};
use super::topology::Topology;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::values;

/// The most queues of a run.
const QUEUES_MAX: i64 = 100_000;

/// What messages go through.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Queues and exchange")]
pub(super) struct Objects {
    /// How many queues; publishers and consumers share them out
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=QUEUES_MAX))]
    pub(super) queues: u32,
    /// Name of the queue, or a pattern: {queue} is the queue's number from 1
    #[arg(long, short = 'u', value_name = "PATTERN", default_value = "leveret-perf-{queue}")]
    pub(super) queue: Pattern,
    /// Declare durable queues, and a durable exchange
    #[arg(long, short = 'd')]
    pub(super) durable: bool,
    /// Declare queues that go with their last consumer
    #[arg(long)]
    pub(super) auto_delete: bool,
    /// An argument of the queues, such as x-queue-type=quorum; may be given again
    #[arg(long = "queue-arg", value_name = "NAME=VALUE", value_parser = values::argument)]
    pub(super) queue_args: Vec<(ShortString, FieldValue)>,
    /// Publish to this exchange, and bind the queues to it [default: the default exchange]
    #[arg(long, short = 'e', value_name = "NAME")]
    pub(super) exchange: Option<String>,
    /// Declare the exchange with this type: direct, fanout, topic, ...
    #[arg(long, short = 't', value_name = "TYPE", requires = "exchange")]
    pub(super) exchange_type: Option<String>,
    /// Routing key, or a pattern: {queue}, {publisher}, {1..100} (in turn) [default: the queue's name]
    #[arg(long, short = 'k', value_name = "PATTERN")]
    pub(super) routing_key: Option<Pattern>,
    /// Binding key of each queue, or a pattern as above [default: all routing keys that go with the queue]
    #[arg(long, value_name = "PATTERN", requires = "exchange")]
    pub(super) binding_key: Option<Pattern>,
    /// What exists already, and what is left
    #[command(flatten)]
    pub(super) lifetime: Lifetime,
}

/// What is there before the run, and after it.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Lifetime {
    /// Use queues and bindings that are there, declare none
    #[arg(long)]
    pub(super) predeclared: bool,
    /// Leave queues and exchange when all is done; without it, what the run has made is removed
    #[arg(long)]
    pub(super) keep: bool,
}

impl Objects {
    /// Refuses what does not go together.
    pub(super) fn check(&self) -> Result<(), PerfError> {
        if self.queues > 1 && !self.queue.names_queues() {
            return Err(PerfError::usage(
                "--queue has to contain {queue} where there are several --queues, as in jobs-{queue}",
            ));
        }
        if self.queue.has_range() || self.queue.names_publishers() {
            return Err(PerfError::usage("--queue knows only {queue}; --queues says how many there are"));
        }
        Ok(())
    }

    /// What has to be there for so many publishers.
    pub(super) fn topology(&self, publishers: u16) -> Result<Topology, PerfError> {
        let short = |text: &str| ShortString::new(text).map_err(|error| PerfError::Usage(format!("'{text}': {error}")));
        let mut queues = Vec::new();
        for queue in self.numbers() {
            queues.extend(self.queue.fill(queue, 0).map_err(PerfError::Usage)?);
        }
        let exchange = short(self.exchange.as_deref().unwrap_or_default())?;
        let bindings = if exchange.is_empty() { Vec::new() } else { self.bindings(&queues, publishers)? };
        let mut arguments = FieldTable::new();
        for (name, value) in &self.queue_args {
            arguments.push(name.clone(), value.clone());
        }
        Ok(Topology {
            predeclared: self.lifetime.predeclared,
            exchange,
            exchange_type: self.exchange_type.as_deref().map(short).transpose()?,
            queues,
            bindings,
            durable: self.durable,
            auto_delete: self.auto_delete,
            arguments,
        })
    }

    fn numbers(&self) -> RangeInclusive<usize> {
        1..=usize::try_from(self.queues).unwrap_or(usize::MAX)
    }

    fn routing_pattern(&self) -> &Pattern {
        self.routing_key.as_ref().unwrap_or(&self.queue)
    }

    fn bindings(&self, queues: &[ShortString], publishers: u16) -> Result<Vec<(ShortString, ShortString)>, PerfError> {
        let pattern = self.binding_key.as_ref().unwrap_or_else(|| self.routing_pattern());
        let publishers = if pattern.names_publishers() { usize::from(publishers).max(1) } else { 1 };
        let mut bindings = Vec::new();
        for (number, queue) in self.numbers().zip(queues) {
            for publisher in 1..=publishers {
                let keys = pattern.fill(number, publisher).map_err(PerfError::Usage)?;
                bindings.extend(keys.into_iter().map(|binding_key| (queue.clone(), binding_key)));
                bounded(bindings.len(), "bindings")?;
            }
        }
        Ok(bindings)
    }

    /// The routing keys of one of the publishers, which are used in turn. It has a share of the queues; where publishers are more,
    /// several have the same queue.
    pub(super) fn routing_keys(&self, publisher: u16, publishers: u16) -> Result<Vec<ShortString>, PerfError> {
        let pattern = self.routing_pattern();
        let number = usize::from(publisher);
        let queues = if pattern.names_queues() {
            shared_out(self.numbers().count(), usize::from(publishers), number)
        } else {
            vec![0]
        };
        let mut keys = Vec::new();
        for queue in queues {
            keys.extend(pattern.fill(queue + 1, number + 1).map_err(PerfError::Usage)?);
            bounded(keys.len(), "routing keys of a publisher")?;
        }
        Ok(keys)
    }
}

/// The queues of one of the consumers.
pub(super) fn queues_of(consumer: u16, consumers: u16, queues: &[ShortString]) -> Vec<ShortString> {
    let places = shared_out(queues.len(), usize::from(consumers), usize::from(consumer));
    places.into_iter().filter_map(|place| queues.get(place).cloned()).collect()
}

fn bounded(count: usize, what: &str) -> Result<(), PerfError> {
    if count > keys::MOST {
        return Err(PerfError::Usage(format!("these patterns stand for more than {} {what}", keys::MOST)));
    }
    Ok(())
}

/// Which of so many things one of several sharers gets; one at least.
fn shared_out(things: usize, sharers: usize, sharer: usize) -> Vec<usize> {
    if sharers >= things {
        return vec![sharer % things.max(1)];
    }
    (sharer..things).step_by(sharers.max(1)).collect()
}
