//! From the protocol header to `connection.open-ok`, and every way to be turned away before it.

use crate::conn::{Conn, Outcome};
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::method;
use crate::support::raw::{Handshake, amqplain, capabilities, frame, plain};
use crate::support::value::{Value, entry, table_body, text};

scenarios!("handshake":
    the_server_introduces_itself,
    a_header_of_version_0_9_is_served,
    a_header_of_version_0_8_is_refused,
    a_header_of_another_0_9_revision_is_refused,
    an_http_request_is_refused,
    a_tls_hello_is_refused,
    a_plain_login_opens_the_vhost,
    an_amqplain_login_opens_the_vhost,
    an_amqplain_login_may_use_binary_values_and_more_entries,
    an_anonymous_login_opens_the_vhost,
    a_wrong_password_is_refused_with_a_close,
    an_unknown_user_is_refused_like_a_wrong_password,
    an_empty_password_is_refused,
    a_wrong_amqplain_password_names_the_mechanism,
    a_client_without_the_capability_is_refused_in_silence,
    a_capability_which_is_not_boolean_does_not_count,
    a_plain_response_without_separators_ends_the_stream,
    an_amqplain_response_without_password_ends_the_stream,
    an_unknown_mechanism_ends_the_stream,
    a_method_on_a_channel_before_the_connection_is_open_ends_the_stream,
    tune_ok_instead_of_start_ok_ends_the_stream,
    open_instead_of_tune_ok_ends_the_stream,
    a_channel_max_of_zero_is_refused,
    a_channel_max_above_the_offer_is_refused,
    a_frame_max_of_zero_is_refused,
    a_frame_max_above_the_offer_is_refused,
    a_frame_max_below_the_minimum_is_refused,
    a_frame_max_of_4096_is_below_the_minimum,
    a_frame_max_of_8192_splits_bodies,
    any_heartbeat_interval_is_accepted,
    a_vhost_which_does_not_exist_is_refused,
    an_empty_vhost_name_is_not_the_default_vhost,
    a_frame_above_8192_octets_before_tuning_ends_the_stream,
    a_frame_above_all_offers_before_tuning_ends_the_stream,
    update_secret_before_opening_closes_the_connection,
    a_locale_is_not_checked,
    frames_on_channel_zero_after_opening_must_be_connection_methods,
);

fn the_server_introduces_itself(s: &Script) {
    s.tcp("").begin();
}

fn header_is_answered(s: &Script, bytes: &[u8], what: &str) {
    let mut c = s.tcp("");
    c.send_bytes(bytes, what);
    if c.until(0, &["connection.start"]) != Outcome::Answered {
        return;
    }
    c.call_on(0, Handshake::default().start_ok());
}

fn a_header_of_version_0_9_is_served(s: &Script) {
    header_is_answered(s, b"AMQP\x01\x01\x00\x09", "AMQP 1,1,0,9");
}

fn a_header_of_version_0_8_is_refused(s: &Script) {
    header_is_answered(s, b"AMQP\x01\x01\x08\x00", "AMQP 1,1,8,0");
}

fn a_header_of_another_0_9_revision_is_refused(s: &Script) {
    header_is_answered(s, b"AMQP\x00\x00\x09\x02", "AMQP 0,0,9,2");
}

fn an_http_request_is_refused(s: &Script) {
    header_is_answered(s, b"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1");
}

fn a_tls_hello_is_refused(s: &Script) {
    header_is_answered(s, &[0x16, 0x03, 0x01, 0x00, 0xa5, 0x01, 0x00, 0x00], "the start of a TLS hello");
}

/// Logs in as told and shows each step.
fn login(s: &Script, handshake: &Handshake) -> Conn {
    let mut c = s.tcp("");
    c.begin_unseen();
    if c.login(handshake) == Outcome::ConnectionClosed {
        c.eof_unless_seen();
    }
    c
}

fn refused_tuning(s: &Script, handshake: &Handshake) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.login_with_refused_tuning(handshake);
}

fn with_response(mechanism: &'static str, response: Vec<u8>) -> Handshake {
    Handshake { mechanism, response, ..Handshake::default() }
}

fn a_plain_login_opens_the_vhost(s: &Script) {
    login(s, &Handshake::default());
}

fn an_amqplain_login_opens_the_vhost(s: &Script) {
    login(s, &with_response("AMQPLAIN", amqplain("guest", "guest")));
}

fn an_amqplain_login_may_use_binary_values_and_more_entries(s: &Script) {
    let binary = |text: &str| Value::Binary(text.as_bytes().to_vec());
    let response = table_body(&vec![
        ("OTHER".to_owned(), Value::Bool(true)),
        ("PASSWORD".to_owned(), binary("guest")),
        ("LOGIN".to_owned(), binary("guest")),
    ]);
    login(s, &with_response("AMQPLAIN", response));
}

fn an_anonymous_login_opens_the_vhost(s: &Script) {
    login(s, &with_response("ANONYMOUS", Vec::new()));
}

fn a_wrong_password_is_refused_with_a_close(s: &Script) {
    login(s, &with_response("PLAIN", plain("guest", "wrong")));
}

fn an_unknown_user_is_refused_like_a_wrong_password(s: &Script) {
    login(s, &with_response("PLAIN", plain("nobody-of-this-name", "guest")));
}

fn an_empty_password_is_refused(s: &Script) {
    login(s, &with_response("PLAIN", plain("guest", "")));
}

fn a_wrong_amqplain_password_names_the_mechanism(s: &Script) {
    login(s, &with_response("AMQPLAIN", amqplain("guest", "wrong")));
}

fn a_client_without_the_capability_is_refused_in_silence(s: &Script) {
    let client_properties = capabilities(&["consumer_cancel_notify"]);
    login(s, &Handshake { client_properties, ..with_response("PLAIN", plain("guest", "wrong")) });
}

fn a_capability_which_is_not_boolean_does_not_count(s: &Script) {
    let flags = entry("authentication_failure_close", text("true"));
    let client_properties = entry("capabilities", Value::Table(flags));
    login(s, &Handshake { client_properties, ..with_response("PLAIN", plain("guest", "wrong")) });
}

fn a_plain_response_without_separators_ends_the_stream(s: &Script) {
    login(s, &with_response("PLAIN", b"guest guest".to_vec()));
}

fn an_amqplain_response_without_password_ends_the_stream(s: &Script) {
    login(s, &with_response("AMQPLAIN", table_body(&entry("LOGIN", text("guest")))));
}

fn an_unknown_mechanism_ends_the_stream(s: &Script) {
    login(s, &with_response("NONSENSE", Vec::new()));
}

fn a_method_on_a_channel_before_the_connection_is_open_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call(method("channel.open"));
}

fn tune_ok_instead_of_start_ok_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.send_on(0, &Handshake::default().tune_ok());
    c.eof();
}

fn open_instead_of_tune_ok_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, Handshake::default().start_ok());
    c.call_on(0, Handshake::default().open());
}

fn a_channel_max_of_zero_is_refused(s: &Script) {
    refused_tuning(s, &Handshake { channel_max: 0, ..Handshake::default() });
}

fn a_channel_max_above_the_offer_is_refused(s: &Script) {
    refused_tuning(s, &Handshake { channel_max: 2048, ..Handshake::default() });
}

fn a_frame_max_of_zero_is_refused(s: &Script) {
    refused_tuning(s, &Handshake { frame_max: 0, ..Handshake::default() });
}

fn a_frame_max_above_the_offer_is_refused(s: &Script) {
    refused_tuning(s, &Handshake { frame_max: 131_073, ..Handshake::default() });
}

fn a_frame_max_below_the_minimum_is_refused(s: &Script) {
    refused_tuning(s, &Handshake { frame_max: 4095, ..Handshake::default() });
}

fn a_frame_max_of_4096_is_below_the_minimum(s: &Script) {
    let handshake = Handshake { frame_max: 4096, ..Handshake::default() };
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, handshake.start_ok());
    c.send_on(0, &handshake.tune_ok());
    c.call_on(0, handshake.open());
}

fn a_frame_max_of_8192_splits_bodies(s: &Script) {
    use crate::support::commands::{declare, get, publish};
    use crate::support::properties::Properties;
    let mut c = s.connect_with("", &Handshake { frame_max: 8192, ..Handshake::default() });
    let q = s.name("q");
    c.call(declare(&q));
    for (size, frames) in [(8184, 1), (8185, 2), (20_000, 3)] {
        s.note(&format!("publishing {size} octets in {frames} frames"));
        let body = vec![b'x'; size];
        c.client.send_method(1, &publish("", &q));
        c.client.send_header(1, u64::try_from(size).unwrap(), &Properties::none());
        body.chunks(8184).for_each(|chunk| c.client.send_body(1, chunk));
        c.sync();
        c.call(get(&q).flag("no-ack"));
    }
}

fn any_heartbeat_interval_is_accepted(s: &Script) {
    login(s, &Handshake { heartbeat: 60_000, ..Handshake::default() });
}

fn a_vhost_which_does_not_exist_is_refused(s: &Script) {
    login(s, &Handshake { vhost: "no-such-vhost".to_owned(), ..Handshake::default() });
}

fn an_empty_vhost_name_is_not_the_default_vhost(s: &Script) {
    login(s, &Handshake { vhost: String::new(), ..Handshake::default() });
}

/// A login as wordy as one with a token.
fn a_frame_above_8192_octets_before_tuning_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    let wordy = Handshake { client_properties: entry("token", text("x".repeat(10_000))), ..Handshake::default() };
    c.send_bytes(&frame(1, 0, &wordy.start_ok().encode()), "connection.start-ok with 10000 octets too many");
    c.until(0, &["connection.tune"]);
}

fn update_secret_before_opening_closes_the_connection(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, Handshake::default().start_ok());
    c.send_on(0, &Handshake::default().tune_ok());
    c.call_on(0, method("connection.update-secret").set("new-secret", "guest"));
}

fn a_frame_above_all_offers_before_tuning_ends_the_stream(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.send_bytes(&frame(1, 0, &[0; 140_000]), "a method frame of 140000 octets");
    c.eof();
}

fn a_locale_is_not_checked(s: &Script) {
    let mut c = s.tcp("");
    c.begin_unseen();
    c.call_on(0, Handshake::default().start_ok().set("locale", "xx_YY"));
}

fn frames_on_channel_zero_after_opening_must_be_connection_methods(s: &Script) {
    let mut c = s.connect();
    c.send_on(0, &method("basic.qos"));
    c.sync();
}
