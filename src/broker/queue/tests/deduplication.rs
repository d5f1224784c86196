//! Queues that take no message twice.

use bytes::BytesMut;
use leveret_protocol::{ContentHeader, FieldTable, FieldValue, Properties, ShortString};

use super::{consumer, handle, lies_at, publish};
use crate::broker::dedup::Settings;
use crate::broker::ids::{ConsumerId, SequenceNumber};
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::queue::{Arrival, Effect, Input, Queue};

fn table(name: &'static str, value: FieldValue) -> FieldTable {
    std::iter::once((ShortString::from_static(name), value)).collect()
}

fn deduplicating() -> Queue {
    let settings = Settings::parse(&table("x-message-deduplication", FieldValue::Bool(true)));
    let mut queue = Queue::new(false);
    queue.deduplicate(settings.unwrap().unwrap());
    queue
}

fn keyed(key: &str) -> Message {
    let headers = Some(table("x-deduplication-header", FieldValue::text(key)));
    let mut header = BytesMut::new();
    ContentHeader::new(0, Properties { headers, ..Properties::default() }).encode(&mut header);
    MessageArena::default()
        .store(b"\0\x01q", &header, b"", Traits::HEADERS, crate::broker::time::Timestamp::ZERO)
        .unwrap()
}

fn gone(sequence: u64) -> Effect {
    Effect::Gone { sequence: SequenceNumber(sequence), place: lies_at(sequence) }
}

#[test]
fn a_duplicate_is_dropped_and_keeps_its_number() {
    let mut queue = deduplicating();
    let mut arrivals = vec![keyed("a").into(), keyed("a").into(), keyed("b").into()];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), []);
    assert_eq!((queue.ready_count(), queue.next_sequence()), (2, SequenceNumber(4)));
    assert_eq!(publish(&mut queue, &["without a key", "without a key"]), []);
    assert_eq!(queue.ready_count(), 4);
}

#[test]
fn a_duplicate_is_dropped_also_when_the_first_is_consumed() {
    let mut queue = deduplicating();
    handle(&mut queue, Input::Publish(&mut vec![keyed("a").into()]));
    let delivered = handle(&mut queue, Input::Subscribe(consumer(ConsumerId(1))));
    assert!(matches!(delivered.as_slice(), [Effect::Deliver(_)]), "{delivered:?}");
    assert_eq!(handle(&mut queue, Input::Publish(&mut vec![keyed("a").into()])), []);
}

#[test]
fn the_record_of_a_duplicate_is_gone() {
    let mut queue = deduplicating();
    let stored = |sequence, key| Arrival { message: keyed(key), place: Some(lies_at(sequence)) };
    let mut arrivals = vec![stored(1, "a"), stored(2, "a")];
    assert_eq!(handle(&mut queue, Input::Publish(&mut arrivals)), [gone(2)]);
    assert_eq!(handle(&mut queue, Input::Reserve { count: 2, bytes: 0 }), []);
    let mut arrivals = vec![(SequenceNumber(3), stored(3, "b")), (SequenceNumber(4), stored(4, "a"))];
    assert_eq!(handle(&mut queue, Input::Insert(&mut arrivals)), [gone(4)]);
    assert_eq!(queue.ready_count(), 2);
}
