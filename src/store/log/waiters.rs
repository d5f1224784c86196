//! Those who wait for a position to become durable.

use std::fmt::Debug;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::store::place::Position;

/// Someone to be woken once the log is durable up to where they asked. Called by the writer's thread: must not wait.
pub trait Waiter: Debug + Send + Sync {
    /// It is durable.
    fn wake(&self);
}

/// Who waits, and for what.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    waiting: Mutex<Vec<(Position, Arc<dyn Waiter>)>>,
}

impl Waiters {
    /// Adds one, unless `durable` has come so far. The order of the two is what keeps a wake-up from being lost: the
    /// writer moves the durable position first and collects afterwards.
    pub(super) fn add(&self, position: Position, waiter: &Arc<dyn Waiter>, durable: impl FnOnce() -> Position) -> bool {
        let mut waiting = self.waiting.lock();
        if durable() >= position {
            return false;
        }
        waiting.push((position, Arc::clone(waiter)));
        true
    }

    /// Moves those who wait for no more than `durable` into `woken`.
    pub(super) fn collect(&self, durable: Position, woken: &mut Vec<Arc<dyn Waiter>>) {
        let mut waiting = self.waiting.lock();
        woken.extend(waiting.extract_if(.., |(position, _)| *position <= durable).map(|(_, waiter)| waiter));
    }
}
