//! Events of what operators do, and of the node's alarms.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Events, PERFORMED_BY, headers, performer, text, whole};
use crate::broker::alarm::Alarm;
use crate::broker::policy::{Policy, PolicyKind};

/// RabbitMQ's word for what a parameter is about that is an operator's policy.
const OPERATOR_POLICY: &str = "operator_policy";

impl Events {
    /// A policy is set. RabbitMQ tells an operator's as a parameter, which it is kept as, and as a policy.
    pub(in crate::node) fn tell_policy_set(
        &self,
        vhost: &ShortString,
        kind: PolicyKind,
        policy: &Policy,
        by: &ShortString,
    ) {
        let said = || {
            headers([
                ("pattern", text(policy.pattern.as_str())),
                ("apply-to", text(policy.apply_to.name())),
                ("definition", FieldValue::Table(policy.definition.clone())),
                ("priority", whole(policy.priority)),
            ])
        };
        if kind == PolicyKind::Operator {
            self.tell("parameter.set", || {
                let mut told = named(policy.name.as_bytes(), vhost, by);
                told.insert("component", text(OPERATOR_POLICY));
                told.insert("value", FieldValue::Table(said()));
                told
            });
        }
        self.tell("policy.set", || {
            let named = named(policy.name.as_bytes(), vhost, by);
            named.into_iter().chain(said()).collect()
        });
    }

    /// A policy is cleared.
    pub(in crate::node) fn tell_policy_cleared(
        &self,
        vhost: &ShortString,
        kind: PolicyKind,
        name: &[u8],
        by: &ShortString,
    ) {
        let key = match kind {
            PolicyKind::User => "policy.cleared",
            PolicyKind::Operator => "operator.policy.cleared",
        };
        if kind == PolicyKind::Operator {
            self.tell("parameter.cleared", || {
                let mut told = named(name, vhost, by);
                told.insert("component", text(OPERATOR_POLICY));
                told
            });
        }
        self.tell(key, || named(name, vhost, by));
    }

    /// An alarm has gone on or off.
    pub(in crate::node) fn tell_alarm(&self, alarm: Alarm, on: bool) {
        let source = match alarm {
            Alarm::Memory => "memory",
            Alarm::Disk => "disk",
        };
        self.tell(if on { "alarm.set" } else { "alarm.cleared" }, || {
            headers([("source", text(source)), ("node", text(&self.node)), (PERFORMED_BY, performer(None))])
        });
    }
}

fn named(name: &[u8], vhost: &ShortString, by: &ShortString) -> FieldTable {
    headers([("name", text(name)), ("vhost", text(vhost.as_bytes())), (PERFORMED_BY, performer(Some(by)))])
}
