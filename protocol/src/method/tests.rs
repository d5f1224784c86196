//! Methods: round trips of all of them, ids against the protocol, and what is refused.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::{FieldValue, ReplyCode, ShortString, TableError, samples};

fn encoded(method: &Method) -> Vec<u8> {
    let mut out = BytesMut::new();
    method.encode(&mut out);
    out.to_vec()
}

fn refused(class_id: u16, method_id: u16, arguments: &[u8]) -> MethodError {
    let ids = [class_id.to_be_bytes(), method_id.to_be_bytes()].concat();
    Method::decode(&[&ids, arguments].concat()).unwrap_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn every_method_survives_the_wire(method in any_method()) {
        let octets = encoded(&method);
        let decoded = Method::decode(&octets);
        prop_assert_eq!(decoded.as_ref(), Ok(&method));
        prop_assert_eq!(method_name(method.class_id(), method.method_id()), Some(method.name()));
        prop_assert_eq!(&octets[..2], &method.class_id().to_be_bytes());
        prop_assert_eq!(&octets[2..4], &method.method_id().to_be_bytes());
    }

    #[test]
    fn a_method_with_an_octet_too_many_is_refused(method in any_method()) {
        let mut octets = encoded(&method);
        octets.push(0);
        let malformed = matches!(Method::decode(&octets), Err(MethodError::Malformed { .. }));
        prop_assert!(malformed);
    }

    #[test]
    fn a_method_cut_short_is_refused(method in any_method(), at: prop::sample::Index) {
        let octets = encoded(&method);
        let cut = Method::decode(&octets[..at.index(octets.len())]);
        let malformed = matches!(cut, Err(MethodError::Malformed { .. }));
        prop_assert!(malformed);
    }

    #[test]
    fn damaged_methods_are_methods_or_errors(
        octets in samples::damaged(any_method().prop_map(|method| encoded(&method)))
    ) {
        if let Ok(method) = Method::decode(&octets) {
            let _ = encoded(&method);
        }
    }

    #[test]
    fn any_octets_are_a_method_or_an_error(octets: Vec<u8>) {
        let _ = Method::decode(&octets);
    }
}

#[test]
fn bits_share_octets_from_the_lowest_up() {
    let declare = exchange::Declare {
        exchange: ShortString::from_static("e"),
        kind: ShortString::from_static("direct"),
        durable: true,
        nowait: true,
        ..exchange::Declare::default()
    };
    assert_eq!(encoded(&declare.into()), b"\0\x28\0\x0a\0\0\x01e\x06direct\x12\0\0\0\0");
    let deliver = basic::Deliver {
        consumer_tag: ShortString::from_static("c"),
        delivery_tag: 3,
        redelivered: true,
        exchange: ShortString::default(),
        routing_key: ShortString::from_static("q"),
    };
    assert_eq!(encoded(&deliver.into()), b"\0\x3c\0\x3c\x01c\0\0\0\0\0\0\0\x03\x01\0\x01q");
}

#[test]
fn spare_bits_are_ignored() {
    let ack = Method::decode(b"\0\x3c\0\x50\0\0\0\0\0\0\0\x07\xff").unwrap();
    assert_eq!(ack, basic::Ack { delivery_tag: 7, multiple: true }.into());
}

#[test]
fn ids_that_are_easily_mistaken_are_right() {
    assert_eq!(method_name(40, 51), Some("exchange.unbind-ok"));
    assert_eq!(method_name(40, 41), None);
    assert_eq!(method_name(60, 100), Some("basic.recover-async"));
    assert_eq!(method_name(60, 110), Some("basic.recover"));
    assert_eq!(method_name(85, 11), Some("confirm.select-ok"));
}

#[test]
fn only_methods_of_basic_that_carry_messages_have_content() {
    let with_content: Vec<_> = (0..100)
        .flat_map(|class| (0..200).map(move |method| (class, method)))
        .filter_map(|(class, method)| {
            let name = method_name(class, method)?;
            has_content(class, method).then_some(name)
        })
        .collect();
    assert_eq!(with_content, ["basic.publish", "basic.return", "basic.deliver", "basic.get-ok"]);
}

/// Finds out by decoding a method of empty arguments.
fn has_content(class_id: u16, method_id: u16) -> bool {
    let ids = [class_id.to_be_bytes(), method_id.to_be_bytes()].concat();
    (0..64)
        .find_map(|len| Method::decode(&[ids.clone(), vec![0; len]].concat()).ok())
        .is_some_and(|method| method.has_content())
}

#[test]
fn refusals_have_the_words_of_rabbitmq() {
    let short = refused(60, 10, b"\0\0\0");
    assert_eq!(short.to_string(), "cannot decode <<0,0,0>>");
    assert_eq!((short.code(), short.ids()), (ReplyCode::FrameError, (60, 10)));
    assert_eq!(refused(90, 10, b"\0").to_string(), "cannot decode <<0>>");
    assert_eq!(refused(60, 30, b"\x01\xff\0").to_string(), "Malformed UTF-8 in shortstr");
    // A wrong length is told first.
    assert_eq!(refused(60, 30, b"\x01\xff\0\0").to_string(), "cannot decode <<1,255,0,0>>");
    let unknown = refused(60, 33, b"");
    assert_eq!((unknown.code(), unknown.ids()), (ReplyCode::CommandInvalid, (60, 33)));
}

#[test]
fn a_table_is_refused_by_its_length_or_by_its_contents() {
    let too_long = refused(50, 10, b"\0\0\x01q\0\0\0\0\x3c\x01aI\0\0\0");
    assert_eq!(too_long.to_string(), "cannot decode <<0,0,1,113,0,0,0,0,60,1,97,73,0,0,0>>");
    let unknown = refused(50, 10, b"\0\0\x01q\0\0\0\0\x03\x01aZ");
    assert_eq!(unknown, MethodError::Table(TableError::UnknownTag { tag: b'Z' }));
    assert_eq!(unknown.code(), ReplyCode::SyntaxError);
}

#[test]
fn names_that_a_publisher_chose_need_not_be_text() {
    let publish = basic::Publish { routing_key: ShortString::new(b"\xff").unwrap(), ..basic::Publish::default() };
    let method = Method::from(publish);
    assert_eq!(Method::decode(&encoded(&method)), Ok(method));
}

#[test]
fn a_method_frame_is_the_encoded_method_between_head_and_end() {
    let mut out = BytesMut::new();
    Method::from(channel::CloseOk).write_frame(258, &mut out);
    assert_eq!(out[..], [1, 1, 2, 0, 0, 0, 4, 0, 20, 0, 41, 0xCE]);
}

#[test]
fn arguments_of_a_declaration_are_found_by_name() {
    let mut declare = queue::Declare::default();
    declare.arguments.insert("x-max-length", 5);
    let method = Method::from(declare);
    let Ok(Method::Queue(queue::Method::Declare(declare))) = Method::decode(&encoded(&method)) else {
        panic!("not a declaration");
    };
    assert_eq!(declare.arguments.get("x-max-length"), Some(&FieldValue::I32(5)));
}
