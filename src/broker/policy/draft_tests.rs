//! What is asked for and what RabbitMQ says to it: every refusal was read off RabbitMQ 4.3's HTTP API.

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{ApplyTo, Draft, Pattern, Policy, PolicyKind};

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

const fn number(number: i64) -> FieldValue {
    FieldValue::I64(number)
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn draft(definition: &[(&str, FieldValue)]) -> Draft {
    Draft {
        name: name("p"),
        pattern: text("^a"),
        apply_to: None,
        priority: None,
        definition: FieldValue::Table(table(definition)),
    }
}

/// The lines of the refusal.
fn refused(draft: Draft) -> String {
    let told = draft.into_policy(PolicyKind::User).unwrap_err().to_string();
    told.strip_prefix("Validation failed\n\n").and_then(|told| told.strip_suffix('\n')).unwrap().to_owned()
}

#[test]
fn what_is_left_out_has_rabbitmqs_defaults_and_keys_are_sorted() {
    let policy = draft(&[("max-length", number(1)), ("expires", number(2))]).into_policy(PolicyKind::User);
    let expected = Policy {
        name: name("p"),
        pattern: Pattern::parse("^a").unwrap(),
        apply_to: ApplyTo::All,
        priority: 0,
        definition: table(&[("expires", number(2)), ("max-length", number(1))]),
    };
    assert_eq!(policy, Ok(expected));
}

/// Per key: what RabbitMQ takes, what it does not, and what it calls the latter.
#[rustfmt::skip]
fn values() -> Vec<(&'static str, Vec<FieldValue>, Vec<FieldValue>, &'static str)> {
    let (zero, one, negative, large) = (number(0), number(1), number(-1), number(315_360_000_001));
    let not_a_number = || vec![text("5"), FieldValue::F64(1.5), FieldValue::Bool(true), FieldValue::Void];
    let with = |more: &[FieldValue]| [not_a_number(), more.to_vec()].concat();
    let counts = || (vec![number(0), number(1), number(315_360_000_001)], with(&[number(-1)]));
    let from_one = || (vec![number(1), number(315_360_000_001)], with(&[number(0), number(-1)]));
    let texts = || (vec![text("x"), text("")], vec![number(0), FieldValue::Void, FieldValue::Array(Vec::new())]);
    let words = |words: &[&str]| (words.iter().map(|word| text(word)).collect(), vec![text("nope"), text(""), number(1)]);
    let key = |name, (taken, refused), expected| (name, taken, refused, expected);
    vec![
        key("alternate-exchange", texts(), "alternate exchange name"),
        key("consumer-disconnected-timeout", counts(), "consumer disconnected timeout"),
        key("consumer-timeout", counts(), "consumer timeout"),
        key("dead-letter-exchange", texts(), "dead letter exchange name"),
        key("dead-letter-routing-key", texts(), "dead letter routing key"),
        key("dead-letter-strategy", words(&["at-most-once", "at-least-once"]), "dead letter strategy"),
        key("delayed-message", (vec![FieldValue::Bool(true), FieldValue::Bool(false)], vec![number(1), text("true"), FieldValue::Void]), "choice. Must be true or false"),
        key("delayed-retry-max", from_one(), "delayed retry maximum delay. Must be a positive integer"),
        key("delayed-retry-min", from_one(), "delayed retry minimum delay. Must be a positive integer"),
        key("delayed-retry-type", words(&["disabled"]), "delayed retry type. Must be one of: all, failed, returned, disabled"),
        key("delivery-limit", (vec![zero.clone(), one.clone(), negative.clone()], not_a_number()), "delivery limit"),
        key("expires", from_one(), "queue expiry"),
        key("initial-cluster-size", counts(), "cluster size"),
        key("max-age", (vec![text("1h"), text("01D"), text("99999999999Y"), text("1m"), text("1M")], ["5", "x", "", "h", "0s", "1.5h", "-1h", "1H", "1h2"].map(text).to_vec()), "max age"),
        key("max-in-memory-bytes", counts(), "maximum memory in bytes"),
        key("max-in-memory-length", counts(), "maximum memory in bytes"),
        key("max-length", counts(), "maximum length"),
        key("max-length-bytes", counts(), "maximum length in bytes"),
        key("message-ttl", counts(), "message TTL"),
        key("overflow", words(&["drop-head", "reject-publish", "reject-publish-dlx"]), "overflow value"),
        key("queue-leader-locator", words(&["client-local", "balanced", "random", "least-leaders"]), "queue leader locator value"),
        key("queue-mode", words(&["default", "lazy"]), "queue-mode value"),
        key("queue-version", (vec![one, number(2)], with(&[zero, number(3), negative])), "queue-version value"),
        key("redeclare", words(&["strict", "warn", "adopt"]), "redeclare mode. Must be one of: strict, warn, adopt"),
        key("stream-filter-size-bytes", (vec![number(16), number(255)], with(&[number(15), number(256)])), "filter size. Valid range is 16-255"),
        key("stream-max-segment-size-bytes", (vec![number(0), number(3_000_000_000)], with(&[number(3_000_000_001), large])), "segment size"),
        key("target-group-size", from_one(), "qq target count value"),
    ]
}

#[test]
fn every_key_takes_what_it_takes_in_rabbitmq() {
    for (key, taken, refusals, expected) in values() {
        for value in taken {
            assert!(draft(&[(key, value.clone())]).into_policy(PolicyKind::User).is_ok(), "{key}: {value:?}");
        }
        for value in refusals {
            let told = refused(draft(&[(key, value.clone())]));
            assert_eq!(told, format!("{} is not a valid {expected}", super::term::json(&value)), "{key}");
        }
    }
}

#[test]
fn operator_policies_take_the_keys_that_can_be_merged() {
    let takes = |kind| {
        let keys = values()
            .into_iter()
            .filter(|(key, taken, ..)| draft(&[(*key, taken[0].clone())]).into_policy(kind).is_ok());
        keys.map(|(key, ..)| key).collect::<Vec<_>>()
    };
    assert_eq!(takes(PolicyKind::User).len(), 27);
    assert_eq!(
        takes(PolicyKind::Operator),
        [
            "delayed-retry-max",
            "delayed-retry-min",
            "delayed-retry-type",
            "delivery-limit",
            "expires",
            "max-in-memory-bytes",
            "max-in-memory-length",
            "max-length",
            "max-length-bytes",
            "message-ttl",
            "overflow",
            "queue-version",
            "target-group-size",
        ]
    );
    let told = draft(&[("alternate-exchange", text("x"))]).into_policy(PolicyKind::Operator).unwrap_err().to_string();
    assert_eq!(
        told,
        "Validation failed\n\n[{<<\"alternate-exchange\">>,<<\"x\">>}] are not recognised policy settings\n"
    );
}

#[test]
fn unknown_keys_are_all_told_of_and_after_bad_values() {
    let inner = table(&[("b", FieldValue::Array(vec![number(1), FieldValue::F64(2.0), text("x"), FieldValue::Void]))]);
    let unknown = [("c", text("")), ("a", FieldValue::Table(inner)), ("alternate-exchange", text("x"))];
    assert_eq!(
        refused(draft(&unknown)),
        "[{<<\"a\">>,#{<<\"b\">> => [1,2.0,<<\"x\">>,null]}},{<<\"c\">>,<<>>}] are not recognised policy settings"
    );
    let bad = [("nonsense", number(1)), ("max-length", number(-1)), ("expires", number(0))];
    assert_eq!(refused(draft(&bad)), "0 is not a valid queue expiry");
}

#[test]
fn delays_of_retries_have_to_go_together() {
    let delayed = |retry: &str| ("delayed-retry-type", text(retry));
    let (min, max) = (("delayed-retry-min", number(5)), ("delayed-retry-max", number(1)));
    for (definition, expected) in [
        (vec![delayed("all")], "delayed-retry-min is required when delayed-retry-type is all"),
        (
            vec![delayed("returned"), ("zeta", number(1))],
            "delayed-retry-min is required when delayed-retry-type is returned",
        ),
        (vec![min.clone(), max.clone()], "delayed-retry-max (1) must not be smaller than delayed-retry-min (5)"),
        (
            vec![delayed("failed"), min.clone(), max],
            "delayed-retry-max (1) must not be smaller than delayed-retry-min (5)",
        ),
        (vec![delayed("all"), ("expires", number(0))], "0 is not a valid queue expiry"),
    ] {
        assert_eq!(refused(draft(&definition)), expected);
    }
    for kind in ["all", "failed", "returned", "disabled"] {
        assert!(draft(&[delayed(kind), min.clone()]).into_policy(PolicyKind::User).is_ok(), "{kind}");
    }
}

#[test]
fn a_key_of_old_is_refused_by_its_name() {
    assert_eq!(
        refused(draft(&[("queue-master-locator", text("x")), ("queue-mode", text("bad"))])),
        "use of deprecated queue-master-locator argument is not permitted"
    );
}

#[test]
fn everything_that_is_wrong_is_told_in_rabbitmqs_order() {
    let wrong = Draft {
        pattern: number(5),
        apply_to: Some(text("nope")),
        priority: Some(text("x")),
        ..draft(&[("max-length", number(-1))])
    };
    assert_eq!(
        refused(wrong),
        "-1 is not a valid maximum length\napply-to 'nope' unrecognised; should be one of: 'queues', 'classic_queues',  \
         'quorum_queues', 'streams', 'exchanges', or 'all'\npattern should be a binary but was 5\npriority should be a \
         number, actually was <<\"x\">>"
    );
    assert_eq!(refused(draft(&[])), "no policy provided");
    let definition = FieldValue::Array(Vec::new());
    assert_eq!(refused(Draft { definition, ..draft(&[]) }), "definition should be an object, actually was []");
}

#[test]
fn a_pattern_has_to_be_a_regular_expression_of_bounded_length() {
    let wanted = |pattern: &str| Draft { pattern: text(pattern), ..draft(&[("max-length", number(1))]) };
    assert_eq!(refused(wanted(&"(".repeat(1025))), "pattern must not exceed 1024 bytes");
    assert!(wanted(&"x".repeat(1024)).into_policy(PolicyKind::User).is_ok());
    for pattern in ["(", "[", "*"] {
        let told = refused(wanted(pattern));
        assert!(told.starts_with("pattern should be regular expression but is invalid: "), "{told}");
    }
}
