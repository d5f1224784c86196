//! Messages as they are published: frames encoded beforehand, and the stamp in each body that latency is measured by.

use bytes::BytesMut;
use leveret_protocol::frame::{FRAME_HEAD, FRAME_OVERHEAD};
use leveret_protocol::{ContentHeader, Method, Properties, ShortString, basic, fast::write_content};

/// Octets of a stamp. Shorter bodies have none, and their latency is not measured.
pub(in crate::cli::perf) const STAMP: usize = 12;

/// When a message was due, and in which run: what a queue held before does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Nanoseconds since the run began.
    pub(super) due: u64,
    pub(super) run: u32,
}

impl Stamp {
    #[inline]
    fn octets(self) -> [u8; STAMP] {
        let [a, b, c, d, e, f, g, h] = self.due.to_be_bytes();
        let [i, j, k, l] = self.run.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l]
    }

    /// The stamp at the beginning of a body.
    #[inline]
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let (due, rest) = body.split_first_chunk()?;
        let (run, _) = rest.split_first_chunk()?;
        Some(Self { due: u64::from_be_bytes(*due), run: u32::from_be_bytes(*run) })
    }
}

/// What all messages of a publisher have in common.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) exchange: ShortString,
    /// Routing keys, used in turn.
    pub(super) routing_keys: Vec<ShortString>,
    /// Octets of the bodies, used in turn.
    pub(super) sizes: Vec<usize>,
    pub(super) persistent: bool,
    pub(super) mandatory: bool,
    /// Octets of the largest frame, overhead included.
    pub(super) frame_max: u32,
    pub(super) run: u32,
}

/// Encodes one message after the other.
#[derive(Debug)]
pub(super) struct Messages {
    /// A basic.publish for each routing key.
    methods: Vec<Vec<u8>>,
    contents: Vec<Content>,
    next_method: usize,
    next_content: usize,
    run: u32,
}

/// The frames of a header and a body.
#[derive(Debug)]
struct Content {
    frames: Vec<u8>,
    /// Where the stamp is, if it has room.
    stamp: Option<usize>,
}

impl Messages {
    pub(super) fn new(form: &Form, channel: u16) -> Self {
        let method = |routing_key: &ShortString| {
            let publish = basic::Publish {
                exchange: form.exchange.clone(),
                routing_key: routing_key.clone(),
                mandatory: form.mandatory,
                ..basic::Publish::default()
            };
            let mut frame = BytesMut::new();
            Method::from(publish).write_frame(channel, &mut frame);
            frame.to_vec()
        };
        Self {
            methods: form.routing_keys.iter().map(method).collect(),
            contents: form.sizes.iter().map(|&size| content(form, channel, size)).collect(),
            next_method: 0,
            next_content: 0,
            run: form.run,
        }
    }

    /// Appends the next message, due at this time.
    #[inline]
    pub(super) fn append(&mut self, due: u64, out: &mut BytesMut) {
        let Some(method) = next(&self.methods, &mut self.next_method) else { return };
        let Some(content) = next(&self.contents, &mut self.next_content) else { return };
        out.extend_from_slice(method);
        let begin = out.len();
        out.extend_from_slice(&content.frames);
        let stamp = content.stamp.and_then(|stamp| out.get_mut(begin + stamp..begin + stamp + STAMP));
        if let Some(stamp) = stamp {
            stamp.copy_from_slice(&Stamp { due, run: self.run }.octets());
        }
    }
}

/// The one whose turn it is.
#[inline]
fn next<'a, T>(all: &'a [T], turn: &mut usize) -> Option<&'a T> {
    let one = all.get(*turn);
    *turn += 1;
    if *turn >= all.len() {
        *turn = 0;
    }
    one
}

fn content(form: &Form, channel: u16, size: usize) -> Content {
    let properties = Properties { delivery_mode: form.persistent.then_some(2), ..Properties::default() };
    let mut header = BytesMut::new();
    ContentHeader::new(size as u64, properties).encode(&mut header);
    let mut frames = BytesMut::new();
    let body_max = usize::try_from(form.frame_max).unwrap_or(usize::MAX) - FRAME_OVERHEAD;
    write_content(&mut frames, channel, &header, &vec![b'x'; size], body_max);
    let stamp = FRAME_OVERHEAD + header.len() + FRAME_HEAD;
    Content { frames: frames.to_vec(), stamp: (size >= STAMP).then_some(stamp) }
}

#[cfg(test)]
mod tests {
    use leveret_protocol::{AmqpCodec, Frame};
    use tokio_util::codec::Decoder as _;

    use super::*;

    fn form(keys: &[&str], sizes: &[usize]) -> Form {
        Form {
            exchange: ShortString::from_static("e"),
            routing_keys: keys.iter().map(|key| ShortString::truncated(key)).collect(),
            sizes: sizes.to_vec(),
            persistent: true,
            mandatory: true,
            frame_max: 4096,
            run: 7,
        }
    }

    /// Routing keys, delivery modes and bodies of what was encoded.
    fn decoded(mut octets: BytesMut) -> Vec<(String, Option<u8>, Vec<u8>)> {
        let mut codec = AmqpCodec::new(4096);
        let mut messages: Vec<(String, Option<u8>, Vec<u8>)> = Vec::new();
        while let Some(frame) = codec.decode(&mut octets).unwrap() {
            match frame {
                Frame::Method { channel: 3, method: Method::Basic(basic::Method::Publish(publish)) } => {
                    assert!(publish.exchange == "e" && publish.mandatory);
                    messages.push((publish.routing_key.to_string(), None, Vec::new()));
                }
                Frame::Header { channel: 3, header } => {
                    messages.last_mut().unwrap().1 = header.properties.delivery_mode;
                }
                Frame::Body { channel: 3, payload } => messages.last_mut().unwrap().2.extend(payload),
                other @ (Frame::ProtocolHeader(_)
                | Frame::Method { .. }
                | Frame::Header { .. }
                | Frame::Body { .. }
                | Frame::Heartbeat { .. }) => panic!("{other:?}"),
            }
        }
        messages
    }

    #[test]
    fn keys_and_sizes_are_used_in_turn_and_bodies_are_stamped() {
        let mut messages = Messages::new(&form(&["a", "b"], &[12, 0, 10_000]), 3);
        let mut out = BytesMut::new();
        (0..6).for_each(|due| messages.append(due, &mut out));
        let decoded = decoded(out);
        let keys: String = decoded.iter().map(|(key, ..)| key.as_str()).collect();
        assert_eq!(keys, "ababab");
        assert!(decoded.iter().all(|(_, delivery_mode, _)| *delivery_mode == Some(2)));
        let bodies: Vec<_> = decoded.iter().map(|(.., body)| (body.len(), Stamp::read(body))).collect();
        let stamp = |due| Some(Stamp { due, run: 7 });
        assert_eq!(
            bodies,
            [(12, stamp(0)), (0, None), (10_000, stamp(2)), (12, stamp(3)), (0, None), (10_000, stamp(5))]
        );
    }

    #[test]
    fn a_body_too_short_for_a_stamp_has_none() {
        let mut messages = Messages::new(&form(&["a"], &[11]), 3);
        let mut out = BytesMut::new();
        messages.append(1, &mut out);
        assert_eq!(decoded(out).first().unwrap().2, b"xxxxxxxxxxx");
    }
}
