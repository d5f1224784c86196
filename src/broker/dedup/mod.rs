//! Deduplication: whether a message has been seen before, by a header that its publisher sets. Owns what is remembered;
//! whoever takes messages in asks, and does away with duplicates.

mod settings;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use leveret_protocol::{FieldTable, HeaderView};
use sha2::{Digest, Sha256};

pub use self::settings::{InvalidSetting, MAX_WINDOW, Settings};
use self::window::Window;
pub use self::window::{Key, Seen};
use crate::broker::message::{Message, Traits};
use crate::broker::time::Timestamp;
use crate::broker::value::octets_of;

/// What tells a message that was taken in before the broker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    key: Key,
    at: Timestamp,
    ttl: Option<Duration>,
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

    /// Whether a message with these headers is new; it is remembered then. A message without the header always is, and
    /// a duplicate does not make the first one be remembered longer.
    pub fn admits(&mut self, now: Timestamp, headers: Option<&FieldTable>) -> bool {
        let taken = headers.and_then(|headers| self.taken(now, headers));
        taken.is_none_or(|Taken { key, at, ttl }| self.window.admit(at, key, ttl))
    }

    /// As `admits`, for a message whose headers have not been read.
    pub fn admits_message(&mut self, now: Timestamp, message: &Message) -> bool {
        self.admits(now, headers_of(message).as_ref())
    }

    /// Everything that is remembered, oldest first.
    pub fn seen(&self) -> impl Iterator<Item = Seen> {
        self.window.iter()
    }

    /// Remembers what another one did. The oldest comes first.
    pub fn remember(&mut self, seen: Seen) {
        self.window.add(seen);
    }

    /// What tells a message that was taken in when it arrived; `None`: it has no header to tell it by.
    #[must_use]
    pub fn taken_before(&self, message: &Message) -> Option<Taken> {
        self.taken(message.arrived(), &headers_of(message)?)
    }

    /// Remembers a message as when it was taken in. The oldest comes first.
    pub fn recall(&mut self, Taken { key, at, ttl }: Taken) {
        self.window.admit(at, key, ttl);
    }

    /// The most messages that it remembers.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.settings.size
    }

    fn taken(&self, at: Timestamp, headers: &FieldTable) -> Option<Taken> {
        let value = settings::find(headers, &self.settings.header)?;
        Some(Taken { key: key(&octets_of(value)), at, ttl: settings::ttl_of(headers).or(self.settings.ttl) })
    }

    /// Takes back that a message was admitted.
    pub fn forget(&mut self, message: &Message) {
        let headers = headers_of(message);
        if let Some(value) = headers.as_ref().and_then(|headers| settings::find(headers, &self.settings.header)) {
            self.window.forget(&key(&octets_of(value)));
        }
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
