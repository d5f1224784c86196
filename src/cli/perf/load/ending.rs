//! When a load run with a count is over. Knows no clock.

/// What is known of a run at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Nanoseconds.
    pub(super) now: u64,
    /// Publishers that have not finished.
    pub(super) publishing: usize,
    /// Messages of this run that should come out: those that were published, and not refused or given back.
    pub(super) expected: u64,
    pub(super) consumed: u64,
    /// When a message came out last, in nanoseconds.
    pub(super) moved: u64,
}

/// The end of a run with a count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// With the last publisher: nobody consumes.
    Published,
    /// When so many are consumed: nobody publishes.
    Consumed(u64),
    /// When every message has come out of the one queue it went to.
    Delivered,
    /// When nothing has come out for a while: an exchange may copy messages and leave some out.
    Quiet,
}

/// How long nothing may come out, in nanoseconds, until it is clear that nothing will.
pub(super) const PATIENCE: u64 = 3_000_000_000;

impl Ending {
    /// Whether it is reached. What does not come although it should is not waited for for ever.
    pub(super) fn is_reached(self, standing: Standing, published: &mut Option<u64>) -> bool {
        let Standing { now, publishing, expected, consumed, moved } = standing;
        if let Self::Consumed(count) = self {
            return consumed >= count;
        }
        if publishing > 0 {
            return false;
        }
        let since = *published.get_or_insert(now);
        let quiet = now.saturating_sub(moved.max(since)) >= PATIENCE;
        match self {
            Self::Published => true,
            Self::Consumed(_) | Self::Quiet => quiet,
            Self::Delivered => consumed >= expected || quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDING: Standing = Standing { now: PATIENCE, publishing: 0, expected: 10, consumed: 9, moved: PATIENCE };

    fn reached(ending: Ending, standing: Standing) -> bool {
        ending.is_reached(standing, &mut None)
    }

    #[test]
    fn a_run_goes_on_until_all_is_delivered() {
        assert!(!reached(Ending::Delivered, STANDING));
        assert!(reached(Ending::Delivered, Standing { consumed: 10, ..STANDING }));
        assert!(!reached(Ending::Delivered, Standing { consumed: 10, publishing: 1, ..STANDING }));
    }

    #[test]
    fn what_does_not_come_is_waited_for_a_while() {
        for ending in [Ending::Delivered, Ending::Quiet] {
            let mut published = None;
            assert!(!ending.is_reached(Standing { moved: 0, ..STANDING }, &mut published));
            let later = Standing { now: 2 * PATIENCE - 1, moved: 0, ..STANDING };
            assert!(!ending.is_reached(later, &mut published));
            assert!(ending.is_reached(Standing { now: 2 * PATIENCE, ..later }, &mut published));
            assert!(!ending.is_reached(Standing { now: 2 * PATIENCE, moved: PATIENCE + 1, ..later }, &mut published));
        }
    }

    #[test]
    fn one_side_alone_ends_with_its_own_count() {
        assert!(reached(Ending::Published, STANDING));
        assert!(!reached(Ending::Published, Standing { publishing: 1, ..STANDING }));
        assert!(reached(Ending::Consumed(9), STANDING) && !reached(Ending::Consumed(10), STANDING));
    }
}
