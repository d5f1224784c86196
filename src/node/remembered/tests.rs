//! Rows as they are written, and times over a stop.

use leveret_protocol::ShortString;

use super::rows::{Content, Subject};
use super::{Moment, Timestamp};
use crate::broker::exchange::Past;
use crate::broker::ids::QueueId;
use crate::broker::message::{MessageArena, Traits};

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn past() -> Past {
    let message =
        MessageArena::default().store(b"\x01x\x01k", b"header", b"body", Traits::HEADERS, Timestamp::ZERO).unwrap();
    Past { message, copies: vec![b"cc".to_vec()] }
}

#[test]
fn rows_have_the_bytes_that_the_storage_format_tells() {
    let (vhost, exchange) = (name("/"), name("x"));
    let by_exchange = Subject::Exchange { vhost: vhost.clone(), exchange: exchange.clone() };
    assert_eq!(by_exchange.key(1), b"e\x01/\x01x\0\0\0\x01");
    assert_eq!(Subject::History { vhost, exchange }.key(0x0102), b"h\x01/\x01x\0\0\x01\x02");
    assert_eq!(Subject::Queue(QueueId(0x0102)).key(0), b"q\0\0\0\0\0\0\x01\x02\0\0\0\0");
    let seen = Content::Seen(vec![([7; 16], Some(0x0102)), ([8; 16], None)]);
    let expected = [b"\x01s".as_slice(), &[7; 16], b"\x02\x01\0\0\0\0\0\0", &[8; 16], &[0; 8]].concat();
    assert_eq!(seen.value(), expected);
    let expected = b"\x01p\x01\0\0\0\x02\0\0\0cc\x02\x02\x04\0\x06\0\0\0\x01x\x01kheaderbody\0\0\0\0\0\0\0\0";
    assert_eq!(Content::Past(past()).value(), expected);
}

#[test]
fn rows_are_read_as_they_were_written() {
    let (vhost, exchange) = (name("/"), name(""));
    for subject in [
        Subject::Exchange { vhost: vhost.clone(), exchange: exchange.clone() },
        Subject::History { vhost, exchange },
        Subject::Queue(QueueId(u64::MAX)),
    ] {
        assert_eq!(Subject::read(&subject.key(5)), Some(subject));
    }
    for content in [Content::Seen(vec![]), Content::Seen(vec![([1; 16], Some(1))]), Content::Past(past())] {
        assert_eq!(Content::read(&content.value()), Some(content));
    }
}

#[test]
fn what_is_no_row_is_not_taken_for_one() {
    for key in [
        b"".as_slice(),
        b"e",
        b"x\x01/\x01x\0\0\0\0",
        b"e\x01/\x02x\0\0\0\0",
        b"q\0\0\0\0\0\0\0\0",
        b"e\x01/\x01xy\0\0\0\0",
    ] {
        assert_eq!(Subject::read(key), None, "{key:?}");
    }
    let whole = Content::Past(past()).value();
    for length in 0..whole.len() - b"body".len() {
        assert_eq!(Content::read(&whole[..length]), None, "{length} bytes");
    }
    assert_eq!(Content::read(b"\x01s\0"), None);
    assert_eq!(Content::read(b"\x02s"), None, "another version");
}

#[test]
fn time_goes_on_while_the_server_is_stopped() {
    let before = Moment { now: Timestamp::from_millis(5_000), unix_millis: 1_000_000 };
    let expires = before.unix_of(Timestamp::from_millis(5_300));
    assert_eq!(expires, 1_000_300);
    let after = |unix_millis| Moment { now: Timestamp::from_millis(10), unix_millis };
    assert_eq!(after(1_000_100).at_unix(expires), Some(Timestamp::from_millis(210)));
    assert_eq!(after(1_000_300).at_unix(expires), None);
    assert_eq!(before.unix_of(Timestamp::ZERO), 1_000_000, "what has expired has");
}
