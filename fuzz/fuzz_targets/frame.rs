//! Frames and their payloads: decoding never panics, its shortcuts agree with it, and what is encoded decodes to the same.
#![no_main]

use bytes::BytesMut;
use leveret_protocol::{ContentHeader, FrameKind, HeaderView, Method, Split, basic, fast, frame};
use libfuzzer_sys::fuzz_target;

const FRAME_MAX: u32 = 131_072;

fuzz_target!(|data: &[u8]| {
    method(data);
    header(data);
    let mut rest = data;
    while let Ok(Split::Frame { frame, consumed }) = frame::split(rest, FRAME_MAX) {
        assert_eq!(consumed, frame.payload.len() + leveret_protocol::FRAME_OVERHEAD);
        let _ = frame.describe();
        match frame.kind {
            FrameKind::Method => method(frame.payload),
            FrameKind::Header => header(frame.payload),
            FrameKind::Body | FrameKind::Heartbeat => {}
        }
        rest = &rest[consumed..];
    }
});

fn method(payload: &[u8]) {
    let decoded = Method::decode(payload);
    if let Some(view) = fast::publish(payload) {
        let Ok(Method::Basic(basic::Method::Publish(publish))) = &decoded else { panic!("{decoded:?} is no publish") };
        assert_eq!(publish.exchange.as_bytes(), view.exchange);
        assert_eq!(publish.routing_key.as_bytes(), view.routing_key);
        assert_eq!((publish.mandatory, publish.immediate), (view.mandatory, view.immediate));
    }
    if let Some((delivery_tag, multiple)) = fast::ack(payload) {
        assert_eq!(decoded, Ok(basic::Ack { delivery_tag, multiple }.into()));
    }
    if let Ok(method) = decoded {
        let encoded = encode(&method);
        let again = Method::decode(&encoded).expect("an encoded method decodes");
        // As octets, since a NaN does not equal itself.
        assert_eq!(encode(&again), encoded);
    }
}

fn encode(method: &Method) -> BytesMut {
    let mut out = BytesMut::new();
    method.encode(&mut out);
    out
}

fn header(payload: &[u8]) {
    let decoded = ContentHeader::decode(payload);
    let Ok(view) = HeaderView::parse(payload) else {
        assert!(decoded.is_err(), "a header that has no view");
        return;
    };
    let decoded = decoded.expect("a header that has a view decodes");
    let properties = view.properties().expect("the properties of a view decode");
    assert_eq!(
        (view.class_id(), view.weight(), view.body_size()),
        (decoded.class_id, decoded.weight, decoded.body_size)
    );
    assert_eq!(view.priority(), properties.priority);
    assert_eq!(view.delivery_mode(), properties.delivery_mode);
    let mut encoded = BytesMut::new();
    decoded.encode(&mut encoded);
    let again = ContentHeader::decode(&encoded).expect("an encoded header decodes");
    let mut twice = BytesMut::new();
    again.encode(&mut twice);
    assert_eq!(twice, encoded);
}
