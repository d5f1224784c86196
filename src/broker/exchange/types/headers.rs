//! headers: a message goes where its headers match a binding's arguments. `x-match` says how: `all` (the default) and
//! `any` leave out arguments that begin with `x-`; `all-with-x` and `any-with-x` leave out `x-match` alone.
//!
//! A void argument matches any value of that header. Otherwise values must be the same: the tag does not count, so a
//! short 5 equals a long 5, but 5 differs from 5.0 and from "5". Timestamps that are equal match, which RabbitMQ 4
//! gets wrong (it compares milliseconds with seconds).

use std::sync::Arc;

use leveret_protocol::erlang::erlang_term;
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use rpds::RedBlackTreeMapSync;

use super::clues::{ByClue, Clue};
use super::{Envelope, Routing, TypeRefusal};
use crate::broker::exchange::binding::{Binding, Destination};

const X_MATCH: &str = "x-match";

/// Every binding with its way of matching, where a message that it may match finds it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// Those that ask for no header.
    unconditional: RedBlackTreeMapSync<Arc<Binding>, Match>,
    /// Those that ask for all of theirs are under one of them, those that ask for any under each.
    conditional: ByClue<Match>,
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

    /// What a message must have, all or any of it, for each argument that counts.
    fn clues(self, arguments: &FieldTable) -> impl Iterator<Item = Clue> {
        arguments.iter().filter(move |(name, _)| self.counts(name)).map(Clue::of_argument)
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

impl Table {
    fn candidates<'a>(
        &'a self,
        headers: Option<&'a FieldTable>,
    ) -> impl Iterator<Item = (&'a Arc<Binding>, &'a Match)> {
        self.unconditional.iter().chain(headers.into_iter().flat_map(|headers| self.conditional.under(headers)))
    }
}

impl Routing for Table {
    fn bind(&mut self, binding: &Binding) {
        let (binding, way) = (Arc::new(binding.clone()), Match::of(&binding.arguments));
        let mut clues = way.clues(&binding.arguments).peekable();
        match way.quantifier {
            Quantifier::All if clues.peek().is_none() => self.unconditional.insert_mut(Arc::clone(&binding), way),
            Quantifier::All => {
                if let Some(clue) = self.conditional.rarest(clues) {
                    self.conditional.insert(clue, Arc::clone(&binding), way);
                }
            }
            Quantifier::Any => clues.for_each(|clue| self.conditional.insert(clue, Arc::clone(&binding), way)),
        }
    }

    fn unbind(&mut self, binding: &Binding) {
        self.unconditional.remove_mut::<Binding>(binding);
        let way = Match::of(&binding.arguments);
        way.clues(&binding.arguments).for_each(|clue| self.conditional.remove(&clue, binding));
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        for (binding, way) in self.candidates(envelope.headers) {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> ShortString {
        ShortString::new(text).unwrap()
    }

    fn binding(number: usize, arguments: FieldTable) -> Binding {
        Binding::new(name("source"), Destination::Exchange(name(&format!("{number}"))), name(""), arguments)
    }

    fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
        entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
    }

    #[test]
    fn a_message_looks_at_the_bindings_that_ask_for_one_of_its_headers_alone() {
        let mut bound = Table::default();
        for number in 0..5_000_i32 {
            let (device, way) = (("device", FieldValue::I32(number)), |name| ("x-match", FieldValue::text(name)));
            // The first argument is the same in all of them; the binding is found by the other one.
            let all = table(&[("kind", FieldValue::text("reading")), device.clone(), way("all")]);
            let any = table(&[device, ("alarm", FieldValue::I32(number)), way("any")]);
            bound.bind(&binding(1, all));
            bound.bind(&binding(2, any));
        }
        bound.bind(&binding(3, FieldTable::new()));
        let headers = table(&[("kind", FieldValue::text("reading")), ("device", FieldValue::I64(4_711))]);
        let destinations: Vec<_> =
            bound.candidates(Some(&headers)).map(|(binding, _)| binding.destination.key().name.to_string()).collect();
        // Of those that are all of a kind the first one is under it: nothing told then which argument is rarer.
        assert_eq!(destinations, ["3", "1", "1", "2"]);
    }

    fn value() -> impl Strategy<Value = FieldValue> {
        prop_oneof![
            (0..3_i8).prop_map(FieldValue::I8),
            (0..3_i64).prop_map(FieldValue::I64),
            "[ab]".prop_map(|text| FieldValue::text(&text)),
            Just(FieldValue::Binary("a".into())),
            any::<bool>().prop_map(FieldValue::Bool),
            prop::sample::select(vec![0.0, -0.0, f32::NAN, 1.5]).prop_map(FieldValue::F32),
            prop::sample::select(vec![0.0, -0.0, f64::NAN, 1.5]).prop_map(FieldValue::F64),
            (0..2_u64).prop_map(FieldValue::Timestamp),
            (0..2_u32).prop_map(|value| FieldValue::Decimal { scale: 1, value }),
            prop::sample::select(vec![0.0, -0.0]).prop_map(|float| FieldValue::Array(vec![FieldValue::F64(float)])),
            Just(FieldValue::Table(FieldTable::new())),
            Just(FieldValue::Void),
        ]
    }

    fn some_headers() -> impl Strategy<Value = FieldTable> {
        prop::collection::vec((prop::sample::select(vec!["a", "b", "x-c"]), value()), 0..4).prop_map(|all| table(&all))
    }

    fn some_arguments() -> impl Strategy<Value = FieldTable> {
        let way = prop::sample::select(vec!["", "all", "any", "all-with-x", "any-with-x"]);
        (some_headers(), way).prop_map(|(mut arguments, way)| {
            if !way.is_empty() {
                arguments.insert(X_MATCH, FieldValue::text(way));
            }
            arguments
        })
    }

    proptest! {
        #[test]
        fn a_message_finds_what_matches_among_all_bindings(
            arguments in prop::collection::vec(some_arguments(), 0..40),
            gone in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            headers in prop::option::of(some_headers()),
        ) {
            let mut all: Vec<_> = arguments.into_iter().enumerate().map(|(at, table)| binding(at, table)).collect();
            let mut bound = Table::default();
            all.iter().for_each(|binding| bound.bind(binding));
            for index in gone {
                if !all.is_empty() {
                    bound.unbind(&all.swap_remove(index.index(all.len())));
                }
            }
            let matches = |binding: &&Binding| Match::of(&binding.arguments).matches(&binding.arguments, headers.as_ref());
            let mut expected: Vec<_> = all.iter().filter(matches).map(|binding| binding.destination.clone()).collect();
            let mut found = Vec::new();
            let envelope = Envelope { headers: headers.as_ref(), ..Envelope::default() };
            bound.route(&envelope, &mut |destination| found.push(destination.clone()));
            expected.sort();
            found.sort();
            found.dedup();
            prop_assert_eq!(found, expected);
            all.iter().for_each(|binding| bound.unbind(binding));
            prop_assert!(bound.unconditional.is_empty() && bound.conditional.is_empty());
        }
    }
}
