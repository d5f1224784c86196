//! A field table: names and values in the order of the wire, with duplicates kept.

use bytes::BytesMut;

use super::{FieldValue, TableError, decode, encode};
use crate::ShortString;

/// Names and values in the order they came in. Duplicate names are kept, and the first one counts, as in
/// RabbitMQ.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct FieldTable(Vec<(ShortString, FieldValue)>);

impl FieldTable {
    /// A table without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) const fn from_entries(entries: Vec<(ShortString, FieldValue)>) -> Self {
        Self(entries)
    }

    /// Reads a table with its length in front; returns also what follows it.
    ///
    /// # Errors
    /// A [`TableError`] when the octets are not a table.
    pub fn decode(input: &[u8]) -> Result<(Self, &[u8]), TableError> {
        let (rest, table) = decode::table(input, 1)?;
        Ok((table, rest))
    }

    /// Reads entries without a length in front, to the end of the input (the form of the SASL mechanism AMQPLAIN).
    ///
    /// # Errors
    /// A [`TableError`] when the octets are not entries of a table.
    pub fn decode_entries(input: &[u8]) -> Result<Self, TableError> {
        Ok(decode::entries(input, 1)?)
    }

    /// Appends the table with its length in front.
    pub fn encode(&self, out: &mut BytesMut) {
        encode::table(self, out);
    }

    /// Octets that [`FieldTable::encode`] appends, the four of the length included.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        encode::table_len(self)
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&FieldValue> {
        self.iter().find(|(other, _)| *other == name).map(|(_, value)| value)
    }

    /// Whether there is a value of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Replaces the first value of this name in its place, or appends one. A name longer than a short string
    /// is cut.
    pub fn insert(&mut self, name: &str, value: impl Into<FieldValue>) {
        let value = value.into();
        match self.0.iter_mut().find(|(other, _)| *other == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((ShortString::truncated(name), value)),
        }
    }

    /// Appends an entry, also when there is one of this name.
    pub fn push(&mut self, name: ShortString, value: impl Into<FieldValue>) {
        self.0.push((name, value.into()));
    }

    /// Removes all entries of this name and returns the first value.
    pub fn remove(&mut self, name: &str) -> Option<FieldValue> {
        let mut removed = None;
        self.0.retain_mut(|(other, value)| {
            let same = *other == name;
            if same && removed.is_none() {
                removed = Some(std::mem::replace(value, FieldValue::Void));
            }
            !same
        });
        removed
    }

    /// The entries in order.
    pub fn iter(&self) -> std::slice::Iter<'_, (ShortString, FieldValue)> {
        self.0.iter()
    }

    /// How many entries there are, duplicates counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(ShortString, FieldValue)> for FieldTable {
    fn from_iter<I: IntoIterator<Item = (ShortString, FieldValue)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl IntoIterator for FieldTable {
    type Item = (ShortString, FieldValue);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a FieldTable {
    type Item = &'a (ShortString, FieldValue);
    type IntoIter = std::slice::Iter<'a, (ShortString, FieldValue)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
