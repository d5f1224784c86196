//! Processor time of a process on this machine, as Linux tells it.

use std::fs;

/// Ticks a second in which `/proc` counts processor time: the same on all architectures that Linux gives a kernel interface to.
const TICKS: f64 = 100.0;

/// Processor time that was used in a run, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Used {
    pub(super) generator: Option<f64>,
    /// Only where the broker's process is known.
    pub(super) broker: Option<f64>,
}

/// The processes that are watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processor {
    broker: Option<u32>,
}

impl Processor {
    pub(super) const fn new(broker: Option<u32>) -> Self {
        Self { broker }
    }

    /// What was used so far, since the processes began.
    pub(super) fn used(self) -> Used {
        let broker = self.broker.map(|pid| pid.to_string());
        Used { generator: seconds("self"), broker: broker.and_then(|pid| seconds(&pid)) }
    }
}

impl Used {
    /// What was used since then.
    pub(super) fn since(self, then: Self) -> Self {
        let between = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        Self { generator: between(self.generator, then.generator), broker: between(self.broker, then.broker) }
    }
}

fn seconds(process: &str) -> Option<f64> {
    parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

/// The fields 14 and 15 (`man proc_pid_stat`); the second one, the name, may contain anything and ends with the last parenthesis.
fn parse(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_count_whatever_the_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194304 94 0 0 0 250 50 0 0 20 0 1 0 100 1 2";
        assert_eq!(parse(stat), Some(3.0));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn this_process_has_used_some_and_one_that_is_not_there_none() {
        let used = Processor::new(Some(u32::MAX)).used();
        assert!(used.generator.is_some_and(|seconds| seconds >= 0.0) && used.broker.is_none(), "{used:?}");
        assert_eq!(used.since(used), Used { generator: Some(0.0), broker: None });
    }
}
