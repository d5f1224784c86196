//! Numbers for people.

/// A rate or a count with commas between thousands, rounded; small ones keep a digit behind the point.
pub(in crate::cli::perf) fn thousands(number: f64) -> String {
    if number > 0.0 && number < 10.0 && number.fract() != 0.0 {
        return format!("{number:.1}");
    }
    let digits = format!("{number:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds in the unit that suits them.
pub(in crate::cli::perf) fn micros(micros: u64) -> String {
    let (unit, divisor) = match micros {
        0..1000 => return format!("{micros} µs"),
        1000..1_000_000 => ("ms", 1000),
        1_000_000.. => ("s", 1_000_000),
    };
    let (whole, hundredths) = (micros / divisor, micros % divisor * 100 / divisor);
    match whole {
        0..10 if !hundredths.is_multiple_of(10) => format!("{whole}.{hundredths:02} {unit}"),
        0..100 => format!("{whole}.{} {unit}", hundredths / 10),
        100.. => format!("{whole} {unit}"),
    }
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean latency: not negative, at most an hour"
)]
pub(super) fn rounded(micros: f64) -> u64 {
    micros.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_have_commas() {
        let shown = [0.0, 2.5, 9.0, 999.6, 1000.0, 1_234_567.8].map(thousands);
        assert_eq!(shown, ["0", "2.5", "9", "1,000", "1,000", "1,234,568"]);
    }

    #[test]
    fn times_have_the_unit_that_suits_them() {
        let shown = [0, 999, 1000, 1234, 4500, 12_345, 123_456, 1_500_000, 3_600_000_000].map(micros);
        assert_eq!(shown, ["0 µs", "999 µs", "1.0 ms", "1.23 ms", "4.5 ms", "12.3 ms", "123 ms", "1.5 s", "3600 s"]);
    }
}
