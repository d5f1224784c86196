//! The ready messages of a queue with groups: those that were passed over, and behind them those that nobody has looked at.
//! Owns what is looked at next, and how much is set aside.

use std::num::NonZeroU32;

use leveret_protocol::ShortString;

use super::table::{GroupKey, GroupTable};
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::queue::consumers::Consumers;
use crate::broker::queue::effect::Effect;
use crate::broker::queue::place::{Place, Run};
use crate::broker::queue::ranges::{Ranges, SequenceRange};
use crate::broker::queue::ready::Ready;
use crate::broker::queue::unacked::Held;

/// The ready messages of a queue with groups.
#[derive(Debug)]
pub(in crate::broker::queue) struct Grouped {
    /// Those that nobody has looked at.
    pub(in crate::broker::queue) ready: Ready,
    table: GroupTable,
    /// From how many bytes in memory on stored messages are paged out; half of it is for those set aside.
    limit: usize,
}

/// A message that can be handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// One set aside, for who has its group.
    Owned(ConsumerId, SequenceNumber),
    /// One set aside, for anybody.
    Free(SequenceNumber),
    /// The first of those that nobody has looked at, of this group, for anybody.
    Head(Option<GroupKey>),
}

impl Grouped {
    pub(in crate::broker::queue) const fn new(ready: Ready, header: ShortString) -> Self {
        let limit = ready.limit();
        Self { ready, table: GroupTable::new(header), limit }
    }

    pub(in crate::broker::queue) fn len(&self) -> usize {
        self.ready.len() + self.table.len()
    }

    pub(in crate::broker::queue) fn is_loaded(&self) -> bool {
        self.table.len() > 0 || self.ready.is_loaded()
    }

    pub(in crate::broker::queue) const fn bytes(&self) -> usize {
        self.ready.bytes() + self.table.bytes()
    }

    pub(in crate::broker::queue) const fn body_bytes(&self) -> u64 {
        self.ready.body_bytes() + self.table.body_bytes()
    }

    #[cfg(test)]
    pub(in crate::broker::queue) fn group_count(&self) -> usize {
        self.table.count()
    }

    pub(in crate::broker::queue) const fn limit(&self) -> usize {
        self.limit
    }

    pub(in crate::broker::queue) const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
        self.share();
    }

    /// The others have what those set aside leave of the memory.
    const fn share(&mut self) {
        self.ready.set_limit(self.limit.saturating_sub(self.table.bytes()));
    }

    /// The oldest message in memory, whoever may have it.
    pub(in crate::broker::queue) fn first(&self) -> Option<&Held> {
        let heads = self.table.first().into_iter().chain(self.ready.first());
        heads.min_by_key(|held| held.sequence)
    }

    pub(in crate::broker::queue) fn take_first(&mut self) -> Option<Held> {
        match self.first_aside_before_head() {
            Some(sequence) => self.take_aside(sequence).map(|(_, held)| held),
            None => self.ready.take_first(),
        }
    }

    fn first_aside_before_head(&self) -> Option<SequenceNumber> {
        let head = self.ready.first().map(|held| held.sequence);
        self.table.first().map(|held| held.sequence).filter(|first| head.is_none_or(|head| *first < head))
    }

    fn take_aside(&mut self, sequence: SequenceNumber) -> Option<(GroupKey, Held)> {
        let taken = self.table.take(sequence);
        self.share();
        taken
    }

    fn set_aside(&mut self, key: GroupKey, held: Held) {
        self.table.set_aside(key, held);
        self.share();
    }

    /// Takes a message back that was handed out; before what came after it in its group.
    pub(in crate::broker::queue) fn give_back(&mut self, held: Held) {
        match self.table.key_of(&held.message) {
            Some(key) => self.set_aside(key, Held { redelivered: true, ..held }),
            None => self.ready.give_back(held),
        }
    }

    /// A message is not in anybody's hands any more.
    pub(in crate::broker::queue) fn let_go(&mut self, held: &Held) {
        if let Some(key) = self.table.key_of(&held.message) {
            self.table.let_go(key);
        }
    }

    /// Nothing in memory can be handed out to somebody: whether there is something to wait for, which is loaded then.
    pub(in crate::broker::queue) fn want(&mut self) -> bool {
        !self.ready.is_loaded() && self.ready.want()
    }

    pub(in crate::broker::queue) fn purge(&mut self, effects: &mut Vec<Effect>) -> usize {
        let count = self.table.purge(effects) + self.ready.purge(effects);
        self.share();
        count
    }

    pub(in crate::broker::queue) fn relocate(
        &mut self,
        from: NonZeroU32,
        runs: &[Run],
        singles: &[(SequenceNumber, Place)],
    ) -> usize {
        self.table.relocate(from, singles) + self.ready.relocate(from, runs, singles)
    }

    pub(in crate::broker::queue) fn aside(&self) -> impl Iterator<Item = &Held> {
        self.table.in_memory()
    }

    /// Takes a message out that is set aside.
    pub(in crate::broker::queue) fn remove_aside(&mut self, sequence: SequenceNumber) -> Option<Held> {
        self.take_aside(sequence).map(|(_, held)| held)
    }

    pub(in crate::broker::queue) fn is_aside(&self, sequence: SequenceNumber) -> bool {
        self.table.get(sequence).is_some()
    }

    /// Those set aside behind one, or all, by number.
    pub(in crate::broker::queue) fn aside_behind(&self, after: Option<SequenceNumber>) -> impl Iterator<Item = &Held> {
        self.table.behind(after)
    }

    /// Which messages were handed out before.
    pub(in crate::broker::queue) fn delivered(&self) -> Vec<SequenceRange> {
        let aside = self.aside().filter(|held| held.redelivered).map(|held| (held.sequence.0, held.sequence.0));
        let others = self.ready.delivered().into_inner().into_iter().map(|range| (range.start().0, range.end().0));
        aside.chain(others).collect::<Ranges>().into_inner()
    }

    pub(super) fn wake(&mut self, id: ConsumerId) {
        self.table.wake(id);
    }

    pub(super) fn wake_all(&mut self) {
        self.table.wake_all();
    }

    /// The oldest message that a consumer can take whose turn it is, or who has the group. Sets aside what nobody can.
    pub(super) fn next(&mut self, consumers: &mut Consumers) -> Option<Next> {
        let has_turn = consumers.has_turn();
        loop {
            let owned = self.table.next_owned(|id| consumers.can_take(id));
            let owned = owned.map(|(sequence, id)| (sequence, Next::Owned(id, sequence)));
            let free = self.table.first_free().filter(|_| has_turn).map(|sequence| (sequence, Next::Free(sequence)));
            let aside = owned.into_iter().chain(free).min_by_key(|(sequence, _)| *sequence);
            if !has_turn {
                return aside.map(|(_, next)| next);
            }
            match self.look_at_head(aside.map(|(sequence, _)| sequence), |id| consumers.can_take(id)) {
                Head::Open(key) => return Some(Next::Head(key)),
                Head::SetAside => {}
                Head::Stays => return aside.map(|(_, next)| next),
            }
        }
    }

    /// The oldest message that somebody can take who asks for one. Sets aside what he cannot.
    pub(super) fn next_for(&mut self, id: ConsumerId) -> Option<Next> {
        loop {
            let aside = self.table.first_for(id);
            match self.look_at_head(aside, |holder| holder == id) {
                Head::Open(key) => return Some(Next::Head(key)),
                Head::SetAside => {}
                Head::Stays => return aside.map(Next::Free),
            }
        }
    }

    /// Looks at the first message that nobody has looked at, unless one set aside comes before it.
    fn look_at_head(&mut self, aside: Option<SequenceNumber>, can_take: impl Fn(ConsumerId) -> bool) -> Head {
        let Some(head) = self.ready.first().filter(|head| aside.is_none_or(|aside| head.sequence < aside)) else {
            return Head::Stays;
        };
        let key = self.table.key_of(&head.message);
        let Some(taken) = key.filter(|key| self.table.is_known(*key)) else { return Head::Open(key) };
        // It leaves at once where the group has nobody, or one who has room.
        let leaves = self.table.holder(taken).is_none_or(can_take);
        if !leaves && self.table.bytes() >= self.limit / 2 {
            return Head::Stays;
        }
        let Some(held) = self.ready.take_first() else { return Head::Stays };
        // What stays leaves in another order than it came in, and is not to keep its neighbours in memory.
        let held = if leaves { held } else { Held { message: held.message.detached(), ..held } };
        self.set_aside(taken, held);
        Head::SetAside
    }

    pub(super) fn peek(&self, next: Next) -> Option<&Held> {
        match next {
            Next::Owned(_, sequence) | Next::Free(sequence) => self.table.get(sequence),
            Next::Head(_) => self.ready.first(),
        }
    }

    /// Takes a message out, for somebody who has its group from now on.
    pub(super) fn take(&mut self, next: Next, holder: Option<ConsumerId>) -> Option<Held> {
        let (key, held) = match next {
            Next::Owned(_, sequence) | Next::Free(sequence) => {
                let (key, held) = self.take_aside(sequence)?;
                (Some(key), held)
            }
            Next::Head(key) => (key, self.ready.take_first()?),
        };
        if let (Some(key), Some(holder)) = (key, holder) {
            self.table.hold(key, holder);
        }
        Some(held)
    }
}

/// What became of the first message that nobody had looked at.
enum Head {
    /// Anybody can take it.
    Open(Option<GroupKey>),
    SetAside,
    /// It is to wait, or there is none.
    Stays,
}
