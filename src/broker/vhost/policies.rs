//! Setting and clearing the vhost's policies, and what that does to its queues and exchanges at once. Which policy applies
//! is decided in `policy`.

use std::sync::Arc;

use leveret_protocol::{FieldValue, ShortString};

use super::definition::{Definition, alternate, stored_exchange};
use super::exchanges::delay_queue_created;
use super::{Effect, Vhost};
use crate::broker::exchange::{ALTERNATE_EXCHANGE, Exchange, delay_queue, delays};
use crate::broker::ids::QueueId;
use crate::broker::policy::{Policies, Policy, PolicyKind, Target, keys};
use crate::broker::queue::{QueueEntry, Settings};

/// Gives out ids that no queue has had; `None`: there are none, and exchanges that get none keep no messages.
pub type QueueIds<'a> = dyn FnMut() -> Option<QueueId> + 'a;

impl Vhost {
    /// Sets a policy; false where it was there as it is wanted, or another one of its name. `ids` gives out ids that no
    /// queue has had.
    pub fn set_policy(
        &mut self,
        kind: PolicyKind,
        policy: Policy,
        ids: &mut QueueIds<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let policy = Arc::new(policy);
        let mut policies = Policies::clone(&self.topology.policies);
        let replaced = policies.insert(kind, Arc::clone(&policy));
        if replaced.as_ref() == Some(&policy) {
            return false;
        }
        effects.push(Effect::Stored(Definition::Policy(kind, Arc::clone(&policy))));
        let is_new = replaced.is_none();
        self.change_policies(policies, &[Some(policy), replaced], ids, effects);
        is_new
    }

    /// Takes a policy away; false where there is none of that name. `ids` as for `set_policy`, for what the policy that
    /// counts then asks for.
    pub fn clear_policy(
        &mut self,
        kind: PolicyKind,
        name: &[u8],
        ids: &mut QueueIds<'_>,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let mut policies = Policies::clone(&self.topology.policies);
        let Some(cleared) = policies.remove(kind, name) else { return false };
        effects.push(Effect::Forgotten(Definition::Policy(kind, Arc::clone(&cleared))));
        self.change_policies(policies, &[Some(cleared)], ids, effects);
        true
    }

    /// Sets a policy before there is anything that it could apply to but the predeclared exchanges.
    pub(super) fn restore_policy(&mut self, kind: PolicyKind, policy: Arc<Policy>) {
        let mut policies = Policies::clone(&self.topology.policies);
        policies.insert(kind, policy);
        self.topology.policies = Arc::new(policies);
        // Those that keep messages have been stored with their queues, and come later.
        self.change_exchanges(|_| true, &mut || None, &mut Vec::new());
    }

    /// One pass over everything. Only what one of the changed policies is for can change with them, so that most names
    /// cost a match or two, however many policies there are.
    fn change_policies(
        &mut self,
        policies: Policies,
        changed: &[Option<Arc<Policy>>],
        ids: &mut QueueIds<'_>,
        effects: &mut Vec<Effect>,
    ) {
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
        self.change_exchanges(|exchange| may_change(&exchange.name, Target::Exchange), ids, effects);
    }

    fn change_exchanges(
        &mut self,
        may_change: impl Fn(&Exchange) -> bool,
        ids: &mut QueueIds<'_>,
        effects: &mut Vec<Effect>,
    ) {
        let policies = &self.topology.policies;
        let exchanges = self.topology.exchanges.values().filter(|exchange| may_change(exchange));
        let wanted = exchanges.map(|exchange| (exchange, Given::to(exchange, policies)));
        let different = wanted.filter(|(exchange, given)| !given.is_that_of(exchange));
        let different: Vec<_> = different.map(|(exchange, given)| (exchange.name.clone(), given)).collect();
        for (name, Given { alternate, delays }) in different {
            self.change_exchange(&name, |exchange| {
                (exchange.alternate, exchange.delays) = (alternate, delays);
                if delays && exchange.delay_queue.is_none() {
                    exchange.delay_queue = ids().map(|id| delay_queue(id, &exchange.name, exchange.durable));
                    effects.extend(exchange.delay_queue.as_ref().map(delay_queue_created));
                    effects.extend(stored_exchange(exchange).map(Effect::Stored));
                }
            });
        }
    }
}

/// What an exchange has by its arguments, or else by policy.
struct Given {
    alternate: Option<ShortString>,
    delays: bool,
}

impl Given {
    fn to(exchange: &Exchange, policies: &Policies) -> Self {
        let by_policy = || alternate_by_policy(policies, exchange);
        Self {
            alternate: alternate(&exchange.arguments).or_else(by_policy),
            delays: delays(exchange.kind, &exchange.arguments) || delayed_by_policy(policies, &exchange.name),
        }
    }

    fn is_that_of(&self, exchange: &Exchange) -> bool {
        (&self.alternate, self.delays) == (&exchange.alternate, exchange.delays)
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

/// Whether a policy has an exchange keep messages that are to be routed later.
pub(super) fn delayed_by_policy(policies: &Policies, exchange: &ShortString) -> bool {
    let effective = policies.effective(exchange.as_bytes(), Target::Exchange);
    effective.users(keys::DELAYED_MESSAGE).and_then(FieldValue::as_bool) == Some(true)
}
