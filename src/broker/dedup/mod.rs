//! Deduplication: whether a message has been seen before, by a header that its publisher sets. Owns what is remembered;
//! whoever takes messages in asks, and does away with duplicates.

mod key_queue;
mod settings;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use leveret_protocol::{FieldTable, HeaderView};
use sha2::{Digest, Sha256};

pub use self::key_queue::{keeps_keys, key_queue, key_queue_for, key_queue_of, key_queue_settings};
pub use self::settings::{InvalidSetting, MAX_WINDOW, Settings};
use self::window::Window;
pub use self::window::{Key, Seen};
use crate::broker::message::{Message, Traits};
use crate::broker::time::Timestamp;
use crate::broker::value::octets_of;

/// What tells a message that was taken in, and others from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    key: Key,
    at: Timestamp,
    ttl: Option<Duration>,
}

impl Taken {
    /// What stands for the value of its header.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }
}

/// Whether a message has been seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody can tell: it has no header to tell it by.
    Untold,
    /// It has not; it is remembered from now on.
    New(Taken),
    /// It has.
    Duplicate(Key),
}

/// What an exchange or a queue remembers of the messages that it took.
#[derive(Clone, Debug)]
pub struct Deduplicator {
    settings: Settings,
    window: Window,
}

impl Deduplicator {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let window = Window::new(settings.size);
        Self { settings, window }
    }

    /// Whether a message with these headers is new; it is remembered then. A duplicate does not make the first one be
    /// remembered longer.
    pub fn judge(&mut self, now: Timestamp, headers: Option<&FieldTable>) -> Verdict {
        let Some(taken) = headers.and_then(|headers| self.taken(now, headers)) else { return Verdict::Untold };
        if self.recall(taken) { Verdict::New(taken) } else { Verdict::Duplicate(taken.key) }
    }

    /// As `judge`, for a message whose headers have not been read.
    pub fn judge_message(&mut self, now: Timestamp, message: &Message) -> Verdict {
        self.judge(now, headers_of(message).as_ref())
    }

    /// Everything that is remembered, oldest first.
    pub fn seen(&self) -> impl Iterator<Item = Seen> {
        self.window.iter()
    }

    /// Remembers what another one did. The oldest comes first.
    pub fn remember(&mut self, seen: Seen) {
        self.window.add(seen);
    }

    /// Remembers a message as when it was taken in; false: its key is known. The oldest comes first.
    pub fn recall(&mut self, Taken { key, at, ttl }: Taken) -> bool {
        self.window.admit(at, key, ttl)
    }

    /// As if a message with that key had never come.
    pub fn forget(&mut self, key: &Key) {
        self.window.forget(key);
    }

    fn taken(&self, at: Timestamp, headers: &FieldTable) -> Option<Taken> {
        let value = settings::find(headers, &self.settings.header)?;
        Some(Taken { key: key(&octets_of(value)), at, ttl: settings::ttl_of(headers).or(self.settings.ttl) })
    }
}

fn headers_of(message: &Message) -> Option<FieldTable> {
    if !message.traits().has(Traits::HEADERS) {
        return None;
    }
    let view = HeaderView::parse(message.header()).ok()?;
    FieldTable::decode(view.headers()?).ok().map(|(table, _)| table)
}

/// Keys of one size, however long values are: nobody finds two values with the same.
fn key(octets: &[u8]) -> Key {
    let mut key = Key::default();
    for (to, from) in key.iter_mut().zip(Sha256::digest(octets)) {
        *to = from;
    }
    key
}
