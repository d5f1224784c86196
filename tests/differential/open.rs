//! Scenarios in which Leveret does not answer as expected yet. Every other scenario must; one that comes to answer as
//! expected fails the test until it leaves this list.

/// `area/name` of each.
pub(crate) const OPEN: &[&str] = &[];
