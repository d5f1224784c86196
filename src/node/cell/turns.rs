//! Publishers that wait for room in a queue, and come in turn.

use std::sync::Arc;
use std::time::Duration;

use super::{Outcome, QueueCell, Running};
use crate::broker::queue::{Arrival, Refusal};
use crate::broker::time::Timestamp;
use crate::node::drain;
use crate::node::outbox::Outbox;

impl QueueCell {
    /// As `publish`, for a connection that can wait. A queue that lets it wait leaves in the list what there is no room for,
    /// and wakes the connection when its turn has come.
    pub(in crate::node) fn publish_in_turn(
        self: &Arc<Self>,
        now: Timestamp,
        arrivals: &mut Vec<Arrival>,
        outbox: &Arc<Outbox>,
    ) -> Result<Outcome, Refusal> {
        self.act(|running, outcome| {
            if running.queue.settings().refuses() {
                return self.take_what_fits(now, running, arrivals, outcome);
            }
            if !running.queue.settings().blocks() {
                return self.take(now, running, arrivals, outcome);
            }
            self.take_in_turn(now, running, arrivals, outbox, outcome)
        })
    }

    fn take_in_turn(
        self: &Arc<Self>,
        now: Timestamp,
        running: &mut Running,
        arrivals: &mut Vec<Arrival>,
        outbox: &Arc<Outbox>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        loop {
            let room = running.queue.room_for(arrivals.iter().map(|arrival| arrival.message.body_length()));
            let admitted = running.admits(outbox, room);
            // All of it, as a rule: the list stays, and with it its memory for the next time.
            if admitted >= arrivals.len() {
                self.take(now, running, arrivals, outcome)?;
                break;
            }
            let mut later = arrivals.split_off(admitted);
            if !arrivals.is_empty() {
                self.take(now, running, arrivals, outcome)?;
            }
            std::mem::swap(arrivals, &mut later);
            // What was handed out at once has made room for more.
            if arrivals.is_empty() || admitted == 0 || admitted < room {
                break;
            }
        }
        running.served(outbox, !arrivals.is_empty());
        Ok(())
    }

    /// Whether a connection may put in messages with bodies of these lengths now, all of them; otherwise it is woken when its
    /// turn has come.
    pub(in crate::node) fn has_room(&self, bodies: impl ExactSizeIterator<Item = u64>, outbox: &Arc<Outbox>) -> bool {
        let mut running = self.running.lock();
        if !running.queue.settings().blocks() {
            return true;
        }
        let wanted = bodies.len();
        let room = running.queue.room_for(bodies);
        let admitted = running.admits(outbox, room) >= wanted;
        running.served(outbox, !admitted);
        admitted
    }

    /// A connection waits for room no more.
    pub(in crate::node) fn leave_line(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        // A queue that is gone has no line.
        let _gone = self.act(|running, _| {
            if let Some(waiters) = &mut running.waiters {
                waiters.line.leave(outbox);
            }
            Ok(())
        });
    }

    /// Whether publishers are to be slowed down.
    pub(in crate::node) fn is_high(&self) -> bool {
        self.running.lock().queue.is_high()
    }

    /// Whether a connection that has been told to slow down may go on; otherwise it is woken when it may.
    pub(in crate::node) fn is_low(&self, outbox: &Arc<Outbox>) -> bool {
        let mut running = self.running.lock();
        let low = running.queue.is_deleted() || running.queue.is_low();
        if !low {
            running.waiters().slow_down(outbox);
        }
        low
    }

    /// How many messages a second consumers get done with, about.
    pub(in crate::node) fn drain_rate(&self, now: Timestamp) -> f64 {
        let mut running = self.running.lock();
        let drained = running.queue.drained();
        running.drain.observe(now, drained)
    }

    /// How long it will be until publishers that were refused find room again; `None`: nothing moves. Zero where there is.
    pub(in crate::node) fn time_until_low(&self, now: Timestamp) -> Option<Duration> {
        let rate = self.drain_rate(now);
        drain::time_for(self.running.lock().queue.above_low(), rate)
    }
}
