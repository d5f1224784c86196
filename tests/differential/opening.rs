//! The handshake at an unusual pace, and ends in unusual places.

use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{consume, declare, get, method, publish};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::raw::{Handshake, PROTOCOL_HEADER, frame, header};
use crate::support::value::{entries, int, table_body, text};

scenarios!("opening":
    the_whole_handshake_may_come_at_once,
    octets_may_come_one_by_one,
    heartbeats_are_accepted_during_the_handshake,
    a_close_before_tuning_ends_the_stream,
    a_close_instead_of_tune_ok_ends_the_stream,
    a_close_instead_of_open_closes_the_connection,
    a_method_of_another_class_instead_of_open_closes_the_connection,
    an_unknown_method_during_the_handshake_ends_the_stream,
    opening_a_second_time_closes_the_connection,
    old_arguments_of_open_are_ignored,
    a_plain_response_with_an_authorisation_identity_ends_the_stream,
    a_plain_response_with_a_third_part_ends_the_stream,
    a_user_name_which_is_not_utf8_is_refused,
    an_amqplain_password_which_is_a_number_is_refused,
    an_amqplain_response_which_is_no_table_ends_the_stream,
    a_protocol_header_after_opening_is_no_frame,
    a_channel_close_inside_a_message_closes_the_connection,
    a_connection_close_inside_a_message_is_answered,
    a_consumer_tag_may_have_255_octets,
    consuming_with_nowait_and_no_tag_delivers_under_a_generated_one,
);

fn payload(method: &Method) -> Vec<u8> {
    frame(1, 0, &method.encode())
}

fn the_whole_handshake_may_come_at_once(s: &Script) {
    let mut c = s.tcp("");
    let handshake = Handshake::default();
    let all = [
        PROTOCOL_HEADER.to_vec(),
        payload(&handshake.start_ok()),
        payload(&handshake.tune_ok()),
        payload(&handshake.open()),
        frame(1, 1, &method("channel.open").encode()),
    ];
    c.hide(true);
    c.client.send(&all.concat());
    c.until(0, &["connection.start"]);
    c.hide(false);
    c.until(0, &["connection.tune"]);
    c.until(0, &["connection.open-ok"]);
    c.until(1, &["channel.open-ok"]);
}

fn octets_may_come_one_by_one(s: &Script) {
    let mut c = s.tcp("");
    let handshake = Handshake::default();
    let mut send = |bytes: &[u8], reply: &str| {
        bytes.iter().for_each(|octet| c.client.send(&[*octet]));
        if reply != "connection.start" {
            c.until(0, &[reply]);
            return;
        }
        c.hide(true);
        c.until(0, &[reply]);
        c.hide(false);
    };
    send(PROTOCOL_HEADER, "connection.start");
    send(&payload(&handshake.start_ok()), "connection.tune");
    send(&[payload(&handshake.tune_ok()), payload(&handshake.open())].concat(), "connection.open-ok");
}

fn heartbeats_are_accepted_during_the_handshake(s: &Script) {
    let mut c = s.tcp("");
    let handshake = Handshake::default();
    c.begin_unseen();
    c.client.send_frame(8, 0, b"");
    c.call_on(0, handshake.start_ok());
    c.client.send_frame(8, 0, b"");
    c.send_on(0, &handshake.tune_ok());
    c.client.send_frame(8, 0, b"");
    c.call_on(0, handshake.open());
}

fn close() -> Method {
    method("connection.close").set("reply-code", 200)
}

fn a_close_before_tuning_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, close());
}

fn a_close_instead_of_tune_ok_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, Handshake::default().start_ok());
    c.call_on(0, close());
}

fn a_close_instead_of_open_closes_the_connection(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, Handshake::default().start_ok());
    c.send_on(0, &Handshake::default().tune_ok());
    c.call_on(0, close());
}

fn a_method_of_another_class_instead_of_open_closes_the_connection(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, Handshake::default().start_ok());
    c.send_on(0, &Handshake::default().tune_ok());
    c.send_on(0, &method("tx.select"));
    c.until(0, &[]);
}

fn an_unknown_method_during_the_handshake_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.send_bytes(&frame(1, 0, &[0, 10, 0, 99]), "a method 99 of class connection");
    c.eof();
}

fn opening_a_second_time_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.call_on(0, Handshake::default().open());
}

fn old_arguments_of_open_are_ignored(s: &Script) {
    let mut c = s.tcp("");
    let handshake = Handshake::default();
    c.begin_unseen();
    c.call_on(0, handshake.start_ok());
    c.send_on(0, &handshake.tune_ok());
    c.call_on(0, handshake.open().set("capabilities", "something").flag("insist"));
}

/// Logs in with a response of its own.
fn log_in(s: &Script, mechanism: &'static str, response: Vec<u8>) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, Handshake { mechanism, response, ..Handshake::default() }.start_ok());
}

fn a_plain_response_with_an_authorisation_identity_ends_the_stream(s: &Script) {
    log_in(s, "PLAIN", b"guest\0guest\0guest".to_vec());
}

fn a_plain_response_with_a_third_part_ends_the_stream(s: &Script) {
    log_in(s, "PLAIN", b"\0guest\0guest\0guest".to_vec());
}

fn a_user_name_which_is_not_utf8_is_refused(s: &Script) {
    log_in(s, "PLAIN", b"\0g\xffest\0guest".to_vec());
}

fn an_amqplain_password_which_is_a_number_is_refused(s: &Script) {
    log_in(s, "AMQPLAIN", table_body(&entries([("LOGIN", text("guest")), ("PASSWORD", int(5))])));
}

fn an_amqplain_response_which_is_no_table_ends_the_stream(s: &Script) {
    log_in(s, "AMQPLAIN", b"\x05LOGINS\xff".to_vec());
}

fn a_protocol_header_after_opening_is_no_frame(s: &Script) {
    let mut c = s.connect();
    c.send_bytes(PROTOCOL_HEADER, "AMQP 0,0,9,1");
    c.until(0, &[]);
}

fn a_channel_close_inside_a_message_closes_the_connection(s: &Script) {
    let mut c = s.connect();
    c.send(&publish("", "nowhere"));
    c.call(method("channel.close").set("reply-code", 200));
}

fn a_connection_close_inside_a_message_is_answered(s: &Script) {
    let mut c = s.connect();
    c.send(&publish("", "nowhere"));
    c.client.send_frame(2, 1, &header(60, 0, 100, &Properties::none().encode()));
    c.call_on(0, close());
}

fn a_consumer_tag_may_have_255_octets(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(consume(&q, &"t".repeat(255)));
    c.call(consume(&q, &"t".repeat(255)));
}

fn consuming_with_nowait_and_no_tag_delivers_under_a_generated_one(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.send(&consume(&q, "").flag("nowait"));
    c.publish(&publish("", &q), &Properties::none(), "message");
    c.expect("basic.deliver");
    c.call(get(&q));
}
