//! Methods by name: one table of all of them, encoding from named arguments and decoding back.

use std::fmt;

use super::value::{Cursor, Malformed, Table, put_long_string, put_short_string, put_table, quoted, table_text};

/// Wire type of a method's argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bit,
    Octet,
    Short,
    Long,
    LongLong,
    ShortString,
    LongString,
    Table,
}

/// Value of a method's argument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Argument {
    Bit(bool),
    Number(u64),
    Text(Vec<u8>),
    Table(Table),
}

impl From<bool> for Argument {
    fn from(flag: bool) -> Self {
        Self::Bit(flag)
    }
}

impl From<u64> for Argument {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Argument {
    fn from(text: &str) -> Self {
        Self::Text(text.as_bytes().to_vec())
    }
}

impl From<&String> for Argument {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<&[u8]> for Argument {
    fn from(bytes: &[u8]) -> Self {
        Self::Text(bytes.to_vec())
    }
}

impl From<Table> for Argument {
    fn from(table: Table) -> Self {
        Self::Table(table)
    }
}

/// Class id, method id, name, and the arguments as `name:type` with the types' first letters of [`kind`].
const METHODS: &[(u16, u16, &str, &str)] = &[
    (10, 10, "connection.start", "version-major:o version-minor:o server-properties:t mechanisms:S locales:S"),
    (10, 11, "connection.start-ok", "client-properties:t mechanism:s response:S locale:s"),
    (10, 20, "connection.secure", "challenge:S"),
    (10, 21, "connection.secure-ok", "response:S"),
    (10, 30, "connection.tune", "channel-max:h frame-max:l heartbeat:h"),
    (10, 31, "connection.tune-ok", "channel-max:h frame-max:l heartbeat:h"),
    (10, 40, "connection.open", "virtual-host:s capabilities:s insist:b"),
    (10, 41, "connection.open-ok", "known-hosts:s"),
    (10, 50, "connection.close", "reply-code:h reply-text:s class-id:h method-id:h"),
    (10, 51, "connection.close-ok", ""),
    (10, 60, "connection.blocked", "reason:s"),
    (10, 61, "connection.unblocked", ""),
    (10, 70, "connection.update-secret", "new-secret:S reason:s"),
    (10, 71, "connection.update-secret-ok", ""),
    (20, 10, "channel.open", "out-of-band:s"),
    (20, 11, "channel.open-ok", "channel-id:S"),
    (20, 20, "channel.flow", "active:b"),
    (20, 21, "channel.flow-ok", "active:b"),
    (20, 40, "channel.close", "reply-code:h reply-text:s class-id:h method-id:h"),
    (20, 41, "channel.close-ok", ""),
    (30, 10, "access.request", "realm:s exclusive:b passive:b active:b write:b read:b"),
    (30, 11, "access.request-ok", "ticket:h"),
    (
        40,
        10,
        "exchange.declare",
        "ticket:h exchange:s type:s passive:b durable:b auto-delete:b internal:b nowait:b arguments:t",
    ),
    (40, 11, "exchange.declare-ok", ""),
    (40, 20, "exchange.delete", "ticket:h exchange:s if-unused:b nowait:b"),
    (40, 21, "exchange.delete-ok", ""),
    (40, 30, "exchange.bind", "ticket:h destination:s source:s routing-key:s nowait:b arguments:t"),
    (40, 31, "exchange.bind-ok", ""),
    (40, 40, "exchange.unbind", "ticket:h destination:s source:s routing-key:s nowait:b arguments:t"),
    (40, 51, "exchange.unbind-ok", ""),
    (50, 10, "queue.declare", "ticket:h queue:s passive:b durable:b exclusive:b auto-delete:b nowait:b arguments:t"),
    (50, 11, "queue.declare-ok", "queue:s message-count:l consumer-count:l"),
    (50, 20, "queue.bind", "ticket:h queue:s exchange:s routing-key:s nowait:b arguments:t"),
    (50, 21, "queue.bind-ok", ""),
    (50, 30, "queue.purge", "ticket:h queue:s nowait:b"),
    (50, 31, "queue.purge-ok", "message-count:l"),
    (50, 40, "queue.delete", "ticket:h queue:s if-unused:b if-empty:b nowait:b"),
    (50, 41, "queue.delete-ok", "message-count:l"),
    (50, 50, "queue.unbind", "ticket:h queue:s exchange:s routing-key:s arguments:t"),
    (50, 51, "queue.unbind-ok", ""),
    (60, 10, "basic.qos", "prefetch-size:l prefetch-count:h global:b"),
    (60, 11, "basic.qos-ok", ""),
    (60, 20, "basic.consume", "ticket:h queue:s consumer-tag:s no-local:b no-ack:b exclusive:b nowait:b arguments:t"),
    (60, 21, "basic.consume-ok", "consumer-tag:s"),
    (60, 30, "basic.cancel", "consumer-tag:s nowait:b"),
    (60, 31, "basic.cancel-ok", "consumer-tag:s"),
    (60, 40, "basic.publish", "ticket:h exchange:s routing-key:s mandatory:b immediate:b"),
    (60, 50, "basic.return", "reply-code:h reply-text:s exchange:s routing-key:s"),
    (60, 60, "basic.deliver", "consumer-tag:s delivery-tag:q redelivered:b exchange:s routing-key:s"),
    (60, 70, "basic.get", "ticket:h queue:s no-ack:b"),
    (60, 71, "basic.get-ok", "delivery-tag:q redelivered:b exchange:s routing-key:s message-count:l"),
    (60, 72, "basic.get-empty", "cluster-id:s"),
    (60, 80, "basic.ack", "delivery-tag:q multiple:b"),
    (60, 90, "basic.reject", "delivery-tag:q requeue:b"),
    (60, 100, "basic.recover-async", "requeue:b"),
    (60, 110, "basic.recover", "requeue:b"),
    (60, 111, "basic.recover-ok", ""),
    (60, 120, "basic.nack", "delivery-tag:q multiple:b requeue:b"),
    (85, 10, "confirm.select", "nowait:b"),
    (85, 11, "confirm.select-ok", ""),
    (90, 10, "tx.select", ""),
    (90, 11, "tx.select-ok", ""),
    (90, 20, "tx.commit", ""),
    (90, 21, "tx.commit-ok", ""),
    (90, 30, "tx.rollback", ""),
    (90, 31, "tx.rollback-ok", ""),
];

fn kind(letter: &str) -> Kind {
    match letter {
        "b" => Kind::Bit,
        "o" => Kind::Octet,
        "h" => Kind::Short,
        "l" => Kind::Long,
        "q" => Kind::LongLong,
        "s" => Kind::ShortString,
        "S" => Kind::LongString,
        "t" => Kind::Table,
        other => panic!("no argument type {other}"),
    }
}

fn signature(arguments: &'static str) -> impl Iterator<Item = (&'static str, Kind)> {
    arguments.split_whitespace().map(|word| {
        let (name, letter) = word.split_once(':').expect("an argument is name:type");
        (name, kind(letter))
    })
}

/// A method with a value for each of its arguments.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Method {
    class_id: u16,
    method_id: u16,
    pub(crate) name: &'static str,
    arguments: Vec<(&'static str, Argument)>,
    kinds: Vec<Kind>,
}

impl Method {
    /// The method of this name with all arguments zero, false or empty.
    pub(crate) fn new(name: &str) -> Self {
        let row = METHODS.iter().find(|row| row.2 == name).expect("the method exists");
        let (class_id, method_id, name, arguments) = *row;
        let (arguments, kinds) = signature(arguments).map(|(name, kind)| ((name, default(kind)), kind)).unzip();
        Self { class_id, method_id, name, arguments, kinds }
    }

    /// The same method with one argument set.
    pub(crate) fn set(mut self, name: &str, value: impl Into<Argument>) -> Self {
        let slot = self.arguments.iter_mut().find(|(argument, _)| *argument == name).expect("the argument exists");
        slot.1 = value.into();
        self
    }

    /// The same method with a bit argument set to true.
    pub(crate) fn flag(self, name: &str) -> Self {
        self.set(name, true)
    }

    /// Payload of a method frame.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&self.class_id.to_be_bytes());
        out.extend_from_slice(&self.method_id.to_be_bytes());
        let mut bits_used = 0_u32;
        for ((_, value), kind) in self.arguments.iter().zip(&self.kinds) {
            if *kind == Kind::Bit {
                put_bit(&mut out, &mut bits_used, *value == Argument::Bit(true));
                continue;
            }
            bits_used = 0;
            put_argument(&mut out, *kind, value);
        }
        out
    }

    /// Reads the payload of a method frame.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut cursor = Cursor(payload);
        let (class_id, method_id) = (cursor.u16()?, cursor.u16()?);
        let row = METHODS.iter().find(|row| row.0 == class_id && row.1 == method_id).ok_or(Malformed)?;
        let mut method = Self::new(row.2);
        let (mut octet, mut bits_used) = (0_u8, 0_u32);
        for ((_, value), kind) in method.arguments.iter_mut().zip(&method.kinds) {
            if *kind == Kind::Bit {
                if bits_used.is_multiple_of(8) {
                    octet = cursor.u8()?;
                }
                *value = Argument::Bit(octet & (1 << (bits_used % 8)) != 0);
                bits_used += 1;
                continue;
            }
            bits_used = 0;
            *value = take_argument(&mut cursor, *kind)?;
        }
        if cursor.0.is_empty() { Ok(method) } else { Err(Malformed) }
    }

    /// Value of a numeric argument.
    pub(crate) fn number(&self, name: &str) -> u64 {
        match self.argument(name) {
            Argument::Number(number) => *number,
            other => panic!("{name} is not a number: {other:?}"),
        }
    }

    /// Value of a string argument.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.argument(name) {
            Argument::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => panic!("{name} is not a string: {other:?}"),
        }
    }

    /// Value of a bit argument.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        *self.argument(name) == Argument::Bit(true)
    }

    /// Value of an argument.
    pub(crate) fn argument(&self, name: &str) -> &Argument {
        &self.arguments.iter().find(|(argument, _)| *argument == name).expect("the argument exists").1
    }

    /// Name and those arguments which are not zero, false or empty.
    pub(crate) fn brief(&self) -> String {
        let interesting = self.arguments.iter().zip(&self.kinds).filter(|((_, value), kind)| *value != default(**kind));
        std::iter::once(self.name.to_owned()).chain(interesting.map(|((name, value), _)| shown(name, value))).fold(
            String::new(),
            |mut line, word| {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&word);
                line
            },
        )
    }
}

impl fmt::Display for Method {
    /// Name and all arguments; a close in the short form `channel.close 404 "text" class=50 method=10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if self.name.ends_with(".close") {
            let (code, text) = (self.number("reply-code"), quoted(self.text("reply-text").as_bytes()));
            let (class, method) = (self.number("class-id"), self.number("method-id"));
            return write!(f, " {code} {text} class={class} method={method}");
        }
        for (name, value) in &self.arguments {
            match value {
                Argument::Bit(flag) => write!(f, " {name}={flag}")?,
                other => write!(f, " {}", shown(name, other))?,
            }
        }
        Ok(())
    }
}

fn shown(name: &str, value: &Argument) -> String {
    match value {
        Argument::Bit(_) => name.to_owned(),
        Argument::Number(number) => format!("{name}={number}"),
        Argument::Text(bytes) => format!("{name}={}", quoted(bytes)),
        Argument::Table(table) => format!("{name}={}", table_text(table)),
    }
}

fn default(kind: Kind) -> Argument {
    match kind {
        Kind::Bit => Argument::Bit(false),
        Kind::Octet | Kind::Short | Kind::Long | Kind::LongLong => Argument::Number(0),
        Kind::ShortString | Kind::LongString => Argument::Text(Vec::new()),
        Kind::Table => Argument::Table(Vec::new()),
    }
}

fn put_bit(out: &mut Vec<u8>, bits_used: &mut u32, flag: bool) {
    if bits_used.is_multiple_of(8) {
        out.push(0);
    }
    if let Some(octet) = out.last_mut() {
        *octet |= u8::from(flag) << (*bits_used % 8);
    }
    *bits_used += 1;
}

fn put_argument(out: &mut Vec<u8>, kind: Kind, value: &Argument) {
    match (kind, value) {
        (Kind::Octet, Argument::Number(number)) => out.push(u8::try_from(*number).expect("fits an octet")),
        (Kind::Short, Argument::Number(number)) => {
            out.extend_from_slice(&u16::try_from(*number).expect("fits 16 bits").to_be_bytes());
        }
        (Kind::Long, Argument::Number(number)) => {
            out.extend_from_slice(&u32::try_from(*number).expect("fits 32 bits").to_be_bytes());
        }
        (Kind::LongLong, Argument::Number(number)) => out.extend_from_slice(&number.to_be_bytes()),
        (Kind::ShortString, Argument::Text(bytes)) => put_short_string(out, bytes),
        (Kind::LongString, Argument::Text(bytes)) => put_long_string(out, bytes),
        (Kind::Table, Argument::Table(table)) => put_table(out, table),
        (kind, value) => panic!("{value:?} is not a {kind:?}"),
    }
}

fn take_argument(cursor: &mut Cursor<'_>, kind: Kind) -> Result<Argument, Malformed> {
    Ok(match kind {
        Kind::Bit => Argument::Bit(cursor.u8()? != 0),
        Kind::Octet => Argument::Number(cursor.u8()?.into()),
        Kind::Short => Argument::Number(cursor.u16()?.into()),
        Kind::Long => Argument::Number(cursor.u32()?.into()),
        Kind::LongLong => Argument::Number(cursor.u64()?),
        Kind::ShortString => Argument::Text(cursor.short_string()?.to_vec()),
        Kind::LongString => Argument::Text(cursor.long_string()?.to_vec()),
        Kind::Table => Argument::Table(cursor.table()?),
    })
}
