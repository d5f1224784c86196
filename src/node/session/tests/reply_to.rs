//! Direct reply-to between two clients, and to one that is gone.

use leveret_protocol::{Method, Properties, basic, confirm};

use super::client::{Client, Told, call, consume, content, declare, deliver, name, node, publish, publish_with, told};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

fn replies() -> basic::Consume {
    basic::Consume { no_ack: true, ..consume(REPLY_TO, "R") }
}

/// The reply-to of the message that a client gets from the queue.
fn token(server: &mut Client) -> String {
    let get = basic::Get { queue: name("rpc"), no_ack: true, ..basic::Get::default() };
    let header = server.header_after(&[call(1, get)]);
    header.properties.reply_to.unwrap().to_str_lossy().into_owned()
}

fn ask(requester: &mut Client) -> Vec<Told> {
    let question = basic::Publish { routing_key: name("rpc"), ..basic::Publish::default() };
    let properties = Properties { reply_to: Some(name(REPLY_TO)), ..Properties::default() };
    requester.send(&[call(1, replies()), publish_with(1, question, properties, "question")])
}

#[test]
fn a_reply_goes_straight_to_the_requester() {
    let node = node();
    let (mut requester, mut server) = (Client::open(&node), Client::open(&node));
    server.send(&[call(1, declare("rpc"))]);
    assert_eq!(ask(&mut requester), vec![told(1, basic::ConsumeOk { consumer_tag: name("R") })]);
    let token = token(&mut server);
    assert_eq!(server.send(&[publish(1, "", &token, "answer")]), vec![]);
    assert_eq!(requester.read(), vec![content(1, deliver("R", 1, "", &token), "answer")]);
}

#[test]
fn a_reply_to_a_requester_that_is_gone_is_dropped_and_confirmed() {
    let node = node();
    let (mut requester, mut server) = (Client::open(&node), Client::open(&node));
    server.send(&[call(1, declare("rpc")), call(1, confirm::Select { nowait: true })]);
    ask(&mut requester);
    let token = token(&mut server);
    requester.vanish();
    assert_eq!(
        server.send(&[publish(1, "", &token, "answer")]),
        vec![told(1, basic::Ack { delivery_tag: 1, multiple: false })]
    );
    let passive = leveret_protocol::queue::Declare { passive: true, ..declare(&token) };
    let answers = server.send(&[call(1, passive)]);
    assert!(
        matches!(answers.as_slice(), [Told::Method(1, Method::Channel(leveret_protocol::channel::Method::Close(close)))]
            if close.reply_code == 404),
        "{answers:?}"
    );
}

#[test]
fn a_requester_that_no_longer_consumes_gets_no_replies() {
    let node = node();
    let (mut requester, mut server) = (Client::open(&node), Client::open(&node));
    server.send(&[call(1, declare("rpc"))]);
    ask(&mut requester);
    let token = token(&mut server);
    requester.send(&[call(1, basic::Cancel { consumer_tag: name("R"), nowait: true })]);
    assert_eq!(server.send(&[publish(1, "", &token, "answer")]), vec![]);
    assert_eq!(requester.read(), vec![]);
}
