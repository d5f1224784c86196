//! Policies: settings that an operator gives to queues and exchanges by the pattern of their names, while they run. Owns
//! which policy applies and what user and operator policy come to together; the vhost keeps them, and a queue's
//! `Settings` say what they mean beside its arguments.

mod apply_to;
mod draft;
mod invalid;
pub(in crate::broker) mod keys;
mod merge;
mod pattern;
mod policies;
mod redeclare;
mod term;

#[cfg(test)]
mod choice_tests;
#[cfg(test)]
mod draft_tests;
#[cfg(test)]
mod recorded_tests;

use leveret_protocol::{FieldTable, ShortString};

pub use self::apply_to::{ApplyTo, Target};
pub use self::draft::Draft;
pub use self::invalid::{Fault, Invalid};
pub use self::pattern::{InvalidPattern, Pattern};
pub use self::policies::{Effective, Policies};
pub use self::redeclare::Redeclare;

/// A policy of a vhost.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name, which no other of its kind has in the vhost.
    pub name: ShortString,
    /// The names that it is for.
    pub pattern: Pattern,
    /// The kinds of objects that it is for.
    pub apply_to: ApplyTo,
    /// Of all that match, the one with the highest counts.
    pub priority: i64,
    /// Its keys and their values, valid and sorted by key.
    pub definition: FieldTable,
}

/// Who set a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyKind {
    /// Users with the tag `policymaker`.
    User,
    /// Administrators: it bounds what the users' policies and arguments may do.
    Operator,
}

impl Policy {
    /// Whether it is for an object of this name. A policy with a key that means nothing to a type of queues is not for
    /// queues of that type at all (RabbitMQ).
    #[must_use]
    pub fn is_for(&self, name: &[u8], target: Target) -> bool {
        self.apply_to.covers(target)
            && self.definition.iter().all(|(key, _)| keys::means_something(key, target))
            && self.pattern.matches(name)
    }
}
