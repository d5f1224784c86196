//! A running vhost: its machine behind a lock, the topology that publishers see, and its queues.

mod declarations;

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use dashmap::DashMap;
use leveret_protocol::ShortString;
use parking_lot::{Mutex, MutexGuard};

use self::declarations::Gathering;
pub(super) use self::declarations::{Declared, Group};
use super::cell::{MakeCell, QueueCell, Surroundings};
use super::definitions::Definitions;
use super::fail_stop::fail_stop;
use super::memories::{Memories, Replay};
use crate::broker::auth::Actor;
use crate::broker::dedup::key_queue_for;
use crate::broker::error::{BrokerError, ChannelError, ConnectionError};
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::queue::{Input, QueueEntry, Refusal, arguments};
use crate::broker::resource::Resource;
use crate::broker::time::Timestamp;
use crate::broker::vhost::{Definition, EVENT_EXCHANGE, Effect, RedeclaredQueue, Restored, Topology, Vhost};
use crate::store::meta::CommitError;

#[derive(Debug)]
pub(super) struct RunningVhost {
    pub(super) name: ShortString,
    definitions: Arc<Definitions>,
    /// Held by who changes anything, but for gathering declarations, until the change is known to everybody.
    changing: Mutex<()>,
    machine: Mutex<Vhost>,
    gathering: Mutex<Gathering>,
    topology: ArcSwap<Topology>,
    number: AtomicU64,
    cells: DashMap<QueueId, Arc<QueueCell>>,
    /// What its queues live in.
    surroundings: Arc<Surroundings>,
    pub(super) memories: Memories,
    /// Copies of messages go to the trace exchange.
    tracing: AtomicBool,
}

/// The machine, and the right to change anything.
struct Changing<'a> {
    machine: MutexGuard<'a, Vhost>,
    _changing: MutexGuard<'a, ()>,
}

impl Deref for Changing<'_> {
    type Target = Vhost;

    fn deref(&self) -> &Vhost {
        &self.machine
    }
}

impl DerefMut for Changing<'_> {
    fn deref_mut(&mut self) -> &mut Vhost {
        &mut self.machine
    }
}

impl RunningVhost {
    /// A vhost with what was stored of it; `cell` makes the running queue of each one that was.
    pub(super) fn restore(
        name: ShortString,
        definitions: Arc<Definitions>,
        surroundings: impl FnOnce(Weak<Self>) -> Surroundings,
        stored: Vec<Definition>,
        cell: &mut MakeCell<'_>,
    ) -> Arc<Self> {
        let vhost = Arc::new_cyclic(|home: &Weak<Self>| {
            Self::restored(name, definitions, Arc::new(surroundings(Weak::clone(home))), stored, cell)
        });
        if vhost.has_events() {
            vhost.surroundings.events.live_in(Arc::downgrade(&vhost));
            vhost.tell_whether_events_are_wanted(&vhost.machine.lock());
        }
        vhost.each_cell(QueueCell::begin);
        vhost
    }

    fn restored(
        name: ShortString,
        definitions: Arc<Definitions>,
        surroundings: Arc<Surroundings>,
        stored: Vec<Definition>,
        cell: &mut MakeCell<'_>,
    ) -> Self {
        let empty = Vhost::new(name.clone());
        let empty = if surroundings.events.are_told_in(&name) { empty.with_events() } else { empty };
        let Restored { vhost: machine, effects, stray } = empty.having(stored);
        for link in stray {
            tracing::warn!("a stored binding in vhost '{name}' leads from or to what is not stored: {link:?}");
        }
        let (cells, memories) = (DashMap::new(), Memories::default());
        for effect in effects {
            match effect {
                Effect::QueueCreated(entry, settings) => {
                    let cell = Arc::new(cell(entry, settings, Arc::clone(&surroundings)));
                    join_keys(&cells, &cell);
                    cells.insert(cell.entry.id, cell);
                }
                Effect::MemoryCreated { exchange, memory } => memories.create(&exchange, memory),
                Effect::QueueRemoved(_)
                | Effect::Stored(_)
                | Effect::Forgotten(_)
                | Effect::MemoryRemoved(_)
                | Effect::Replay { .. }
                | Effect::QueueConfigured(..)
                | Effect::Redeclared(_) => {}
            }
        }
        let number = AtomicU64::new(machine.topology().number);
        let topology = ArcSwap::from_pointee(machine.topology().clone());
        let (changing, machine, gathering) = (Mutex::default(), Mutex::new(machine), Mutex::default());
        let tracing = AtomicBool::new(false);
        Self {
            name,
            definitions,
            changing,
            machine,
            gathering,
            topology,
            number,
            cells,
            surroundings,
            memories,
            tracing,
        }
    }

    /// The machine, to be changed. Everything that was declared before is known.
    fn machine(&self) -> Changing<'_> {
        let changing = self.changing.lock();
        let mut machine = self.machine.lock();
        self.write_gathered(&mut machine, |_, write| write());
        machine.watch(self.surroundings.events.are_wanted());
        Changing { machine, _changing: changing }
    }

    fn has_events(&self) -> bool {
        self.surroundings.events.are_told_in(&self.name)
    }

    fn tell_whether_events_are_wanted(&self, machine: &Vhost) {
        let exchange = ShortString::from_static(EVENT_EXCHANGE);
        self.surroundings.events.want(machine.bindings_from(&exchange).next().is_some());
    }

    /// Whether copies of messages go to the trace exchange.
    pub(super) fn is_traced(&self) -> bool {
        self.tracing.load(Ordering::Relaxed)
    }

    /// From now on copies of messages go to the trace exchange, or do not. Forgotten by a restart, as in RabbitMQ.
    pub(super) fn trace(&self, on: bool) {
        self.tracing.store(on, Ordering::Relaxed);
    }

    /// The topology as it is now.
    pub(super) fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    /// The topology's number, without a look at it.
    pub(super) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    pub(super) fn cell(&self, queue: QueueId) -> Option<Arc<QueueCell>> {
        self.cells.get(&queue).map(|cell| Arc::clone(&cell))
    }

    /// Looks at every queue.
    pub(super) fn each_cell(&self, mut look: impl FnMut(&Arc<QueueCell>)) {
        self.cells.iter().for_each(|cell| look(&cell));
    }

    /// Looks at what the topology does not show.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Vhost) -> T) -> T {
        look(&self.machine.lock())
    }

    /// An id that no queue has had.
    pub(super) fn next_queue(&self) -> Result<QueueId, ConnectionError> {
        match self.definitions.next_queue() {
            Ok(id) => Ok(id),
            Err(CommitError::NoSpace) => Err(ConnectionError::NoSpace),
            Err(error @ CommitError::Fatal(_)) => fail_stop(&error),
        }
    }

    /// Changes exchanges, bindings or policies.
    pub(super) fn change<T>(
        &self,
        now: Timestamp,
        change: impl FnOnce(&mut Vhost, &mut Vec<Effect>) -> Result<T, ChannelError>,
    ) -> Result<T, BrokerError> {
        let mut effects = Vec::new();
        let mut machine = self.machine();
        if machine.wants_queue_id() {
            machine.provide(self.next_queue()?);
        }
        let result = change(&mut machine, &mut effects);
        self.apply_or_take_back(now, &mut machine, effects)?;
        drop(machine);
        Ok(result?)
    }

    /// queue.delete: how many ready messages went.
    pub(super) fn delete_queue(
        &self,
        now: Timestamp,
        actor: &Actor,
        name: &ShortString,
        if_unused: bool,
        if_empty: bool,
    ) -> Result<usize, BrokerError> {
        let mut machine = self.machine();
        let Some(entry) = machine.queue_to_delete(actor, name)? else { return Ok(0) };
        let Some(cell) = self.cell(entry.id) else { return Ok(0) };
        let resource = Resource::queue(&entry.name, &self.name);
        arguments::check_deletion(&entry.arguments, if_unused, if_empty, &resource)?;
        let removed = match cell.run(now, Input::Delete { if_unused, if_empty }) {
            Ok(outcome) => outcome.removed,
            Err(Refusal::InUse) => return Err(ChannelError::InUse(resource).into()),
            Err(Refusal::NotEmpty) => return Err(ChannelError::NotEmpty(resource).into()),
            Err(Refusal::Gone | Refusal::ExclusiveUse) => 0,
        };
        machine.acts(actor);
        self.remove(now, &mut machine, &entry);
        drop(machine);
        Ok(removed)
    }

    /// An auto-delete queue lost its last consumer: it goes, unless another one has come meanwhile.
    pub(super) fn delete_unused(&self, now: Timestamp, cell: &Arc<QueueCell>) {
        let mut machine = self.machine();
        if cell.run(now, Input::Delete { if_unused: true, if_empty: false }).is_ok() {
            self.remove(now, &mut machine, &cell.entry);
        }
    }

    /// Nobody has used the queue for as long as it was to live without: it goes, unless somebody uses it just now.
    pub(super) fn end_lease(&self, now: Timestamp, cell: &Arc<QueueCell>) {
        let mut machine = self.machine();
        if cell.run(now, Input::EndLease).is_ok() {
            self.remove(now, &mut machine, &cell.entry);
        }
    }

    /// The connection is gone, and its exclusive queues with it.
    pub(super) fn connection_ended(&self, now: Timestamp, connection: ConnectionId) {
        let mut effects = Vec::new();
        let mut machine = self.machine();
        machine.connection_ended(connection, &mut effects);
        self.apply(now, &mut machine, effects);
    }

    fn remove(&self, now: Timestamp, machine: &mut Vhost, entry: &Arc<QueueEntry>) {
        let mut effects = Vec::new();
        machine.remove_queue(entry, &mut effects);
        self.apply(now, machine, effects);
    }

    /// As `apply`, but where the disk is full and something was only added, nothing has happened: a declaration can be made
    /// again later. What takes something away has been seen by then, and makes room.
    fn apply_or_take_back(
        &self,
        now: Timestamp,
        machine: &mut Vhost,
        effects: Vec<Effect>,
    ) -> Result<(), ConnectionError> {
        match self.definitions.keep(&self.name, &effects) {
            Ok(()) => {
                self.make_known(now, machine, effects);
                Ok(())
            }
            Err(error @ CommitError::NoSpace) if machine.take_back(&effects) => {
                tracing::error!("vhost '{}': {error}; what was declared is refused", self.name);
                Err(ConnectionError::NoSpace)
            }
            Err(CommitError::NoSpace) => {
                self.apply(now, machine, effects);
                Ok(())
            }
            Err(error @ CommitError::Fatal(_)) => fail_stop(&error),
        }
    }

    /// What is durable is on the disk before anybody sees the change or is answered.
    fn apply(&self, now: Timestamp, machine: &mut Vhost, effects: Vec<Effect>) {
        self.definitions.keep_in_any_case(&self.name, &effects).unwrap_or_else(|error| fail_stop(&error));
        self.make_known(now, machine, effects);
    }

    /// A change is on disk, where it has to be: it happens, and everybody sees it.
    fn make_known(&self, now: Timestamp, machine: &mut Vhost, effects: Vec<Effect>) {
        match self.carry_out(now, effects) {
            Some(replay) => self.replay(now, &replay, || self.publish(machine)),
            None => self.publish(machine),
        }
        let (changes, by) = machine.take_changes();
        self.surroundings.events.tell_changes(&self.name, &changes, by.as_ref());
    }

    /// Carries out all but a replay, which goes with the publishing of the topology. One operation has one at most.
    fn carry_out(&self, now: Timestamp, effects: Vec<Effect>) -> Option<Replay> {
        let mut replay = None;
        for effect in effects {
            match effect {
                Effect::QueueCreated(entry, settings) => {
                    let cell = Arc::new(QueueCell::new(entry, settings, Arc::clone(&self.surroundings)));
                    cell.begin();
                    join_keys(&self.cells, &cell);
                    self.cells.insert(cell.entry.id, cell);
                }
                Effect::QueueRemoved(queue) => {
                    if let Some((_, cell)) = self.cells.remove(&queue) {
                        // Ended already where queue.delete did it.
                        let _ended = cell.run(now, Input::Delete { if_unused: false, if_empty: false });
                    }
                }
                Effect::MemoryCreated { exchange, memory } => self.memories.create(&exchange, memory),
                Effect::MemoryRemoved(exchange) => self.memories.remove(&exchange),
                Effect::Replay { source, destination } => replay = Some(Replay { source, destination }),
                Effect::QueueConfigured(queue, settings) => {
                    if let Some(cell) = self.cell(queue) {
                        cell.configure(now, settings);
                    }
                }
                Effect::Redeclared(queue) => self.tell(&queue),
                Effect::Stored(_) | Effect::Forgotten(_) => {}
            }
        }
        replay
    }

    fn tell(&self, queue: &RedeclaredQueue) {
        let done = if queue.adopted { "the queue adopts the new arguments" } else { "the queue stays as it is" };
        let (name, different) = (&queue.name, &queue.different);
        tracing::warn!("queue '{name}' in vhost '{}' is declared again: {different}; {done}", self.name);
    }

    fn publish(&self, machine: &Vhost) {
        if self.show(machine.topology()) && self.has_events() {
            self.tell_whether_events_are_wanted(machine);
        }
    }

    /// From now on everybody sees this topology; false when they do already.
    fn show(&self, topology: &Topology) -> bool {
        let number = topology.number;
        if self.number() == number {
            return false;
        }
        self.topology.store(Arc::new(topology.clone()));
        self.number.store(number, Ordering::Release);
        true
    }
}

/// A queue that keeps keys comes behind the one whose they are, unless they are an exchange's.
fn join_keys(cells: &DashMap<QueueId, Arc<QueueCell>>, cell: &Arc<QueueCell>) {
    if let Some(of) = key_queue_for(cell.entry.id).and_then(|of| cells.get(&of)) {
        of.keep_keys_in(Arc::clone(cell));
    }
}
