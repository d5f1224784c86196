//! Setting and clearing the vhost's policies, and what that does to its queues and exchanges at once. Which policy applies
//! is decided in `policy`.

use std::sync::Arc;

use leveret_protocol::{FieldValue, ShortString};

use super::definition::{Definition, alternate};
use super::{Effect, Vhost};
use crate::broker::exchange::{ALTERNATE_EXCHANGE, Exchange};
use crate::broker::policy::{Policies, Policy, PolicyKind, Target, keys};
use crate::broker::queue::{QueueEntry, Settings};

impl Vhost {
    /// Sets a policy; false where it was there as it is wanted, or another one of its name.
    pub fn set_policy(&mut self, kind: PolicyKind, policy: Policy, effects: &mut Vec<Effect>) -> bool {
        let policy = Arc::new(policy);
        let mut policies = Policies::clone(&self.topology.policies);
        let replaced = policies.insert(kind, Arc::clone(&policy));
        if replaced.as_ref() == Some(&policy) {
            return false;
        }
        effects.push(Effect::Stored(Definition::Policy(kind, Arc::clone(&policy))));
        let is_new = replaced.is_none();
        self.change_policies(policies, &[Some(policy), replaced], effects);
        is_new
    }

    /// Takes a policy away; false where there is none of that name.
    pub fn clear_policy(&mut self, kind: PolicyKind, name: &[u8], effects: &mut Vec<Effect>) -> bool {
        let mut policies = Policies::clone(&self.topology.policies);
        let Some(cleared) = policies.remove(kind, name) else { return false };
        effects.push(Effect::Forgotten(Definition::Policy(kind, Arc::clone(&cleared))));
        self.change_policies(policies, &[Some(cleared)], effects);
        true
    }

    /// Sets a policy before there is anything that it could apply to but the predeclared exchanges.
    pub(super) fn restore_policy(&mut self, kind: PolicyKind, policy: Arc<Policy>) {
        let mut policies = Policies::clone(&self.topology.policies);
        policies.insert(kind, policy);
        self.topology.policies = Arc::new(policies);
        self.change_alternates(|_| true);
    }

    /// One pass over everything. Only what one of the changed policies is for can change with them, so that most names
    /// cost a match or two, however many policies there are.
    fn change_policies(&mut self, policies: Policies, changed: &[Option<Arc<Policy>>], effects: &mut Vec<Effect>) {
        let before = std::mem::replace(&mut self.topology.policies, Arc::new(policies));
        self.changed();
        let may_change =
            |name: &ShortString, target| changed.iter().flatten().any(|policy| policy.is_for(name.as_bytes(), target));
        for entry in self.topology.queues.values() {
            if may_change(&entry.name, Target::of_queue(&entry.arguments)) {
                let settings = settings_under(&self.topology.policies, entry);
                if settings != settings_under(&before, entry) {
                    effects.push(Effect::QueueConfigured(entry.id, settings));
                }
            }
        }
        self.change_alternates(|exchange| may_change(&exchange.name, Target::Exchange));
    }

    fn change_alternates(&mut self, may_change: impl Fn(&Exchange) -> bool) {
        let exchanges = self.topology.exchanges.values().filter(|exchange| may_change(exchange));
        let wanted = exchanges.map(|exchange| {
            let alternate = alternate(&exchange.arguments);
            (exchange, alternate.or_else(|| alternate_by_policy(&self.topology.policies, exchange)))
        });
        let different = wanted.filter(|(exchange, alternate)| exchange.alternate != *alternate);
        let different: Vec<_> = different.map(|(exchange, alternate)| (exchange.name.clone(), alternate)).collect();
        for (name, alternate) in different {
            self.change_exchange(&name, |exchange| exchange.alternate = alternate);
        }
    }
}

/// What a queue keeps to under these policies.
pub(super) fn settings_under(policies: &Policies, entry: &QueueEntry) -> Settings {
    if policies.is_empty() {
        return Settings::of(&entry.arguments);
    }
    let effective = policies.effective(entry.name.as_bytes(), Target::of_queue(&entry.arguments));
    Settings::under(&entry.arguments, &effective.definition())
}

/// The alternate exchange that a policy gives to an exchange whose arguments name none.
pub(super) fn alternate_by_policy(policies: &Policies, exchange: &Exchange) -> Option<ShortString> {
    if policies.is_empty() || exchange.arguments.contains(ALTERNATE_EXCHANGE) {
        return None;
    }
    let effective = policies.effective(exchange.name.as_bytes(), Target::Exchange);
    effective
        .users(keys::ALTERNATE_EXCHANGE)
        .and_then(FieldValue::as_bytes)
        .and_then(|name| ShortString::new(name).ok())
}
