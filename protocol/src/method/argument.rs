//! Arguments of methods: one type of Rust for each type of the protocol, and the packing of bits.

use bytes::{BufMut, Bytes, BytesMut};
use nom::multi::length_data;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};
use nom::{IResult, Parser};

use super::MethodError;
use super::error::ArgumentError;
use crate::erlang::erlang_octets;
use crate::field::encode;
use crate::{FieldTable, ShortString};

type Parsed<'a, T> = IResult<&'a [u8], T, ArgumentError>;

/// A type that arguments of methods can have.
pub(super) trait Argument: Sized {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError>;
    fn write(&self, writer: &mut Writer<'_>);
}

/// Consecutive bits share octets, the first in the lowest place (AMQP 0-9-1 4.2.5.2).
#[derive(Clone, Copy, Default)]
struct Bits {
    octet: u8,
    /// How many bits of the octet are used; 0 when none is begun.
    used: u8,
}

/// Reads arguments one after the other.
pub(super) struct Reader<'a> {
    input: &'a [u8],
    bits: Bits,
    /// Whether a short string was met that is not UTF-8.
    not_utf8: bool,
}

impl<'a> Reader<'a> {
    /// Runs a parser on what is left; the next bit begins an octet of its own.
    fn parse<T>(&mut self, parser: impl Fn(&'a [u8]) -> Parsed<'a, T>) -> Result<T, ArgumentError> {
        let (rest, value) = parser(self.input)?;
        self.input = rest;
        self.bits = Bits::default();
        Ok(value)
    }

    fn bit(&mut self) -> Result<bool, ArgumentError> {
        let Bits { octet, used } = match self.bits {
            Bits { used: 1..=7, .. } => self.bits,
            Bits { .. } => Bits { octet: self.parse(be_u8)?, used: 0 },
        };
        self.bits = Bits { octet, used: used + 1 };
        Ok(octet & (1 << used) != 0)
    }
}

/// Reads the arguments of one method, to the end of the input. `any_octets` lets short strings be other than
/// UTF-8: RabbitMQ does not look at the names in basic.publish, so they come back in the methods that
/// carry them to consumers and publishers.
pub(super) fn decode<T>(
    (class_id, method_id): (u16, u16),
    input: &[u8],
    any_octets: bool,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, ArgumentError>,
) -> Result<T, MethodError> {
    let malformed = || MethodError::Malformed { class_id, method_id, arguments: erlang_octets(input) };
    let mut reader = Reader { input, bits: Bits::default(), not_utf8: false };
    let method = read(&mut reader).map_err(|error| match error {
        ArgumentError::Truncated => malformed(),
        ArgumentError::Table(error) => MethodError::Table(error),
    })?;
    if !reader.input.is_empty() {
        return Err(malformed());
    }
    if reader.not_utf8 && !any_octets {
        return Err(MethodError::InvalidUtf8);
    }
    Ok(method)
}

/// Class and method id, and the arguments.
pub(super) fn ids(payload: &[u8]) -> Result<((u16, u16), &[u8]), MethodError> {
    let parsed: Parsed<'_, _> = (be_u16, be_u16).parse(payload);
    let (arguments, ids) =
        parsed.map_err(|_| MethodError::Malformed { class_id: 0, method_id: 0, arguments: erlang_octets(payload) })?;
    Ok((ids, arguments))
}

/// Writes arguments one after the other.
pub(super) struct Writer<'a> {
    out: &'a mut BytesMut,
    bits: Bits,
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut BytesMut) -> Self {
        Self { out, bits: Bits::default() }
    }

    /// The output, with the octet of the last bits written.
    fn octets(&mut self) -> &mut BytesMut {
        if self.bits.used > 0 {
            self.out.put_u8(self.bits.octet);
            self.bits = Bits::default();
        }
        self.out
    }

    fn bit(&mut self, bit: bool) {
        if self.bits.used == 8 {
            self.octets();
        }
        self.bits.octet |= u8::from(bit) << self.bits.used;
        self.bits.used += 1;
    }

    /// Must be called after the last argument.
    pub(super) fn finish(mut self) {
        self.octets();
    }
}

impl Argument for bool {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        reader.bit()
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.bit(*self);
    }
}

impl Argument for u8 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        reader.parse(be_u8)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.octets().put_u8(*self);
    }
}

impl Argument for u16 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        reader.parse(be_u16)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.octets().put_u16(*self);
    }
}

impl Argument for u32 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        reader.parse(be_u32)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.octets().put_u32(*self);
    }
}

impl Argument for u64 {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        reader.parse(be_u64)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        writer.octets().put_u64(*self);
    }
}

impl Argument for ShortString {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        let octets = reader.parse(|input| length_data(be_u8).parse(input))?;
        reader.not_utf8 |= std::str::from_utf8(octets).is_err();
        Ok(Self::from_bounded(octets))
    }

    fn write(&self, writer: &mut Writer<'_>) {
        encode::short_string(self, writer.octets());
    }
}

impl Argument for Bytes {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        let octets = reader.parse(|input| length_data(be_u32).parse(input))?;
        Ok(Self::copy_from_slice(octets))
    }

    fn write(&self, writer: &mut Writer<'_>) {
        encode::long_string(self, writer.octets());
    }
}

impl Argument for FieldTable {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ArgumentError> {
        // RabbitMQ finds the end of the table by its length first, and looks inside only then.
        let entries = reader.parse(|input| length_data(be_u32).parse(input))?;
        Self::decode_entries(entries).map_err(ArgumentError::Table)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        self.encode(writer.octets());
    }
}
