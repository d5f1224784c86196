//! Random numbers for exchanges that choose by them: cheap ones, as one is drawn for each message that is routed anew.

/// A generator of the session's own (`SplitMix64`). Nobody may rely on its numbers being hard to guess.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        Self(rand::random())
    }
}

impl Random {
    /// The next number. Exchanges mix its bits.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0
    }
}
