//! The bindings of an exchange that picks one of them, in the order of their destinations. A destination bound several
//! times is in it as often. A clone shares its content until either changes.

use std::sync::Arc;

use super::Destination;

/// Destinations to choose from.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices {
    sorted: Arc<Vec<Destination>>,
}

impl Choices {
    pub(super) fn add(&mut self, destination: &Destination) {
        let at = self.sorted.partition_point(|other| other <= destination);
        Arc::make_mut(&mut self.sorted).insert(at, destination.clone());
    }

    pub(super) fn remove(&mut self, destination: &Destination) {
        if let Ok(at) = self.sorted.binary_search(destination) {
            Arc::make_mut(&mut self.sorted).remove(at);
        }
    }

    /// The choice that a number stands for; all are about equally likely if all numbers are.
    pub(super) fn pick(&self, number: u64) -> Option<&Destination> {
        let count = u128::try_from(self.sorted.len()).ok()?;
        let at = (u128::from(number) * count) >> u64::BITS;
        self.sorted.get(usize::try_from(at).ok()?)
    }
}
