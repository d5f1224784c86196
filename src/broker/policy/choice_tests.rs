//! Which policy applies, and what a user's and an operator's come to together; expectations as RabbitMQ 4.3 shows them.

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, ShortString};
use proptest::prelude::*;

use super::{ApplyTo, Pattern, Policies, Policy, PolicyKind, Target};

const TARGETS: [Target; 4] = [Target::Exchange, Target::ClassicQueue, Target::QuorumQueue, Target::Stream];

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn policy(policy: &str, pattern: &str, priority: i64, definition: &[(&str, FieldValue)]) -> Policy {
    Policy {
        name: name(policy),
        pattern: Pattern::parse(pattern).unwrap(),
        apply_to: ApplyTo::All,
        priority,
        definition: table(definition),
    }
}

fn length(number: i64) -> [(&'static str, FieldValue); 1] {
    [("max-length-bytes", FieldValue::I64(number))]
}

fn policies(kind: PolicyKind, all: impl IntoIterator<Item = Policy>) -> Policies {
    let mut policies = Policies::default();
    for policy in all {
        policies.insert(kind, Arc::new(policy));
    }
    policies
}

/// The name of the user policy that applies.
fn chosen(policies: &Policies, object: &str, target: Target) -> Option<String> {
    policies.effective(object.as_bytes(), target).user.map(|policy| policy.name.to_string())
}

#[test]
fn the_highest_priority_counts_and_of_equal_ones_the_first_name() {
    let all = [policy("t3", "a", 0, &length(3)), policy("t1", "a", 0, &length(1)), policy("low", "a", -1, &length(9))];
    let mut policies = policies(PolicyKind::User, all);
    assert_eq!(chosen(&policies, "xax", Target::ClassicQueue), Some("t1".to_owned()));
    policies.insert(PolicyKind::User, Arc::new(policy("z", "x$", 5, &length(1))));
    assert_eq!(chosen(&policies, "xax", Target::ClassicQueue), Some("z".to_owned()));
    assert_eq!(chosen(&policies, "b", Target::ClassicQueue), None);
    let replaced = policies.insert(PolicyKind::User, Arc::new(policy("z", "x$", -5, &length(1))));
    assert_eq!(replaced.map(|policy| policy.priority), Some(5));
    assert_eq!(chosen(&policies, "xax", Target::ClassicQueue), Some("t1".to_owned()));
}

#[test]
fn a_policy_is_for_the_kinds_that_it_names() {
    for (apply_to, expected) in [
        (ApplyTo::All, [true, true, true, true]),
        (ApplyTo::Queues, [false, true, true, true]),
        (ApplyTo::ClassicQueues, [false, true, false, false]),
        (ApplyTo::QuorumQueues, [false, false, true, false]),
        (ApplyTo::Streams, [false, false, false, true]),
        (ApplyTo::Exchanges, [true, false, false, false]),
    ] {
        let policy = Policy { apply_to, ..policy("p", "", 0, &length(1)) };
        assert_eq!(TARGETS.map(|target| policy.is_for(b"any", target)), expected, "{apply_to:?}");
    }
}

/// Exchange, classic queue, quorum queue, stream.
#[rustfmt::skip]
const KEYS_AND_TARGETS: [(&str, [bool; 4]); 26] = [
    ("alternate-exchange", [true, true, true, true]),
    ("consumer-disconnected-timeout", [true, true, true, true]),
    ("consumer-timeout", [true, true, true, true]),
    ("dead-letter-exchange", [true, true, true, false]),
    ("dead-letter-routing-key", [true, true, true, false]),
    ("dead-letter-strategy", [true, false, true, false]),
    ("delayed-retry-max", [true, true, true, true]),
    ("delayed-retry-min", [true, true, true, true]),
    ("delayed-retry-type", [true, true, true, true]),
    ("delivery-limit", [true, false, true, false]),
    ("expires", [true, true, true, false]),
    ("initial-cluster-size", [true, false, false, true]),
    ("max-age", [true, false, false, true]),
    ("max-in-memory-bytes", [true, false, true, false]),
    ("max-in-memory-length", [true, false, true, false]),
    ("max-length", [true, true, true, false]),
    ("max-length-bytes", [true, true, true, true]),
    ("message-ttl", [true, true, true, false]),
    ("overflow", [true, true, true, false]),
    ("queue-leader-locator", [true, true, true, true]),
    ("queue-mode", [true, true, false, false]),
    ("queue-version", [true, true, true, true]),
    ("redeclare", [true, true, true, true]),
    ("stream-filter-size-bytes", [true, true, true, true]),
    ("stream-max-segment-size-bytes", [true, false, false, true]),
    ("target-group-size", [true, false, true, false]),
];

#[test]
fn a_policy_with_a_key_that_a_queue_type_does_not_have_is_not_for_it() {
    for (key, expected) in KEYS_AND_TARGETS {
        let policy = policy("p", "", 0, &[(key, FieldValue::I64(1)), ("queue-version", FieldValue::I64(1))]);
        assert_eq!(TARGETS.map(|target| policy.is_for(b"any", target)), expected, "{key}");
    }
    let unknown = policy("p", "", 0, &[("of-a-newer-version", FieldValue::I64(1))]);
    assert!(!unknown.is_for(b"any", Target::ClassicQueue));
}

#[test]
fn one_that_does_not_fit_leaves_the_place_to_the_next() {
    let wrong = [("max-length-bytes", FieldValue::I64(1)), ("delivery-limit", FieldValue::I64(5))];
    let policies = policies(PolicyKind::User, [policy("p", "a", 0, &wrong), policy("low", "a", -1, &length(9))]);
    assert_eq!(chosen(&policies, "a", Target::ClassicQueue), Some("low".to_owned()));
    assert_eq!(chosen(&policies, "a", Target::QuorumQueue), Some("p".to_owned()));
}

#[test]
fn operator_policies_say_nothing_to_exchanges() {
    let policies = policies(PolicyKind::Operator, [policy("p", "", 0, &length(1))]);
    assert_eq!(policies.effective(b"x", Target::Exchange).operator, None);
    assert!(policies.effective(b"x", Target::ClassicQueue).operator.is_some());
}

fn merged(user: &[(&str, FieldValue)], operator: &[(&str, FieldValue)]) -> FieldTable {
    let mut policies = policies(PolicyKind::User, [policy("p", "", 0, user)]);
    policies.insert(PolicyKind::Operator, Arc::new(policy("p", "", 0, operator)));
    policies.effective(b"q", Target::QuorumQueue).definition()
}

#[test]
fn numbers_of_both_come_to_the_one_that_rabbitmq_takes() {
    for (key, of_five_and_nine) in [
        ("message-ttl", 5),
        ("expires", 5),
        ("max-length", 5),
        ("max-length-bytes", 5),
        ("max-in-memory-length", 5),
        ("max-in-memory-bytes", 5),
        ("delivery-limit", 5),
        ("delayed-retry-max", 5),
        ("delayed-retry-min", 9),
        ("target-group-size", 9),
    ] {
        for (user, operator) in [(5, 9), (9, 5)] {
            let merged = merged(&[(key, FieldValue::I64(user))], &[(key, FieldValue::I64(operator))]);
            assert_eq!(merged, table(&[(key, FieldValue::I64(of_five_and_nine))]), "{key}: {user} and {operator}");
        }
    }
    for (user, operator, expected) in [(-1, 5, 5), (5, -1, 5), (-3, -1, -1)] {
        let limit = |number| [("delivery-limit", FieldValue::I64(number))];
        assert_eq!(merged(&limit(user), &limit(operator)), table(&limit(expected)));
    }
}

#[test]
fn of_words_the_operators_count() {
    for (key, user, operator) in [
        ("overflow", FieldValue::text("drop-head"), FieldValue::text("reject-publish")),
        ("queue-version", FieldValue::I64(2), FieldValue::I64(1)),
        ("delayed-retry-type", FieldValue::text("all"), FieldValue::text("disabled")),
    ] {
        assert_eq!(merged(&[(key, user)], &[(key, operator.clone())]), table(&[(key, operator)]));
    }
}

#[test]
fn keys_of_one_of_them_count_as_they_are_and_all_are_sorted() {
    let user = [("max-length", FieldValue::I64(5)), ("overflow", FieldValue::text("drop-head"))];
    let merged = merged(&user, &[("expires", FieldValue::I64(100_000))]);
    let expected = [("expires", FieldValue::I64(100_000)), user[0].clone(), user[1].clone()];
    assert_eq!(merged, table(&expected));
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let patterns = ["", "a", "^a", "b$", "^(?!a)", "c"];
    let kinds = [ApplyTo::All, ApplyTo::Queues, ApplyTo::ClassicQueues, ApplyTo::QuorumQueues, ApplyTo::Exchanges];
    let keys = ["max-length-bytes", "delivery-limit", "queue-mode", "max-age"];
    let parts = (0..6_u8, proptest::sample::select(patterns.to_vec()), proptest::sample::select(kinds.to_vec()));
    (parts, -2..3_i64, proptest::sample::select(keys.to_vec())).prop_map(
        |((name, pattern, apply_to), priority, key)| Policy {
            apply_to,
            ..policy(&format!("p{name}"), pattern, priority, &[(key, FieldValue::I64(1))])
        },
    )
}

/// RabbitMQ's rule as it is told: of all that fit the one with the highest priority, then the one with the first name.
fn naive<'a>(all: &'a [Policy], object: &[u8], target: Target) -> Option<&'a Policy> {
    let mut best: Option<&Policy> = None;
    for policy in all.iter().filter(|policy| policy.is_for(object, target)) {
        let better = best.is_none_or(|best| {
            policy.priority > best.priority || policy.priority == best.priority && policy.name < best.name
        });
        if better {
            best = Some(policy);
        }
    }
    best
}

proptest! {
    #[test]
    fn the_choice_is_the_one_that_looking_at_all_finds(
        set in proptest::collection::vec(any_policy(), 0..12),
        cleared in proptest::collection::vec(0..6_u8, 0..3),
        object in "[abc]{0,3}",
    ) {
        let mut policies = policies(PolicyKind::User, set.clone());
        let mut all: Vec<Policy> = Vec::new();
        for policy in set {
            all.retain(|other| other.name != policy.name);
            all.push(policy);
        }
        for number in cleared {
            let gone = format!("p{number}");
            policies.remove(PolicyKind::User, gone.as_bytes());
            all.retain(|other| other.name != gone.as_str());
        }
        for target in TARGETS {
            let effective = policies.effective(object.as_bytes(), target);
            prop_assert_eq!(effective.user.as_deref(), naive(&all, object.as_bytes(), target));
        }
    }
}
