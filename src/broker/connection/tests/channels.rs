//! Channels: opening, closing by either side, and errors that end one channel or the whole connection.

use leveret_protocol::{FrameKind, access, basic, channel, queue};

use super::{
    ANN, BOB, Peer, abandon, channel_error, connection_error, name, octets, publish, published, raw, send, settings,
    settle, with_capability,
};
use crate::broker::connection::{Effect, Note, Reply, Request};
use crate::broker::error::{ChannelError, ConnectionError};
use crate::broker::ids::DeliveryTag;
use crate::broker::queue::Outcome;

fn client_close() -> channel::Close {
    channel::Close { reply_code: 200, ..Default::default() }
}

fn ack(delivery_tag: u64) -> basic::Ack {
    basic::Ack { delivery_tag, multiple: false }
}

fn unknown_tag(channel: u16, delivery_tag: u64) -> Vec<Effect> {
    let text = format!("406 PRECONDITION_FAILED - unknown delivery tag {delivery_tag}");
    channel_error(channel, ChannelError::UnknownDeliveryTag(delivery_tag), &text, (60, 80))
}

#[test]
fn a_client_that_closes_a_channel_gives_back_what_it_holds_before_close_ok() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(1, client_close()), [abandon(ANN), Effect::ChannelEnded(1), send(1, channel::CloseOk {})]);
    assert_eq!(peer.deliver(ANN, 1), None);
    peer.open_channel(1);
    peer.consume(1, BOB, false);
    assert_eq!(peer.deliver(BOB, 1).unwrap().delivery_tag, DeliveryTag(1), "a new channel counts anew");
}

#[test]
fn an_error_ends_its_channel_alone() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    peer.consume(1, ANN, false);
    peer.consume(2, BOB, false);
    peer.deliver_through(ANN, 1);
    let mut expected = vec![abandon(ANN)];
    expected.extend(unknown_tag(1, 2));
    assert_eq!(peer.call(1, ack(2)), expected);
    assert_eq!(peer.deliver(ANN, 2), None, "its consumers are gone");
    peer.deliver_through(BOB, 1);
    assert_eq!(peer.call(2, ack(1)), [settle(BOB, 1, Outcome::Ack)]);
}

#[test]
fn until_the_client_agrees_everything_on_a_closing_channel_is_discarded() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, ack(1)), unknown_tag(1, 1));
    for discarded in [
        publish(1, "q", b"body"),
        octets(1, ack(7)),
        octets(1, queue::Declare { queue: name("q"), ..Default::default() }),
        octets(1, basic::Qos { prefetch_size: 1, ..Default::default() }),
        raw(FrameKind::Body, 1, b"stray"),
        raw(FrameKind::Method, 1, &[0, 60, 0, 99]),
        raw(FrameKind::Method, 1, &[0, 60, 0, 80, 1]),
    ] {
        assert_eq!(peer.read(&discarded), []);
    }
    assert_eq!(peer.call(1, client_close()), [send(1, channel::CloseOk {})], "both close at once");
    assert_eq!(peer.call(1, ack(7)), []);
    assert_eq!(peer.call(1, channel::CloseOk {}), []);
    peer.open_channel(1);
    assert_eq!(peer.call(1, ack(1)), unknown_tag(1, 1));
}

#[test]
fn a_publish_that_is_incomplete_when_its_channel_ends_is_forgotten() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.call(1, basic::Publish::default()), []);
    assert_eq!(peer.refuse_publish(1, ChannelError::DefaultExchange).len(), 4);
    assert_eq!(peer.read(&raw(FrameKind::Body, 1, b"body")), []);
    assert_eq!(peer.call(1, channel::CloseOk {}), []);
    peer.open_channel(1);
    assert_eq!(peer.read(&publish(1, "q", b"body")), [published(1, "q", b"body")]);
}

#[test]
fn an_error_of_a_request_carries_the_method_that_asked() {
    let mut peer = Peer::on_channel();
    let purge = queue::Purge { queue: name("q"), ..Default::default() };
    assert_eq!(peer.call(1, purge), [Effect::Request { channel: 1, request: Request::PurgeQueue(name("q")) }]);
    let text = "406 PRECONDITION_FAILED - reply consumer already set";
    assert_eq!(
        peer.refuse(1, ChannelError::ReplyConsumerSet),
        channel_error(1, ChannelError::ReplyConsumerSet, text, (50, 30))
    );
}

#[test]
fn a_request_without_a_reply_has_none() {
    let mut peer = Peer::on_channel();
    let purge = |nowait| queue::Purge { queue: name("q"), nowait, ..Default::default() };
    assert_eq!(peer.call(1, purge(true)).len(), 1);
    assert_eq!(peer.answer(1, Reply::Removed(3)), []);
    assert_eq!(peer.call(1, purge(false)).len(), 1);
    assert_eq!(peer.answer(1, Reply::Removed(3)), [send(1, queue::PurgeOk { message_count: 3 })]);
}

#[test]
fn an_empty_queue_name_is_the_last_one_declared_on_the_channel() {
    let mut peer = Peer::on_channel();
    let text = "404 NOT_FOUND - no previously declared queue";
    assert_eq!(peer.call(1, queue::Purge::default()), channel_error(1, ChannelError::NoPreviousQueue, text, (50, 30)));
    peer.open_channel(2);
    assert_eq!(peer.call(2, queue::Declare::default()).len(), 1);
    let reply = Reply::Queue { name: name("amq.gen-1"), message_count: 1, consumer_count: 2 };
    let declare_ok = queue::DeclareOk { queue: name("amq.gen-1"), message_count: 1, consumer_count: 2 };
    assert_eq!(peer.answer(2, reply), [send(2, declare_ok)]);
    assert_eq!(
        peer.call(2, queue::Purge::default()),
        [Effect::Request { channel: 2, request: Request::PurgeQueue(name("amq.gen-1")) }]
    );
}

#[test]
fn a_channel_is_opened_once() {
    let mut peer = Peer::on_channel();
    let text = "504 CHANNEL_ERROR - second 'channel.open' seen";
    assert_eq!(
        peer.call(1, channel::Open::default()),
        connection_error(ConnectionError::ChannelAlreadyOpen, text, (20, 10), &[1])
    );
}

#[test]
fn a_channel_has_to_be_opened_first() {
    let mut peer = Peer::running(settings());
    let text = "504 CHANNEL_ERROR - expected 'channel.open'";
    assert_eq!(peer.call(1, ack(1)), connection_error(ConnectionError::ChannelNotOpen, text, (60, 80), &[]));
    let mut peer = Peer::running(settings());
    assert_eq!(
        peer.read(&publish(1, "q", b"body")),
        connection_error(ConnectionError::ChannelNotOpen, text, (60, 40), &[])
    );
    let mut peer = Peer::running(settings());
    assert_eq!(
        peer.read(&raw(FrameKind::Body, 1, b"body")),
        connection_error(ConnectionError::ChannelNotOpen, text, (0, 0), &[])
    );
}

#[test]
fn a_method_that_does_not_exist_closes_the_connection_and_is_named() {
    let mut peer = Peer::on_channel();
    peer.open_channel(2);
    let text = "503 COMMAND_INVALID - unimplemented method";
    assert_eq!(
        peer.read(&raw(FrameKind::Method, 2, &[0, 60, 0, 99])),
        connection_error(ConnectionError::UnimplementedMethod, text, (60, 99), &[1, 2])
    );
}

#[test]
fn a_truncated_method_closes_the_connection_and_is_named() {
    let mut peer = Peer::on_channel();
    let effects = peer.read(&raw(FrameKind::Method, 1, &[0, 60, 0, 80, 1]));
    let Some(Effect::Send { channel: 0, method }) = effects.last() else { panic!("{effects:?}") };
    let leveret_protocol::Method::Connection(leveret_protocol::connection::Method::Close(close)) = method else {
        panic!("{method:?}")
    };
    assert_eq!((close.reply_code, close.class_id, close.method_id), (501, 60, 80));
    assert_eq!(effects.len(), 4);
}

#[test]
fn content_that_nobody_announced_closes_the_connection() {
    let mut peer = Peer::on_channel();
    let text = "expected method frame, got non method frame instead";
    let error = ConnectionError::UnexpectedFrame(text.to_owned());
    assert_eq!(
        peer.read(&raw(FrameKind::Body, 1, b"body")),
        connection_error(error, &format!("505 UNEXPECTED_FRAME - {text}"), (0, 0), &[1])
    );
}

#[test]
fn flow_can_be_affirmed_but_not_stopped() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, channel::Flow { active: true }), [send(1, channel::FlowOk { active: true })]);
    let error = ConnectionError::NotImplemented("active=false".to_owned());
    let text = "540 NOT_IMPLEMENTED - active=false";
    assert_eq!(peer.call(1, channel::Flow { active: false }), connection_error(error, text, (20, 20), &[1]));
}

#[test]
fn everybody_gets_a_ticket() {
    let mut peer = Peer::on_channel();
    assert_eq!(peer.call(1, access::Request::default()), [send(1, access::RequestOk { ticket: 1 })]);
}

#[test]
fn a_publish_that_turns_out_wrong_ends_its_channel() {
    let mut peer = Peer::on_channel();
    peer.consume(1, ANN, false);
    assert_eq!(peer.read(&publish(1, "q", b"body")), [published(1, "q", b"body")]);
    let text = "403 ACCESS_REFUSED - operation not permitted on the default exchange";
    let mut expected = vec![abandon(ANN)];
    expected.extend(channel_error(1, ChannelError::DefaultExchange, text, (60, 40)));
    assert_eq!(peer.refuse_publish(1, ChannelError::DefaultExchange), expected);
}

/// The caller drops what follows the publish on the channel, but for the answer to the client's own close.
#[test]
fn a_client_that_closes_right_after_a_wrong_publish_still_gets_its_close_ok() {
    let mut peer = Peer::on_channel();
    let both = [publish(1, "q", b"body"), octets(1, client_close())].concat();
    let close_ok = send(1, channel::CloseOk {});
    assert_eq!(close_ok.channel(), None, "no error of the channel makes it void");
    assert_eq!(peer.read(&both), [published(1, "q", b"body"), Effect::ChannelEnded(1), close_ok]);
    let (reply_code, reply_text) =
        super::code_and_text("403 ACCESS_REFUSED - operation not permitted on the default exchange");
    assert_eq!(
        peer.refuse_publish(1, ChannelError::DefaultExchange),
        [
            send(1, channel::Close { reply_code, reply_text, class_id: 60, method_id: 40 }),
            Effect::Note(Note::ChannelError(1, ChannelError::DefaultExchange.into()))
        ]
    );
    assert_eq!(peer.call(1, channel::CloseOk {}), [], "the answer to the broker's close");
}

#[test]
fn a_consumer_that_starts_when_its_channel_is_gone_does_not_stay_in_its_queue() {
    let mut peer = Peer::on_channel_with(with_capability("consumer_cancel_notify"));
    let consume = basic::Consume { queue: name("q"), consumer_tag: name("1"), ..Default::default() };
    assert_eq!(peer.call(1, consume).len(), 1);
    assert_eq!(peer.force_close().len(), 4);
    let queue = Some(super::queue_of(ANN));
    let reply = Reply::Consuming { consumer_tag: name("1"), consumer: ANN, queue, no_ack: false };
    assert_eq!(peer.answer(1, reply), [abandon(ANN)]);
}
