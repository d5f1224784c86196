//! Dates with times as ISO 8601 writes them and Celery sends them, as Unix time. Knows nothing of calendars but the
//! Gregorian one, and no leap seconds.

const MILLIS_PER_SECOND: i64 = 1000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Unix time in milliseconds of a text such as `2026-11-25T14:51:35.123456+01:00`; a space may stand for the `T`, seconds
/// and zone may be missing. `None`: it is none.
pub(super) fn unix_millis(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let (clock, offset) = zone(clock)?;
    let seconds = days(date)? * SECONDS_PER_DAY - offset;
    let (second_of_day, millis) = time_of_day(clock)?;
    Some((seconds + second_of_day) * MILLIS_PER_SECOND + millis)
}

/// Days since 1970: the Gregorian calendar counted in eras of 400 years that begin in March (Howard Hinnant,
/// "chrono-Compatible Low-Level Date Algorithms").
fn days(date: &str) -> Option<i64> {
    let mut fields = date.split('-');
    let (year, month, day) = (digits(fields.next()?, 4)?, digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    let possible = fields.next().is_none() && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !possible {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// The clock without its zone, and by how many seconds that is ahead of UTC.
fn zone(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.find(['+', '-']) else { return Some((clock, 0)) };
    let (clock, offset) = clock.split_at_checked(at)?;
    let ahead = offset.starts_with('+');
    let offset: String = offset.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = offset.split_at_checked(2)?;
    let minutes = if minutes.is_empty() { 0 } else { digits(minutes, 2)? };
    let seconds = digits(hours, 2)? * 3600 + minutes * 60;
    Some((clock, if ahead { seconds } else { -seconds }))
}

/// Seconds since midnight, and milliseconds.
fn time_of_day(clock: &str) -> Option<(i64, i64)> {
    let mut fields = clock.split(':');
    let (hour, minute) = (digits(fields.next()?, 2)?, digits(fields.next()?, 2)?);
    let (second, fraction) = match fields.next() {
        Some(seconds) => seconds.split_once(['.', ',']).unwrap_or((seconds, "")),
        None => ("00", ""),
    };
    let second = digits(second, 2)?;
    let possible = fields.next().is_none() && hour <= 24 && minute <= 59 && second <= 60;
    let millis = format!("{fraction:0<3}");
    let millis = digits(millis.get(..3)?, 3)?;
    possible.then_some((hour * 3600 + minute * 60 + second, millis))
}

fn digits(text: &str, count: usize) -> Option<i64> {
    (text.len() == count && text.bytes().all(|octet| octet.is_ascii_digit())).then(|| text.parse().ok())?
}
