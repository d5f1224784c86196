//! How much memory there is, and how much the process uses: read from the system, never decided upon.

use std::fs;
use std::path::Path;

/// Taken where nothing can be found out.
const UNKNOWN: u64 = 1 << 30;

/// Bytes of a page of memory in /proc (Linux on the processors that Leveret is built for).
const PAGE: u64 = 4096;

/// Bytes of memory that the machine has, or the control group where that is less.
pub(super) fn total() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_total(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = group_files(&groups).into_iter().filter_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok());
    machine.into_iter().chain(limits).min().unwrap_or(UNKNOWN)
}

/// Bytes of memory that the process has in RAM; `None` where that cannot be found out.
pub(super) fn resident() -> Option<u64> {
    pages(&fs::read_to_string("/proc/self/statm").ok()?)?.checked_mul(PAGE)
}

/// The second number of /proc/self/statm.
fn pages(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

/// The total in /proc/meminfo, in bytes.
fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Where limits may be, given the control groups of the process as /proc/self/cgroup lists them: of the group itself and
/// of all that it is in, any of which may be the smallest. In a container the group is often named from outside, and only
/// the topmost file is there.
fn group_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let inside = Path::new(path.trim_start_matches('/'));
        files.extend(inside.ancestors().map(|group| Path::new(root).join(group).join(file).display().to_string()));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_system_are_understood() {
        assert_eq!(mem_total("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), Some(25_165_824_000));
        assert_eq!(pages("5000 1234 300 1 0 2 0"), Some(1234));
        assert!(resident().is_none_or(|bytes| bytes > PAGE));
        assert!(total() > 0);
    }

    #[test]
    fn what_cannot_be_understood_is_no_number() {
        assert_eq!(mem_total("MemTotal: lots"), None);
        assert_eq!(mem_total(""), None);
        assert_eq!(pages("1"), None);
    }

    #[test]
    fn limits_are_looked_for_in_the_group_and_in_all_around_it() {
        let version_2 = ["a/b/memory.max", "a/memory.max", "memory.max"].map(|file| format!("/sys/fs/cgroup/{file}"));
        assert_eq!(group_files("0::/a/b\n"), version_2);
        assert_eq!(group_files("0::/\n"), ["/sys/fs/cgroup/memory.max"]);
        let version_1 = ["docker/memory.limit_in_bytes", "memory.limit_in_bytes"];
        let version_1 = version_1.map(|file| format!("/sys/fs/cgroup/memory/{file}"));
        assert_eq!(group_files("12:cpu,cpuacct:/docker\n5:memory:/docker\n"), version_1);
        assert_eq!(group_files("nonsense"), [""; 0]);
    }
}
