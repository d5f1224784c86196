//! Which damage recovery passes over: any when salvaging, and what an earlier start was asked to give up. Finds none.

use std::collections::BTreeSet;

use super::error::{Damage, OpenError};
use crate::store::checkpoint::Checkpoint;
use crate::store::options::Options;
use crate::store::place::Position;

/// What may be passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance<'a> {
    pub(super) salvage: bool,
    given_up: &'a BTreeSet<Position>,
}

impl<'a> Tolerance<'a> {
    pub(super) fn new(options: &Options, checkpoint: &'a Checkpoint) -> Self {
        Self { salvage: options.salvage, given_up: &checkpoint.given_up }
    }

    /// Notes damage to be passed over.
    pub(super) fn pass(self, found: Damage, damage: &mut Vec<Damage>) -> Result<(), OpenError> {
        if !self.allows(&found) {
            return Err(found.into());
        }
        damage.push(found);
        Ok(())
    }

    /// Whether it is passed over.
    pub(super) fn allows(self, damage: &Damage) -> bool {
        self.salvage || self.is_given_up(damage)
    }

    /// Whether it has been told of before.
    pub(super) fn is_given_up(self, damage: &Damage) -> bool {
        damage.position.is_some_and(|position| self.given_up.contains(&position))
    }
}
