//! Scales of an axis, with ticks at round numbers.

/// From values to places between 0 (bottom) and 1 (top).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    is_logarithmic: bool,
    pub(super) ticks: Vec<f64>,
}

impl Scale {
    /// From zero to a round number that is no less than `highest`.
    pub(super) fn from_zero(highest: f64) -> Self {
        let step = round_step(highest.max(1.0) / 4.0);
        let mut ticks = vec![0.0];
        let mut next = step;
        while ticks.last().is_some_and(|&last| last < highest) || ticks.len() < 2 {
            ticks.push(next);
            next += step;
        }
        Self { low: 0.0, high: ticks.last().copied().unwrap_or(step), is_logarithmic: false, ticks }
    }

    /// Powers of ten around both.
    pub(super) fn logarithmic(lowest: f64, highest: f64) -> Self {
        let low = 10_f64.powf(lowest.max(1.0).log10().floor());
        let mut ticks = vec![low];
        while ticks.last().is_some_and(|&last| last < highest) || ticks.len() < 2 {
            ticks.push(ticks.last().copied().unwrap_or(low) * 10.0);
        }
        Self { low, high: ticks.last().copied().unwrap_or(low), is_logarithmic: true, ticks }
    }

    /// Where a value is.
    pub(super) fn place(&self, value: f64) -> f64 {
        let by = |value: f64| if self.is_logarithmic { value.log10() } else { value };
        (by(value) - by(self.low)) / (by(self.high) - by(self.low))
    }
}

/// 1, 2 or 5 times a power of ten, and no less than `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0].iter().map(|factor| factor * power).find(|&round| round >= step * 0.999).unwrap_or(power * 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        assert_eq!(Scale::from_zero(0.0).ticks, [0.0, 0.5]);
        assert_eq!(Scale::from_zero(950.0).ticks, [0.0, 500.0, 1000.0]);
        assert_eq!(Scale::from_zero(1_900_000.0).ticks, [0.0, 500_000.0, 1_000_000.0, 1_500_000.0, 2_000_000.0]);
        assert_eq!(Scale::logarithmic(35.0, 4200.0).ticks, [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(Scale::logarithmic(1.0, 1.0).ticks, [1.0, 10.0]);
    }

    #[test]
    fn values_have_their_places() {
        let linear = Scale::from_zero(1000.0);
        assert_eq!([linear.place(0.0), linear.place(250.0), linear.place(1000.0)], [0.0, 0.25, 1.0]);
        let logarithmic = Scale::logarithmic(1.0, 100.0);
        assert_eq!([logarithmic.place(1.0), logarithmic.place(10.0), logarithmic.place(100.0)], [0.0, 0.5, 1.0]);
    }
}
