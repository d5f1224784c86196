//! When the memory alarm comes on and when it clears, and when memory is so short that messages are to leave it. Decides
//! by numbers that it is given; measures nothing.

use std::time::Duration;

use super::alarms::Change;

/// How many times as often memory is looked at while it is short.
const OFTENER: u32 = 5;

/// How long nothing is measured after it could not be.
const LONG: Duration = Duration::from_secs(10);

/// The memory alarm.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryAlarm {
    /// How often memory is looked at.
    period: Duration,
    on: bool,
    pressed: bool,
    next: Duration,
}

impl MemoryAlarm {
    /// An alarm that looks at memory so often.
    pub(super) const fn every(period: Duration) -> Self {
        Self { period, on: false, pressed: false, next: Duration::ZERO }
    }

    /// How long until memory is looked at again: sooner while it is short, since what is freed in between is given back then.
    pub(super) fn period(&self) -> Duration {
        if self.pressed { self.period / OFTENER } else { self.period }
    }

    /// Whether it is time to measure.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.next
    }

    /// Whether so much is in use that what comes has to go to the disk, so that the alarm need not come.
    pub(super) const fn is_pressed(&self) -> bool {
        self.pressed
    }

    /// Whether so many bytes in use mean that messages have to leave memory.
    pub(super) const fn would_press(&self, used: u64, limit: u64) -> bool {
        let (high, low) = (limit / 10 * 8, limit / 10 * 7);
        used > high || (self.pressed && used > low)
    }

    /// From so many bytes down it clears: below the limit, so that it does not come and go with every message.
    pub(super) const fn clear_at(limit: u64) -> u64 {
        limit - limit / 20
    }

    /// So many bytes are in use.
    pub(super) fn measured(&mut self, now: Duration, used: u64, limit: u64) -> Option<Change> {
        self.pressed = self.would_press(used, limit);
        self.next = now.saturating_add(self.period());
        if self.on && used <= Self::clear_at(limit) {
            self.on = false;
            return Some(Change::Off);
        }
        if !self.on && used > limit {
            self.on = true;
            return Some(Change::On);
        }
        None
    }

    /// Nobody could tell how much is in use.
    pub(super) fn not_measured(&mut self, now: Duration) {
        self.next = now.saturating_add(self.period.max(LONG));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_secs(5);
    const PERIOD: Duration = Duration::from_millis(100);

    #[test]
    fn it_comes_on_above_the_limit_and_clears_at_nineteen_twentieths_of_it() {
        let mut alarm = MemoryAlarm::every(PERIOD);
        let changes = [0, 100, 101, 100, 96, 95, 100, 101].map(|used| alarm.measured(AT, used, 100));
        let (on, off) = (Some(Change::On), Some(Change::Off));
        assert_eq!(changes, [None, None, on, None, None, off, None, on]);
    }

    #[test]
    fn messages_are_to_leave_memory_from_eight_tenths_on_until_seven() {
        let mut alarm = MemoryAlarm::every(PERIOD);
        let pressed = [80, 81, 75, 71, 70, 75].map(|used| {
            assert_eq!(alarm.measured(AT, used, 100), None);
            alarm.is_pressed()
        });
        assert_eq!(pressed, [false, true, true, true, false, false]);
    }

    #[test]
    fn a_limit_that_is_changed_counts_at_once() {
        let mut alarm = MemoryAlarm::every(PERIOD);
        assert_eq!(alarm.measured(AT, 50, 100), None);
        assert_eq!(alarm.measured(AT, 50, 0), Some(Change::On));
        assert_eq!(alarm.measured(AT, 50, 100), Some(Change::Off));
    }

    #[test]
    fn it_measures_as_often_as_it_is_told_and_oftener_when_memory_is_short() {
        for period in [PERIOD, Duration::from_secs(60)] {
            let mut alarm = MemoryAlarm::every(period);
            assert!(alarm.is_due(Duration::ZERO));
            alarm.measured(AT, 10, 20);
            assert!(!alarm.is_due(AT + period / 2) && alarm.is_due(AT + period));
            alarm.measured(AT, 18, 20);
            assert!(!alarm.is_due(AT + period / 6) && alarm.is_due(AT + period / 5), "memory is short");
            alarm.not_measured(AT);
            assert!(!alarm.is_due(AT + LONG / 2) && alarm.is_due(AT + period.max(LONG)));
        }
    }
}
