//! What each argument of queue.declare is answered with on a classic queue.

use leveret_protocol::{FieldTable, FieldValue, ReplyCode, ShortString};

use super::{
    QueueType, check_dead_letter_exchange, check_named, check_properties, compared, effective, name_prefix,
    require_support, validate,
};
use crate::broker::error::BrokerError;
use crate::broker::resource::Resource;

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(name, value)| (ShortString::new(name).unwrap(), value.clone())).collect()
}

fn resource() -> Resource {
    Resource::queue(&ShortString::from_static("q"), &ShortString::from_static("/"))
}

fn text(text: &str) -> FieldValue {
    FieldValue::text(text)
}

fn answer(entries: &[(&str, FieldValue)]) -> Result<(), (ReplyCode, String)> {
    let arguments = table(entries);
    let answer = validate(&arguments, &resource()).map_err(BrokerError::from);
    let answer = answer.and_then(|()| require_support(&arguments, &resource()).map_err(BrokerError::from));
    answer.map_err(|error| (error.code(), error.to_string()))
}

fn accepted(entries: &[(&str, FieldValue)]) {
    assert_eq!(answer(entries), Ok(()), "{entries:?}");
}

fn invalid(name: &str, value: FieldValue, reason: &str) {
    let expected = format!("invalid arg '{name}' for queue 'q' in vhost '/': {reason}");
    assert_eq!(answer(&[(name, value)]), Err((ReplyCode::PreconditionFailed, expected)));
}

#[test]
fn no_arguments_and_unknown_arguments_are_accepted() {
    accepted(&[]);
    accepted(&[("x-unheard-of", FieldValue::Void), ("colour", text("red"))]);
}

#[test]
fn queue_type_is_classic_or_quorum_or_not_there_yet() {
    accepted(&[("x-queue-type", text("classic"))]);
    accepted(&[("x-queue-type", text("quorum"))]);
    let expected = "queue type 'stream' for queue 'q' in vhost '/' is not implemented yet".to_owned();
    assert_eq!(answer(&[("x-queue-type", text("stream"))]), Err((ReplyCode::NotImplemented, expected)));
    invalid("x-queue-type", text("x"), "\"unsupported queue type 'x'\"");
    invalid("x-queue-type", FieldValue::I32(1), "{unacceptable_type,signedint}");
}

#[test]
fn an_argument_of_another_type_does_not_hide_that_the_type_is_not_there_yet() {
    let expected = "queue type 'stream' for queue 'q' in vhost '/' is not implemented yet".to_owned();
    assert_eq!(
        answer(&[("x-queue-type", text("stream")), ("x-queue-mode", text("lazy"))]),
        Err((ReplyCode::NotImplemented, expected))
    );
}

#[test]
fn a_classic_queue_has_a_delivery_limit_that_is_an_integer_and_a_consumer_timeout_that_is_not_negative() {
    accepted(&[("x-delivery-limit", FieldValue::I32(-1)), ("x-consumer-timeout", FieldValue::I32(0))]);
    invalid("x-delivery-limit", text("five"), "\"expected integer, got longstr\"");
    invalid("x-consumer-timeout", FieldValue::I32(-1), "{value_negative,-1}");
}

#[test]
fn a_quorum_queue_takes_what_is_its_own() {
    let quorum = ("x-queue-type", text("quorum"));
    for own in [
        ("x-delivery-limit", text("anything")),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-max-in-memory-length", FieldValue::I32(5)),
        ("x-quorum-initial-group-size", FieldValue::I32(3)),
        ("x-consumer-disconnected-timeout", FieldValue::I32(5)),
    ] {
        accepted(&[quorum.clone(), own]);
    }
    let of_another = |name: &str| {
        let expected = format!("invalid arg '{name}' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue");
        Err((ReplyCode::PreconditionFailed, expected))
    };
    for name in ["x-max-priority", "x-queue-mode", "x-queue-version", "x-max-age"] {
        assert_eq!(answer(&[quorum.clone(), (name, FieldValue::I32(2))]), of_another(name));
        assert!(compared(QueueType::Quorum).all(|known| known != name), "{name} takes no part in redeclaring");
    }
}

#[test]
fn leaving_the_queue_type_out_counts_as_classic() {
    let (none, classic) = (FieldTable::new(), text("classic"));
    assert_eq!(effective("x-queue-type", &none), Some(&classic));
    let empty = table(&[("x-queue-type", text(""))]);
    assert_eq!(effective("x-queue-type", &empty), Some(&text("")));
    assert_eq!(effective("x-max-length", &empty), None);
}

#[test]
fn an_empty_queue_type_is_accepted() {
    accepted(&[("x-queue-type", text(""))]);
}

#[test]
fn only_classic_queues_go_without_a_name_or_with_any_property() {
    for (other, module) in [("quorum", "rabbit_quorum_queue"), ("stream", "rabbit_stream_queue")] {
        let arguments = table(&[("x-queue-type", text(other))]);
        let named = check_named(&arguments).unwrap_err().to_string();
        assert_eq!(named, format!("Cannot declare a server-named queue for type {module}"));
        let check = |durable, exclusive, auto_delete| {
            let checked = check_properties(&arguments, durable, exclusive, auto_delete, &resource());
            checked.map_err(|error| (error.code(), error.to_string()))
        };
        let refused = |property| {
            let expected = format!("invalid property '{property}' for queue 'q' in vhost '/'");
            Err((ReplyCode::PreconditionFailed, expected))
        };
        assert_eq!(check(true, false, false), Ok(()));
        assert_eq!(check(false, false, false), refused("non-durable"));
        assert_eq!(check(false, true, false), refused("exclusive-owner"));
        assert_eq!(check(false, true, true), refused("auto-delete"));
    }
    assert_eq!(check_named(&FieldTable::new()), Ok(()));
    assert_eq!(check_properties(&FieldTable::new(), false, true, true, &resource()), Ok(()));
}

#[test]
fn a_wrong_value_is_told_before_an_argument_of_another_type() {
    let refused = |entries: &[(&str, FieldValue)]| answer(entries).unwrap_err().1;
    let max_age = ("x-max-age", text("1h"));
    assert_eq!(
        refused(&[max_age.clone(), ("x-message-ttl", FieldValue::I32(-1))]),
        "invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}"
    );
    assert_eq!(
        refused(&[max_age, ("x-initial-cluster-size", FieldValue::I32(1))]),
        "invalid arg 'x-initial-cluster-size' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"
    );
}

#[test]
fn message_ttl_is_up_to_ten_years_from_zero() {
    const NAME: &str = "x-message-ttl";
    for valid in [0, 1, 315_360_000_000] {
        accepted(&[(NAME, FieldValue::I64(valid))]);
    }
    invalid(NAME, FieldValue::I32(-1), "{value_negative,-1}");
    invalid(NAME, FieldValue::I64(315_360_000_001), "{value_too_large,315360000001}");
    invalid(NAME, text("10"), "\"expected integer, got longstr\"");
}

#[test]
fn expires_is_up_to_ten_years_from_one() {
    const NAME: &str = "x-expires";
    for valid in [1, 315_360_000_000] {
        accepted(&[(NAME, FieldValue::I64(valid))]);
    }
    invalid(NAME, FieldValue::U8(0), "{value_zero,0}");
    invalid(NAME, FieldValue::I16(-5), "{value_negative,-5}");
    invalid(NAME, FieldValue::I64(315_360_000_001), "{value_too_large,315360000001}");
    invalid(NAME, FieldValue::F64(1.0), "\"expected integer, got double\"");
}

#[test]
fn lengths_are_not_negative() {
    for name in ["x-max-length", "x-max-length-bytes"] {
        accepted(&[(name, FieldValue::I32(0))]);
        accepted(&[(name, FieldValue::U32(u32::MAX))]);
        invalid(name, FieldValue::I64(-1), "{value_negative,-1}");
        invalid(name, FieldValue::Bool(true), "\"expected integer, got bool\"");
    }
}

#[test]
fn overflow_is_one_of_three_ways() {
    for way in ["drop-head", "reject-publish", "reject-publish-dlx"] {
        accepted(&[("x-overflow", text(way))]);
    }
    invalid("x-overflow", text("drop-tail"), "invalid_overflow");
    invalid("x-overflow", FieldValue::I32(1), "{unacceptable_type,signedint}");
}

#[test]
fn priorities_are_up_to_255() {
    for valid in [0, 1, 255] {
        let arguments = [("x-max-priority", FieldValue::I32(valid))];
        accepted(&arguments);
        assert_eq!(i32::from(super::max_priority(&table(&arguments))), valid.max(1), "0 is as good as 1");
    }
    assert_eq!(super::max_priority(&FieldTable::new()), 0);
    invalid("x-max-priority", FieldValue::I32(256), "{max_value_exceeded,256}");
    invalid("x-max-priority", FieldValue::I8(-1), "{value_negative,-1}");
    invalid("x-max-priority", FieldValue::Void, "\"expected integer, got void\"");
}

#[test]
fn single_active_consumer_is_a_bool() {
    for valid in [true, false] {
        accepted(&[("x-single-active-consumer", FieldValue::Bool(valid))]);
    }
    invalid("x-single-active-consumer", text("true"), "{unacceptable_type,longstr}");
}

#[test]
fn track_status_is_a_bool() {
    for valid in [true, false] {
        accepted(&[("x-track-status", FieldValue::Bool(valid))]);
    }
    invalid("x-track-status", text("true"), "{unacceptable_type,longstr}");
}

#[test]
fn a_dead_letter_exchange_may_have_any_name() {
    accepted(&[("x-dead-letter-exchange", text("dlx"))]);
    accepted(&[("x-dead-letter-exchange", text(""))]);
}

#[test]
fn a_dead_letter_exchange_of_another_type_is_told_in_its_own_words() {
    let check = |value| check_dead_letter_exchange(&table(&[("x-dead-letter-exchange", value)]), &resource());
    assert_eq!(check(text("dlx")), Ok(()));
    assert_eq!(check_dead_letter_exchange(&FieldTable::new(), &resource()), Ok(()));
    let error = check(FieldValue::I32(5)).unwrap_err();
    let expected = "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'";
    assert_eq!((error.code(), error.to_string()), (ReplyCode::PreconditionFailed, expected.to_owned()));
}

#[test]
fn a_dead_letter_routing_key_needs_a_dead_letter_exchange() {
    const NAME: &str = "x-dead-letter-routing-key";
    accepted(&[(NAME, text("k")), ("x-dead-letter-exchange", text("dlx"))]);
    invalid(NAME, text("k"), "routing_key_but_no_dlx_defined");
    invalid(NAME, FieldValue::I32(1), "{unacceptable_type,signedint}");
}

#[test]
fn queue_mode_and_master_locator_are_accepted_and_not_looked_at() {
    for name in ["x-queue-mode", "x-queue-master-locator"] {
        accepted(&[(name, text("lazy"))]);
        accepted(&[(name, FieldValue::I32(1))]);
    }
}

#[test]
fn queue_version_is_two() {
    accepted(&[("x-queue-version", FieldValue::I32(2))]);
    accepted(&[("x-queue-version", FieldValue::I64(2))]);
    invalid("x-queue-version", FieldValue::I32(1), "\"unsupported queue version '1'\"");
    invalid("x-queue-version", text("2"), "\"expected integer, got longstr\"");
}

#[test]
fn leader_locator_is_one_of_the_known_ones() {
    for locator in ["client-local", "balanced", "random", "least-leaders", "min-masters"] {
        accepted(&[("x-queue-leader-locator", text(locator))]);
    }
    invalid("x-queue-leader-locator", text("nearest"), "invalid_queue_locator_arg");
}

#[test]
fn arguments_of_other_queue_types_are_refused_whatever_their_value() {
    const OTHERS: [&str; 13] = [
        "x-dead-letter-strategy",
        "x-max-in-memory-length",
        "x-max-in-memory-bytes",
        "x-quorum-initial-group-size",
        "x-member-placement-tag",
        "x-consumer-disconnected-timeout",
        "x-delayed-retry-type",
        "x-delayed-retry-min",
        "x-delayed-retry-max",
        "x-max-age",
        "x-stream-max-segment-size-bytes",
        "x-stream-filter-size-bytes",
        "x-initial-cluster-size",
    ];
    for name in OTHERS {
        let expected = format!("invalid arg '{name}' for queue 'q' in vhost '/' of queue type rabbit_classic_queue");
        for value in [FieldValue::I32(5), text("5"), FieldValue::Void] {
            assert_eq!(answer(&[(name, value)]), Err((ReplyCode::PreconditionFailed, expected.clone())));
        }
        assert!(compared(QueueType::Classic).all(|known| known != name), "{name} takes no part in redeclaring");
    }
}

#[test]
fn a_bad_value_is_told_before_a_feature_that_is_not_there_yet() {
    let expected = "invalid arg 'x-max-priority' for queue 'q' in vhost '/': {value_negative,-1}".to_owned();
    assert_eq!(
        answer(&[("x-message-ttl", FieldValue::I32(1)), ("x-max-priority", FieldValue::I32(-1))]),
        Err((ReplyCode::PreconditionFailed, expected))
    );
}

#[test]
fn generated_names_begin_with_the_prefix_that_is_asked_for() {
    let prefix = |text: &str| name_prefix(&table(&[("x-name-prefix", FieldValue::text(text))]));
    assert_eq!(name_prefix(&FieldTable::new()), Ok("amq.gen".to_owned()));
    assert_eq!(prefix("mine"), Ok("mine".to_owned()));
    assert_eq!(prefix(&"x".repeat(64)), Ok("x".repeat(64)));
    let error = prefix(&"x".repeat(65)).unwrap_err();
    let expected = format!("Queue name prefix '{}' exceeds the 64-byte limit", "x".repeat(65));
    assert_eq!((error.code(), error.to_string()), (ReplyCode::PreconditionFailed, expected));
}

#[test]
fn a_queue_may_hold_messages_until_the_time_in_a_header() {
    accepted(&[("x-hold-until-header", text("eta"))]);
    invalid("x-hold-until-header", text(""), "invalid_header");
    invalid("x-hold-until-header", FieldValue::Bool(true), "{unacceptable_type,bool}");
}

#[test]
fn a_queue_may_group_messages_but_not_by_priority_too() {
    accepted(&[("x-group-by", text("customer"))]);
    accepted(&[("x-group-by", text("customer")), ("x-queue-type", text("quorum"))]);
    invalid("x-group-by", text(""), "invalid_header");
    invalid("x-group-by", text(&"x".repeat(256)), "invalid_header");
    invalid("x-group-by", FieldValue::I32(1), "{unacceptable_type,signedint}");
    let both = [("x-group-by", text("customer")), ("x-max-priority", FieldValue::I32(5))];
    let expected = "invalid arg 'x-group-by' for queue 'q' in vhost '/': group_by_with_max_priority".to_owned();
    assert_eq!(answer(&both), Err((ReplyCode::PreconditionFailed, expected)));
}

#[test]
fn a_queue_may_try_messages_again() {
    let array = |members: &[i32]| FieldValue::Array(members.iter().copied().map(FieldValue::I32).collect());
    accepted(&[("x-retry-delays", text("1000, 10000,60000"))]);
    accepted(&[("x-retry-delays", array(&[0, 5])), ("x-retry-on", text("all")), ("x-retry-limit", FieldValue::I32(9))]);
    accepted(&[
        ("x-retry-min", FieldValue::I32(100)),
        ("x-retry-max", FieldValue::I32(100)),
        ("x-retry-multiplier", FieldValue::F64(1.5)),
        ("x-retry-jitter", text("0.2")),
    ]);
    for value in [text(""), text("1,,2"), text("-1"), array(&[]), array(&[-1]), FieldValue::I32(5)] {
        invalid("x-retry-delays", value, "invalid_delays");
    }
    invalid("x-retry-delays", array(&[1; 257]), "invalid_delays");
    invalid("x-retry-min", FieldValue::I32(-1), "{value_negative,-1}");
    invalid("x-retry-max", FieldValue::I32(1), "retry_max_but_no_retry_min_defined");
    invalid("x-retry-multiplier", FieldValue::F64(0.5), "{value_out_of_range,0.5}");
    invalid("x-retry-jitter", FieldValue::I32(2), "{value_out_of_range,2}");
    invalid("x-retry-jitter", FieldValue::Void, "{unacceptable_type,void}");
    invalid("x-retry-limit", FieldValue::I32(-1), "{value_negative,-1}");
    invalid("x-retry-on", text("never"), "invalid_retry_on");
}

#[test]
fn what_retries_are_asked_for_is_found_in_the_arguments() {
    use std::time::Duration;

    use crate::broker::queue::{Delays, Retry, RetryOn, Settings};

    let of = |entries: &[(&str, FieldValue)]| Settings::of(&table(entries)).retry;
    let millis = Duration::from_millis;
    let listed = Delays::Listed(vec![millis(10), millis(200)]);
    let expected = Retry { delays: listed, limit: None, jitter_percent: 25, on: RetryOn::Reject };
    let on = ("x-retry-on", text("reject"));
    assert_eq!(
        of(&[("x-retry-delays", text("10,200")), ("x-retry-jitter", FieldValue::F64(0.25)), on]),
        Some(expected)
    );
    let delays = Delays::Growing { first: millis(10), longest: millis(86_400_000), multiplier: 2000 };
    let expected = Retry { delays, limit: Some(3), jitter_percent: 0, on: RetryOn::Requeue };
    assert_eq!(of(&[("x-retry-min", FieldValue::I32(10)), ("x-retry-limit", FieldValue::I32(3))]), Some(expected));
    assert_eq!(of(&[("x-retry-limit", FieldValue::I32(3))]), None, "nothing says how long to wait");
}

#[test]
fn a_policy_gives_what_a_queue_was_not_declared_with() {
    let with = |declared: &[(&str, FieldValue)], definition: &[(&str, FieldValue)]| {
        super::with_policy(&table(declared), &table(definition))
    };
    let policy = [
        ("hold-until-header", text("eta")),
        ("retry-min", FieldValue::I32(100)),
        ("retry-max", FieldValue::I32(900)),
        ("retry-limit", FieldValue::I32(-1)),
        ("max-length", FieldValue::I32(5)),
    ];
    let (header, min) = (("x-hold-until-header", text("eta")), ("x-retry-min", FieldValue::I32(100)));
    let max = ("x-retry-max", FieldValue::I32(900));
    assert_eq!(with(&[], &policy), table(&[header.clone(), min, max]), "what is not valid does not count");
    let listed = ("x-retry-delays", text("5"));
    assert_eq!(with(std::slice::from_ref(&listed), &policy), table(&[listed, header]));
    let other = ("x-hold-until-header", text("at"));
    assert_eq!(with(std::slice::from_ref(&other), &[("hold-until-header", text("eta"))]), table(&[other]));
}
