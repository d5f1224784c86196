//! Delayed retry as RabbitMQ 4.3's quorum queues have it: what comes back is not ready before a time that grows with its failed
//! deliveries. The message stays as it is; a restart makes it ready at once.

use std::time::Duration;

use super::Queue;
use super::unacked::Held;

/// Which messages that come back wait, and for how long (`x-delayed-retry-type`, `-min`, `-max`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayedRetry {
    returns: Returns,
    shortest: Duration,
    longest: Duration,
}

/// Which messages that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Returns {
    /// All.
    All,
    /// Those whose delivery counts as failed: rejected to be requeued, or lost with their channel.
    Failed,
    /// The others: basic.nack with requeue, and consumer timeouts.
    Returned,
}

impl DelayedRetry {
    /// What values of the arguments or of a policy's keys ask for; RabbitMQ checks none of the arguments. `None`: nothing waits,
    /// as it is not asked for, or not said for how long. Without a longest delay it is always the shortest.
    #[must_use]
    pub fn of(kind: Option<&[u8]>, shortest: Option<u64>, longest: Option<u64>) -> Option<Self> {
        let returns = match kind? {
            b"all" => Returns::All,
            b"failed" => Returns::Failed,
            b"returned" => Returns::Returned,
            _ => return None,
        };
        let shortest = Duration::from_millis(shortest.filter(|millis| *millis > 0)?);
        let longest = longest.map_or(shortest, Duration::from_millis);
        Some(Self { returns, shortest, longest })
    }

    /// How long a message waits that comes back now, and of which so many deliveries have failed; `None`: it is ready.
    fn delay(self, failed: bool, failures: u64) -> Option<Duration> {
        let is_meant = match self.returns {
            Returns::All => true,
            Returns::Failed => failed,
            Returns::Returned => !failed,
        };
        let times = u32::try_from(failures.max(1)).unwrap_or(u32::MAX);
        is_meant.then(|| self.shortest.saturating_mul(times).min(self.longest))
    }
}

impl Queue {
    /// A message comes back of which so many deliveries have failed: it is ready, or will be.
    pub(super) fn give_back_in_time(&mut self, held: Held, failed: bool, failures: u64) {
        let delay = self.settings.delayed_retry.and_then(|retry| retry.delay(failed, failures));
        match delay.filter(|delay| !delay.is_zero()) {
            Some(delay) => {
                let due = self.hand_outs.deliveries.now().after(delay);
                self.waiting_room().add(due, Held { redelivered: true, ..held });
            }
            None => self.ready.give_back(held),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(retry: DelayedRetry, failed: bool) -> Vec<Option<u128>> {
        (0..5).map(|failures| retry.delay(failed, failures).map(|delay| delay.as_millis())).collect()
    }

    #[test]
    fn a_delay_grows_with_failures_up_to_the_longest() {
        let all = DelayedRetry::of(Some(b"all"), Some(400), Some(1000)).unwrap();
        assert_eq!(delays(all, true), [Some(400), Some(400), Some(800), Some(1000), Some(1000)]);
        let constant = DelayedRetry::of(Some(b"all"), Some(400), None).unwrap();
        assert_eq!(delays(constant, true), [Some(400); 5]);
        assert_eq!(all.delay(true, u64::MAX), Some(Duration::from_secs(1)));
    }

    #[test]
    fn some_returns_may_be_meant_alone() {
        let of = |kind: &[u8]| DelayedRetry::of(Some(kind), Some(5), None).unwrap();
        assert_eq!((of(b"failed").delay(false, 0), of(b"failed").delay(true, 1).is_some()), (None, true));
        assert_eq!((of(b"returned").delay(true, 1), of(b"returned").delay(false, 1).is_some()), (None, true));
    }

    #[test]
    fn what_makes_no_sense_delays_nothing() {
        for (kind, shortest) in
            [(None, Some(5)), (Some(&b"disabled"[..]), Some(5)), (Some(b"bogus"), Some(5)), (Some(b"all"), None)]
        {
            assert_eq!(DelayedRetry::of(kind, shortest, None), None);
        }
        assert_eq!(DelayedRetry::of(Some(b"all"), Some(0), Some(9)), None);
    }
}
