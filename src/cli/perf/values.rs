//! Values as they are typed: 10k messages, 4KiB, 30s, x-max-length=1000.

use std::time::Duration;

use leveret_protocol::{FieldValue, ShortString};

/// A body may have no more octets than RabbitMQ takes at most.
const SIZE_MAX: u64 = 512 << 20;

/// A number of messages: `5000`, `10k`, `2M`.
pub(super) fn count(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| format!("'{text}' is no number; write it as 5000, 10k or 2M"))
}

/// As [`count`], but not 0.
pub(super) fn positive(text: &str) -> Result<u64, String> {
    match count(text)? {
        0 => Err("it has to be 1 at least".to_owned()),
        number => Ok(number),
    }
}

/// Octets: `16`, `4k` (4000), `4KiB` (4096), `1MiB`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let binary = [("KiB", 10), ("MiB", 20)].iter().find_map(|(suffix, shift)| {
        let number = text.strip_suffix(suffix)?.parse::<u64>().ok()?;
        number.checked_mul(1 << shift)
    });
    let octets = match binary {
        Some(octets) => octets,
        None => count(text).map_err(|_| format!("'{text}' is no size; write it as 16, 10k or 4KiB"))?,
    };
    if octets > SIZE_MAX {
        return Err(format!("{octets} octets are too many; RabbitMQ takes 512MiB at most"));
    }
    usize::try_from(octets).map_err(|error| error.to_string())
}

/// A time: `500ms`, `30s`, `5m`, `1h`; a number alone is seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time; write it as 500ms, 30s, 5m or 1h");
    let end = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).ok().filter(|time| !time.is_zero()).ok_or_else(wrong)
}

/// `NAME=VALUE`: an integer, `true` or `false`, or else text.
pub(super) fn argument(text: &str) -> Result<(ShortString, FieldValue), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("'{text}' has to be NAME=VALUE"))?;
    if name.is_empty() {
        return Err(format!("'{text}' has no name"));
    }
    let name = ShortString::new(name).map_err(|error| error.to_string())?;
    let value = match (value.parse::<i64>(), value.parse::<bool>()) {
        (Ok(integer), _) => FieldValue::I64(integer),
        (_, Ok(truth)) => FieldValue::Bool(truth),
        _ => FieldValue::text(value),
    };
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_may_have_thousands_and_millions() {
        assert_eq!([count("7"), count("10k"), count("2M")], [Ok(7), Ok(10_000), Ok(2_000_000)]);
        for wrong in ["", "k", "-1", "1.5k", "99999999999999999M"] {
            assert!(count(wrong).unwrap_err().contains("5000, 10k or 2M"), "{wrong}");
        }
        assert!(positive("0").is_err());
    }

    #[test]
    fn sizes_are_octets_up_to_what_rabbitmq_takes() {
        assert_eq!([size("16"), size("4k"), size("4KiB"), size("1MiB")], [Ok(16), Ok(4000), Ok(4096), Ok(1 << 20)]);
        assert!(size("1GiB").unwrap_err().contains("4KiB"));
        assert!(size("513MiB").unwrap_err().contains("too many"));
    }

    #[test]
    fn times_have_units_and_are_seconds_without() {
        let millis = |text| duration(text).unwrap().as_millis();
        assert_eq!(
            [millis("250ms"), millis("1.5s"), millis("10"), millis("2m"), millis("1h")],
            [250, 1500, 10_000, 120_000, 3_600_000]
        );
        for wrong in ["", "s", "0", "-1s", "1d", "inf", "1e400"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn arguments_are_integers_truths_or_texts() {
        let value = |text| argument(text).unwrap().1;
        assert_eq!(value("x-max-length=10"), FieldValue::I64(10));
        assert_eq!(value("x-single-active-consumer=true"), FieldValue::Bool(true));
        assert_eq!(value("x-queue-type=quorum"), FieldValue::text("quorum"));
        assert_eq!(value("x=a=b"), FieldValue::text("a=b"));
        assert!(argument("x-max-length").is_err() && argument("=1").is_err());
    }
}
