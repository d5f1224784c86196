//! Those who wait for a message of a queue without being its consumers, or ask what became of one.

use std::sync::Arc;

use leveret_protocol::ShortString;

use super::{Outcome, QueueCell, Running};
use crate::broker::time::Timestamp;
use crate::node::jobs::JobStatus;
use crate::node::outbox::Outbox;

impl QueueCell {
    /// Who comes here is woken once there may be a message for it that no consumer takes. To be asked for then: another
    /// may have been faster.
    pub(in crate::node) fn poll(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        // A queue that is gone wakes them all.
        let _gone = self.act(|running, _| {
            running.waiters().pollers.push_back(Arc::clone(outbox));
            Ok(())
        });
    }

    /// Somebody waits for a message no more. If it has been called, another is.
    pub(in crate::node) fn stop_polling(self: &Arc<Self>, outbox: &Arc<Outbox>) {
        // A queue that is gone wakes them all.
        let _gone = self.act(|running, _| {
            if let Some(waiters) = &mut running.waiters {
                waiters.pollers.retain(|poller| !Arc::ptr_eq(poller, outbox));
            }
            Ok(())
        });
    }

    /// How far a message is; `None`: it is not known, or no longer. Whether the queue keeps track at all.
    pub(in crate::node) fn job(&self, now: Timestamp, message_id: &ShortString) -> (Option<JobStatus>, bool) {
        let jobs = &mut self.running.lock().jobs;
        let tracks = jobs.is_some();
        (jobs.as_mut().and_then(|jobs| jobs.status(now, message_id)), tracks)
    }
}

impl Running {
    /// Wakes as many of those that wait for a message as there are.
    pub(super) fn call_pollers(&mut self, outcome: &mut Outcome) {
        let Some(waiters) = self.waiters.as_mut().filter(|waiters| !waiters.pollers.is_empty()) else { return };
        let called = if self.queue.is_deleted() { usize::MAX } else { self.queue.ready_count() };
        for poller in waiters.pollers.drain(..called.min(waiters.pollers.len())) {
            outcome.wake(&poller);
        }
    }
}
