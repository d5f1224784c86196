//! How the room for deliveries on their way to a connection is shared among its consumers. Owns the numbers; the queues
//! keep to them.

/// Bytes of deliveries that may be on their way to one connection, apart from a message for each consumer.
const PER_CONNECTION: usize = 1024 * 1024;

/// The most for one consumer. Large enough that giving it back half by half costs a lock for a thousand small messages.
const PER_CONSUMER: usize = 512 * 1024;

/// The windows of a connection's consumers, all of one size.
///
/// They change only when the consumers become more than a power of two, or fewer than a quarter of it: on average a
/// consumer that comes or goes costs the change of one or two others.
#[derive(Debug)]
pub(super) struct Windows {
    shares: usize,
}

impl Default for Windows {
    fn default() -> Self {
        Self { shares: 1 }
    }
}

impl Windows {
    /// The size of each window (bytes).
    pub(super) fn size(&self) -> usize {
        // A window of nothing would let nothing through; one of a byte lets one message through.
        (PER_CONNECTION / self.shares).clamp(1, PER_CONSUMER)
    }

    /// There are so many consumers now: the new size of their windows, if it changes.
    pub(super) fn share(&mut self, consumers: usize) -> Option<usize> {
        if consumers <= self.shares && consumers >= self.shares / 4 {
            return None;
        }
        let before = self.size();
        self.shares = consumers.next_power_of_two();
        Some(self.size()).filter(|size| *size != before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_windows_together_keep_to_the_bound_of_the_connection() {
        let mut windows = Windows::default();
        for consumers in (1..5000).chain((1..5000).rev()) {
            windows.share(consumers);
            assert!(windows.size() * consumers <= PER_CONNECTION, "{consumers} consumers");
            assert!(windows.size() * consumers >= PER_CONNECTION / 8 || windows.size() == PER_CONSUMER);
        }
    }

    #[test]
    fn two_consumers_have_the_largest_windows_and_further_ones_smaller_ones() {
        let mut windows = Windows::default();
        let sizes: Vec<_> = (1..=5).map(|consumers| windows.share(consumers)).collect();
        assert_eq!(sizes, [None, None, Some(256 * 1024), None, Some(128 * 1024)]);
    }

    #[test]
    fn consumers_that_come_and_go_at_an_edge_change_nothing() {
        let mut windows = Windows::default();
        windows.share(65);
        for consumers in [64, 65, 64, 65] {
            assert_eq!(windows.share(consumers), None);
        }
    }

    #[test]
    fn a_million_consumers_have_windows_yet() {
        let mut windows = Windows::default();
        windows.share(3_000_000);
        assert_eq!(windows.size(), 1);
    }
}
