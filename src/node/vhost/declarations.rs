//! Declarations of queues that are written together: what one read of a client brings, and what others declare while the
//! disk is busy, is one transaction. Until that is on the disk nobody sees the queues, and nobody is answered.

use std::sync::{Arc, OnceLock};

use parking_lot::MutexGuard;

use super::RunningVhost;
use crate::broker::auth::Actor;
use crate::broker::error::{BrokerError, ChannelError, ConnectionError};
use crate::broker::queue::QueueEntry;
use crate::broker::resource::Resource;
use crate::broker::time::Timestamp;
use crate::broker::vhost::{Effect, QueueDeclaration, Topology, Vhost};
use crate::node::cell::QueueCell;
use crate::node::definitions::blocking;
use crate::node::fail_stop::fail_stop;
use crate::store::meta::CommitError;

/// Declarations that are kept together, or not at all.
#[derive(Debug, Default)]
pub(in crate::node) struct Group(OnceLock<Result<(), ConnectionError>>);

/// What is declared and not known yet. Looked at with the vhost's machine locked, and changed only so.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    effects: Vec<Effect>,
    /// What `effects` belong to.
    group: Arc<Group>,
    /// What is being written.
    under_way: Option<Arc<Group>>,
}

/// What became of a declaration.
#[derive(Debug)]
pub(in crate::node) enum Declared {
    /// The queue runs.
    Known(Arc<QueueCell>),
    /// It will, once its group is kept: see `RunningVhost::keep`.
    Gathered(Arc<QueueEntry>, Arc<Group>),
}

impl Gathering {
    fn is_idle(&self) -> bool {
        self.effects.is_empty() && self.under_way.is_none()
    }

    /// The group after which everything that is declared by now is known.
    fn last(&self) -> Option<&Arc<Group>> {
        if self.effects.is_empty() { self.under_way.as_ref() } else { Some(&self.group) }
    }

    fn take(&mut self) -> (Vec<Effect>, Arc<Group>) {
        (std::mem::take(&mut self.effects), std::mem::take(&mut self.group))
    }
}

impl RunningVhost {
    /// queue.declare, not passive.
    pub(in crate::node) fn declare_queue(
        &self,
        now: Timestamp,
        actor: &Actor,
        wanted: QueueDeclaration,
    ) -> Result<Arc<QueueCell>, BrokerError> {
        match self.gather(now, actor, wanted)? {
            Declared::Known(cell) => Ok(cell),
            Declared::Gathered(entry, group) => {
                self.keep(&group)?;
                self.cell(entry.id).ok_or_else(|| self.not_found(&entry).into())
            }
        }
    }

    /// As `declare_queue`, but what has to be on the disk is left to be written together with more.
    pub(in crate::node) fn gather(
        &self,
        now: Timestamp,
        actor: &Actor,
        wanted: QueueDeclaration,
    ) -> Result<Declared, BrokerError> {
        let mut effects = Vec::new();
        if self.surroundings.events.are_wanted() {
            // Events name who did what: no two change something at once.
            let mut machine = self.machine();
            let entry = machine.declare_queue(actor, wanted, &mut effects)?;
            self.apply_or_take_back(now, &mut machine, effects)?;
            return self.known(&entry);
        }
        let mut machine = self.machine.lock();
        machine.watch(false);
        let entry = machine.declare_queue(actor, wanted, &mut effects)?;
        let mut gathering = self.gathering.lock();
        if effects.is_empty() {
            return match (self.cell(entry.id), gathering.last()) {
                (Some(cell), _) => Ok(Declared::Known(cell)),
                (None, Some(group)) => Ok(Declared::Gathered(entry, Arc::clone(group))),
                (None, None) => Err(self.not_found(&entry).into()),
            };
        }
        if gathering.is_idle() && !effects.iter().any(|effect| matches!(effect, Effect::Stored(_))) {
            drop(gathering);
            self.make_known(now, &mut machine, effects);
            return self.known(&entry);
        }
        gathering.effects.append(&mut effects);
        Ok(Declared::Gathered(entry, Arc::clone(&gathering.group)))
    }

    /// Waits until a group is on the disk and known, and sees to that unless somebody else does.
    ///
    /// # Errors
    /// When the disk has no room for it: nothing of it has happened.
    pub(in crate::node) fn keep(&self, group: &Group) -> Result<(), ConnectionError> {
        blocking(|| {
            let _changing = self.changing.lock();
            if group.0.get().is_none() {
                let mut machine = self.machine.lock();
                self.write_gathered(&mut machine, |machine, write| MutexGuard::unlocked(machine, write));
            }
        });
        group.0.get().cloned().unwrap_or(Ok(()))
    }

    /// Writes what is gathered and makes it known. `apart` runs the writing, and may let others declare meanwhile.
    pub(super) fn write_gathered<'a>(
        &self,
        machine: &mut MutexGuard<'a, Vhost>,
        apart: impl FnOnce(&mut MutexGuard<'a, Vhost>, &mut dyn FnMut()),
    ) {
        let (effects, group) = {
            let mut gathering = self.gathering.lock();
            if gathering.effects.is_empty() {
                return;
            }
            let (effects, group) = gathering.take();
            gathering.under_way = Some(Arc::clone(&group));
            (effects, group)
        };
        let topology = machine.topology().clone();
        let mut kept = Ok(());
        apart(machine, &mut || kept = self.definitions.keep(&self.name, &effects));
        let outcome = match kept {
            Ok(()) => {
                self.make_gathered_known(effects, &topology);
                Ok(())
            }
            Err(error @ CommitError::NoSpace) => Err(self.take_gathered_back(machine, &effects, &error)),
            Err(error) => fail_stop(&error),
        };
        self.gathering.lock().under_way = None;
        // Nobody else ends it: `changing` is held.
        let _first = group.0.set(outcome);
    }

    fn make_gathered_known(&self, effects: Vec<Effect>, topology: &Topology) {
        let now = self.surroundings.timers.clock.now();
        let replay = self.carry_out(now, effects);
        debug_assert!(replay.is_none(), "only a binding leads to one");
        self.show(topology);
    }

    /// There is no room for a group. What was declared meanwhile may build on it, and goes with it.
    fn take_gathered_back(&self, machine: &mut Vhost, effects: &[Effect], error: &CommitError) -> ConnectionError {
        let (newer, group) = self.gathering.lock().take();
        if !machine.take_back(&newer) || !machine.take_back(effects) {
            fail_stop(error);
        }
        tracing::error!("vhost '{}': {error}; what was declared is refused", self.name);
        let _first = group.0.set(Err(ConnectionError::NoSpace));
        ConnectionError::NoSpace
    }

    fn known(&self, entry: &QueueEntry) -> Result<Declared, BrokerError> {
        self.cell(entry.id).map(Declared::Known).ok_or_else(|| self.not_found(entry).into())
    }

    fn not_found(&self, entry: &QueueEntry) -> ChannelError {
        ChannelError::NotFound(Resource::queue(&entry.name, &self.name))
    }
}
