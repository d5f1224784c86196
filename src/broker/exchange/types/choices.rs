//! The bindings of an exchange that picks one of them, in the order of their destinations. A destination bound several
//! times is in it as often.

use super::Destination;
use super::runs::Runs;

/// Destinations to choose from.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    sorted: Runs<Destination>,
}

impl Choices {
    pub(super) fn add(&mut self, destination: &Destination) {
        self.sorted.add(destination.clone());
    }

    pub(super) fn remove(&mut self, destination: &Destination) {
        self.sorted.remove(destination);
    }

    /// The choice that a number stands for; all are about equally likely if all numbers are.
    pub(super) fn pick(&self, number: u64) -> Option<&Destination> {
        let count = u128::try_from(self.sorted.len()).ok()?;
        let at = (u128::from(number) * count) >> u64::BITS;
        self.sorted.get(usize::try_from(at).ok()?)
    }
}
