//! Publishes that exchanges remember for having let them pass, until it is known whether their queues take them: only then
//! others with their keys are duplicates for good.

use std::collections::BTreeMap;

use super::Session;
use super::uncommitted::Kept;
use crate::broker::error::ChannelError;
use crate::broker::message::Message;
use crate::broker::time::Timestamp;
use crate::node::memories::{Acquaintance, Admission};
use crate::store::Position;

/// By their numbers among the connection's publishes.
pub(super) type Admitted = BTreeMap<u64, Vec<Admission>>;

impl Session {
    /// Whether a duplicate has to be refused, since it is not decided what becomes of the first one: it may yet be refused,
    /// rolled back, or lost with its connection. Only who waits for a confirm can hear of it.
    pub(super) fn refuses_undecided(&mut self, now: Timestamp, channel: u16, known: &Acquaintance) -> bool {
        if known.undecided.is_empty() || !self.connection.confirms(channel) {
            return false;
        }
        // It may be in the same batch.
        self.flush_published(now);
        let Some(vhost) = &self.vhost else { return false };
        if !vhost.memories.are_undecided(&known.undecided) {
            return false;
        }
        vhost.memories.forget(&known.admitted);
        self.refused.push(self.published);
        true
    }

    /// The last publish is on its way to its queues, or waits.
    pub(super) fn note_admitted(&mut self, message: &Message, known: Acquaintance) {
        if known.duplicate && message.is_persistent() {
            // It is as safe as the first one.
            self.appended =
                self.appended.max(self.node.storage.as_ref().map(|storage| storage.end()).unwrap_or_default());
        }
        if !known.admitted.is_empty() {
            self.admitted.insert(self.published, known.admitted);
        }
    }

    /// Publishes have come to their queues, but for those that were refused.
    pub(super) fn decide_on(&mut self, now: Timestamp, numbers: impl Iterator<Item = u64>, refused: &[u64]) {
        let Some(vhost) = &self.vhost else { return };
        let mut taken = Vec::new();
        for number in numbers {
            match self.admitted.remove(&number) {
                Some(admitted) if refused.contains(&number) => vhost.memories.forget(&admitted),
                Some(admitted) => taken.extend(admitted),
                None => {}
            }
        }
        let kept = vhost.keep_keys(now, &taken);
        self.appended = self.appended.max(kept.unwrap_or_default());
    }

    /// Keeps a message until its channel commits.
    ///
    /// # Errors
    /// 406 when the connection has no room for it.
    pub(super) fn keep_uncommitted(&mut self, channel: u16, kept: Kept) -> Result<(), ChannelError> {
        let admitted = kept.admitted.clone();
        self.uncommitted.add(channel, kept).inspect_err(|_| {
            if let Some(vhost) = &self.vhost {
                vhost.memories.forget(&admitted);
            }
        })
    }

    /// A transaction's messages have come to their queues, but for those that were refused, or went nowhere. From which
    /// position on it is safe what exchanges remember of them.
    pub(super) fn decide_on_commit(
        &self,
        now: Timestamp,
        kept: &[Kept],
        unroutable: &[Admission],
        refused: &[usize],
    ) -> Option<Position> {
        let vhost = self.vhost.as_ref()?;
        refused.iter().filter_map(|at| kept.get(*at)).for_each(|kept| vhost.memories.forget(&kept.admitted));
        let taken =
            kept.iter().enumerate().filter(|(at, _)| !refused.contains(at)).flat_map(|(_, kept)| &kept.admitted);
        vhost.keep_keys(now, taken.chain(unroutable))
    }

    /// A publish goes nowhere after all.
    pub(super) fn take_back_admitted(&mut self, number: u64) {
        if let (Some(admitted), Some(vhost)) = (self.admitted.remove(&number), &self.vhost) {
            vhost.memories.forget(&admitted);
        }
    }
}
