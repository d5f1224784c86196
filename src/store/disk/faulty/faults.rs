//! What is to go wrong, and when. Owns the counting; what a fault does to bytes is the disk's.

/// The faults that a disk was told to have.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// The number of the operation during which the power goes.
    pub(super) power_cut_at: Option<u64>,
    pub(super) reads: Countdown,
    pub(super) writes: Countdown,
    pub(super) syncs: Countdown,
    pub(super) full: Countdown,
    /// Bytes that all files together may have.
    pub(super) capacity: Option<u64>,
    pub(super) short_reads: bool,
}

/// Fires at the n-th time from when it was set.
#[derive(Clone, Debug, Default)]
pub(super) struct Countdown(Option<u64>);

impl Countdown {
    /// Fires at the n-th time, counted from 1.
    pub(super) fn at(n: u64) -> Self {
        Self(Some(n.max(1)))
    }

    /// Counts one time; whether it is the one.
    pub(super) fn fires(&mut self) -> bool {
        let Some(left) = self.0 else { return false };
        self.0 = left.checked_sub(1).filter(|left| *left > 0);
        left == 1
    }

    /// Counts one time; whether it is the one or one behind it.
    pub(super) fn fires_from_then_on(&mut self) -> bool {
        let Some(left) = self.0 else { return false };
        self.0 = Some(left.saturating_sub(1).max(1));
        left == 1
    }
}
