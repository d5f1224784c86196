//! What a message must have among its headers for a binding to be worth a look: so a message finds the few bindings of a
//! headers exchange that may match it, however many there are. Whether one does is decided in `headers`.

use std::sync::Arc;

use bytes::Bytes;
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use rpds::RedBlackTreeMapSync;

/// A header that a message has: with a certain value, or at all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Clue {
    name: ShortString,
    value: Option<Value>,
}

/// A value without its tag. Two values that count as the same have the same; those of other types are not told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Integer(i64),
    Octets(Bytes),
    Float(u64),
    Truth(bool),
    Timestamp(u64),
}

impl Value {
    fn of(value: &FieldValue) -> Option<Self> {
        match value {
            FieldValue::LongString(octets) | FieldValue::Binary(octets) => Some(Self::Octets(octets.clone())),
            FieldValue::Bool(truth) => Some(Self::Truth(*truth)),
            FieldValue::Timestamp(seconds) => Some(Self::Timestamp(*seconds)),
            FieldValue::I8(_)
            | FieldValue::U8(_)
            | FieldValue::I16(_)
            | FieldValue::U16(_)
            | FieldValue::I32(_)
            | FieldValue::U32(_)
            | FieldValue::I64(_) => value.as_integer().map(Self::Integer),
            FieldValue::F32(_) | FieldValue::F64(_) => value.as_float().map(|float| Self::Float(float.to_bits())),
            FieldValue::Decimal { .. } | FieldValue::Array(_) | FieldValue::Table(_) | FieldValue::Void => None,
        }
    }
}

impl Clue {
    /// What a message must have to satisfy an argument of a binding.
    pub(super) fn of_argument((name, value): &(ShortString, FieldValue)) -> Self {
        Self { name: name.clone(), value: Value::of(value) }
    }

    /// What a message with that header has.
    fn of_header((name, value): &(ShortString, FieldValue)) -> impl Iterator<Item = Self> + use<> {
        let present = Self { name: name.clone(), value: None };
        let value = Value::of(value).map(|value| Self { value: Some(value), ..present.clone() });
        std::iter::once(present).chain(value)
    }
}

/// Bindings by their clues. Persistent: a clone shares its content.
#[derive(Clone, Debug)]
pub(super) struct ByClue<K: Ord, V> {
    buckets: RedBlackTreeMapSync<Clue, RedBlackTreeMapSync<Arc<K>, V>>,
}

impl<K: Ord, V> Default for ByClue<K, V> {
    fn default() -> Self {
        Self { buckets: RedBlackTreeMapSync::default() }
    }
}

impl<K: Ord, V: Clone> ByClue<K, V> {
    /// Of some clues that all have to be there, the one that the fewest bindings are under.
    pub(super) fn rarest(&self, clues: impl Iterator<Item = Clue>) -> Option<Clue> {
        clues.min_by_key(|clue| self.buckets.get(clue).map_or(0, RedBlackTreeMapSync::size))
    }

    pub(super) fn insert(&mut self, clue: Clue, key: Arc<K>, value: V) {
        let mut bucket = self.buckets.get(&clue).cloned().unwrap_or_default();
        bucket.insert_mut(key, value);
        self.buckets.insert_mut(clue, bucket);
    }

    /// Takes it away where it is under that clue.
    pub(super) fn remove(&mut self, clue: &Clue, key: &K) {
        let Some(bucket) = self.buckets.get(clue) else { return };
        let mut bucket = bucket.clone();
        if !bucket.remove_mut::<K>(key) {
            return;
        }
        if bucket.is_empty() {
            self.buckets.remove_mut(clue);
        } else {
            self.buckets.insert_mut(clue.clone(), bucket);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// What is under the clues that a message with these headers has; the same perhaps more than once.
    pub(super) fn under<'a>(&'a self, headers: &'a FieldTable) -> impl Iterator<Item = (&'a Arc<K>, &'a V)> {
        headers.iter().flat_map(Clue::of_header).filter_map(|clue| self.buckets.get(&clue)).flat_map(|bucket| bucket.iter())
    }
}
