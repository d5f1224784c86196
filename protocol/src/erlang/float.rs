//! Floating-point numbers as Erlang prints them: the fewest digits that are read back as the same number, with an
//! exponent where that is shorter (Erlang `io_lib_format`).

/// From here on a number could be written with digits that it does not have, and so always has an exponent.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The number as `~p` prints it, such as `0.5`, `1.0e3` or `1.0e100`.
pub(super) fn number(value: f64) -> String {
    let scientific = format!("{:e}", value.abs());
    let sign = if value.is_sign_negative() { "-" } else { "" };
    let Some((digits, exponent)) = parts(&scientific) else {
        // Erlang has no such numbers, so that RabbitMQ cannot even read them.
        return value.to_string();
    };
    if value.abs() < EXACT
        && let Some(plain) = plain(&digits, exponent)
    {
        return format!("{sign}{plain}");
    }
    let (first, rest) = digits.split_at(1);
    let rest = if rest.is_empty() { "0" } else { rest };
    format!("{sign}{first}.{rest}e{exponent}")
}

/// The digits and the exponent of the first of them.
fn parts(scientific: &str) -> Option<(String, i32)> {
    let (mantissa, exponent) = scientific.split_once('e')?;
    Some((mantissa.replace('.', ""), exponent.parse().ok()?))
}

/// The number without an exponent, where that is no longer than with one.
fn plain(digits: &str, exponent: i32) -> Option<String> {
    let count = i32::try_from(digits.len()).ok()?;
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    // What `e` and the exponent cost, and the `.0` that a lone digit then needs.
    let cost = i32::try_from(exponent.to_string().len()).ok()? + 1 + if count == 1 { 2 } else { 1 };
    let point = exponent + 1;
    if point < 0 {
        return (2 - point <= cost).then(|| format!("0.{}{digits}", zeros(-point)));
    }
    if point == 0 {
        return Some(format!("0.{digits}"));
    }
    if point >= count {
        return (point - count + 2 <= cost).then(|| format!("{digits}{}.0", zeros(point - count)));
    }
    let (whole, fraction) = digits.split_at_checked(usize::try_from(point).ok()?)?;
    Some(format!("{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Every expectation was read off RabbitMQ 4.3.
    #[test]
    fn has_an_exponent_where_that_is_shorter() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (-1.25, "-1.25"),
            (0.1, "0.1"),
            (0.05, "0.05"),
            (0.001, "0.001"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-5"),
            (1.0e-10, "1.0e-10"),
            (10.0, "10.0"),
            (100.0, "100.0"),
            (1000.0, "1.0e3"),
            (12_000.0, "1.2e4"),
            (123_456_789.0, "123456789.0"),
            (1.0e15, "1.0e15"),
            (9_007_199_254_740_992.0, "9.007199254740992e15"),
            (1.234_567_890_123_456_8e17, "1.2345678901234568e17"),
            (1.0e100, "1.0e100"),
            (5.0e-324, "5.0e-324"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn numbers_that_erlang_does_not_have_are_printed_somehow() {
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(f64::NEG_INFINITY), "-inf");
    }
}
