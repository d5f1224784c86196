//! tx.commit: what a channel published and settled since the last one takes effect as one.

use std::collections::BTreeMap;

use bytes::BytesMut;

use super::Session;
use super::uncommitted::Kept;
use super::waiting::Later;
use crate::broker::connection::{Reply, Settlement};
use crate::broker::error::ChannelError;
use crate::broker::ids::QueueId;
use crate::broker::queue::Input;
use crate::broker::time::Timestamp;
use crate::node::memories::Admission;
use crate::node::together::{self, Routed, Settled};

impl Session {
    /// Commits; `None` when the answer has to wait for the disk.
    ///
    /// # Errors
    /// 406 when a queue refused some of the messages.
    pub(super) fn commit(
        &mut self,
        now: Timestamp,
        channel: u16,
        settlements: &[Settlement],
        out: &mut BytesMut,
    ) -> Result<Option<Reply>, ChannelError> {
        let (kept, unroutable) = self.deliverable(channel, out);
        let storage = self.node.storage.clone();
        let _moving = storage.as_ref().map(|storage| storage.cells.moving());
        let settled = self.settle_apart(now, settlements);
        let routed: Vec<_> =
            kept.iter().map(|kept| Routed { arrival: &kept.arrival, targets: &kept.targets }).collect();
        let applied = together::apply(now, &routed, settled);
        let keys_safe = self.decide_on_commit(now, &kept, &unroutable, &applied.refused);
        if !applied.refused.is_empty() {
            return Err(ChannelError::PartialCommit);
        }
        let position = applied.position.max(keys_safe).filter(|position| *position > self.node.durable());
        let Some(position) = position else { return Ok(Some(Reply::Done)) };
        self.appended = self.appended.max(position);
        self.later = Some(Later::Commit { channel, position });
        Ok(None)
    }

    /// The channel's kept messages that go to queues, and what exchanges remember of others; returns and replies are dealt
    /// with.
    fn deliverable(&mut self, channel: u16, out: &mut BytesMut) -> (Vec<Kept>, Vec<Admission>) {
        let mut kept = self.uncommitted.take(channel);
        let mut unroutable = Vec::new();
        kept.retain_mut(|kept| {
            if !kept.targets.is_empty() {
                return true;
            }
            if !self.reply(&kept.arrival.message) && kept.mandatory {
                self.write_return(channel, &kept.arrival.message, out);
            }
            unroutable.append(&mut kept.admitted);
            false
        });
        (kept, unroutable)
    }

    /// Settles, and keeps apart what is to be told to the log with the rest.
    fn settle_apart(&mut self, now: Timestamp, settlements: &[Settlement]) -> Vec<Settled> {
        let mut settled: BTreeMap<QueueId, Settled> = BTreeMap::new();
        for Settlement { queue, consumer, checkout, outcome } in settlements {
            let Some(cell) = self.vhost.as_ref().and_then(|vhost| vhost.cell(*queue)) else { continue };
            let input = Input::Settle { consumer: *consumer, checkouts: &[*checkout], outcome: *outcome };
            let Ok(done) = cell.run_apart(now, input) else { continue };
            match settled.get_mut(queue) {
                Some(known) => known.gone.append(done.gone),
                None => {
                    settled.insert(*queue, Settled { cell, gone: done.gone });
                }
            }
        }
        settled.into_values().collect()
    }
}
