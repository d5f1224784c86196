//! A consumer: a connection with one channel that takes what comes out of one or several queues, and acknowledges it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use leveret_protocol::{Method, ShortString, basic, channel};
use tokio::task::coop::consume_budget;
use tokio_util::sync::CancellationToken;

use super::counters::{CONSUMED, FOREIGN, LATENCY, REDELIVERED};
use super::deliveries::{Deliveries, Delivery, Heard};
use crate::cli::perf::client::Client;
use crate::cli::perf::clock::Clock;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::measure::{Meter, Recording};
use crate::cli::perf::uri::AmqpUri;

const CHANNEL: u16 = 1;

/// How many reads are made before acknowledgements go out.
const READS: usize = 8;

/// What a consumer has to do.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) queues: Vec<ShortString>,
    /// The most messages that wait for their acknowledgement; 0 is no limit.
    pub(super) prefetch: u16,
    /// Acknowledge after so many messages; without it they count as acknowledged when they are sent.
    pub(super) ack_every: Option<u64>,
    /// The run whose messages are timed.
    pub(super) run: u32,
    /// How many messages all consumers together may still take, if they have a bound. What comes beyond it goes back to its queue.
    pub(super) left: Option<Arc<AtomicU64>>,
}

#[derive(Debug)]
pub(super) struct Consumer {
    client: Client,
    task: Task,
    meter: Arc<Meter>,
    deliveries: Deliveries,
    /// The last delivery, and how many up to it wait for an acknowledgement.
    last: u64,
    unacked: u64,
}

/// What came with a read.
#[derive(Debug, Default)]
struct Tally {
    consumed: u64,
    redelivered: u64,
    foreign: u64,
}

impl Consumer {
    /// Connects; consuming begins with [`Consumer::run`].
    pub(super) async fn connect(uri: &Arc<AmqpUri>, task: Task, meter: Arc<Meter>) -> Result<Self, PerfError> {
        let mut client = Client::connect_with_channel(uri).await?;
        if task.prefetch > 0 && task.ack_every.is_some() {
            let qos = basic::Qos { prefetch_count: task.prefetch, ..basic::Qos::default() };
            client.call(CHANNEL, qos).await?;
        }
        Ok(Self { client, task, meter, deliveries: Deliveries::default(), last: 0, unacked: 0 })
    }

    /// Consumes until told to stop.
    pub(super) async fn run(mut self, clock: Clock, stop: CancellationToken) -> Result<(), PerfError> {
        let result = self.consume(clock, &stop).await;
        if self.unacked > 0 {
            self.acknowledge();
        }
        self.client.close().await;
        result
    }

    async fn consume(&mut self, clock: Clock, stop: &CancellationToken) -> Result<(), PerfError> {
        for queue in self.task.queues.clone() {
            let consume = basic::Consume {
                queue: queue.clone(),
                consumer_tag: queue,
                no_ack: self.task.ack_every.is_none(),
                ..basic::Consume::default()
            };
            self.client.send(CHANNEL, consume);
        }
        while !stop.is_cancelled() {
            self.client.write()?;
            let mut heard = false;
            for _ in 0..READS {
                if !self.client.fill()? {
                    break;
                }
                heard = true;
                self.hear(clock.nanos())?;
            }
            if heard {
                consume_budget().await;
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                ready = self.client.ready() => ready?,
            }
        }
        Ok(())
    }

    /// Takes what was read.
    fn hear(&mut self, now: u64) -> Result<(), PerfError> {
        let meter = Arc::clone(&self.meter);
        let mut latencies = meter.record(LATENCY);
        let mut tally = Tally::default();
        while let Some(frame) = self.client.input.next()? {
            let on = frame.channel;
            match self.deliveries.take(frame)? {
                Heard::Part => {}
                Heard::Delivery(delivery) => {
                    self.deliver(delivery, now, &mut tally, latencies.as_mut());
                }
                Heard::Method(payload) => {
                    let method = Method::decode(payload)?;
                    self.take(on, &method)?;
                }
            }
        }
        meter.count(CONSUMED, tally.consumed, now);
        meter.count(REDELIVERED, tally.redelivered, now);
        meter.count(FOREIGN, tally.foreign, now);
        Ok(())
    }

    #[inline]
    fn deliver(&mut self, delivery: Delivery, now: u64, tally: &mut Tally, latencies: Option<&mut Recording<'_>>) {
        if let Some(left) = &self.task.left
            && left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_err()
        {
            return;
        }
        tally.consumed += 1;
        tally.redelivered += u64::from(delivery.redelivered);
        if let Some(stamp) = delivery.stamp {
            if stamp.run != self.task.run {
                tally.foreign += 1;
            } else if let Some(latencies) = latencies {
                latencies.record(now.saturating_sub(stamp.due));
            }
        }
        let Some(ack_every) = self.task.ack_every else { return };
        self.last = delivery.delivery_tag;
        self.unacked += 1;
        if self.unacked >= ack_every {
            self.acknowledge();
        }
    }

    /// Settles what waits, with one method.
    fn acknowledge(&mut self) {
        let ack = basic::Ack { delivery_tag: self.last, multiple: self.unacked > 1 };
        self.client.send(CHANNEL, ack);
        self.unacked = 0;
    }

    fn take(&mut self, on: u16, method: &Method) -> Result<(), PerfError> {
        if let Some(closed) = self.client.closed(on, method) {
            return Err(closed);
        }
        if let Method::Basic(basic::Method::Cancel(cancel)) = method {
            return Err(PerfError::Cancelled { queue: cancel.consumer_tag.to_string() });
        }
        if let Method::Channel(channel::Method::Flow(flow)) = method {
            self.client.send(on, channel::FlowOk { active: flow.active });
        }
        // The rest is basic.consume-ok, and word of alarms, which concern publishers.
        Ok(())
    }
}
