//! When the disk alarm comes on and when it clears. Decides by numbers that it is given; measures nothing.

use std::time::Duration;

use super::alarms::Change;

/// How often free space is looked at while there is plenty.
const RELAXED: Duration = Duration::from_secs(1);

/// How often while there is little: at full speed a disk takes some hundred megabytes a second.
const ALERT: Duration = Duration::from_millis(100);

/// What it takes to go on after the disk was full: a file of the log, or a segment, has to fit.
const ROOM: u64 = 64 << 20;

/// The disk alarm.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiskAlarm {
    /// On below so many bytes.
    limit: u64,
    on: bool,
    /// Something could not be written for want of space.
    full: bool,
    next: Duration,
}

impl DiskAlarm {
    /// Off, and to be measured at once.
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, on: false, full: false, next: Duration::ZERO }
    }

    /// Below so many free bytes it is on.
    pub(super) const fn limit(&self) -> u64 {
        self.limit
    }

    /// From so many free bytes on it clears: well above the limit, so that it does not come and go with every file.
    pub(super) fn clear_at(&self) -> u64 {
        let limit = if self.full { self.limit.max(ROOM) } else { self.limit };
        limit.saturating_add(limit / 2)
    }

    /// Another limit counts from now on.
    pub(super) fn set_limit(&mut self, limit: u64) {
        if limit != self.limit {
            (self.limit, self.next) = (limit, Duration::ZERO);
        }
    }

    /// Whether it is time to measure.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// Whether it is on.
    pub(super) const fn is_on(&self) -> bool {
        self.on
    }

    /// Whether nothing large should be tried to be written, since that failed and nothing was freed.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    /// So much is free.
    pub(super) fn measured(&mut self, now: Duration, free: u64) -> Option<Change> {
        let plenty = free / 4 >= self.limit && !self.on;
        self.next = now.saturating_add(if plenty { RELAXED } else { ALERT });
        if self.on && free >= self.clear_at() {
            (self.on, self.full) = (false, false);
            return Some(Change::Off);
        }
        if !self.on && free < self.limit {
            self.on = true;
            return Some(Change::On);
        }
        None
    }

    /// Nobody could tell how much is free; to be tried again in a while.
    pub(super) fn not_measured(&mut self, now: Duration) {
        self.next = now.saturating_add(RELAXED * 10);
    }

    /// Something could not be written for want of space, whatever the measuring says (quotas, reserved blocks).
    pub(super) fn found_full(&mut self) -> Option<Change> {
        self.full = true;
        (!std::mem::replace(&mut self.on, true)).then_some(Change::On)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(5);

    #[test]
    fn it_comes_on_below_the_limit_and_clears_at_one_and_a_half_times_of_it() {
        let mut alarm = DiskAlarm::new(100);
        let free = [1000, 100, 99, 100, 149, 0, 150, 120, 99];
        let changes = free.map(|free| alarm.measured(AT, free));
        let (on, off) = (Some(Change::On), Some(Change::Off));
        assert_eq!(changes, [None, None, on, None, None, None, off, None, on]);
    }

    #[test]
    fn a_full_disk_turns_it_on_and_a_file_has_to_fit_before_it_clears() {
        let mut alarm = DiskAlarm::new(100);
        assert_eq!(alarm.found_full(), Some(Change::On));
        assert_eq!(alarm.found_full(), None);
        assert_eq!(alarm.measured(AT, ROOM), None);
        assert!(alarm.is_full());
        assert_eq!(alarm.measured(AT, ROOM / 2 * 3), Some(Change::Off));
        assert!(!alarm.is_full());
        assert_eq!(alarm.measured(AT, 99), Some(Change::On));
        assert_eq!(alarm.measured(AT, 150), Some(Change::Off), "the limit alone counts again");
    }

    #[test]
    fn it_measures_more_often_while_little_is_free() {
        let mut alarm = DiskAlarm::new(100);
        assert!(alarm.is_due(Duration::ZERO));
        for (free, next) in [(400, RELAXED), (399, ALERT), (1, ALERT), (500, ALERT), (500, RELAXED)] {
            alarm.measured(AT, free);
            assert!(!alarm.is_due(AT + next - Duration::from_millis(1)) && alarm.is_due(AT + next), "{free}");
        }
    }

    #[test]
    fn a_limit_that_is_changed_is_measured_against_at_once() {
        let mut alarm = DiskAlarm::new(100);
        assert_eq!(alarm.measured(AT, 1000), None);
        alarm.set_limit(100);
        assert!(!alarm.is_due(AT));
        alarm.set_limit(2000);
        assert!(alarm.is_due(AT));
        assert_eq!(alarm.measured(AT, 1000), Some(Change::On));
    }
}
