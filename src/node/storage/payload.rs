//! A message as a record's payload: a few lengths, then its bytes as they are in memory (version 2; version 1 had no time
//! of arrival, and no release wrote it).

use bytes::Bytes;

use crate::broker::message::{Message, MessageArena, Traits};

/// Octets before the message's bytes: version, traits, length of the names, length of the header.
const HEAD: usize = 8;

const VERSION: u8 = 2;

/// From this size on a message stays in the buffer that it was read into: a copy would be as much memory again. At most a
/// mebibyte is read at once besides a message that is larger, so that it keeps little else.
const SHARED: usize = 512 * 1024;

/// A message in the form of a record.
#[derive(Debug)]
pub(in crate::node) struct Payload<'a> {
    head: [u8; HEAD],
    bytes: &'a Bytes,
}

impl<'a> Payload<'a> {
    pub(in crate::node) fn of(message: &'a Message) -> Self {
        let (names, header) = (message.names().len(), message.header().len());
        let [n0, n1] = u16::try_from(names).unwrap_or(u16::MAX).to_le_bytes();
        let [h0, h1, h2, h3] = u32::try_from(header).unwrap_or(u32::MAX).to_le_bytes();
        Self { head: [VERSION, message.traits().bits(), n0, n1, h0, h1, h2, h3], bytes: message.bytes() }
    }

    pub(in crate::node) fn parts(&self) -> [&[u8]; 2] {
        [&self.head, self.bytes]
    }

    /// An upper bound on what a record of the message takes, besides its targets.
    pub(in crate::node) fn bound(message: &Message) -> usize {
        message.bytes().len() + HEAD
    }

    /// The message in a record. `None`: it is not in this format.
    pub(in crate::node) fn read(payload: &Bytes, arena: &mut MessageArena) -> Option<Message> {
        let (head, bytes) = payload.split_first_chunk::<HEAD>()?;
        let [VERSION, traits, n0, n1, h0, h1, h2, h3] = *head else { return None };
        let names = usize::from(u16::from_le_bytes([n0, n1]));
        let header = usize::try_from(u32::from_le_bytes([h0, h1, h2, h3])).ok()?;
        if payload.len() >= SHARED {
            return Message::from_whole(payload.slice(HEAD..), names, header, Traits::from_bits(traits));
        }
        arena.store_whole(bytes, names, header, Traits::from_bits(traits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::time::Timestamp;

    #[test]
    fn a_message_comes_back_from_its_record_as_it_was() {
        let mut arena = MessageArena::default();
        let traits = Traits::PERSISTENT.with(Traits::HEADERS);
        let message = arena.store(b"\x02ex\x03key", b"a header", b"a body", traits, Timestamp::from_millis(9)).unwrap();
        let payload = Payload::of(&message);
        assert_eq!(payload.parts().concat().len(), Payload::bound(&message));
        assert_eq!(Payload::read(&payload.parts().concat().into(), &mut arena), Some(message));
    }

    #[test]
    fn a_large_message_is_not_copied_when_it_comes_back() {
        let mut arena = MessageArena::default();
        let message = arena.store(b"\x02ex\x03key", b"h", &[7; SHARED], Traits::default(), Timestamp::ZERO).unwrap();
        let record = Bytes::from(Payload::of(&message).parts().concat());
        let read = Payload::read(&record, &mut arena).unwrap();
        assert_eq!(read.bytes().as_ptr(), record[HEAD..].as_ptr());
        assert_eq!(read, message);
    }

    #[test]
    fn what_is_no_message_is_not_taken_for_one() {
        let mut arena = MessageArena::default();
        let message = arena.store(b"\x02ex\x03key", b"a header", b"", Traits::default(), Timestamp::ZERO).unwrap();
        let record = Bytes::from(Payload::of(&message).parts().concat());
        for length in 0..record.len() {
            assert_eq!(Payload::read(&record.slice(..length), &mut arena), None, "{length} bytes");
        }
        let mut other_version = record.to_vec();
        other_version[0] = 1;
        assert_eq!(Payload::read(&other_version.into(), &mut arena), None);
    }
}
