//! What may happen to a queue.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::broker::queue::Outcome;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Whether each is stored; whether something else lies before its record; its priority.
    Publish(Vec<(bool, bool, u8)>),
    Reserve(u64),
    /// Which of the reserved numbers; whether it is stored; its priority.
    Insert(Index, bool, u8),
    Subscribe(u16, bool),
    Unsubscribe(Index),
    Abandon(Index),
    Get(bool),
    Settle(Index, Vec<Index>, Outcome),
    SetLimit(usize),
    /// Which; every so many messages of it are damaged; 0 is none.
    AnswerLoad(Index, u64),
    AnswerAnOldLoad(Index),
    NextFile,
    /// In pieces of so many messages at most.
    Copy(Index, u32),
    Relocate,
    /// In pages of so many.
    List(usize),
    /// Which of those that were listed; whether that is long ago.
    Pick(Vec<Index>, bool),
    Purge,
    Restart,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    use Outcome::{Ack, Discard, Fail, Requeue};
    let outcome = prop::sample::select(vec![Ack, Ack, Ack, Requeue, Fail, Discard]);
    let priority = || prop_oneof![3 => 0..4_u8, 1 => Just(255_u8)];
    let kind = (prop::bool::weighted(0.8), prop::bool::weighted(0.2), priority());
    prop_oneof![
        6 => prop::collection::vec(kind, 1..6).prop_map(Step::Publish),
        1 => (1..4_u64).prop_map(Step::Reserve),
        2 => (any::<Index>(), prop::bool::weighted(0.7), priority())
            .prop_map(|(at, stored, priority)| Step::Insert(at, stored, priority)),
        2 => (0..5_u16, prop::bool::weighted(0.3)).prop_map(|(prefetch, no_ack)| Step::Subscribe(prefetch, no_ack)),
        1 => any::<Index>().prop_map(Step::Unsubscribe),
        1 => any::<Index>().prop_map(Step::Abandon),
        3 => any::<bool>().prop_map(Step::Get),
        5 => (any::<Index>(), prop::collection::vec(any::<Index>(), 1..4), outcome)
            .prop_map(|(holder, which, outcome)| Step::Settle(holder, which, outcome)),
        1 => prop::sample::select(vec![0, 200, 700, 2000]).prop_map(Step::SetLimit),
        5 => any::<Index>().prop_map(|at| Step::AnswerLoad(at, 0)),
        1 => (any::<Index>(), 2..5_u64).prop_map(|(at, every)| Step::AnswerLoad(at, every)),
        1 => any::<Index>().prop_map(Step::AnswerAnOldLoad),
        1 => Just(Step::NextFile),
        1 => (any::<Index>(), 1..20_u32).prop_map(|(file, most)| Step::Copy(file, most)),
        2 => Just(Step::Relocate),
        2 => (1..9_usize).prop_map(Step::List),
        3 => (prop::collection::vec(any::<Index>(), 1..6), prop::bool::weighted(0.3))
            .prop_map(|(which, stale)| Step::Pick(which, stale)),
        1 => Just(Step::Purge),
        1 => Just(Step::Restart),
    ]
}
