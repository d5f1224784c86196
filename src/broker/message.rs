//! A message as the broker keeps it: one run of bytes in the order in which a delivery sends them. Owns the memory
//! layout of messages; knows nothing of queues.

use bytes::{BufMut, Bytes, BytesMut};
use leveret_protocol::{HeaderView, ShortString};

use crate::broker::time::Timestamp;

/// Small messages share chunks of this size. A slice of the read buffer would pin all of it for one small message.
const CHUNK: usize = 32 * 1024;

/// From this size on a message has an allocation of its own: sharing would waste the rest of a chunk.
const OWN_ALLOCATION: usize = 8 * 1024;

/// What the broker charges for keeping a message besides its bytes: its entry in the queue and in the outbox.
pub(in crate::broker) const ENTRY_COST: usize = 128;

/// What a content header says that concerns the broker, found once when the message comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(u8);

impl Traits {
    /// delivery-mode is 2.
    pub const PERSISTENT: Self = Self(1);
    /// There is a headers table, so that CC, BCC and headers exchanges have something to look at.
    pub const HEADERS: Self = Self(2);
    /// There is an expiration, reply-to or user-id property to be checked.
    pub const CHECKED: Self = Self(4);
    /// There is an expiration.
    pub const EXPIRES: Self = Self(8);
    /// There is a priority.
    pub const PRIORITY: Self = Self(16);

    /// It died before, and its header x-death is the broker's.
    pub const DIED: Self = Self(32);

    const ALL: Self = Self(63);

    /// As a number, for a record of the message.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// From a record's number; bits that mean nothing are left out.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Without those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether all of `other` is in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is nothing to look at between publish and queue.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        self.0 & (Self::HEADERS.0 | Self::CHECKED.0) == 0
    }
}

/// Octets behind the body: when the message arrived.
pub(in crate::broker) const ARRIVED: usize = 8;

/// A published message: exchange and routing key as they came (length octets included), the content header's payload
/// as it came, the body, and when it arrived. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    bytes: Bytes,
    names_length: u16,
    traits: Traits,
    header_length: u32,
}

impl Message {
    /// Takes over bytes that hold names, header and body in this order, and adds the time of its arrival. `None` when
    /// the lengths do not fit.
    #[must_use]
    pub fn from_parts(
        mut bytes: BytesMut,
        names_length: usize,
        header_length: usize,
        traits: Traits,
        arrived: Timestamp,
    ) -> Option<Self> {
        bytes.put_u64(arrived.as_millis());
        Self::from_whole(bytes.freeze(), names_length, header_length, traits)
    }

    /// Takes over bytes as [`Message::bytes`] gives them. `None` when the lengths do not fit.
    #[must_use]
    pub fn from_whole(bytes: Bytes, names_length: usize, header_length: usize, traits: Traits) -> Option<Self> {
        if names_length.checked_add(header_length)?.checked_add(ARRIVED)? > bytes.len() {
            return None;
        }
        let names_length = u16::try_from(names_length).ok()?;
        let header_length = u32::try_from(header_length).ok()?;
        Some(Self { bytes, names_length, traits, header_length })
    }

    /// Exchange and routing key, each with its length octet: the tail of basic.deliver.
    #[must_use]
    pub fn names(&self) -> &[u8] {
        self.bytes.get(..self.names_end()).unwrap_or_default()
    }

    /// The exchange it was published to.
    #[must_use]
    pub fn exchange(&self) -> &[u8] {
        split_names(self.names()).0
    }

    /// The routing key it was published with.
    #[must_use]
    pub fn routing_key(&self) -> &[u8] {
        split_names(self.names()).1
    }

    /// The content header's payload, from the class id on.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.bytes.get(self.names_end()..self.header_end()).unwrap_or_default()
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.header_end()..self.body_end()).unwrap_or_default()
    }

    /// When it arrived: at first, or where it is a copy that the broker made of a dead one, then.
    #[must_use]
    pub fn arrived(&self) -> Timestamp {
        let millis = self.bytes.last_chunk().map(|chunk| u64::from_be_bytes(*chunk));
        Timestamp::from_millis(millis.unwrap_or_default())
    }

    /// Bytes of its body.
    #[must_use]
    #[inline]
    pub fn body_length(&self) -> u64 {
        u64::try_from(self.body_end().saturating_sub(self.header_end())).unwrap_or(u64::MAX)
    }

    /// How long it is to live at most, in milliseconds: its property expiration.
    #[must_use]
    pub fn expiration(&self) -> Option<u64> {
        if !self.traits.has(Traits::EXPIRES) {
            return None;
        }
        let view = HeaderView::parse(self.header()).ok()?;
        // Checked when it was published; a sign is allowed.
        std::str::from_utf8(view.expiration()?).ok()?.trim_start_matches('-').parse().ok()
    }

    /// Its property priority; 0 where it has none.
    #[must_use]
    pub fn priority(&self) -> u8 {
        if !self.traits.has(Traits::PRIORITY) {
            return 0;
        }
        HeaderView::parse(self.header()).ok().and_then(|view| view.priority()).unwrap_or(0)
    }

    /// All of it: names, header, body, arrival.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Whether its delivery mode asks for it to survive a restart.
    #[must_use]
    pub const fn is_persistent(&self) -> bool {
        self.traits.has(Traits::PERSISTENT)
    }

    /// What its header says that concerns the broker.
    #[must_use]
    pub const fn traits(&self) -> Traits {
        self.traits
    }

    /// Bytes of memory to charge for keeping it once.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.bytes.len() + ENTRY_COST
    }

    /// The same message in memory of its own, for those who keep it for long: a small one pins all of its chunk.
    #[must_use]
    pub fn detached(&self) -> Self {
        if self.bytes.len() >= OWN_ALLOCATION {
            return self.clone();
        }
        Self { bytes: Bytes::copy_from_slice(&self.bytes), ..self.clone() }
    }

    /// The same message with another header, for what the broker changes on its way (reply-to, BCC).
    #[must_use]
    pub fn with_header(&self, header: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(self.names().len() + header.len() + self.body().len() + ARRIVED);
        fill(&mut bytes, self.names(), header, self.body(), self.arrived());
        let header_length = u32::try_from(header.len()).unwrap_or(u32::MAX);
        Self { bytes: bytes.freeze(), names_length: self.names_length, traits: self.traits, header_length }
    }

    /// The same message under other names, as if it arrived now: for what the broker moves. `None`: it is too long.
    #[must_use]
    pub fn readdressed(&self, exchange: &ShortString, routing_key: &ShortString, now: Timestamp) -> Option<Self> {
        let mut bytes = BytesMut::with_capacity(self.bytes.len() + exchange.len() + routing_key.len() + 2);
        for name in [exchange, routing_key] {
            bytes.put_u8(u8::try_from(name.len()).ok()?);
            bytes.extend_from_slice(name.as_bytes());
        }
        let names = bytes.len();
        bytes.extend_from_slice(self.header());
        bytes.extend_from_slice(self.body());
        Self::from_parts(bytes, names, self.header().len(), self.traits, now)
    }

    fn names_end(&self) -> usize {
        usize::from(self.names_length)
    }

    fn header_end(&self) -> usize {
        self.names_end() + usize::try_from(self.header_length).unwrap_or(usize::MAX)
    }

    fn body_end(&self) -> usize {
        self.bytes.len().saturating_sub(ARRIVED)
    }
}

fn split_names(names: &[u8]) -> (&[u8], &[u8]) {
    let Some((&length, rest)) = names.split_first() else { return (&[], &[]) };
    let Some((exchange, rest)) = rest.split_at_checked(usize::from(length)) else { return (&[], &[]) };
    (exchange, rest.get(1..).unwrap_or_default())
}

/// Where small messages are copied to: chunks that many of them share.
#[derive(Debug, Default)]
pub struct MessageArena {
    chunk: BytesMut,
}

impl MessageArena {
    /// Copies a message out of a read buffer. `None` when the lengths do not fit a message.
    pub fn store(
        &mut self,
        names: &[u8],
        header: &[u8],
        body: &[u8],
        traits: Traits,
        arrived: Timestamp,
    ) -> Option<Message> {
        let length = names.len() + header.len() + body.len() + ARRIVED;
        let bytes = self.with_room(length, |room| fill(room, names, header, body, arrived));
        Message::from_whole(bytes, names.len(), header.len(), traits)
    }

    /// As `store`, for bytes as [`Message::bytes`] gave them.
    pub fn store_whole(
        &mut self,
        bytes: &[u8],
        names_length: usize,
        header_length: usize,
        traits: Traits,
    ) -> Option<Message> {
        let bytes = self.with_room(bytes.len(), |room| room.extend_from_slice(bytes));
        Message::from_whole(bytes, names_length, header_length, traits)
    }

    /// Has so many bytes written, to the chunk or, where they are too many for that, to an allocation of their own.
    #[inline]
    fn with_room(&mut self, length: usize, write: impl Fn(&mut BytesMut)) -> Bytes {
        if length >= OWN_ALLOCATION {
            let mut own = BytesMut::with_capacity(length);
            write(&mut own);
            return own.freeze();
        }
        if self.chunk.capacity() < length {
            self.chunk = BytesMut::with_capacity(CHUNK);
        }
        write(&mut self.chunk);
        self.chunk.split().freeze()
    }
}

#[inline]
fn fill(out: &mut BytesMut, names: &[u8], header: &[u8], body: &[u8], arrived: Timestamp) {
    out.extend_from_slice(names);
    out.extend_from_slice(header);
    out.extend_from_slice(body);
    out.put_u64(arrived.as_millis());
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVAL: Timestamp = Timestamp::from_millis(7);

    fn message(body: &[u8]) -> Message {
        MessageArena::default().store(b"\x02ex\x03key", b"header", body, Traits::PERSISTENT, ARRIVAL).unwrap()
    }

    #[test]
    fn gives_back_every_piece_as_it_came() {
        let message = message(b"body");
        assert_eq!(message.names(), b"\x02ex\x03key");
        assert_eq!(message.exchange(), b"ex");
        assert_eq!(message.routing_key(), b"key");
        assert_eq!(message.header(), b"header");
        assert_eq!(message.body(), b"body");
        assert_eq!(message.arrived(), ARRIVAL);
    }

    #[test]
    fn small_messages_share_a_chunk_and_large_ones_do_not() {
        let mut arena = MessageArena::default();
        let mut ends = Vec::new();
        for _ in 0..2 {
            let small = arena.store(b"\0\0", b"h", b"b", Traits::default(), ARRIVAL).unwrap();
            ends.push(small.bytes.as_ptr() as usize);
        }
        assert_eq!(ends[1] - ends[0], 4 + ARRIVED, "the second begins where the first ends");
        let large = arena.store(b"\0\0", b"h", &[7; OWN_ALLOCATION], Traits::default(), ARRIVAL).unwrap();
        assert_eq!(large.body().len(), OWN_ALLOCATION);
    }

    #[test]
    fn refuses_lengths_that_exceed_the_bytes() {
        assert_eq!(Message::from_parts(BytesMut::from(&b"abc"[..]), 2, 2, Traits::default(), ARRIVAL), None);
        assert_eq!(Message::from_whole(Bytes::from_static(b"12345678901"), 2, 2, Traits::default()), None);
    }

    #[test]
    fn a_moved_message_has_other_names_and_is_as_young_as_if_it_came_now() {
        let name = |name| ShortString::from_static(name);
        let (before, now) = (message(b"body"), Timestamp::from_millis(99));
        let moved = before.readdressed(&name("other"), &name(""), now).unwrap();
        assert_eq!((moved.exchange(), moved.routing_key()), (&b"other"[..], &b""[..]));
        assert_eq!((moved.header(), moved.body(), moved.traits()), (&b"header"[..], &b"body"[..], before.traits()));
        assert_eq!(moved.arrived(), now);
    }

    #[test]
    fn keeps_names_and_body_when_the_header_changes() {
        let changed = message(b"body").with_header(b"other header");
        assert_eq!(changed.names(), b"\x02ex\x03key");
        assert_eq!(changed.header(), b"other header");
        assert_eq!(changed.body(), b"body");
        assert_eq!(changed.arrived(), ARRIVAL);
    }
}
