//! The time in front of a log line, in RabbitMQ's form and in UTC: `2026-08-24 10:11:12.123456+00:00`.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Time since 1970 in UTC; an earlier clock is shown as 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timestamp(Duration);

impl Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the time of a log line decides nothing")]
    pub(super) fn now() -> Self {
        Self(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let micros = self.0.subsec_micros();
        write!(formatter, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}+00:00")
    }
}

/// Year, month and day for days since 1970-01-01: the Gregorian calendar counted in eras of 400 years that begin in
/// March, so that the leap day is a year's last (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_calendar() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(20_819), (2027, 1, 1));
        assert_eq!(date(47_540), (2100, 2, 28));
        assert_eq!(date(47_541), (2100, 3, 1));
    }

    #[test]
    fn is_written_as_rabbitmq_writes_it() {
        let time = Timestamp(Duration::from_micros(1_787_566_272_000_456));
        assert_eq!(time.to_string(), "2026-08-24 10:11:12.000456+00:00");
    }
}
