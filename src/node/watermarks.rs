//! What the alarms go by: how much memory may be used and how much of the disk has to be free. Owns the limits, which
//! may change while the node runs, and what was measured last; who measures is the keeper.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::memory;
use crate::config::{Config, DiskFreeLimit, MemoryLimit};

/// The limits that alarms go by.
#[derive(Debug)]
pub(super) struct Watermarks {
    /// Bytes of memory there are.
    total: u64,
    settings: Mutex<(MemoryLimit, DiskFreeLimit)>,
    /// Bytes.
    memory: AtomicU64,
    /// Bytes.
    disk: AtomicU64,
    /// Bytes free on the disk when that was last looked at.
    free: AtomicU64,
}

/// The node's memory and disk as its alarms see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Bytes of memory there are.
    pub memory_total: u64,
    /// What was asked for as the limit of memory.
    pub memory_setting: MemoryLimit,
    /// Bytes of memory from which on the alarm is on.
    pub memory_limit: u64,
    /// Bytes of free space below which the alarm is on.
    pub disk_limit: u64,
    /// Bytes that were free on the disk when that was last looked at; `None` before that.
    pub disk_free: Option<u64>,
}

impl Watermarks {
    pub(super) fn new(config: &Config) -> Self {
        Self::of(config.memory_limit, config.disk_free_limit, config.memory_total.unwrap_or_else(memory::total))
    }

    fn of(memory: MemoryLimit, disk: DiskFreeLimit, total: u64) -> Self {
        Self {
            total,
            settings: Mutex::new((memory, disk)),
            memory: AtomicU64::new(memory.bytes_of(total)),
            disk: AtomicU64::new(disk.bytes_of(total)),
            free: AtomicU64::new(u64::MAX),
        }
    }

    /// Bytes of memory from which on the alarm is on.
    #[inline]
    pub(super) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Bytes of free space below which the alarm is on.
    pub(super) fn disk(&self) -> u64 {
        self.disk.load(Ordering::Relaxed)
    }

    pub(super) fn set_memory(&self, limit: MemoryLimit) {
        self.settings.lock().0 = limit;
        self.memory.store(limit.bytes_of(self.total), Ordering::Relaxed);
    }

    pub(super) fn set_disk(&self, limit: DiskFreeLimit) {
        self.settings.lock().1 = limit;
        self.disk.store(limit.bytes_of(self.total), Ordering::Relaxed);
    }

    /// So much is free on the disk.
    pub(super) fn note_free(&self, bytes: u64) {
        self.free.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn levels(&self) -> Levels {
        let free = self.free.load(Ordering::Relaxed);
        Levels {
            memory_total: self.total,
            memory_setting: self.settings.lock().0,
            memory_limit: self.memory(),
            disk_limit: self.disk(),
            disk_free: (free != u64::MAX).then_some(free),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Share;

    #[test]
    fn limits_can_be_changed_and_are_of_the_memory_there_is() {
        let config = Config { memory_total: Some(1000), ..Config::default() };
        let watermarks = Watermarks::new(&config);
        assert_eq!((watermarks.memory(), watermarks.disk()), (600, 1 << 30));
        watermarks.set_memory(MemoryLimit::Relative(Share { billionths: 400_000_000 }));
        watermarks.set_disk(DiskFreeLimit { absolute: 7, relative: None });
        watermarks.note_free(5);
        let levels = watermarks.levels();
        assert_eq!((levels.memory_limit, levels.disk_limit, levels.disk_free), (400, 7, Some(5)));
        watermarks.set_memory(MemoryLimit::Absolute(5000));
        assert_eq!(watermarks.memory(), 1000, "there is no more than that");
    }
}
