//! Properties of a message: the content header of class basic.

use std::fmt;

use super::value::{Cursor, Malformed, Table, put_short_string, put_table, quoted, table_text};

/// Bit, name and value of one property.
#[derive(Debug, Clone, PartialEq)]
enum Property {
    Text(Vec<u8>),
    Octet(u8),
    Seconds(u64),
    Headers(Table),
}

/// Names in the order of their flag bits, from bit 15 down.
const NAMES: [&str; 14] = [
    "content-type",
    "content-encoding",
    "headers",
    "delivery-mode",
    "priority",
    "correlation-id",
    "reply-to",
    "expiration",
    "message-id",
    "timestamp",
    "type",
    "user-id",
    "app-id",
    "cluster-id",
];

/// The properties which are present.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Properties {
    /// Indexed like [`NAMES`], kept in that order.
    present: Vec<(usize, Property)>,
}

impl Properties {
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Adds a property which is a short string.
    pub(crate) fn text(self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.with(name, Property::Text(value.as_ref().to_vec()))
    }

    pub(crate) fn delivery_mode(self, mode: u8) -> Self {
        self.with("delivery-mode", Property::Octet(mode))
    }

    pub(crate) fn priority(self, priority: u8) -> Self {
        self.with("priority", Property::Octet(priority))
    }

    pub(crate) fn timestamp(self, seconds: u64) -> Self {
        self.with("timestamp", Property::Seconds(seconds))
    }

    pub(crate) fn headers(self, headers: Table) -> Self {
        self.with("headers", Property::Headers(headers))
    }

    /// The value of a short string property which is present.
    pub(crate) fn text_of(&self, name: &str) -> Option<String> {
        self.present.iter().find_map(|(index, property)| match property {
            Property::Text(bytes) if NAMES[*index] == name => Some(String::from_utf8_lossy(bytes).into_owned()),
            Property::Text(_) | Property::Octet(_) | Property::Seconds(_) | Property::Headers(_) => None,
        })
    }

    fn with(mut self, name: &str, property: Property) -> Self {
        let index = NAMES.iter().position(|known| *known == name).expect("the property exists");
        self.present.retain(|(present, _)| *present != index);
        self.present.push((index, property));
        self.present.sort_by_key(|(index, _)| *index);
        self
    }

    /// Flags and property list.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let flags = self.present.iter().fold(0_u16, |flags, (index, _)| flags | (0x8000 >> index));
        let mut out = flags.to_be_bytes().to_vec();
        for (_, property) in &self.present {
            match property {
                Property::Text(bytes) => put_short_string(&mut out, bytes),
                Property::Octet(number) => out.push(*number),
                Property::Seconds(seconds) => out.extend_from_slice(&seconds.to_be_bytes()),
                Property::Headers(table) => put_table(&mut out, table),
            }
        }
        out
    }

    /// Reads flags and property list.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Result<Self, Malformed> {
        let flags = cursor.u16()?;
        let mut present = Vec::new();
        for (index, name) in NAMES.iter().enumerate() {
            if flags & (0x8000 >> index) == 0 {
                continue;
            }
            let property = match *name {
                "headers" => Property::Headers(cursor.table()?),
                "delivery-mode" | "priority" => Property::Octet(cursor.u8()?),
                "timestamp" => Property::Seconds(cursor.u64()?),
                _ => Property::Text(cursor.short_string()?.to_vec()),
            };
            present.push((index, property));
        }
        if cursor.0.is_empty() { Ok(Self { present }) } else { Err(Malformed) }
    }
}

impl fmt::Display for Properties {
    /// `name=value` of each property which is present.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, property) in &self.present {
            write!(f, " {}=", NAMES[*index])?;
            match property {
                Property::Text(bytes) => write!(f, "{}", quoted(bytes))?,
                Property::Octet(number) => write!(f, "{number}")?,
                Property::Seconds(seconds) => write!(f, "{seconds}")?,
                Property::Headers(table) => write!(f, "{}", table_text(table))?,
            }
        }
        Ok(())
    }
}
