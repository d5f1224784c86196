//! Errors of publishes that others came in with.

use leveret_protocol::{basic, channel, confirm};

use super::client::{Client, Told, call, declare, declared, name, node, publish, told};

fn no_exchange() -> channel::Close {
    channel::Close {
        reply_code: 404,
        reply_text: name("NOT_FOUND - no exchange 'nowhere' in vhost '/'"),
        class_id: 60,
        method_id: 40,
    }
}

fn opened(channel: u16) -> Told {
    told(channel, channel::OpenOk::default())
}

#[test]
fn a_channel_that_the_client_closes_in_the_same_read_as_a_failing_publish_still_gets_close_ok() {
    let mut client = Client::open(&node());
    let close = channel::Close { reply_code: 200, ..channel::Close::default() };
    assert_eq!(
        client.send(&[publish(1, "nowhere", "", "lost"), call(1, close)]),
        vec![told(1, no_exchange()), told(1, channel::CloseOk {})]
    );
    // The client agrees and begins anew.
    assert_eq!(client.send(&[call(1, channel::CloseOk {}), call(1, channel::Open::default())]), vec![opened(1)]);
}

#[test]
fn two_channels_that_fail_in_one_read_are_closed_once_each() {
    let mut client = Client::open(&node());
    assert_eq!(client.send(&[call(2, channel::Open::default())]), vec![opened(2)]);
    let failing = |channel| publish(channel, "nowhere", "", "lost");
    assert_eq!(
        client.send(&[failing(1), failing(2), failing(1), failing(2)]),
        vec![told(1, no_exchange()), told(2, no_exchange())]
    );
}

#[test]
fn a_failing_publish_does_not_undo_what_came_before_it_and_stops_what_comes_after() {
    let node = node();
    let mut client = Client::open(&node);
    let select = confirm::Select { nowait: true };
    assert_eq!(client.send(&[call(1, declare("q")), call(1, select)]), vec![told(1, declared("q"))]);
    let sent = [publish(1, "", "q", "kept"), publish(1, "nowhere", "", "lost"), publish(1, "", "q", "void")];
    assert_eq!(client.send(&sent), vec![told(1, no_exchange())]);
    let mut other = Client::open(&node);
    let get = basic::Get { queue: name("q"), no_ack: true, ..basic::Get::default() };
    let answers = other.send(&[call(1, get.clone()), call(1, get)]);
    let got = basic::GetOk { delivery_tag: 1, routing_key: name("q"), ..basic::GetOk::default() };
    assert_eq!(answers, vec![super::client::content(1, got, "kept"), told(1, basic::GetEmpty::default())]);
}
