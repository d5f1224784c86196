//! How much memory the node may use for messages: a share of what the machine, or the control group it runs in, has.

use std::fs;

/// RabbitMQ's share before version 4: it leaves room for connections, for the allocator and for the system's cache of the
/// log, which reading back relies on.
const SHARE_IN_TENTHS: u64 = 4;

/// Taken where nothing can be found out.
const UNKNOWN: u64 = 1 << 30;

/// Bytes that ready messages may take in memory.
pub(super) fn budget() -> usize {
    usize::try_from(share(total())).unwrap_or(usize::MAX)
}

/// Bytes of memory that the machine has, or the control group where that is less.
pub(super) fn total() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total(&text));
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    smaller(machine, group)
}

fn smaller(machine: Option<u64>, group: Option<u64>) -> u64 {
    machine.into_iter().chain(group).min().unwrap_or(UNKNOWN)
}

const fn share(whole: u64) -> u64 {
    whole / 10 * SHARE_IN_TENTHS
}

/// The total in /proc/meminfo, in bytes.
fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_machine_and_control_group_counts() {
        assert_eq!(mem_total("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), Some(25_165_824_000));
        assert_eq!(share(smaller(Some(1000), Some(500))), 200);
        assert_eq!(share(smaller(Some(1000), None)), 400);
        assert_eq!(share(smaller(None, None)), UNKNOWN / 10 * 4);
    }

    #[test]
    fn what_cannot_be_understood_is_no_number() {
        assert_eq!(mem_total("MemTotal: lots"), None);
        assert_eq!(mem_total(""), None);
    }
}
