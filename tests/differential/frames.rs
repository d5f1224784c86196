//! Frames that are not what they should be, on a running connection.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{declare, delete, get, method, publish};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::raw::{frame, header};

scenarios!("frames":
    a_frame_of_an_unknown_type_closes_the_connection,
    a_long_frame_of_an_unknown_type_shows_its_first_octets,
    a_frame_of_type_four_is_no_heartbeat,
    a_wrong_frame_end_closes_the_connection,
    a_frame_larger_than_the_maximum_closes_the_connection,
    a_payload_as_large_as_frame_max_is_accepted,
    a_heartbeat_on_a_channel_closes_the_connection,
    a_heartbeat_with_a_payload_closes_the_connection,
    heartbeats_are_accepted_between_all_frames,
    a_header_on_channel_zero_closes_the_connection,
    a_body_on_channel_zero_closes_the_connection,
    a_header_where_a_method_is_expected_closes_the_connection,
    a_body_where_a_method_is_expected_closes_the_connection,
    a_method_where_a_header_is_expected_closes_the_connection,
    a_body_where_a_header_is_expected_closes_the_connection,
    a_header_of_another_class_closes_the_connection,
    a_header_with_a_weight_closes_the_connection,
    a_method_where_a_body_is_expected_closes_the_connection,
    a_header_where_a_body_is_expected_closes_the_connection,
    a_body_larger_than_announced_closes_the_connection,
    a_body_after_an_empty_message_closes_the_connection,
    empty_body_frames_inside_a_body_are_harmless,
    an_announced_body_above_the_hard_cap_closes_the_connection,
    a_truncated_method_closes_the_connection,
    an_unknown_method_closes_the_connection,
    an_unknown_class_closes_the_connection,
    a_malformed_table_closes_the_connection,
    a_table_value_with_an_unknown_tag_closes_the_connection,
    a_queue_name_which_is_not_utf8_closes_the_connection,
    a_routing_key_which_is_not_utf8_is_relayed,
    properties_with_trailing_octets_close_the_connection,
    properties_which_end_early_close_the_connection,
    low_property_flag_bits_are_ignored,
    frames_of_channels_may_interleave_inside_a_message,
);

/// Sends one frame of any kind and shows how the connection ends.
fn offend(s: &Script, frame_type: u8, channel: u16, payload: &[u8], what: &str) {
    let mut c = s.connect();
    c.send_frame(frame_type, channel, payload, what);
    c.sync();
}

/// Sends a publish whose content goes wrong.
fn begin_publish(s: &Script) -> Conn {
    let mut c = s.connect();
    c.send(&publish("amq.fanout", ""));
    c
}

fn announce(c: &mut Conn, size: u64) {
    let payload = header(60, 0, size, &[0, 0]);
    c.send_frame(2, 1, &payload, &format!("header size={size}"));
}

fn a_frame_of_an_unknown_type_closes_the_connection(s: &Script) {
    offend(s, 7, 1, b"abc", "frame type 7 with payload abc");
}

fn a_long_frame_of_an_unknown_type_shows_its_first_octets(s: &Script) {
    offend(s, 7, 1, b"abcdefghijklmnopqrstuvwxyz", "frame type 7 with 26 octets");
}

fn a_frame_of_type_four_is_no_heartbeat(s: &Script) {
    offend(s, 4, 0, b"", "frame type 4");
}

fn a_wrong_frame_end_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    let mut bytes = frame(1, 1, &method("basic.recover").flag("requeue").encode());
    *bytes.last_mut().unwrap() = 0xCD;
    c.send_bytes(&bytes, "basic.recover with frame end 205");
    c.sync();
    c.eof();
}

fn a_frame_larger_than_the_maximum_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.send_bytes(&[3, 0, 1, 0, 2, 0, 1], "head of a body frame of 131073 octets");
    c.sync();
}

fn a_payload_as_large_as_frame_max_is_accepted(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.send(&publish("", &q));
    announce(&mut c, 131_072);
    c.send_frame(3, 1, &vec![b'x'; 131_072], "body of 131072 octets in one frame");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn a_heartbeat_on_a_channel_closes_the_connection(s: &Script) {
    offend(s, 8, 1, b"", "heartbeat");
}

fn a_heartbeat_with_a_payload_closes_the_connection(s: &Script) {
    offend(s, 8, 0, b"x", "heartbeat with payload x");
}

fn heartbeats_are_accepted_between_all_frames(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.send(&publish("", &q));
    c.send_frame(8, 0, b"", "heartbeat");
    announce(&mut c, 2);
    c.send_frame(8, 0, b"", "heartbeat");
    c.send_frame(3, 1, b"a", "body a");
    c.send_frame(8, 0, b"", "heartbeat");
    c.send_frame(3, 1, b"b", "body b");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn a_header_on_channel_zero_closes_the_connection(s: &Script) {
    offend(s, 2, 0, &header(60, 0, 0, &[0, 0]), "header size=0");
}

fn a_body_on_channel_zero_closes_the_connection(s: &Script) {
    offend(s, 3, 0, b"abc", "body abc");
}

fn a_header_where_a_method_is_expected_closes_the_connection(s: &Script) {
    offend(s, 2, 1, &header(60, 0, 0, &[0, 0]), "header size=0");
}

fn a_body_where_a_method_is_expected_closes_the_connection(s: &Script) {
    offend(s, 3, 1, b"abc", "body abc");
}

fn a_method_where_a_header_is_expected_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    c.call(method("basic.qos"));
}

fn a_body_where_a_header_is_expected_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    c.send_frame(3, 1, b"abc", "body abc");
    c.sync();
}

fn a_header_of_another_class_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    c.send_frame(2, 1, &header(50, 0, 0, &[0, 0]), "header of class 50");
    c.sync();
}

fn a_header_with_a_weight_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    c.send_frame(2, 1, &header(60, 1, 0, &[0, 0]), "header with weight 1");
    c.sync();
}

fn a_method_where_a_body_is_expected_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    announce(&mut c, 5);
    c.call(method("basic.qos"));
}

fn a_header_where_a_body_is_expected_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    announce(&mut c, 5);
    announce(&mut c, 5);
    c.sync();
}

fn a_body_larger_than_announced_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    announce(&mut c, 2);
    c.send_frame(3, 1, b"abc", "body abc");
    c.sync();
}

fn a_body_after_an_empty_message_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    announce(&mut c, 0);
    c.send_frame(3, 1, b"", "empty body");
    c.sync();
}

fn empty_body_frames_inside_a_body_are_harmless(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.send(&publish("", &q));
    announce(&mut c, 2);
    for part in ["", "a", "", "b"] {
        c.send_frame(3, 1, part.as_bytes(), &format!("body {part:?}"));
    }
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn an_announced_body_above_the_hard_cap_closes_the_connection(s: &Script) {
    let mut c = begin_publish(s);
    announce(&mut c, 536_870_913);
    c.sync();
}

fn a_truncated_method_closes_the_connection(s: &Script) {
    offend(s, 1, 1, &[0, 60, 0, 10, 0, 0], "basic.qos without most of its arguments");
}

fn an_unknown_method_closes_the_connection(s: &Script) {
    offend(s, 1, 1, &[0, 60, 0, 99], "method 60.99");
}

fn an_unknown_class_closes_the_connection(s: &Script) {
    offend(s, 1, 1, &[0, 99, 0, 10], "method 99.10");
}

/// Payload of a `queue.declare` whose arguments table is the given bytes.
fn declare_with(table: &[u8]) -> Vec<u8> {
    let mut payload = declare("never-declared").encode();
    payload.truncate(payload.len() - 4);
    payload.extend_from_slice(&u32::try_from(table.len()).unwrap().to_be_bytes());
    payload.extend_from_slice(table);
    payload
}

fn a_malformed_table_closes_the_connection(s: &Script) {
    offend(s, 1, 1, &declare_with(b"\x05abc"), "queue.declare with a table that ends inside a name");
}

fn a_table_value_with_an_unknown_tag_closes_the_connection(s: &Script) {
    offend(s, 1, 1, &declare_with(b"\x01kZ\x00\x00\x00\x00"), "queue.declare with a table value of tag Z");
}

fn a_queue_name_which_is_not_utf8_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    let invalid: &[u8] = b"a\xffb";
    c.call(method("queue.declare").set("queue", invalid));
}

fn a_routing_key_which_is_not_utf8_is_relayed(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(crate::support::commands::declare_exchange(&x, "fanout"));
    c.call(declare(&q));
    c.call(crate::support::commands::bind(&q, &x, ""));
    let invalid: &[u8] = b"a\xffb";
    c.publish(&publish(&x, "").set("routing-key", invalid), &Properties::none(), "odd key");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}

fn publish_with_properties(s: &Script, properties: &[u8], what: &str) -> (Conn, String) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.send(&publish("", &q));
    c.send_frame(2, 1, &header(60, 0, 0, properties), what);
    c.sync();
    (c, q)
}

fn properties_with_trailing_octets_close_the_connection(s: &Script) {
    publish_with_properties(s, &[0x10, 0x00, 2, 9, 9], "header with two octets after delivery-mode");
}

fn properties_which_end_early_close_the_connection(s: &Script) {
    publish_with_properties(s, &[0x80, 0x00, 5, b'a'], "header with a content-type that ends early");
}

fn low_property_flag_bits_are_ignored(s: &Script) {
    let (mut c, q) = publish_with_properties(s, &[0x10, 0x03, 2], "header with the two lowest flag bits set");
    c.call(get(&q).flag("no-ack"));
}

fn frames_of_channels_may_interleave_inside_a_message(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call_on(2, method("channel.open"));
    c.call(declare(&q));
    c.send(&publish("", &q));
    c.call_on(2, Method::new("basic.qos"));
    announce(&mut c, 3);
    c.call_on(2, delete("never-declared"));
    c.send_frame(3, 1, b"abc", "body abc");
    c.sync();
    c.call(get(&q).flag("no-ack"));
}
