//! A publisher: a connection with one channel that publishes as fast as the broker takes it, or to a schedule, and reads
//! confirms meanwhile.

use std::sync::Arc;

use leveret_protocol::{FrameKind, Method, basic, channel, confirm, connection, fast};
use tokio::task::coop::consume_budget;
use tokio_util::sync::CancellationToken;

use super::counters::{CONFIRM_LATENCY, CONFIRMED, NACKED, PUBLISHED, RETURNED};
use super::course::{Bounds, Course, Next};
use super::message::{Form, Messages};
use super::timer::Timer;
use crate::cli::perf::client::Client;
use crate::cli::perf::clock::Clock;
use crate::cli::perf::error::PerfError;
use crate::cli::perf::measure::{Meter, Meters};
use crate::cli::perf::uri::AmqpUri;

const CHANNEL: u16 = 1;

/// Octets that are encoded for one write, or one message. What lies in the program waits longer than it should, what is too
/// little costs a system call.
const BATCH: usize = 64 * 1024;

/// What a publisher has to do.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) form: Form,
    pub(super) bounds: Bounds,
}

#[derive(Debug)]
pub(super) struct Publisher {
    client: Client,
    messages: Messages,
    course: Course,
    timer: Timer,
    meters: Meters,
    meter: Arc<Meter>,
    /// Messages may come back after all are published.
    is_mandatory: bool,
    /// The broker agreed to the channel's end.
    is_ended: bool,
}

impl Publisher {
    /// Connects.
    pub(super) async fn connect(
        uri: &Arc<AmqpUri>,
        mut task: Task,
        meters: Meters,
        meter: Arc<Meter>,
    ) -> Result<Self, PerfError> {
        let mut client = Client::connect_with_channel(uri).await?;
        if task.bounds.window.is_some() {
            client.call(CHANNEL, confirm::Select::default()).await?;
        }
        task.form.frame_max = client.frame_max;
        Ok(Self {
            messages: Messages::new(&task.form, CHANNEL),
            client,
            course: Course::new(task.bounds),
            timer: Timer::new().map_err(PerfError::Timer)?,
            meters,
            meter,
            is_mandatory: task.form.mandatory,
            is_ended: false,
        })
    }

    /// Publishes until all is done, or told to stop.
    pub(super) async fn run(mut self, clock: Clock, stop: CancellationToken) -> Result<(), PerfError> {
        let result = self.publish(clock, &stop).await;
        if self.course.is_blocked {
            // The broker does not read: it would not see the end either.
            self.meters.unblock();
        } else {
            self.client.close().await;
        }
        result
    }

    async fn publish(&mut self, clock: Clock, stop: &CancellationToken) -> Result<(), PerfError> {
        while !stop.is_cancelled() {
            let now = clock.nanos();
            if self.client.out.is_empty() {
                self.encode(now);
            }
            let written = self.client.write()?;
            let heard = self.client.fill()?;
            if heard {
                self.hear(clock.nanos())?;
            }
            let next = self.course.next(now);
            if written && next == Next::Nothing {
                return self.finish(clock, stop).await;
            }
            if heard || (written && matches!(next, Next::Publish { .. })) {
                consume_budget().await;
                continue;
            }
            let wait = match next {
                Next::Until(due) if written => Some(due.saturating_sub(clock.nanos())),
                Next::Until(_) | Next::Publish { .. } | Next::Word | Next::Nothing => None,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                ready = self.client.ready() => ready?,
                waited = self.timer.wait(wait) => waited.map_err(PerfError::Timer)?,
            }
        }
        Ok(())
    }

    /// Waits for messages that come back: all of them come before the answer to channel.close.
    async fn finish(&mut self, clock: Clock, stop: &CancellationToken) -> Result<(), PerfError> {
        if !self.is_mandatory {
            return Ok(());
        }
        let close = channel::Close { reply_code: 200, ..channel::Close::default() };
        self.client.send(CHANNEL, close);
        while !self.is_ended && !stop.is_cancelled() {
            self.client.write()?;
            if self.client.fill()? {
                self.hear(clock.nanos())?;
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

    fn encode(&mut self, now: u64) {
        let before = self.course.published();
        while self.client.out.len() < BATCH {
            let Next::Publish { due } = self.course.next(now) else { break };
            self.messages.append(due, &mut self.client.out);
            self.course.publish(due);
        }
        self.meter.count(PUBLISHED, self.course.published() - before, now);
    }

    /// Takes what was read.
    fn hear(&mut self, now: u64) -> Result<(), PerfError> {
        let meter = Arc::clone(&self.meter);
        let mut latencies = meter.record(CONFIRM_LATENCY);
        let mut record = |due: u64| {
            if let Some(latencies) = &mut latencies {
                latencies.record(now.saturating_sub(due));
            }
        };
        let (mut confirmed, mut nacked) = (0, 0);
        while let Some(frame) = self.client.input.next()? {
            // What follows basic.return is of no interest.
            if frame.kind != FrameKind::Method {
                continue;
            }
            if let Some((tag, multiple)) = fast::ack(frame.payload) {
                confirmed += self.course.settle(tag, multiple, &mut record).map_err(|_| not_published())?;
                continue;
            }
            let (on, method) = (frame.channel, Method::decode(frame.payload)?);
            if let Method::Basic(basic::Method::Nack(nack)) = method {
                let settled = self.course.settle(nack.delivery_tag, nack.multiple, &mut record);
                nacked += settled.map_err(|_| not_published())?;
                continue;
            }
            self.take(on, &method, now)?;
        }
        meter.count(CONFIRMED, confirmed, now);
        meter.count(NACKED, nacked, now);
        Ok(())
    }

    fn take(&mut self, on: u16, method: &Method, now: u64) -> Result<(), PerfError> {
        if let Some(closed) = self.client.closed(on, method) {
            return Err(closed);
        }
        if let Method::Basic(basic::Method::Return(_)) = method {
            self.meter.count(RETURNED, 1, now);
            return Ok(());
        }
        if let Method::Channel(channel::Method::CloseOk(_)) = method {
            self.is_ended = true;
            return Ok(());
        }
        if let Method::Channel(channel::Method::Flow(flow)) = method {
            self.course.is_paused = !flow.active;
            self.client.send(on, channel::FlowOk { active: flow.active });
            return Ok(());
        }
        if let Method::Connection(connection::Method::Blocked(blocked)) = method {
            if !self.course.is_blocked {
                self.course.is_blocked = true;
                self.meters.block(blocked.reason.to_string());
            }
            return Ok(());
        }
        if let Method::Connection(connection::Method::Unblocked(_)) = method {
            if self.course.is_blocked {
                self.course.is_blocked = false;
                self.meters.unblock();
            }
            return Ok(());
        }
        Err(PerfError::Unexpected(method.name().to_owned()))
    }
}

#[cold]
fn not_published() -> PerfError {
    PerfError::Unexpected("a confirm for a message that was not published".to_owned())
}
