//! What one read settles.

use leveret_protocol::{basic, queue};

use super::client::{Client, call, consume, declare, name, node, publish, told};

#[test]
fn what_a_read_settles_is_settled_before_what_follows_it() {
    let mut client = Client::open(&node());
    client.send(&[call(1, declare("q")), call(1, consume("q", "C"))]);
    let messages: Vec<_> = (0..600).map(|_| publish(1, "", "q", "x")).collect();
    assert_eq!(client.send(&messages).len(), 600);
    client.send(&[call(1, basic::Cancel { consumer_tag: name("C"), nowait: false })]);
    let ack = |delivery_tag| call(1, basic::Ack { delivery_tag, multiple: false });
    let requeue = |delivery_tag| call(1, basic::Nack { delivery_tag, multiple: false, requeue: true });
    let mut read: Vec<_> = (1..=300).map(ack).chain((301..=600).map(requeue)).collect();
    read.push(call(1, queue::Purge { queue: name("q"), ..queue::Purge::default() }));
    assert_eq!(client.send(&read), vec![told(1, queue::PurgeOk { message_count: 300 })]);
}
