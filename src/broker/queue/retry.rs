//! Retry with back-off: how long a message that comes back waits, attempt by attempt, and when it has had enough. Owns
//! no messages; how the count travels is `broker::delay`'s.

use std::time::Duration;

use crate::broker::exchange::mixed;

/// What becomes of messages that consumers give back (extension).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How long they wait.
    pub delays: Delays,
    /// The most attempts after the first; `None`: as many as there are delays, or without end where they grow.
    pub limit: Option<u64>,
    /// By how many percent of itself, up or down, a delay may vary: so that what failed together does not come back
    /// together. At most 100.
    pub jitter_percent: u8,
    /// Which messages these are.
    pub on: RetryOn,
}

/// How long the attempts are apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delays {
    /// One after the other; the last one for all attempts after it, where the limit allows them.
    Listed(Vec<Duration>),
    /// Each is a multiple of the one before.
    Growing {
        /// The first.
        first: Duration,
        /// The longest.
        longest: Duration,
        /// In thousandths.
        multiplier: u64,
    },
}

/// Which messages are tried again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RetryOn {
    /// Those that are given back to the queue: `requeue` is true. Others are dead at once.
    #[default]
    Requeue,
    /// Those that are rejected: `requeue` is false. Others are ready at once.
    Reject,
    /// Both.
    All,
}

impl RetryOn {
    /// The choice of that name.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"requeue" => Some(Self::Requeue),
            b"reject" => Some(Self::Reject),
            b"all" => Some(Self::All),
            _ => None,
        }
    }
}

impl Retry {
    /// How long a message waits that has been tried again `attempts` times; `None`: it has had enough. `seed` is another
    /// one for each message and attempt.
    #[must_use]
    pub fn delay(&self, attempts: u64, seed: u64) -> Option<Duration> {
        let limit = self.limit.or_else(|| self.delays.count());
        if limit.is_some_and(|limit| attempts >= limit) {
            return None;
        }
        let delay = self.delays.of(attempts)?;
        Some(self.jittered(delay, seed))
    }

    fn jittered(&self, delay: Duration, seed: u64) -> Duration {
        let millis = millis(delay);
        let spread = millis.saturating_mul(u64::from(self.jitter_percent.min(100))) / 100;
        let offset = mixed(seed).checked_rem(spread.saturating_mul(2).saturating_add(1)).unwrap_or_default();
        Duration::from_millis(millis.saturating_sub(spread).saturating_add(offset))
    }
}

impl Delays {
    /// How many there are; `None`: without end.
    fn count(&self) -> Option<u64> {
        match self {
            Self::Listed(delays) => u64::try_from(delays.len()).ok(),
            Self::Growing { .. } => None,
        }
    }

    fn of(&self, attempts: u64) -> Option<Duration> {
        match self {
            Self::Listed(delays) => {
                let at = usize::try_from(attempts).unwrap_or(usize::MAX);
                delays.get(at).or_else(|| delays.last()).copied()
            }
            Self::Growing { first, longest, multiplier } => {
                let (mut delay, longest) = (millis(*first), millis(*longest));
                // It reaches the longest soon, or stays where it is.
                for _ in 0..attempts.min(1000) {
                    if delay >= longest {
                        break;
                    }
                    delay = delay.saturating_mul(*multiplier) / 1000;
                }
                Some(Duration::from_millis(delay.min(longest)))
            }
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn retry(delays: Delays) -> Retry {
        Retry { delays, limit: None, jitter_percent: 0, on: RetryOn::default() }
    }

    fn delays(retry: &Retry, attempts: u64) -> Vec<Option<u64>> {
        (0..attempts).map(|attempt| retry.delay(attempt, attempt).map(|delay| delay.as_secs())).collect()
    }

    #[test]
    fn there_are_as_many_attempts_as_delays_in_the_list() {
        let listed = retry(Delays::Listed(vec![secs(1), secs(10), secs(60)]));
        assert_eq!(delays(&listed, 5), [Some(1), Some(10), Some(60), None, None]);
        let longer = Retry { limit: Some(4), ..listed };
        assert_eq!(delays(&longer, 5), [Some(1), Some(10), Some(60), Some(60), None]);
    }

    #[test]
    fn delays_grow_up_to_the_longest_and_end_with_the_limit() {
        let growing = retry(Delays::Growing { first: secs(1), longest: secs(10), multiplier: 2500 });
        assert_eq!(delays(&growing, 5), [Some(1), Some(2), Some(6), Some(10), Some(10)]);
        assert_eq!(growing.delay(u64::MAX, 0), Some(secs(10)), "without a limit they never end");
        let limited = Retry { limit: Some(2), ..growing };
        assert_eq!(delays(&limited, 3), [Some(1), Some(2), None]);
        let constant = retry(Delays::Growing { first: secs(3), longest: secs(10), multiplier: 1000 });
        assert_eq!(delays(&constant, 3), [Some(3); 3]);
    }

    #[test]
    fn jitter_spreads_delays_evenly_around_what_they_are() {
        let spread = Retry { jitter_percent: 20, ..retry(Delays::Listed(vec![secs(10)])) };
        let delays: Vec<_> = (0..1000).map(|seed| spread.delay(0, seed).unwrap()).collect();
        assert!(delays.iter().all(|delay| (secs(8)..=secs(12)).contains(delay)));
        assert!(delays.iter().min() < Some(&Duration::from_millis(8100)));
        assert!(delays.iter().max() > Some(&Duration::from_millis(11_900)));
        assert_eq!(delays[7], spread.delay(0, 7).unwrap(), "the same for the same seed");
    }
}
