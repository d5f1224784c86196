//! Times in the headers of a message before which it is not to be handed out. Owns what the values mean and how the
//! broker rewrites them; who waits, and where, is the queue's.

mod iso_time;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::{BufMut, BytesMut};
use leveret_protocol::{FieldTable, FieldValue, HeaderView, Properties};

use self::iso_time::unix_millis;
use crate::broker::message::{Message, Traits};
use crate::broker::time::Timestamp;

/// For how many milliseconds an exchange that delays is to keep a message (RabbitMQ: rabbitmq-delayed-message-exchange).
pub const DELAY: &str = "x-delay";

/// Where copies go besides; nobody who gets the message may see it.
const BLIND_COPIES: &str = "BCC";

/// Where copies go besides, for all to see.
const CARBON_COPIES: &str = "CC";

/// The longest delay: ten years. RabbitMQ ends at 4294967295 milliseconds, which are seven weeks.
pub const LONGEST_DELAY_MS: u64 = 315_360_000_000;

/// Octets of a content header before its properties: class, weight, body size.
const BEFORE_PROPERTIES: usize = 12;

/// How long headers ask for a message to be kept; `None`: it goes on at once. As RabbitMQ's plugin reads it: a whole
/// number of any size, a float, which loses its fraction, or either as text.
#[must_use]
pub fn delay(headers: &FieldTable) -> Option<Duration> {
    let millis = u64::try_from(number(headers.get(DELAY)?)?).ok()?;
    (1..=LONGEST_DELAY_MS).contains(&millis).then(|| Duration::from_millis(millis))
}

fn number(value: &FieldValue) -> Option<i64> {
    if let FieldValue::F32(number) = value {
        return whole(f64::from(*number));
    }
    if let FieldValue::F64(number) = value {
        return whole(*number);
    }
    if let Some(number) = value.as_integer() {
        return Some(number);
    }
    let text = value.as_str()?.trim();
    text.parse().ok().or_else(|| whole(text.parse().ok()?))
}

/// Without its fraction. `None`: no number that a delay can be, nor its opposite.
fn whole(number: f64) -> Option<i64> {
    const BOUND: f64 = 1e15;
    if !(-BOUND..=BOUND).contains(&number) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the fraction is to go, and the rest fits")]
    let whole = number.trunc() as i64;
    Some(whole)
}

/// When the message that an exchange keeps is due: so long after it came.
#[must_use]
pub fn release_time(message: &Message) -> Timestamp {
    let delay = headers_of(message).as_ref().and_then(delay).unwrap_or_default();
    message.arrived().after(delay)
}

/// The time in a header: Unix time in milliseconds, as a number or as text, a timestamp, or a date with a time (ISO 8601;
/// UTC where no zone is given). `None`: there is no such header, or nothing to be understood in it.
#[must_use]
pub fn time(headers: &FieldTable, name: &str) -> Option<Timestamp> {
    let value = headers.get(name)?;
    if let FieldValue::Timestamp(seconds) = value {
        return Some(Timestamp::from_millis(seconds.saturating_mul(1000)));
    }
    let millis = number(value).or_else(|| unix_millis(value.as_str()?.trim()))?;
    Some(Timestamp::from_millis(u64::try_from(millis).unwrap_or_default()))
}

/// The message's headers, where it has any.
#[must_use]
pub fn headers_of(message: &Message) -> Option<FieldTable> {
    if !message.traits().has(Traits::HEADERS) {
        return None;
    }
    properties_of(message)?.headers
}

fn properties_of(message: &Message) -> Option<Properties> {
    HeaderView::parse(message.header()).ok()?.properties().ok()
}

/// A delayed message with the routing keys that nobody may see, for the time when it is routed.
#[must_use]
pub fn with_blind_copies(message: &Message, copies: &[Vec<u8>]) -> Option<Message> {
    let mut properties = properties_of(message)?;
    let headers = properties.headers.get_or_insert_default();
    let blind = copies.get(keys_in(headers, CARBON_COPIES).count()..).unwrap_or_default();
    if blind.is_empty() {
        return None;
    }
    let text = |key: &Vec<u8>| FieldValue::LongString(bytes::Bytes::copy_from_slice(key));
    headers.insert(BLIND_COPIES, FieldValue::Array(blind.iter().map(text).collect()));
    rewritten(message, &properties, message.arrived())
}

fn keys_in<'a>(headers: &'a FieldTable, name: &str) -> impl Iterator<Item = &'a [u8]> {
    let members = headers.get(name).and_then(FieldValue::as_array).unwrap_or_default();
    members.iter().filter_map(|member| if let FieldValue::LongString(key) = member { Some(&key[..]) } else { None })
}

/// A delayed message whose time has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Released {
    /// The message.
    pub message: Message,
    /// What it is routed by.
    pub routing_keys: Vec<Vec<u8>>,
    /// Its headers.
    pub headers: FieldTable,
}

impl Released {
    /// Makes it: the delay is negated, so that everybody sees that it is over. `None`: its header cannot be read, which no
    /// message has that came in.
    #[must_use]
    pub fn new(message: &Message, now: Timestamp) -> Option<Self> {
        let mut properties = properties_of(message)?;
        let headers = properties.headers.get_or_insert_default();
        let mut routing_keys = vec![message.routing_key().to_vec()];
        for name in [CARBON_COPIES, BLIND_COPIES] {
            routing_keys.extend(keys_in(headers, name).map(<[u8]>::to_vec));
        }
        headers.remove(BLIND_COPIES);
        if let Some(delay) = headers.get(DELAY).and_then(number) {
            headers.insert(DELAY, FieldValue::I64(delay.saturating_neg()));
        }
        let headers = headers.clone();
        let message = rewritten(message, &properties, now)?;
        Some(Self { message, routing_keys, headers })
    }
}

/// The message with other properties.
fn rewritten(message: &Message, properties: &Properties, arrived: Timestamp) -> Option<Message> {
    let mut bytes = BytesMut::with_capacity(message.bytes().len() + 64);
    bytes.put_slice(message.names());
    bytes.put_slice(message.header().get(..BEFORE_PROPERTIES)?);
    properties.encode(&mut bytes);
    let header = bytes.len() - message.names().len();
    bytes.put_slice(message.body());
    let traits = message.traits().with(Traits::HEADERS);
    Message::from_parts(bytes, message.names().len(), header, traits, arrived)
}

/// How often a message has been tried again (extension).
pub const ATTEMPTS: &str = "x-retry-count";

/// When it is to be tried again, Unix time in milliseconds (extension).
pub const NEXT_ATTEMPT: &str = "x-retry-at";

/// How often a message with these headers has been tried again.
#[must_use]
pub fn attempts(headers: &FieldTable) -> u64 {
    let attempts = headers.get(ATTEMPTS).and_then(FieldValue::as_integer).unwrap_or_default();
    u64::try_from(attempts).unwrap_or_default()
}

/// When a message with these headers is to be tried again; `None`: it has never been.
#[must_use]
pub fn next_attempt(headers: &FieldTable) -> Option<Timestamp> {
    let millis = headers.get(NEXT_ATTEMPT).and_then(FieldValue::as_integer)?;
    Some(Timestamp::from_millis(u64::try_from(millis).ok()?))
}

/// A message that is to be tried again.
#[must_use]
pub fn tried_again(message: &Message, attempts: u64, at: Timestamp) -> Option<Message> {
    let mut properties = properties_of(message)?;
    let headers = properties.headers.get_or_insert_default();
    let number = |number: u64| FieldValue::I64(i64::try_from(number).unwrap_or(i64::MAX));
    headers.insert(ATTEMPTS, number(attempts));
    headers.insert(NEXT_ATTEMPT, number(at.as_millis()));
    rewritten(message, &properties, message.arrived())
}
