//! The short cuts against the general way.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::frame::{FrameKind, Split, split, write_frame};
use crate::method::any_method;
use crate::samples::{self, Sample};
use crate::{ContentHeader, Method, ShortString, basic};

fn encoded(method: &Method) -> Vec<u8> {
    let mut out = BytesMut::new();
    method.encode(&mut out);
    out.to_vec()
}

fn names(exchange: &[u8], routing_key: &[u8]) -> Vec<u8> {
    let len = |name: &[u8]| u8::try_from(name.len()).unwrap();
    let (first, second) = (len(exchange), len(routing_key));
    [&[first], exchange, &[second], routing_key].concat()
}

fn agree(payload: &[u8]) -> Result<(), TestCaseError> {
    let general = Method::decode(payload).ok();
    let published = publish(payload).map(|view| {
        assert_eq!(view.names, names(view.exchange, view.routing_key));
        basic::Publish {
            ticket: u16::from_be_bytes([payload[4], payload[5]]),
            exchange: ShortString::new(view.exchange).unwrap(),
            routing_key: ShortString::new(view.routing_key).unwrap(),
            mandatory: view.mandatory,
            immediate: view.immediate,
        }
    });
    let acked = ack(payload).map(|(delivery_tag, multiple)| basic::Ack { delivery_tag, multiple });
    let delivered = deliver(payload).map(|view| basic::Deliver {
        consumer_tag: ShortString::new(view.consumer_tag).unwrap(),
        delivery_tag: view.delivery_tag,
        redelivered: view.redelivered,
        exchange: ShortString::new(view.exchange).unwrap(),
        routing_key: ShortString::new(view.routing_key).unwrap(),
    });
    let Some(Method::Basic(general)) = general else {
        prop_assert_eq!((published, acked, delivered), (None, None, None));
        return Ok(());
    };
    let is_deliver = matches!(general, basic::Method::Deliver(_));
    prop_assert_eq!(delivered.map(basic::Method::Deliver), is_deliver.then(|| general.clone()));
    let is_publish = matches!(general, basic::Method::Publish(_));
    let is_ack = matches!(general, basic::Method::Ack(_));
    prop_assert_eq!(published.map(basic::Method::Publish), is_publish.then(|| general.clone()));
    prop_assert_eq!(acked.map(basic::Method::Ack), is_ack.then_some(general));
    Ok(())
}

fn publish_deliver_or_ack() -> impl Strategy<Value = Vec<u8>> {
    let name = || proptest::collection::vec(any::<u8>(), 0..=255);
    let publish = (any::<u16>(), name(), name(), any::<u8>()).prop_map(|(ticket, exchange, key, bits)| {
        [&[0, 60, 0, 40][..], &ticket.to_be_bytes(), &names(&exchange, &key), &[bits]].concat()
    });
    let ack =
        (any::<u64>(), any::<u8>()).prop_map(|(tag, bits)| [&[0, 60, 0, 80][..], &tag.to_be_bytes(), &[bits]].concat());
    let deliver =
        (name(), any::<u64>(), any::<u8>(), name(), name()).prop_map(|(consumer, tag, bits, exchange, key)| {
            let consumer_tag = [&[u8::try_from(consumer.len()).unwrap()], &consumer[..]].concat();
            [&[0, 60, 0, 60][..], &consumer_tag, &tag.to_be_bytes(), &[bits], &names(&exchange, &key)].concat()
        });
    prop_oneof![publish, deliver, ack]
}

/// What the general way finds, frame by frame.
fn frame_by_frame(input: &[u8], frame_max: u32) -> Option<WholePublish<'_>> {
    let next = |at: usize, kind| match split(input.get(at..)?, frame_max) {
        Ok(Split::Frame { frame, consumed }) if frame.kind == kind => Some((frame, at + consumed)),
        Ok(_) | Err(_) => None,
    };
    let (method, at) = next(0, FrameKind::Method)?;
    let publish = publish(method.payload)?;
    let (header, at) = next(at, FrameKind::Header)?;
    let size = u64::from_be_bytes(*header.payload.get(4..12)?.first_chunk()?);
    let (body, of, consumed) = if size == 0 {
        (&[][..], method.channel, at)
    } else {
        let (body, at) = next(at, FrameKind::Body)?;
        (body.payload, body.channel, at)
    };
    let fits = header.channel == method.channel && of == method.channel && body.len() as u64 == size;
    fits.then_some(WholePublish { channel: method.channel, publish, header: header.payload, body, consumed })
}

/// A publish in its frames, and what follows it in the stream.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let name = || proptest::collection::vec(any::<u8>(), 0..=20);
    let content = (samples::properties(), proptest::collection::vec(any::<u8>(), 0..=40), any::<Vec<u8>>());
    (0..3_u16, name(), name(), any::<u8>(), content).prop_map(|(channel, exchange, key, bits, content)| {
        let (properties, body, behind) = content;
        let mut out = BytesMut::new();
        let publish = [&[0, 60, 0, 40, 0, 0][..], &names(&exchange, &key), &[bits]].concat();
        write_frame(&mut out, FrameKind::Method, channel, |out| out.extend_from_slice(&publish));
        ContentHeader::new(body.len() as u64, properties).write_frame(channel, &mut out);
        if !body.is_empty() {
            write_frame(&mut out, FrameKind::Body, channel, |out| out.extend_from_slice(&body));
        }
        [&out[..], &behind].concat()
    })
}

proptest! {
    #[test]
    fn a_whole_publish_is_found_as_frame_by_frame(octets in stream()) {
        prop_assert!(whole_publish(&octets, 0).is_some());
        for frame_max in [0, 12, 20, 131_072] {
            prop_assert_eq!(whole_publish(&octets, frame_max), frame_by_frame(&octets, frame_max));
        }
    }

    #[test]
    fn a_publish_that_is_not_all_there_is_not_found(octets in stream(), most: usize) {
        let whole = whole_publish(&octets, 0).map(|whole| whole.consumed).unwrap_or_default();
        prop_assert_eq!(whole_publish(&octets[..most % whole], 0), None);
    }

    #[test]
    fn a_damaged_publish_is_found_or_not_as_frame_by_frame(octets in samples::damaged(stream()), frame_max in 0..64_u32) {
        prop_assert_eq!(whole_publish(&octets, 0), frame_by_frame(&octets, 0));
        prop_assert_eq!(whole_publish(&octets, frame_max), frame_by_frame(&octets, frame_max));
    }

    #[test]
    fn reading_agrees_on_good_octets(octets in publish_deliver_or_ack()) {
        prop_assert!(publish(&octets).is_some() || deliver(&octets).is_some() || ack(&octets).is_some());
        agree(&octets)?;
    }

    #[test]
    fn reading_agrees_on_damaged_octets(octets in samples::damaged(publish_deliver_or_ack())) {
        agree(&octets)?;
    }

    #[test]
    fn reading_agrees_on_other_methods(method in any_method()) {
        agree(&encoded(&method))?;
    }

    #[test]
    fn reading_agrees_on_any_octets(octets: Vec<u8>) {
        agree(&octets)?;
        agree(&[&[0, 60, 0, 40], &octets[..]].concat())?;
        agree(&[&[0, 60, 0, 60], &octets[..]].concat())?;
        agree(&[&[0, 60, 0, 80], &octets[..]].concat())?;
    }

    #[test]
    fn a_delivery_is_written_as_the_encoders_write_it(
        channel: u16,
        consumer_tag in ShortString::sample(),
        exchange in ShortString::sample(),
        routing_key in ShortString::sample(),
        (delivery_tag, redelivered) in any::<(u64, bool)>(),
        properties in samples::properties(),
        body: Vec<u8>,
        body_max in 0..40_usize,
    ) {
        let names = names(exchange.as_bytes(), routing_key.as_bytes());
        let header = ContentHeader::new(body.len() as u64, properties);
        let mut payload = BytesMut::new();
        header.encode(&mut payload);

        let mut fast = BytesMut::from(&b"before"[..]);
        write_deliver(
            &mut fast, channel, consumer_tag.as_bytes(), delivery_tag, redelivered, &names, &payload, &body, body_max,
        );
        let mut content = BytesMut::new();
        write_content(&mut content, channel, &payload, &body, body_max);

        let deliver = basic::Deliver { consumer_tag, delivery_tag, redelivered, exchange, routing_key };
        let mut method = BytesMut::from(&b"before"[..]);
        Method::from(deliver).write_frame(channel, &mut method);
        let mut general = BytesMut::new();
        header.write_frame(channel, &mut general);
        let piece = if body_max == 0 { body.len().max(1) } else { body_max };
        for piece in body.chunks(piece) {
            write_frame(&mut general, FrameKind::Body, channel, |out| out.extend_from_slice(piece));
        }
        prop_assert_eq!(&content, &general);
        prop_assert_eq!(fast, [method, general].concat());
    }
}

#[test]
fn a_consumer_tag_that_is_too_long_is_cut() {
    let mut out = BytesMut::new();
    write_deliver(&mut out, 1, &[b'a'; 300], 1, false, &[0, 0], &[0; 14], b"", 0);
    let payload = &out[7..7 + 14 + 255 + 2];
    let Ok(Method::Basic(basic::Method::Deliver(deliver))) = Method::decode(payload) else {
        panic!("not a delivery");
    };
    assert_eq!(deliver.consumer_tag.len(), 255);
}
