//! The last messages of an x-recent-history exchange: so many at most, and so many bytes. Owns no bindings.

use std::collections::VecDeque;

use crate::broker::message::Message;

/// Bytes of messages that an exchange keeps at most, however many it may keep.
pub const MAX_HISTORY_BYTES: usize = 16 * 1024 * 1024;

/// A message as it was routed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The message, in memory of its own.
    pub message: Message,
    /// Further routing keys, from CC and BCC.
    pub copies: Vec<Vec<u8>>,
}

impl Past {
    fn cost(&self) -> usize {
        self.message.cost() + self.copies.iter().map(Vec::len).sum::<usize>()
    }
}

/// The last messages, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    length: usize,
    bytes: usize,
    past: VecDeque<Past>,
}

impl History {
    /// None yet, and at most `length` messages later.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self { length, ..Self::default() }
    }

    /// Keeps a message; older ones make room for it. One that has none by itself is not kept.
    pub fn keep(&mut self, past: Past) {
        let cost = past.cost();
        if cost > MAX_HISTORY_BYTES {
            return;
        }
        while self.past.len() >= self.length || self.bytes + cost > MAX_HISTORY_BYTES {
            let Some(oldest) = self.past.pop_front() else { break };
            self.bytes -= oldest.cost();
        }
        self.bytes += cost;
        self.past.push_back(past);
    }

    /// What is kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Past> {
        self.past.iter()
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::broker::message::Traits;
    use crate::broker::time::Timestamp;

    fn past(body: &[u8]) -> Past {
        let bytes = [b"\0\0".as_slice(), body].concat();
        let message =
            Message::from_parts(BytesMut::from(bytes.as_slice()), 2, 0, Traits::default(), Timestamp::ZERO).unwrap();
        Past { message, copies: Vec::new() }
    }

    fn bodies(history: &History) -> Vec<Vec<u8>> {
        history.iter().map(|past| past.message.body().to_vec()).collect()
    }

    #[test]
    fn keeps_the_last_messages_oldest_first() {
        let mut history = History::new(2);
        for body in [b"a", b"b", b"c"] {
            history.keep(past(body));
        }
        assert_eq!(bodies(&history), [b"b", b"c"]);
    }

    #[test]
    fn keeps_no_more_bytes_than_it_may() {
        let third = vec![0; MAX_HISTORY_BYTES / 3];
        let mut history = History::new(1000);
        for _ in 0..5 {
            history.keep(past(&third));
        }
        assert_eq!(bodies(&history).len(), 2, "with what a message costs besides, a third does not fit");
        history.keep(past(b"small"));
        assert_eq!(bodies(&history).len(), 3);
        history.keep(past(&vec![0; MAX_HISTORY_BYTES]));
        assert_eq!(bodies(&history).len(), 3, "what is too large is passed over");
        let cost: usize = history.iter().map(Past::cost).sum();
        assert_eq!(history.bytes, cost);
    }
}
