//! Short strings: at most 255 octets, cheap to clone. Owns the length bound, not the character set.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;

/// The most octets a short string can have: its length is one octet (AMQP 0-9-1 4.2.5.3).
pub const MAX_SHORT_STRING: usize = 255;

/// A short string as it came over the wire: at most 255 octets, not necessarily UTF-8 (RabbitMQ checks no
/// character set in the names of basic.publish). Cloning counts a reference; empty ones share one allocation.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortString(Arc<[u8]>);

/// A string of more octets than a short string can hold.
#[derive(thiserror::Error, Clone, Copy, Debug, PartialEq, Eq)]
#[error("{len} octets do not fit a short string of at most 255")]
pub struct TooLong {
    /// Octets of the refused string.
    pub len: usize,
}

impl ShortString {
    /// Takes the octets as they are.
    ///
    /// # Errors
    /// `TooLong` for more than 255 octets.
    pub fn new(octets: impl AsRef<[u8]>) -> Result<Self, TooLong> {
        let octets = octets.as_ref();
        if octets.len() > MAX_SHORT_STRING {
            return Err(TooLong { len: octets.len() });
        }
        Ok(Self::from_bounded(octets))
    }

    /// Takes as much of the text as fits, cut at a character boundary.
    #[must_use]
    pub fn truncated(text: &str) -> Self {
        Self::from_bounded(cut(text, MAX_SHORT_STRING).as_bytes())
    }

    /// A constant; one that is too long is cut as by [`ShortString::truncated`].
    #[must_use]
    pub fn from_static(text: &'static str) -> Self {
        Self::truncated(text)
    }

    /// For octets whose length came from one octet of the wire, or was checked.
    pub(crate) fn from_bounded(octets: &[u8]) -> Self {
        debug_assert!(octets.len() <= MAX_SHORT_STRING, "length was checked");
        if octets.is_empty() {
            return Self::default();
        }
        Self(Arc::from(octets))
    }

    /// The octets, without the length octet.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, when the octets are UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text, with U+FFFD for what is not UTF-8.
    #[must_use]
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Whether it has no octets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many octets it has (0 to 255).
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The length as the wire has it.
    pub(crate) fn len_octet(&self) -> u8 {
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }

    /// Whether the first octets are those of the prefix.
    #[must_use]
    pub fn starts_with(&self, prefix: &str) -> bool {
        self.0.starts_with(prefix.as_bytes())
    }
}

/// The longest prefix of at most `limit` octets that ends at a character boundary.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

impl fmt::Debug for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_str_lossy(), f)
    }
}

impl fmt::Display for ShortString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_str_lossy())
    }
}

impl Borrow<[u8]> for ShortString {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for ShortString {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for ShortString {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for ShortString {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl TryFrom<&str> for ShortString {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Self, TooLong> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn holds_at_most_255_octets() {
        assert_eq!(ShortString::new("a".repeat(255)).unwrap().len(), 255);
        assert_eq!(ShortString::new("a".repeat(256)), Err(TooLong { len: 256 }));
    }

    #[test]
    fn cuts_long_text_between_characters() {
        let text = format!("{}é", "a".repeat(254));
        assert_eq!(ShortString::truncated(&text).len(), 254);
        assert_eq!(ShortString::truncated(&"é".repeat(200)).len(), 254);
    }

    #[test]
    fn empty_strings_share_their_memory() {
        let one = ShortString::new("").unwrap();
        let other = ShortString::default();
        assert!(Arc::ptr_eq(&one.0, &other.0));
    }

    #[test]
    fn is_found_in_a_map_by_its_octets() {
        let map = HashMap::from([(ShortString::from_static("orders"), 1)]);
        assert_eq!(map.get(b"orders".as_slice()), Some(&1));
    }

    #[test]
    fn shows_octets_that_are_not_text_as_replacement_characters() {
        let name = ShortString::new(b"a\xffb").unwrap();
        assert_eq!(format!("{name}|{name:?}"), "a\u{fffd}b|\"a\u{fffd}b\"");
        assert_eq!(name.as_str(), None);
        assert!(name.starts_with("a"));
        assert_ne!(name, "ab");
    }
}
