//! Parts of a queue that nearly no queue ever needs: a pointer, until something is put in.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};

use super::Dying;
use super::paged::Paged;
use super::unacked::Unacked;
use crate::broker::ids::ConsumerId;

/// What it is as long as there is nothing of it.
pub(super) trait Nothing: Default + 'static {
    const NOTHING: &'static Self;
}

impl Nothing for Paged {
    const NOTHING: &'static Self = &Self::EMPTY;
}

impl Nothing for BTreeMap<ConsumerId, Unacked> {
    const NOTHING: &'static Self = &Self::new();
}

impl Nothing for Vec<Dying> {
    const NOTHING: &'static Self = &Self::new();
}

/// Made when it is changed for the first time.
#[derive(Debug)]
pub(super) struct Lazily<T>(Option<Box<T>>);

impl<T> Lazily<T> {
    /// To be changed, if there is anything of it.
    pub(super) fn made(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T> Default for Lazily<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<T> for Lazily<T> {
    fn from(made: T) -> Self {
        Self(Some(Box::new(made)))
    }
}

impl<T: Nothing> Deref for Lazily<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::NOTHING)
    }
}

impl<T: Nothing> DerefMut for Lazily<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
