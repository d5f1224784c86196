//! Events of what operators do, and of the node's alarms.

use leveret_protocol::{FieldValue, ShortString};

use super::{Events, PERFORMED_BY, headers, performer, text, whole};
use crate::broker::alarm::Alarm;
use crate::broker::policy::{Policy, PolicyKind};

impl Events {
    /// A policy is set.
    pub(in crate::node) fn tell_policy_set(
        &self,
        vhost: &ShortString,
        kind: PolicyKind,
        policy: &Policy,
        by: &ShortString,
    ) {
        let key = match kind {
            PolicyKind::User => "policy.set",
            // RabbitMQ keeps operator policies as parameters.
            PolicyKind::Operator => "parameter.set",
        };
        self.tell(key, || {
            headers([
                ("name", text(policy.name.as_bytes())),
                ("vhost", text(vhost.as_bytes())),
                ("pattern", text(policy.pattern.as_str())),
                ("apply-to", text(policy.apply_to.name())),
                ("definition", FieldValue::Table(policy.definition.clone())),
                ("priority", whole(policy.priority)),
                (PERFORMED_BY, performer(Some(by))),
            ])
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
            PolicyKind::Operator => "parameter.cleared",
        };
        self.tell(key, || {
            headers([("name", text(name)), ("vhost", text(vhost.as_bytes())), (PERFORMED_BY, performer(Some(by)))])
        });
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
