//! Rows of what is remembered, byte by byte; docs/storage-format.md describes them.

use bytes::Bytes;
use leveret_protocol::ShortString;

use crate::broker::dedup::Key;
use crate::broker::exchange::Past;
use crate::broker::ids::QueueId;
use crate::broker::message::MessageArena;
use crate::node::storage::Payload;

const VERSION: u8 = 1;
const SEEN: u8 = b's';
const PAST: u8 = b'p';
const EXCHANGE: u8 = b'e';
const HISTORY: u8 = b'h';
const QUEUE: u8 = b'q';

/// What a row is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    /// The keys that an exchange has seen.
    Exchange { vhost: ShortString, exchange: ShortString },
    /// A message of an exchange's history.
    History { vhost: ShortString, exchange: ShortString },
    /// The keys that a queue has seen.
    Queue(QueueId),
}

/// What it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// Keys, oldest first, with the milliseconds since 1970 at which each is forgotten.
    Seen(Vec<(Key, Option<u64>)>),
    /// A message.
    Past(Past),
}

impl Subject {
    /// The key of one of its rows. Rows are read in the order of their index.
    pub(super) fn key(&self, index: usize) -> Vec<u8> {
        let index = u32::try_from(index).unwrap_or(u32::MAX).to_be_bytes();
        match self {
            Self::Exchange { vhost, exchange } => [&[EXCHANGE], &*name(vhost), &*name(exchange), &index].concat(),
            Self::History { vhost, exchange } => [&[HISTORY], &*name(vhost), &*name(exchange), &index].concat(),
            Self::Queue(queue) => [&[QUEUE], queue.0.to_be_bytes().as_slice(), &index].concat(),
        }
    }

    pub(super) fn read(key: &[u8]) -> Option<Self> {
        let (kind, rest) = key.split_first()?;
        let (rest, _index) = rest.split_last_chunk::<4>()?;
        if *kind == QUEUE {
            return Some(Self::Queue(QueueId(u64::from_be_bytes(rest.try_into().ok()?))));
        }
        let (vhost, rest) = read_name(rest)?;
        let (exchange, rest) = read_name(rest)?;
        match (*kind, rest) {
            (EXCHANGE, []) => Some(Self::Exchange { vhost, exchange }),
            (HISTORY, []) => Some(Self::History { vhost, exchange }),
            (_, _) => None,
        }
    }
}

impl Content {
    pub(super) fn value(&self) -> Vec<u8> {
        match self {
            Self::Seen(keys) => {
                let mut value = vec![VERSION, SEEN];
                for (key, expires) in keys {
                    value.extend_from_slice(key);
                    value.extend_from_slice(&expires.unwrap_or_default().to_le_bytes());
                }
                value
            }
            Self::Past(past) => {
                let mut value = vec![VERSION, PAST];
                value.extend_from_slice(&u32::try_from(past.copies.len()).unwrap_or(u32::MAX).to_le_bytes());
                for copy in &past.copies {
                    value.extend_from_slice(&u32::try_from(copy.len()).unwrap_or(u32::MAX).to_le_bytes());
                    value.extend_from_slice(copy);
                }
                Payload::of(&past.message).parts().iter().for_each(|part| value.extend_from_slice(part));
                value
            }
        }
    }

    pub(super) fn read(value: &[u8]) -> Option<Self> {
        match value.split_first_chunk::<2>()? {
            ([VERSION, SEEN], keys) => read_keys(keys).map(Self::Seen),
            ([VERSION, PAST], past) => read_past(past).map(Self::Past),
            (_, _) => None,
        }
    }
}

fn read_keys(mut rest: &[u8]) -> Option<Vec<(Key, Option<u64>)>> {
    let mut keys = Vec::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_first_chunk()?;
        let (expires, after) = after.split_first_chunk()?;
        let expires = u64::from_le_bytes(*expires);
        keys.push((*key, (expires > 0).then_some(expires)));
        rest = after;
    }
    Some(keys)
}

fn read_past(rest: &[u8]) -> Option<Past> {
    let (count, mut rest) = rest.split_first_chunk()?;
    let mut copies = Vec::new();
    for _ in 0..u32::from_le_bytes(*count) {
        let (length, after) = rest.split_first_chunk()?;
        let (copy, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
        copies.push(copy.to_vec());
        rest = after;
    }
    let message = Payload::read(&Bytes::copy_from_slice(rest), &mut MessageArena::default())?.detached();
    Some(Past { message, copies })
}

fn name(name: &ShortString) -> Vec<u8> {
    // At most 255 bytes by its type.
    [&[u8::try_from(name.len()).unwrap_or(u8::MAX)], name.as_bytes()].concat()
}

fn read_name(input: &[u8]) -> Option<(ShortString, &[u8])> {
    let (length, rest) = input.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    Some((ShortString::new(name).ok()?, rest))
}
