//! Unacked deliveries of a queue, looked at and given more time by operators.

use std::sync::Arc;
use std::time::Duration;

use super::QueueCell;
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::{Input, Outstanding};
use crate::broker::time::Timestamp;

impl QueueCell {
    /// Unacked deliveries, see [`Queue::outstanding`](crate::broker::queue::Queue::outstanding).
    pub(in crate::node) fn outstanding(&self, after: Option<SequenceNumber>, most: usize) -> Vec<Outstanding> {
        self.running.lock().queue.outstanding(after, most)
    }

    /// Lets the delivery of that message stay unacked for so long from now on; the delivery as it is then. `None`: nobody
    /// holds it.
    pub(in crate::node) fn extend_delivery(
        self: &Arc<Self>,
        now: Timestamp,
        sequence: SequenceNumber,
        by: Duration,
    ) -> Option<Outstanding> {
        let mut extended = None;
        // A queue that is gone holds nothing.
        let _gone = self.act(|running, outcome| {
            if let Some(Outstanding { consumer, checkout, .. }) = running.queue.outstanding_of(sequence) {
                running.run(now, Input::Extend { consumer, checkout, by }, outcome)?;
                extended = running.queue.outstanding_of(sequence);
            }
            Ok(())
        });
        extended
    }
}
