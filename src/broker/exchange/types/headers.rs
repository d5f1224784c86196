//! headers: a message goes where its headers match a binding's arguments. `x-match` says how: `all` (the default) and
//! `any` leave out arguments that begin with `x-`; `all-with-x` and `any-with-x` leave out `x-match` alone.
//!
//! A void argument matches any value of that header. Otherwise values must be the same: the tag does not count, so a
//! short 5 equals a long 5, but 5 differs from 5.0 and from "5". Timestamps that are equal match, which RabbitMQ 4
//! gets wrong (it compares milliseconds with seconds).

use leveret_protocol::erlang::erlang_term;
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use rpds::RedBlackTreeMapSync;

use super::{Envelope, Routing, TypeRefusal};
use crate::broker::exchange::binding::{Binding, Destination};

const X_MATCH: &str = "x-match";

/// Every binding with its way of matching.
#[derive(Clone, Debug, Default)]
pub struct Table {
    bindings: RedBlackTreeMapSync<Binding, Match>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Match {
    quantifier: Quantifier,
    with_x: bool,
}

impl Match {
    const DEFAULT: Self = Self { quantifier: Quantifier::All, with_x: false };

    fn parse(name: &[u8]) -> Option<Self> {
        let (quantifier, with_x) = match name {
            b"all" => (Quantifier::All, false),
            b"any" => (Quantifier::Any, false),
            b"all-with-x" => (Quantifier::All, true),
            b"any-with-x" => (Quantifier::Any, true),
            _ => return None,
        };
        Some(Self { quantifier, with_x })
    }

    fn of(arguments: &FieldTable) -> Self {
        arguments.get(X_MATCH).and_then(FieldValue::as_bytes).and_then(Self::parse).unwrap_or(Self::DEFAULT)
    }

    fn counts(self, name: &ShortString) -> bool {
        if self.with_x { *name != X_MATCH } else { !name.starts_with("x-") }
    }

    fn matches(self, arguments: &FieldTable, headers: Option<&FieldTable>) -> bool {
        let mut wanted = arguments.iter().filter(|(name, _)| self.counts(name));
        let holds = |(name, value): &(ShortString, FieldValue)| {
            let header = headers.and_then(|table| table.iter().find(|(other, _)| other == name));
            header.is_some_and(|(_, header)| *value == FieldValue::Void || same_value(value, header))
        };
        match self.quantifier {
            Quantifier::All => wanted.all(holds),
            Quantifier::Any => wanted.any(holds),
        }
    }
}

impl Routing for Table {
    fn bind(&mut self, binding: &Binding) {
        self.bindings.insert_mut(binding.clone(), Match::of(&binding.arguments));
    }

    fn unbind(&mut self, binding: &Binding) {
        self.bindings.remove_mut(binding);
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        for (binding, way) in self.bindings.iter() {
            if way.matches(&binding.arguments, envelope.headers) {
                found(&binding.destination);
            }
        }
    }

    fn varies(&self) -> bool {
        true
    }
}

/// What it refuses.
pub(super) struct Rules;

impl super::Rules for Rules {
    fn validate_binding(_: &ShortString, arguments: &FieldTable, _: &Destination) -> Result<(), TypeRefusal> {
        let Some(value) = arguments.get(X_MATCH) else { return Ok(()) };
        let FieldValue::LongString(name) = value else {
            return Err(TypeRefusal::XMatchType { kind: value.type_name(), value: erlang_term(value) });
        };
        if Match::parse(name).is_none() {
            return Err(TypeRefusal::XMatch(erlang_term(value)));
        }
        Ok(())
    }
}

/// Whether two values are the same whatever their tags. Unsigned 64-bit numbers do not occur in tables.
fn same_value(a: &FieldValue, b: &FieldValue) -> bool {
    if let (Some(a), Some(b)) = (a.as_integer(), b.as_integer()) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (a.as_bytes(), b.as_bytes()) {
        return a == b;
    }
    if let (Some(a), Some(b)) = (a.as_float(), b.as_float()) {
        return a.total_cmp(&b).is_eq();
    }
    a == b
}
