//! A set of destinations in which several bindings may lead to the same one. Persistent: a clone shares its content.

use rpds::RedBlackTreeMapSync;

use super::binding::Destination;

/// Destinations with the number of bindings that lead to each.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    counts: RedBlackTreeMapSync<Destination, u32>,
}

impl Destinations {
    /// One more binding leads there.
    pub fn add(&mut self, destination: &Destination) {
        let count = self.counts.get(destination).copied().unwrap_or(0);
        self.counts.insert_mut(destination.clone(), count.saturating_add(1));
    }

    /// One binding less leads there.
    pub fn remove(&mut self, destination: &Destination) {
        match self.counts.get(destination).copied() {
            Some(count) if count > 1 => self.counts.insert_mut(destination.clone(), count - 1),
            Some(_) | None => {
                self.counts.remove_mut(destination);
            }
        }
    }

    /// Whether no binding is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Every destination once, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Destination> {
        self.counts.keys()
    }
}
