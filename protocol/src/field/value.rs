//! A single value of a field table or array.

use bytes::Bytes;

use super::FieldTable;

/// A value of a field table or array. Every tag has its own variant, so that a value goes out as it came in.
#[derive(Clone, Debug, PartialEq)]
pub enum FieldValue {
    /// Tag `t`; any octet but zero is true.
    Bool(bool),
    /// Tag `b`.
    I8(i8),
    /// Tag `B`.
    U8(u8),
    /// Tag `s`.
    I16(i16),
    /// Tag `u`.
    U16(u16),
    /// Tag `I`.
    I32(i32),
    /// Tag `i`.
    U32(u32),
    /// Tag `l`; `L` is read as the same, but never sent since several clients do not know it.
    I64(i64),
    /// Tag `f`.
    F32(f32),
    /// Tag `d`.
    F64(f64),
    /// Tag `D`: value divided by ten to the power of scale.
    Decimal {
        /// Digits behind the decimal point.
        scale: u8,
        /// All digits; RabbitMQ reads them unsigned.
        value: u32,
    },
    /// Tag `S`: text or octets, in no agreed character set.
    LongString(Bytes),
    /// Tag `A`.
    Array(Vec<Self>),
    /// Tag `T`: seconds since 1970.
    Timestamp(u64),
    /// Tag `F`.
    Table(FieldTable),
    /// Tag `V`: no value.
    Void,
    /// Tag `x`: octets.
    Binary(Bytes),
}

impl FieldValue {
    /// A long string of the text.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::LongString(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// RabbitMQ's name of the type, as it stands in reply texts.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "bool",
            Self::I8(_) => "byte",
            Self::U8(_) => "unsignedbyte",
            Self::I16(_) => "short",
            Self::U16(_) => "unsignedshort",
            Self::I32(_) => "signedint",
            Self::U32(_) => "unsignedint",
            Self::I64(_) => "long",
            Self::F32(_) => "float",
            Self::F64(_) => "double",
            Self::Decimal { .. } => "decimal",
            Self::LongString(_) => "longstr",
            Self::Array(_) => "array",
            Self::Timestamp(_) => "timestamp",
            Self::Table(_) => "table",
            Self::Void => "void",
            Self::Binary(_) => "binary",
        }
    }

    /// The number, whichever of the integer tags it came with; not for timestamps and fractions.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::I8(value) => Some(i64::from(*value)),
            Self::U8(value) => Some(i64::from(*value)),
            Self::I16(value) => Some(i64::from(*value)),
            Self::U16(value) => Some(i64::from(*value)),
            Self::I32(value) => Some(i64::from(*value)),
            Self::U32(value) => Some(i64::from(*value)),
            Self::I64(value) => Some(*value),
            Self::Bool(_)
            | Self::F32(_)
            | Self::F64(_)
            | Self::Decimal { .. }
            | Self::LongString(_)
            | Self::Array(_)
            | Self::Timestamp(_)
            | Self::Table(_)
            | Self::Void
            | Self::Binary(_) => None,
        }
    }

    /// The text of a long string that is UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::LongString(octets) = self {
            return std::str::from_utf8(octets).ok();
        }
        None
    }

    /// The number, if it is a float of either size.
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        if let Self::F32(value) = self {
            return Some(f64::from(*value));
        }
        if let Self::F64(value) = self { Some(*value) } else { None }
    }

    /// The octets of a long string or binary.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::LongString(octets) | Self::Binary(octets) = self {
            return Some(octets);
        }
        None
    }

    /// The truth value.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self {
            return Some(*value);
        }
        None
    }

    /// The table.
    #[must_use]
    pub const fn as_table(&self) -> Option<&FieldTable> {
        if let Self::Table(table) = self {
            return Some(table);
        }
        None
    }

    /// The elements of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(values) = self {
            return Some(values);
        }
        None
    }
}

impl From<bool> for FieldValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i32> for FieldValue {
    fn from(value: i32) -> Self {
        Self::I32(value)
    }
}

impl From<i64> for FieldValue {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}

impl From<&str> for FieldValue {
    fn from(value: &str) -> Self {
        Self::text(value)
    }
}

impl From<String> for FieldValue {
    fn from(value: String) -> Self {
        Self::LongString(Bytes::from(value))
    }
}

impl From<FieldTable> for FieldValue {
    fn from(value: FieldTable) -> Self {
        Self::Table(value)
    }
}

impl From<Vec<Self>> for FieldValue {
    fn from(values: Vec<Self>) -> Self {
        Self::Array(values)
    }
}
