//! Field tables and their values: encoding, decoding and a stable way to print them.
//!
//! Tags are those of RabbitMQ and its clients, which differ from the published 0-9-1 document.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Field name and value pairs, in wire order.
pub(crate) type Table = Vec<(String, Value)>;

/// A field value together with its wire tag.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    /// Tag `L`, which RabbitMQ reads as a signed 64-bit number and never writes.
    UpperL(i64),
    F32(f32),
    F64(f64),
    Decimal(u8, u32),
    Str(Vec<u8>),
    Array(Vec<Self>),
    Timestamp(u64),
    Table(Table),
    Void,
    Binary(Vec<u8>),
}

/// A long string value.
pub(crate) fn text(text: impl AsRef<[u8]>) -> Value {
    Value::Str(text.as_ref().to_vec())
}

/// A signed 32-bit value, the tag that most clients send for a small integer.
pub(crate) fn int(number: i32) -> Value {
    Value::I32(number)
}

/// A table with one entry.
pub(crate) fn entry(name: &str, value: Value) -> Table {
    vec![(name.to_owned(), value)]
}

/// A table of the given entries.
pub(crate) fn entries<const N: usize>(entries: [(&str, Value); N]) -> Table {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The bytes ended early or held something that no peer may send.
#[derive(Debug)]
pub(crate) struct Malformed;

/// Reads big-endian fields off the front of a byte slice.
#[derive(Debug)]
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(u8::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.fixed()?))
    }

    pub(crate) fn short_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::from(self.u8()?);
        self.take(length)
    }

    pub(crate) fn long_string(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        self.take(length)
    }

    pub(crate) fn table(&mut self) -> Result<Table, Malformed> {
        let mut inner = Cursor(self.long_string()?);
        let mut table = Vec::new();
        while !inner.0.is_empty() {
            let name = String::from_utf8_lossy(inner.short_string()?).into_owned();
            table.push((name, inner.value()?));
        }
        Ok(table)
    }

    fn value(&mut self) -> Result<Value, Malformed> {
        Ok(match self.u8()? {
            b't' => Value::Bool(self.u8()? != 0),
            b'b' => Value::I8(i8::from_be_bytes(self.fixed()?)),
            b'B' => Value::U8(self.u8()?),
            b's' => Value::I16(i16::from_be_bytes(self.fixed()?)),
            b'u' => Value::U16(self.u16()?),
            b'I' => Value::I32(i32::from_be_bytes(self.fixed()?)),
            b'i' => Value::U32(self.u32()?),
            b'l' => Value::I64(i64::from_be_bytes(self.fixed()?)),
            b'L' => Value::UpperL(i64::from_be_bytes(self.fixed()?)),
            b'f' => Value::F32(f32::from_be_bytes(self.fixed()?)),
            b'd' => Value::F64(f64::from_be_bytes(self.fixed()?)),
            b'D' => Value::Decimal(self.u8()?, self.u32()?),
            b'S' => Value::Str(self.long_string()?.to_vec()),
            b'A' => Value::Array(self.array()?),
            b'T' => Value::Timestamp(self.u64()?),
            b'F' => Value::Table(self.table()?),
            b'V' => Value::Void,
            b'x' => Value::Binary(self.long_string()?.to_vec()),
            _ => return Err(Malformed),
        })
    }

    fn array(&mut self) -> Result<Vec<Value>, Malformed> {
        let mut inner = Cursor(self.long_string()?);
        let mut values = Vec::new();
        while !inner.0.is_empty() {
            values.push(inner.value()?);
        }
        Ok(values)
    }
}

/// Appends an octet length and the bytes.
pub(crate) fn put_short_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(u8::try_from(bytes.len()).expect("a short string holds at most 255 bytes"));
    out.extend_from_slice(bytes);
}

/// Appends a 32-bit length and the bytes.
pub(crate) fn put_long_string(out: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a long string fits 32 bits of length");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// Appends a table with its length.
pub(crate) fn put_table(out: &mut Vec<u8>, table: &Table) {
    put_long_string(out, &table_body(table));
}

/// A table without its length, the form which AMQPLAIN wants.
pub(crate) fn table_body(table: &Table) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in table {
        put_short_string(&mut body, name.as_bytes());
        put_value(&mut body, value);
    }
    body
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    out.push(tag(value));
    match value {
        Value::Bool(flag) => out.push(u8::from(*flag)),
        Value::I8(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::U8(number) => out.push(*number),
        Value::I16(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::U16(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::I32(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::U32(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::I64(number) | Value::UpperL(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::F32(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::F64(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Decimal(scale, number) => {
            out.push(*scale);
            out.extend_from_slice(&number.to_be_bytes());
        }
        Value::Str(bytes) | Value::Binary(bytes) => put_long_string(out, bytes),
        Value::Array(values) => {
            let mut body = Vec::new();
            values.iter().for_each(|value| put_value(&mut body, value));
            put_long_string(out, &body);
        }
        Value::Timestamp(seconds) => out.extend_from_slice(&seconds.to_be_bytes()),
        Value::Table(table) => put_table(out, table),
        Value::Void => {}
    }
}

fn tag(value: &Value) -> u8 {
    match value {
        Value::Bool(_) => b't',
        Value::I8(_) => b'b',
        Value::U8(_) => b'B',
        Value::I16(_) => b's',
        Value::U16(_) => b'u',
        Value::I32(_) => b'I',
        Value::U32(_) => b'i',
        Value::I64(_) => b'l',
        Value::UpperL(_) => b'L',
        Value::F32(_) => b'f',
        Value::F64(_) => b'd',
        Value::Decimal(..) => b'D',
        Value::Str(_) => b'S',
        Value::Array(_) => b'A',
        Value::Timestamp(_) => b'T',
        Value::Table(_) => b'F',
        Value::Void => b'V',
        Value::Binary(_) => b'x',
    }
}

impl fmt::Display for Value {
    /// The wire tag, a colon and the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", char::from(tag(self)))?;
        match self {
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::I8(number) => write!(f, "{number}"),
            Self::U8(number) => write!(f, "{number}"),
            Self::I16(number) => write!(f, "{number}"),
            Self::U16(number) => write!(f, "{number}"),
            Self::I32(number) => write!(f, "{number}"),
            Self::U32(number) => write!(f, "{number}"),
            Self::I64(number) | Self::UpperL(number) => write!(f, "{number}"),
            Self::F32(number) => write!(f, "{number:?}"),
            Self::F64(number) => write!(f, "{number:?}"),
            Self::Decimal(scale, number) => write!(f, "{number}e-{scale}"),
            Self::Str(bytes) | Self::Binary(bytes) => write!(f, "{}", quoted(bytes)),
            Self::Array(values) => {
                let items: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "[{}]", items.join(" "))
            }
            Self::Timestamp(seconds) if is_now(*seconds) => write!(f, "now"),
            Self::Timestamp(seconds) => write!(f, "{seconds}"),
            Self::Table(table) => write!(f, "{}", table_text(table)),
            Self::Void => Ok(()),
        }
    }
}

/// Whether a time that a broker wrote down is about now.
fn is_now(seconds: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    seconds.abs_diff(now) < 60
}

/// `{name=value ...}` sorted by name: RabbitMQ re-sorts the tables of messages that it relays.
pub(crate) fn table_text(table: &Table) -> String {
    let mut items: Vec<String> = table.iter().map(|(name, value)| format!("{name}={value}")).collect();
    items.sort();
    format!("{{{}}}", items.join(" "))
}

/// The bytes in double quotes: UTF-8 as it is, control characters and stray bytes escaped.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\'' => out.push(character),
                _ if character.is_control() => out.extend(character.escape_default()),
                _ => out.push(character),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push('"');
    out
}
