//! `x-retry-delays`, or `x-retry-min` with `x-retry-max`, `x-retry-multiplier`; `x-retry-jitter`, `x-retry-limit` and
//! `x-retry-on`: how messages are tried again that consumers give back (extension).

use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue};

use super::{Argument, Support, check};
use crate::broker::queue::retry::{Delays, Retry, RetryOn};

/// The most delays in a list: more would not be a list that somebody wrote.
const MOST_DELAYS: usize = 256;

const MOST_MULTIPLIER: f64 = 1000.0;

pub(super) const DELAYS: Argument = Argument {
    name: "x-retry-delays",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, all| {
        if all.contains(FIRST.name) {
            return Err("retry_delays_and_retry_min".to_owned());
        }
        delays_in(value).map(drop).ok_or_else(|| "invalid_delays".to_owned())
    },
};

pub(super) const FIRST: Argument = Argument {
    name: "x-retry-min",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| check::at_most_ten_years(check::not_negative(value)?),
};

pub(super) const LONGEST: Argument = Argument {
    name: "x-retry-max",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, all| {
        let longest = check::not_negative(value)?;
        check::at_most_ten_years(longest)?;
        match all.get(FIRST.name).and_then(FieldValue::as_integer) {
            None => Err("retry_max_but_no_retry_min_defined".to_owned()),
            Some(first) if first > longest => Err(format!("{{value_too_small,{longest}}}")),
            Some(_) => Ok(()),
        }
    },
};

pub(super) const MULTIPLIER: Argument = Argument {
    name: "x-retry-multiplier",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| within(value, 1.0, MOST_MULTIPLIER),
};

pub(super) const JITTER: Argument = Argument {
    name: "x-retry-jitter",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| within(value, 0.0, 1.0),
};

pub(super) const LIMIT: Argument = Argument {
    name: "x-retry-limit",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| check::not_negative(value).map(drop),
};

pub(super) const ON: Argument = Argument {
    name: "x-retry-on",
    support: Support::Honoured,
    quorum: Support::Honoured,
    check: |value, _| check::one_of(value, &["requeue", "reject", "all"], "invalid_retry_on"),
};

/// What valid arguments ask for. `None`: without delays nothing is tried again.
pub(in crate::broker::queue) fn value(arguments: &FieldTable) -> Option<Retry> {
    let thousandths = |name| arguments.get(name).and_then(thousandths);
    let on = arguments.get(ON.name).and_then(FieldValue::as_bytes).and_then(RetryOn::by_name).unwrap_or_default();
    let growing = || {
        let first = check::number_in(arguments, FIRST.name)?;
        // Without a longest one there is still an end: a day, or the first.
        const DAY_MS: u64 = 86_400_000;
        let longest = check::number_in(arguments, LONGEST.name).unwrap_or_else(|| DAY_MS.max(first));
        let (first, longest) = (Duration::from_millis(first), Duration::from_millis(longest));
        Some(Delays::Growing { first, longest, multiplier: thousandths(MULTIPLIER.name).unwrap_or(2000) })
    };
    let delays = arguments.get(DELAYS.name).and_then(delays_in).map(Delays::Listed).or_else(growing)?;
    let jitter_percent = thousandths(JITTER.name).map_or(0, |jitter| u8::try_from(jitter / 10).unwrap_or(100));
    Some(Retry { delays, limit: check::number_in(arguments, LIMIT.name), jitter_percent, on })
}

/// Milliseconds: an array of numbers, or text with commas.
fn delays_in(value: &FieldValue) -> Option<Vec<Duration>> {
    let millis: Option<Vec<i64>> = match value.as_array() {
        Some(members) => members.iter().map(FieldValue::as_integer).collect(),
        None => value.as_str()?.split(',').map(|text| text.trim().parse().ok()).collect(),
    };
    let valid = |millis: i64| u64::try_from(millis).ok().filter(|_| check::at_most_ten_years(millis).is_ok());
    let delays: Vec<_> =
        millis?.into_iter().map(|millis| valid(millis).map(Duration::from_millis)).collect::<Option<_>>()?;
    (1..=MOST_DELAYS).contains(&delays.len()).then_some(delays)
}

fn number(value: &FieldValue) -> Option<f64> {
    if let FieldValue::F32(number) = value {
        return Some(f64::from(*number));
    }
    if let FieldValue::F64(number) = value {
        return Some(*number);
    }
    let integer = value.as_integer().and_then(|number| i32::try_from(number).ok());
    integer.map(f64::from).or_else(|| value.as_str()?.trim().parse().ok())
}

fn within(value: &FieldValue, least: f64, most: f64) -> Result<(), String> {
    let number = number(value).ok_or_else(|| check::unacceptable_type(value))?;
    if (least..=most).contains(&number) { Ok(()) } else { Err(format!("{{value_out_of_range,{number}}}")) }
}

fn thousandths(value: &FieldValue) -> Option<u64> {
    let number = number(value).filter(|number| (0.0..=MOST_MULTIPLIER).contains(number))?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to a million")]
    let thousandths = (number * 1000.0).round() as u64;
    Some(thousandths)
}
