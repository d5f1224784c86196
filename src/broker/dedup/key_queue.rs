//! The queue in which an exchange or a queue that lasts keeps the keys of the messages that it took, so that they are known
//! again after a crash. It is in no topology. Its bound and its messages' expirations are what the window forgets by.

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::{FieldTable, Properties, ShortString};

use super::{Key, Settings, Taken};
use crate::broker::channel::compose::compose;
use crate::broker::ids::QueueId;
use crate::broker::message::Message;
use crate::broker::queue::{self, QueueEntry};

/// In the id of a queue of keys, besides the id of whose keys they are.
const KEYS: u64 = 1 << 63;

/// What the property delivery-mode says of a message that is to survive.
const PERSISTENT: u8 = 2;

/// The id of the queue of keys of a queue, or of an exchange by the id that it was given for it.
#[must_use]
pub const fn key_queue_of(id: QueueId) -> QueueId {
    QueueId(id.0 | KEYS)
}

/// Whose keys a queue keeps; `None`: it is no queue of keys.
#[must_use]
pub const fn key_queue_for(id: QueueId) -> Option<QueueId> {
    if id.0 & KEYS == 0 { None } else { Some(QueueId(id.0 & !KEYS)) }
}

/// The queue of keys of a queue or of an exchange that lasts, which have the name and the id.
#[must_use]
pub fn key_queue(id: QueueId, name: &ShortString) -> Arc<QueueEntry> {
    Arc::new(QueueEntry {
        id: key_queue_of(id),
        name: name.clone(),
        durable: true,
        auto_delete: false,
        owner: None,
        arguments: FieldTable::new(),
    })
}

/// How a queue tells duplicates, if it does and lasts: then it has a queue of keys.
#[must_use]
pub fn keeps_keys(entry: &QueueEntry) -> Option<Settings> {
    Settings::parse(&entry.arguments).ok().flatten().filter(|_| entry.durable)
}

/// What a queue of keys keeps to: the oldest go when there are too many.
#[must_use]
pub fn key_queue_settings(settings: &Settings) -> queue::Settings {
    let size = u64::try_from(settings.size).unwrap_or(u64::MAX);
    queue::Settings { max_length: Some(size), ..queue::Settings::default() }
}

impl Taken {
    /// The message by which it is kept: the key is the body, it arrived when the other one was taken in, and expires when
    /// that is forgotten.
    #[must_use]
    pub fn to_message(&self) -> Option<Message> {
        let expiration = self.ttl.and_then(|ttl| ShortString::new(ttl.as_millis().to_string()).ok());
        let properties = Properties { delivery_mode: Some(PERSISTENT), expiration, ..Properties::default() };
        let nowhere = ShortString::default();
        compose(&nowhere, &nowhere, properties, &self.key, self.key.len() as u64, self.at).ok()
    }

    /// What such a message keeps; `None`: it is none.
    #[must_use]
    pub fn of_message(message: &Message) -> Option<Self> {
        let key = Key::try_from(message.body()).ok()?;
        Some(Self { key, at: message.arrived(), ttl: message.expiration().map(Duration::from_millis) })
    }
}
