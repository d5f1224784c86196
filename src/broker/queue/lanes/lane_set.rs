//! Sets of lanes.

/// A set of lanes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LaneSet {
    /// Lanes 0 to 127: the first is the lowest bit.
    upper: u128,
    /// Lanes 128 to 255.
    lower: u128,
}

impl LaneSet {
    pub(super) fn set(&mut self, lane: u8, is_in: bool) {
        let half = if lane < 128 { &mut self.upper } else { &mut self.lower };
        let bit = 1 << (lane % 128);
        *half = if is_in { *half | bit } else { *half & !bit };
    }

    /// The lane of the highest priority that is in it.
    pub(super) fn first(self) -> Option<u8> {
        let (half, start) = if self.upper != 0 { (self.upper, 0) } else { (self.lower, 128) };
        let lane = u8::try_from(half.trailing_zeros()).ok().filter(|lane| *lane < 128)?;
        Some(start + lane)
    }
}

#[cfg(test)]
mod tests {
    use super::LaneSet;

    #[test]
    fn the_first_lane_of_a_set_is_that_of_the_highest_priority() {
        let mut set = LaneSet::default();
        assert_eq!(set.first(), None);
        for lane in [255, 128, 127, 3, 0] {
            set.set(lane, true);
            assert_eq!(set.first(), Some(lane));
        }
        for (lane, next) in [(0, Some(3)), (3, Some(127)), (127, Some(128)), (128, Some(255)), (255, None)] {
            set.set(lane, false);
            assert_eq!(set.first(), next);
        }
    }
}
