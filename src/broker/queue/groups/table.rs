//! Who has which group, and the ready messages of groups that were passed over, each group's in order. Decides nothing of
//! when they are looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::ops::Bound;

use leveret_protocol::ShortString;

use crate::broker::delay;
use crate::broker::exchange::hash;
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::message::{Message, Traits};
use crate::broker::queue::effect::Effect;
use crate::broker::queue::place::Place;
use crate::broker::queue::ready::relocate_held;
use crate::broker::queue::unacked::Held;
use crate::broker::value::octets_of;

/// A group by a hash of its value. Groups with the same one are as one group: fewer go in parallel, and order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GroupKey(u64);

#[derive(Debug)]
pub(super) struct GroupTable {
    /// The header whose value makes a group.
    header: ShortString,
    /// Those that have something in flight or set aside.
    groups: BTreeMap<GroupKey, Group>,
    /// Ready messages that were passed over.
    aside: BTreeMap<SequenceNumber, (GroupKey, Held)>,
    /// The first ones set aside of each group that nobody has.
    free: BTreeSet<SequenceNumber>,
    /// The first ones set aside of each group that somebody has, by whom.
    owned: BTreeMap<ConsumerId, BTreeSet<SequenceNumber>>,
    /// Who may have room for more of its groups by now.
    woken: BTreeSet<ConsumerId>,
    /// What the messages set aside cost.
    bytes: usize,
    /// Bytes of their bodies.
    body_bytes: u64,
}

#[derive(Debug, Default)]
struct Group {
    /// Who has it: as long as anything of it is unacked.
    holder: Option<ConsumerId>,
    unacked: usize,
    aside: BTreeSet<SequenceNumber>,
}

impl GroupTable {
    pub(super) const fn new(header: ShortString) -> Self {
        Self {
            header,
            groups: BTreeMap::new(),
            aside: BTreeMap::new(),
            free: BTreeSet::new(),
            owned: BTreeMap::new(),
            woken: BTreeSet::new(),
            bytes: 0,
            body_bytes: 0,
        }
    }

    /// The group of a message; `None`: it is in none.
    pub(super) fn key_of(&self, message: &Message) -> Option<GroupKey> {
        if !message.traits().has(Traits::HEADERS) {
            return None;
        }
        let headers = delay::headers_of(message)?;
        let (_, value) = headers.iter().find(|(name, _)| *name == self.header)?;
        Some(GroupKey(hash(&octets_of(value))))
    }

    pub(super) fn len(&self) -> usize {
        self.aside.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// How many groups have something in flight or set aside.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.groups.len()
    }

    /// The oldest message set aside.
    pub(super) fn first(&self) -> Option<&Held> {
        self.aside.first_key_value().map(|(_, (_, held))| held)
    }

    pub(super) fn get(&self, sequence: SequenceNumber) -> Option<&Held> {
        self.aside.get(&sequence).map(|(_, held)| held)
    }

    pub(super) fn in_memory(&self) -> impl Iterator<Item = &Held> {
        self.aside.values().map(|(_, held)| held)
    }

    /// Those set aside behind one, or all, by number.
    pub(super) fn behind(&self, after: Option<SequenceNumber>) -> impl Iterator<Item = &Held> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.aside.range((start, Bound::Unbounded)).map(|(_, (_, held))| held)
    }

    /// Whether anything of a group is in flight or set aside.
    pub(super) fn is_known(&self, key: GroupKey) -> bool {
        self.groups.contains_key(&key)
    }

    pub(super) fn holder(&self, key: GroupKey) -> Option<ConsumerId> {
        self.groups.get(&key)?.holder
    }

    /// The oldest message of those groups that nobody has.
    pub(super) fn first_free(&self) -> Option<SequenceNumber> {
        self.free.first().copied()
    }

    /// The oldest message that somebody may have.
    pub(super) fn first_for(&self, id: ConsumerId) -> Option<SequenceNumber> {
        let own = self.owned.get(&id).and_then(BTreeSet::first).copied();
        own.into_iter().chain(self.first_free()).min()
    }

    /// The oldest message that belongs to one of those who were woken and can take it.
    pub(super) fn next_owned(&mut self, can_take: impl Fn(ConsumerId) -> bool) -> Option<(SequenceNumber, ConsumerId)> {
        let owned = &self.owned;
        self.woken.retain(|id| owned.contains_key(id) && can_take(*id));
        self.woken.iter().filter_map(|id| Some((*owned.get(id)?.first()?, *id))).min()
    }

    /// Somebody may have room now.
    pub(super) fn wake(&mut self, id: ConsumerId) {
        if self.owned.contains_key(&id) {
            self.woken.insert(id);
        }
    }

    pub(super) fn wake_all(&mut self) {
        self.woken = self.owned.keys().copied().collect();
    }

    /// Sets a message aside, in its place by number.
    pub(super) fn set_aside(&mut self, key: GroupKey, held: Held) {
        self.bytes += held.message.cost();
        self.body_bytes += held.message.body_length();
        let sequence = held.sequence;
        self.aside.insert(sequence, (key, held));
        self.change(key, |group| group.aside.insert(sequence));
    }

    /// Takes out one that was set aside.
    pub(super) fn take(&mut self, sequence: SequenceNumber) -> Option<(GroupKey, Held)> {
        let (key, held) = self.aside.remove(&sequence)?;
        self.bytes -= held.message.cost();
        self.body_bytes -= held.message.body_length();
        self.change(key, |group| group.aside.remove(&sequence));
        Some((key, held))
    }

    /// Somebody is handed a message of the group, and has it.
    pub(super) fn hold(&mut self, key: GroupKey, id: ConsumerId) {
        self.change(key, |group| {
            debug_assert!(group.holder.is_none_or(|holder| holder == id), "somebody else has it");
            group.holder = Some(id);
            group.unacked += 1;
        });
    }

    /// A message of the group is unacked no more.
    pub(super) fn let_go(&mut self, key: GroupKey) {
        self.change(key, |group| {
            group.unacked = group.unacked.saturating_sub(1);
            if group.unacked == 0 {
                group.holder = None;
            }
        });
    }

    /// Removes what was set aside, and tells of what was stored.
    pub(super) fn purge(&mut self, effects: &mut Vec<Effect>) -> usize {
        let count = self.len();
        effects.extend(self.in_memory().filter_map(Held::gone));
        self.aside.clear();
        self.free.clear();
        self.owned.clear();
        self.woken.clear();
        (self.bytes, self.body_bytes) = (0, 0);
        self.groups.retain(|_, group| {
            group.aside.clear();
            group.unacked > 0
        });
        count
    }

    pub(super) fn relocate(&mut self, from: NonZeroU32, singles: &[(SequenceNumber, Place)]) -> usize {
        relocate_held(self.aside.values_mut().map(|(_, held)| held), from, singles)
    }

    /// Changes a group, and what is known of who may have its first message.
    fn change<T>(&mut self, key: GroupKey, change: impl FnOnce(&mut Group) -> T) -> T {
        let group = self.groups.entry(key).or_default();
        let before = (group.holder, group.aside.first().copied());
        let result = change(group);
        let after = (group.holder, group.aside.first().copied());
        if group.unacked == 0 && group.aside.is_empty() {
            self.groups.remove(&key);
        }
        if before != after {
            self.unlist(before);
            self.list(after);
        }
        result
    }

    fn list(&mut self, (holder, first): (Option<ConsumerId>, Option<SequenceNumber>)) {
        let Some(first) = first else { return };
        match holder {
            Some(id) => {
                self.owned.entry(id).or_default().insert(first);
                self.woken.insert(id);
            }
            None => {
                self.free.insert(first);
            }
        }
    }

    fn unlist(&mut self, (holder, first): (Option<ConsumerId>, Option<SequenceNumber>)) {
        let Some(first) = first else { return };
        let Some(id) = holder else {
            self.free.remove(&first);
            return;
        };
        if let Some(owned) = self.owned.get_mut(&id) {
            owned.remove(&first);
            if owned.is_empty() {
                self.owned.remove(&id);
            }
        }
    }
}
