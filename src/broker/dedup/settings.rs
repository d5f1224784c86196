//! The arguments that ask for deduplication (LavinMQ, and the RabbitMQ plugin of the same names).

use std::time::Duration;

use leveret_protocol::{FieldTable, FieldValue};

use crate::broker::error::ChannelError;
use crate::broker::resource::Resource;

const ENABLED: &str = "x-message-deduplication";
const SIZE: &str = "x-cache-size";
const TTL: &str = "x-cache-ttl";
const HEADER: &str = "x-deduplication-header";
const PERSISTENCE: &str = "x-cache-persistence";

/// Messages remembered where nothing is said (LavinMQ).
const DEFAULT_SIZE: usize = 128;

/// The most messages that are remembered, whatever is asked for: about 1.5 GB.
pub const MAX_WINDOW: usize = 10_000_000;

/// How duplicates are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most messages that are remembered.
    pub size: usize,
    /// How long each is; `None` for as long as there is room. A message's own `x-cache-ttl` (milliseconds) counts more.
    pub ttl: Option<Duration>,
    /// The name of the header whose value tells messages apart.
    pub header: Box<[u8]>,
}

/// An argument that makes no sense, with RabbitMQ's kind of term for what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidSetting {
    argument: &'static str,
    reason: String,
}

impl InvalidSetting {
    /// As the answer to a declare: 406.
    #[must_use]
    pub fn of(self, resource: &Resource) -> ChannelError {
        ChannelError::InvalidArgument {
            argument: self.argument.to_owned(),
            resource: resource.clone(),
            reason: self.reason,
        }
    }
}

impl Settings {
    /// What arguments ask for; nothing unless `x-message-deduplication` is true.
    ///
    /// # Errors
    /// When an argument has a value that makes no sense.
    pub fn parse(arguments: &FieldTable) -> Result<Option<Self>, InvalidSetting> {
        match arguments.get(ENABLED) {
            None | Some(FieldValue::Bool(false)) => Ok(None),
            Some(FieldValue::Bool(true)) => Self::read(arguments).map(Some),
            Some(other) => Err(invalid(ENABLED, unacceptable_type(other))),
        }
    }

    /// What the arguments of an exchange ask for whose type is deduplication.
    ///
    /// # Errors
    /// When an argument has a value that makes no sense, or `x-cache-size` is missing.
    pub fn of_type(arguments: &FieldTable) -> Result<Self, InvalidSetting> {
        if !arguments.contains(SIZE) {
            return Err(invalid(SIZE, "missing".to_owned()));
        }
        Self::read(arguments)
    }

    fn read(arguments: &FieldTable) -> Result<Self, InvalidSetting> {
        let size = positive(arguments, SIZE)?.map_or(DEFAULT_SIZE, |size| usize::try_from(size).unwrap_or(MAX_WINDOW));
        let ttl = positive(arguments, TTL)?.map(Duration::from_millis);
        let header = match arguments.get(HEADER) {
            None => HEADER.as_bytes().into(),
            Some(FieldValue::LongString(name)) => name.to_vec().into_boxed_slice(),
            Some(other) => return Err(invalid(HEADER, unacceptable_type(other))),
        };
        match arguments.get(PERSISTENCE).map(|value| (value, value.as_bytes())) {
            // What lasts is remembered on disk, what does not in memory, whatever is asked for.
            None | Some((_, Some(b"memory" | b"disk"))) => Ok(Self { size: size.min(MAX_WINDOW), ttl, header }),
            Some((other, None)) => Err(invalid(PERSISTENCE, unacceptable_type(other))),
            Some((_, Some(_))) => Err(invalid(PERSISTENCE, "unsupported".to_owned())),
        }
    }
}

/// The time that a message asks to be remembered for. One that makes no sense does not count, as in LavinMQ.
pub(super) fn ttl_of(headers: &FieldTable) -> Option<Duration> {
    positive(headers, TTL).ok().flatten().map(Duration::from_millis)
}

/// The first value of this name, which need not be text.
pub(super) fn find<'a>(headers: &'a FieldTable, name: &[u8]) -> Option<&'a FieldValue> {
    headers.iter().find(|(header, _)| header.as_bytes() == name).map(|(_, value)| value)
}

/// A positive number; the plugin takes decimal text as well.
fn positive(arguments: &FieldTable, argument: &'static str) -> Result<Option<u64>, InvalidSetting> {
    let Some(value) = arguments.get(argument) else { return Ok(None) };
    let text = value.as_str().and_then(|text| text.parse::<i64>().ok());
    let Some(number) = value.as_integer().or(text) else { return Err(invalid(argument, unacceptable_type(value))) };
    match u64::try_from(number) {
        Err(_) => Err(invalid(argument, format!("{{value_negative,{number}}}"))),
        Ok(0) => Err(invalid(argument, "{value_zero,0}".to_owned())),
        Ok(number) => Ok(Some(number)),
    }
}

fn unacceptable_type(value: &FieldValue) -> String {
    format!("{{unacceptable_type,{}}}", value.type_name())
}

const fn invalid(argument: &'static str, reason: String) -> InvalidSetting {
    InvalidSetting { argument, reason }
}
