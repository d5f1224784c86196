//! The policies of a vhost, and which of them apply to an object. Immutable once published, like the topology that they
//! are part of.

use std::cmp::Reverse;
use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue};

use super::apply_to::Target;
use super::{Policy, PolicyKind, merge};

/// All policies of a vhost, each kind in the order in which they are tried.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    user: Vec<Arc<Policy>>,
    operator: Vec<Arc<Policy>>,
}

/// The policies that apply to an object: at most one of each kind. Definitions of several policies of a kind are not put
/// together (RabbitMQ).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    /// The user's.
    pub user: Option<Arc<Policy>>,
    /// The operator's.
    pub operator: Option<Arc<Policy>>,
}

impl Policies {
    /// Those of a kind, the highest priority first; of equal priority by name.
    #[must_use]
    pub fn of(&self, kind: PolicyKind) -> &[Arc<Policy>] {
        match kind {
            PolicyKind::User => &self.user,
            PolicyKind::Operator => &self.operator,
        }
    }

    /// The policy of that name.
    #[must_use]
    pub fn get(&self, kind: PolicyKind, name: &[u8]) -> Option<&Arc<Policy>> {
        self.of(kind).iter().find(|policy| policy.name.as_bytes() == name)
    }

    /// Whether there are none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.operator.is_empty()
    }

    /// What applies to an object. Operator policies say nothing to exchanges.
    #[must_use]
    pub fn effective(&self, name: &[u8], target: Target) -> Effective {
        let first = |policies: &[Arc<Policy>]| policies.iter().find(|policy| policy.is_for(name, target)).cloned();
        let operator = if target == Target::Exchange { None } else { first(&self.operator) };
        Effective { user: first(&self.user), operator }
    }

    /// Adds a policy; returns the one of that name that it replaces.
    pub(in crate::broker) fn insert(&mut self, kind: PolicyKind, policy: Arc<Policy>) -> Option<Arc<Policy>> {
        let replaced = self.remove(kind, policy.name.as_bytes());
        let policies = self.of_mut(kind);
        let rank = |policy: &Policy| (Reverse(policy.priority), policy.name.clone());
        let wanted = rank(&policy);
        let index = policies.partition_point(|other| rank(other) < wanted);
        policies.insert(index, policy);
        replaced
    }

    /// Takes a policy away.
    pub(in crate::broker) fn remove(&mut self, kind: PolicyKind, name: &[u8]) -> Option<Arc<Policy>> {
        let policies = self.of_mut(kind);
        let index = policies.iter().position(|policy| policy.name.as_bytes() == name)?;
        Some(policies.remove(index))
    }

    const fn of_mut(&mut self, kind: PolicyKind) -> &mut Vec<Arc<Policy>> {
        match kind {
            PolicyKind::User => &mut self.user,
            PolicyKind::Operator => &mut self.operator,
        }
    }
}

impl Effective {
    /// What both come to together; empty where none applies. An operator's limit can be tightened by the user, not
    /// loosened.
    #[must_use]
    pub fn definition(&self) -> FieldTable {
        match (&self.user, &self.operator) {
            (None, None) => FieldTable::new(),
            (Some(only), None) | (None, Some(only)) => only.definition.clone(),
            (Some(user), Some(operator)) => merge::merged(&user.definition, &operator.definition),
        }
    }

    /// The value of a key that operators cannot set.
    pub(in crate::broker) fn users(&self, key: &str) -> Option<&FieldValue> {
        self.user.as_ref()?.definition.get(key)
    }
}
