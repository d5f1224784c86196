//! A content header left in its octets: checked in one pass, with what a broker looks at at hand.

use super::ContentError;
use crate::field::skip_table;
use crate::properties::flag;
use crate::{Properties, PropertiesError};

/// Octets before the property list: class, weight, body size and flags.
const FIXED: usize = 14;

/// A content header in the octets it came in. They are a valid header: [`HeaderView::parse`] accepts exactly
/// what [`ContentHeader::decode`](super::ContentHeader::decode) accepts, without allocating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderView<'a> {
    payload: &'a [u8],
    class_id: u16,
    weight: u16,
    body_size: u64,
    flags: u16,
    noted: Noted<'a>,
}

/// The properties that a broker looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Noted<'a> {
    delivery_mode: Option<u8>,
    priority: Option<u8>,
    headers: Option<&'a [u8]>,
    reply_to: Option<&'a [u8]>,
    expiration: Option<&'a [u8]>,
    user_id: Option<&'a [u8]>,
}

impl<'a> HeaderView<'a> {
    /// Checks the payload of a header frame.
    ///
    /// # Errors
    /// A [`ContentError`] when the octets are not exactly a content header.
    #[inline]
    pub fn parse(payload: &'a [u8]) -> Result<Self, ContentError> {
        let Some((fixed, list)) = payload.split_first_chunk::<FIXED>() else {
            return Err(too_short(payload));
        };
        let [c0, c1, w0, w1, s0, s1, s2, s3, s4, s5, s6, s7, f0, f1] = *fixed;
        let flags = u16::from_be_bytes([f0, f1]);
        Ok(Self {
            payload,
            class_id: u16::from_be_bytes([c0, c1]),
            weight: u16::from_be_bytes([w0, w1]),
            body_size: u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
            flags,
            noted: noted(flags, list)?,
        })
    }

    /// The payload it was parsed from.
    #[must_use]
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The class of the method before it.
    #[must_use]
    pub const fn class_id(&self) -> u16 {
        self.class_id
    }

    /// Always 0 in a proper header; not checked here.
    #[must_use]
    pub const fn weight(&self) -> u16 {
        self.weight
    }

    /// Octets of the body, over all its frames.
    #[must_use]
    pub const fn body_size(&self) -> u64 {
        self.body_size
    }

    /// The property flags as they came, the two meaningless bits included.
    #[must_use]
    pub const fn flags(&self) -> u16 {
        self.flags
    }

    /// The property delivery-mode: 2 is persistent.
    #[must_use]
    pub const fn delivery_mode(&self) -> Option<u8> {
        self.noted.delivery_mode
    }

    /// The property priority.
    #[must_use]
    pub const fn priority(&self) -> Option<u8> {
        self.noted.priority
    }

    /// The property expiration: should be a decimal number of milliseconds.
    #[must_use]
    pub const fn expiration(&self) -> Option<&'a [u8]> {
        self.noted.expiration
    }

    /// The property reply-to.
    #[must_use]
    pub const fn reply_to(&self) -> Option<&'a [u8]> {
        self.noted.reply_to
    }

    /// The property user-id.
    #[must_use]
    pub const fn user_id(&self) -> Option<&'a [u8]> {
        self.noted.user_id
    }

    /// The headers as a table with its length in front, for [`FieldTable::decode`](crate::FieldTable::decode).
    #[must_use]
    pub const fn headers(&self) -> Option<&'a [u8]> {
        self.noted.headers
    }

    /// All properties, decoded.
    ///
    /// # Errors
    /// None in practice, since the header was checked; the error is that of [`Properties::decode`].
    pub fn properties(&self) -> Result<Properties, PropertiesError> {
        // Class, weight and body size have twelve octets.
        Properties::decode(self.payload.get(12..).unwrap_or_default())
    }
}

/// RabbitMQ tells a header without property flags (541) from one that is no header at all.
#[cold]
const fn too_short(payload: &[u8]) -> ContentError {
    if payload.len() < 12 {
        return ContentError::Truncated;
    }
    ContentError::Properties(PropertiesError::Truncated)
}

#[inline]
fn noted(flags: u16, list: &[u8]) -> Result<Noted<'_>, PropertiesError> {
    // Most messages have no properties, or only a delivery mode.
    match (flags & flag::ALL, list) {
        (0, []) => Ok(Noted::default()),
        (flag::DELIVERY_MODE, [delivery_mode]) => Ok(Noted { delivery_mode: Some(*delivery_mode), ..Noted::default() }),
        _ => walk(flags, list),
    }
}

fn walk(flags: u16, list: &[u8]) -> Result<Noted<'_>, PropertiesError> {
    let mut cursor = Cursor { flags, list };
    cursor.text(flag::CONTENT_TYPE)?;
    cursor.text(flag::CONTENT_ENCODING)?;
    let headers = cursor.table(flag::HEADERS)?;
    let delivery_mode = cursor.octet(flag::DELIVERY_MODE)?;
    let priority = cursor.octet(flag::PRIORITY)?;
    cursor.text(flag::CORRELATION_ID)?;
    let reply_to = cursor.text(flag::REPLY_TO)?;
    let expiration = cursor.text(flag::EXPIRATION)?;
    cursor.text(flag::MESSAGE_ID)?;
    if cursor.has(flag::TIMESTAMP) {
        cursor.take(8)?;
    }
    cursor.text(flag::KIND)?;
    let user_id = cursor.text(flag::USER_ID)?;
    cursor.text(flag::APP_ID)?;
    cursor.text(flag::CLUSTER_ID)?;
    if !cursor.list.is_empty() {
        return Err(PropertiesError::Trailing { count: cursor.list.len() });
    }
    Ok(Noted { delivery_mode, priority, headers, reply_to, expiration, user_id })
}

/// What is left of the property list.
struct Cursor<'a> {
    flags: u16,
    list: &'a [u8],
}

impl<'a> Cursor<'a> {
    const fn has(&self, bit: u16) -> bool {
        self.flags & bit != 0
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], PropertiesError> {
        let (taken, rest) = self.list.split_at_checked(len).ok_or(PropertiesError::Truncated)?;
        self.list = rest;
        Ok(taken)
    }

    fn octet(&mut self, bit: u16) -> Result<Option<u8>, PropertiesError> {
        if !self.has(bit) {
            return Ok(None);
        }
        let (octet, rest) = self.list.split_first().ok_or(PropertiesError::Truncated)?;
        self.list = rest;
        Ok(Some(*octet))
    }

    fn text(&mut self, bit: u16) -> Result<Option<&'a [u8]>, PropertiesError> {
        let Some(len) = self.octet(bit)? else {
            return Ok(None);
        };
        self.take(usize::from(len)).map(Some)
    }

    fn table(&mut self, bit: u16) -> Result<Option<&'a [u8]>, PropertiesError> {
        if !self.has(bit) {
            return Ok(None);
        }
        let rest = skip_table(self.list)?;
        self.take(self.list.len() - rest.len()).map(Some)
    }
}
