//! The node's limits on connections and channels, as the client is told of them.

use leveret_protocol::{channel, connection};

use super::client::{Client, Told, call, name, node_with, told};
use crate::config::Config;

fn refused(text: &str) -> Told {
    told(0, connection::Close { reply_code: 530, reply_text: name(text), class_id: 0, method_id: 0 })
}

fn open(channel: u16) -> Vec<u8> {
    call(channel, channel::Open::default())
}

fn opened(channel: u16) -> Told {
    told(channel, channel::OpenOk::default())
}

#[test]
fn channels_of_all_connections_together_are_limited() {
    let node = node_with(Config { channel_max_per_node: Some(3), ..Config::default() });
    let (mut one, mut two) = (Client::open(&node), Client::open(&node));
    assert_eq!(one.send(&[open(2)]), vec![opened(2)]);
    let text = "NOT_ALLOWED - number of channels opened on node 'leveret@localhost' has reached the maximum allowed \
                limit of 3";
    assert_eq!(two.send(&[open(2)]), vec![refused(text)]);
    // The refused connection's own channel has ended as well.
    assert_eq!(one.send(&[open(3)]), vec![opened(3)]);
}

#[test]
fn channels_give_their_place_back_however_they_end() {
    let node = node_with(Config { channel_max_per_node: Some(2), ..Config::default() });
    let mut client = Client::open(&node);
    let close = channel::Close { reply_code: 200, ..channel::Close::default() };
    for _ in 0..3 {
        assert_eq!(client.send(&[open(2), call(2, close.clone())]), vec![opened(2), told(2, channel::CloseOk {})]);
    }
    client.vanish();
    let mut other = Client::open(&node);
    assert_eq!(other.send(&[open(2)]), vec![opened(2)]);
}
