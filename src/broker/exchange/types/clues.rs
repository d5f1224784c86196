//! What a message must have among its headers for a binding to be worth a look: so a message finds the few bindings of a
//! headers exchange that may match it, however many there are. Whether one does is decided in `headers`.

use std::sync::Arc;

use bytes::Bytes;
use leveret_protocol::{FieldTable, FieldValue, ShortString};
use rpds::RedBlackTreeMapSync;

use super::Binding;

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
}

type Bucket<V> = RedBlackTreeMapSync<Arc<Binding>, V>;

/// Bindings by their clues. Persistent: a clone shares its content.
#[derive(Clone, Debug)]
pub(super) struct ByClue<V> {
    /// First by name alone: nothing asks for most headers of a message.
    names: RedBlackTreeMapSync<ShortString, Named<V>>,
}

/// What is under one header.
#[derive(Clone, Debug)]
struct Named<V> {
    present: Bucket<V>,
    values: RedBlackTreeMapSync<Value, Bucket<V>>,
}

impl<V> Default for ByClue<V> {
    fn default() -> Self {
        Self { names: RedBlackTreeMapSync::default() }
    }
}

impl<V> Default for Named<V> {
    fn default() -> Self {
        Self { present: Bucket::default(), values: RedBlackTreeMapSync::default() }
    }
}

impl<V: Clone> Named<V> {
    fn bucket(&self, value: Option<&Value>) -> Option<&Bucket<V>> {
        value.map_or(Some(&self.present), |value| self.values.get(value))
    }

    fn put(&mut self, value: Option<&Value>, bucket: Bucket<V>) {
        match value {
            None => self.present = bucket,
            Some(value) if bucket.is_empty() => {
                self.values.remove_mut(value);
            }
            Some(value) => self.values.insert_mut(value.clone(), bucket),
        }
    }
}

impl<V: Clone> ByClue<V> {
    /// Of some clues that all have to be there, the one that the fewest bindings are under.
    pub(super) fn rarest(&self, clues: impl Iterator<Item = Clue>) -> Option<Clue> {
        clues.min_by_key(|clue| {
            let named = self.names.get(&clue.name);
            named.and_then(|named| named.bucket(clue.value.as_ref())).map_or(0, Bucket::size)
        })
    }

    pub(super) fn insert(&mut self, clue: Clue, binding: Arc<Binding>, value: V) {
        let mut named = self.names.get(&clue.name).cloned().unwrap_or_default();
        let mut bucket = named.bucket(clue.value.as_ref()).cloned().unwrap_or_default();
        bucket.insert_mut(binding, value);
        named.put(clue.value.as_ref(), bucket);
        self.names.insert_mut(clue.name, named);
    }

    /// Takes it away where it is under that clue.
    pub(super) fn remove(&mut self, clue: &Clue, binding: &Binding) {
        let Some(mut named) = self.names.get(&clue.name).cloned() else { return };
        let Some(mut bucket) = named.bucket(clue.value.as_ref()).cloned() else { return };
        if !bucket.remove_mut::<Binding>(binding) {
            return;
        }
        named.put(clue.value.as_ref(), bucket);
        if named.present.is_empty() && named.values.is_empty() {
            self.names.remove_mut(&clue.name);
        } else {
            self.names.insert_mut(clue.name.clone(), named);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What is under the clues that a message with these headers has; the same perhaps more than once.
    pub(super) fn under<'a>(&'a self, headers: &'a FieldTable) -> impl Iterator<Item = (&'a Arc<Binding>, &'a V)> {
        headers.iter().filter_map(|(name, value)| Some((self.names.get(name)?, value))).flat_map(|(named, value)| {
            let with_value = Value::of(value).and_then(|value| named.values.get(&value));
            named.present.iter().chain(with_value.into_iter().flat_map(Bucket::iter))
        })
    }
}
