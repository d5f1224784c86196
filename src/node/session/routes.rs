//! Where messages with certain names went. Remembered until the topology changes, so that those that follow need no routing.

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::node::cell::QueueCell;

pub(super) type Targets = SmallVec<[Arc<QueueCell>; 1]>;

/// What one connection may keep in mind, in bytes about: more than a thousand routes to a queue each.
const MOST: usize = 128 * 1024;
/// What a route takes besides its names and its queues.
const EACH: usize = 64;

/// Routes of one topology. The one that was used last is at hand.
#[derive(Debug, Default)]
pub(super) struct Routes {
    /// The topology's number.
    number: u64,
    names: Vec<u8>,
    targets: Targets,
    /// All of them, once there is more than one. Most connections know only one.
    all: Option<Box<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    routes: HashMap<Box<[u8]>, Targets>,
    size: usize,
}

impl Routes {
    /// Where messages with these names went in the topology of this number, if that is known.
    #[inline]
    pub(super) fn find(&mut self, number: u64, names: &[u8]) -> bool {
        if self.number != number {
            return false;
        }
        (self.names == names && !names.is_empty()) || self.find_other(names)
    }

    /// Where those went that were found last.
    #[inline]
    pub(super) const fn targets(&self) -> &Targets {
        &self.targets
    }

    #[inline(never)]
    fn find_other(&mut self, names: &[u8]) -> bool {
        let Some(targets) = self.all.as_ref().and_then(|all| all.routes.get(names)) else { return false };
        self.targets.clone_from(targets);
        self.names.clear();
        self.names.extend_from_slice(names);
        true
    }

    /// Messages with these names go there, as long as the topology has this number.
    pub(super) fn remember(&mut self, number: u64, names: &[u8], targets: &Targets) {
        if self.number != number {
            *self = Self { number, ..Self::default() };
        } else if !self.names.is_empty() {
            let all = self.all.get_or_insert_default();
            if all.routes.is_empty() {
                all.keep(&self.names, self.targets.clone());
            }
            all.keep(names, targets.clone());
        }
        self.names.clear();
        self.names.extend_from_slice(names);
        self.targets.clone_from(targets);
    }
}

impl Known {
    fn keep(&mut self, names: &[u8], targets: Targets) {
        let size = EACH + names.len() + targets.len() * size_of::<Arc<QueueCell>>();
        if self.size + size > MOST {
            *self = Self::default();
        }
        if size <= MOST {
            self.size += size;
            self.routes.insert(names.into(), targets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tests::cell_called;

    fn to(cells: &[&Arc<QueueCell>]) -> Targets {
        cells.iter().map(|cell| Arc::clone(cell)).collect()
    }

    fn goes_to(routes: &mut Routes, number: u64, names: &[u8]) -> Option<Vec<String>> {
        let known = routes.find(number, names);
        known.then(|| routes.targets().iter().map(|cell| cell.entry.name.to_string()).collect())
    }

    #[test]
    fn many_routes_are_remembered_side_by_side_until_the_topology_changes() {
        let (one, other) = (cell_called("one"), cell_called("other"));
        let mut routes = Routes::default();
        routes.remember(1, b"a", &to(&[&one]));
        routes.remember(1, b"b", &to(&[&other, &one]));
        routes.remember(1, b"c", &to(&[]));
        for _ in 0..2 {
            assert_eq!(goes_to(&mut routes, 1, b"a"), Some(vec!["one".to_owned()]));
            assert_eq!(goes_to(&mut routes, 1, b"b"), Some(vec!["other".to_owned(), "one".to_owned()]));
            assert_eq!(goes_to(&mut routes, 1, b"c"), Some(Vec::new()));
            assert_eq!(goes_to(&mut routes, 1, b"d"), None);
        }
        assert_eq!(goes_to(&mut routes, 2, b"a"), None);
        routes.remember(2, b"a", &to(&[&other]));
        assert_eq!(goes_to(&mut routes, 2, b"a"), Some(vec!["other".to_owned()]));
        assert_eq!(goes_to(&mut routes, 2, b"b"), None);
    }

    #[test]
    fn what_is_remembered_has_a_bound_however_many_keys_a_client_uses() {
        let one = cell_called("one");
        let mut routes = Routes::default();
        let mut most = 0;
        for key in 0..100_000_u32 {
            routes.remember(1, &key.to_be_bytes(), &to(&[&one]));
            assert!(routes.find(1, &key.to_be_bytes()), "{key} was not remembered");
            let known = routes.all.as_ref().map_or((0, 0), |all| (all.size, all.routes.len()));
            assert!(known.0 <= MOST);
            most = most.max(known.1);
        }
        assert!((1000..MOST / EACH).contains(&most), "{most}");
    }

    #[test]
    fn a_route_that_is_larger_than_all_that_may_be_kept_is_remembered_as_long_as_it_is_the_last() {
        let one = cell_called("one");
        let many: Targets = (0..MOST / 8).map(|_| Arc::clone(&one)).collect();
        let mut routes = Routes::default();
        routes.remember(1, b"many", &many);
        assert!(routes.find(1, b"many"));
        routes.remember(1, b"one", &to(&[&one]));
        assert!(routes.find(1, b"one"));
        assert!(!routes.find(1, b"many"));
        assert_eq!(routes.targets().len(), 1);
    }
}
