//! Messages of this connection that are not complete, as the node accounts for them: how many it may have at once where memory
//! is short for them, and when it may go on with one.

use std::sync::Arc;

use super::Session;
use super::waiting::LOG_LAG_LIMIT;
use crate::broker::alarm::Alarms;
use crate::store::Waiter;

/// Bytes of incomplete messages that no connection has to wait for others with.
const LARGE: usize = 64 * 1024;

impl Session {
    /// Has large messages come one by one where memory is short for them.
    pub(super) fn limit_assembly(&mut self) {
        let short = self.node.storage.as_ref().is_some_and(|storage| storage.is_short_for_assembly());
        self.connection.assemble_one_by_one(short);
    }

    /// Tells of what this connection holds of messages that are not complete.
    pub(super) fn account_assembly(&mut self) {
        let (before, after) = (self.assembling, self.connection.assembling());
        if let Some(storage) = self.node.storage.as_ref().filter(|_| before != after) {
            let short = storage.is_short_for_assembly() || storage.is_scarce();
            storage.accounts.account_assembling(before, after);
            self.assembling = after;
            if short {
                storage.let_go(before.saturating_sub(after));
            }
        }
    }

    /// Whether nothing is read since others are in the middle of messages, and memory is short for all of them.
    pub(super) const fn waits_for_its_turn(&self) -> bool {
        self.stands_in_line && !self.has_turn
    }

    /// Where memory is short, connections in the middle of a large body go on one by one, in spite of the memory alarm. On a
    /// full disk there is no place for what they complete.
    pub(super) fn stand_in_line(&mut self, alarms: Alarms) {
        let Some(storage) = &self.node.storage else { return };
        let much = storage.is_short_for_assembly() && self.connection.assembling() >= LARGE;
        let blocked = alarms.memory && !alarms.disk && self.connection.is_blocked_amid_a_body();
        if blocked || (much && self.connection.is_amid_a_body()) {
            self.stands_in_line = true;
            self.has_turn = storage.finishers.may_go_on(&self.outbox) && self.log_keeps_up();
        } else if std::mem::take(&mut self.stands_in_line) {
            self.has_turn = false;
            storage.finishers.leave(&self.outbox);
        }
        self.connection.let_finish(self.has_turn && blocked);
    }

    /// Whether what others completed is on its way to the disk; otherwise the log wakes this connection.
    fn log_keeps_up(&self) -> bool {
        let Some(storage) = &self.node.storage else { return true };
        if storage.log.lag() <= LOG_LAG_LIMIT {
            return true;
        }
        let waiter: Arc<dyn Waiter> = Arc::clone(&self.outbox) as Arc<dyn Waiter>;
        !storage.log.wake_when_durable(storage.log.end(), &waiter)
    }

    /// The connection is gone, and with it what was not complete.
    pub(super) fn give_up_assembly(&mut self) {
        if let Some(storage) = &self.node.storage {
            storage.accounts.account_assembling(std::mem::take(&mut self.assembling), 0);
            storage.finishers.leave(&self.outbox);
        }
    }
}
