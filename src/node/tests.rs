//! Queues behind their locks and a running vhost: where deliveries end up, who is woken, what happens when a queue ends
//! while others use it.

use std::sync::Arc;
use std::task::Poll;

use leveret_protocol::{FieldTable, ShortString};

use super::cell::{QueueCell, Surroundings};
use super::definitions::Definitions;
use super::outbox::Outbox;
use super::vhost::RunningVhost;
use crate::broker::auth::{Actor, Permissions, User};
use crate::broker::ids::{CheckoutId, ConnectionId, ConsumerId, QueueId};
use crate::broker::message::{Message, MessageArena, Traits};
use crate::broker::queue::{Delivery, Input, QueueEntry, Refusal, Settings, Subscription};
use crate::broker::time::Timestamp;
use crate::broker::vhost::QueueDeclaration;

const NOW: Timestamp = Timestamp::ZERO;
const ANN: ConsumerId = ConsumerId(1);
const BOB: ConsumerId = ConsumerId(2);

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn message(body: &str) -> Message {
    MessageArena::default().store(b"\0\x01q", b"header", body.as_bytes(), Traits::default(), Timestamp::ZERO).unwrap()
}

fn subscription(consumer: ConsumerId) -> Subscription {
    Subscription::of(consumer, 1 << 20)
}

fn delivery(consumer: ConsumerId, checkout: u64, body: &str) -> Delivery {
    Delivery { consumer, checkout: CheckoutId(checkout), redelivered: false, message: message(body) }
}

fn cell() -> Arc<QueueCell> {
    cell_called("q")
}

pub(super) fn cell_called(called: &str) -> Arc<QueueCell> {
    let entry = QueueEntry {
        id: QueueId(1),
        name: name(called),
        durable: false,
        auto_delete: false,
        owner: None,
        arguments: FieldTable::new(),
    };
    Arc::new(QueueCell::new(Arc::new(entry), Settings::default(), Arc::new(Surroundings::alone())))
}

fn publish(cell: &Arc<QueueCell>, bodies: &[&str]) -> Result<(), Refusal> {
    let mut messages = bodies.iter().map(|body| message(body).into()).collect();
    cell.run(NOW, Input::Publish(&mut messages)).map(|_| ())
}

/// Whether whoever waits for the outbox goes on.
fn is_woken(outbox: &Outbox) -> bool {
    let arrival = std::pin::pin!(outbox.arrival());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    arrival.poll(&mut context) == Poll::Ready(())
}

#[test]
fn deliveries_of_one_input_reach_each_outbox_in_order_and_wake_it() {
    let cell = cell();
    let (ann, bob) = (Arc::new(Outbox::default()), Arc::new(Outbox::default()));
    cell.subscribe(NOW, subscription(ANN), &ann).unwrap();
    cell.subscribe(NOW, subscription(BOB), &bob).unwrap();
    assert!(!is_woken(&ann));
    publish(&cell, &["1", "2", "3"]).unwrap();
    assert!(is_woken(&ann) && is_woken(&bob));
    assert_eq!(ann.take().deliveries, vec![delivery(ANN, 1, "1"), delivery(ANN, 2, "3")]);
    assert_eq!(bob.take().deliveries, vec![delivery(BOB, 1, "2")]);
}

#[test]
fn consumers_of_one_connection_share_its_outbox_in_the_order_of_the_queue() {
    let cell = cell();
    let outbox = Arc::new(Outbox::default());
    cell.subscribe(NOW, subscription(ANN), &outbox).unwrap();
    cell.subscribe(NOW, subscription(BOB), &outbox).unwrap();
    publish(&cell, &["1", "2", "3"]).unwrap();
    let expected = vec![delivery(ANN, 1, "1"), delivery(BOB, 1, "2"), delivery(ANN, 2, "3")];
    assert_eq!(outbox.take().deliveries, expected);
}

#[test]
fn a_queue_that_ends_cancels_its_consumers_behind_their_last_deliveries() {
    let cell = cell();
    let outbox = Arc::new(Outbox::default());
    cell.subscribe(NOW, subscription(ANN), &outbox).unwrap();
    publish(&cell, &["1"]).unwrap();
    let removed = cell.run(NOW, Input::Delete { if_unused: false, if_empty: false }).unwrap().removed;
    assert_eq!(removed, 0, "unacked messages do not count");
    let content = outbox.take();
    assert_eq!((content.deliveries, content.cancelled), (vec![delivery(ANN, 1, "1")], vec![ANN]));
    assert_eq!(publish(&cell, &["2"]), Err(Refusal::Gone));
    assert_eq!(outbox.take().deliveries, vec![]);
}

#[test]
fn a_consumer_that_is_refused_gets_nothing() {
    let cell = cell();
    let (ann, bob) = (Arc::new(Outbox::default()), Arc::new(Outbox::default()));
    cell.subscribe(NOW, Subscription { exclusive: true, ..subscription(ANN) }, &ann).unwrap();
    assert_eq!(cell.subscribe(NOW, subscription(BOB), &bob), Err(Refusal::ExclusiveUse));
    publish(&cell, &["1"]).unwrap();
    assert_eq!(ann.take().deliveries, vec![delivery(ANN, 1, "1")]);
    assert_eq!((bob.take().deliveries, is_woken(&bob)), (vec![], false));
    assert_eq!(cell.counts(), (0, 1));
}

fn actor() -> Actor {
    Actor {
        connection: ConnectionId(1),
        user: Arc::new(User { name: name("guest"), tags: Vec::new() }),
        permissions: Arc::new(Permissions::parse(".*", ".*", ".*").unwrap()),
    }
}

fn vhost() -> Arc<RunningVhost> {
    let alone = |home| Surroundings { home, ..Surroundings::alone() };
    RunningVhost::restore(name("/"), Arc::new(Definitions::in_memory()), alone, Vec::new(), &mut QueueCell::new)
}

fn auto_delete(vhost: &RunningVhost) -> Arc<QueueCell> {
    let wanted = QueueDeclaration {
        name: name("q"),
        durable: false,
        exclusive: false,
        auto_delete: true,
        arguments: FieldTable::new(),
        id: QueueId(1),
        generated: String::new(),
    };
    vhost.declare_queue(NOW, &actor(), wanted).unwrap()
}

#[test]
fn a_consumer_that_comes_just_as_the_last_one_goes_keeps_an_auto_delete_queue_alive() {
    let vhost = vhost();
    let cell = auto_delete(&vhost);
    let outbox = Arc::new(Outbox::default());
    cell.subscribe(NOW, subscription(ANN), &outbox).unwrap();
    assert!(cell.run(NOW, Input::Unsubscribe(ANN)).unwrap().unused);
    // Between the two locks.
    cell.subscribe(NOW, subscription(BOB), &outbox).unwrap();
    vhost.delete_unused(NOW, &cell);
    publish(&cell, &["1"]).unwrap();
    assert_eq!(outbox.take().deliveries, vec![delivery(BOB, 1, "1")]);
    assert!(vhost.cell(QueueId(1)).is_some());
}

#[test]
fn an_auto_delete_queue_whose_last_consumer_goes_is_gone_and_its_topology_is_new() {
    let vhost = vhost();
    let cell = auto_delete(&vhost);
    let number = vhost.number();
    cell.subscribe(NOW, subscription(ANN), &Arc::new(Outbox::default())).unwrap();
    assert_eq!(vhost.number(), number, "a consumer changes no topology");
    assert!(cell.run(NOW, Input::Unsubscribe(ANN)).unwrap().unused);
    vhost.delete_unused(NOW, &cell);
    assert!(vhost.cell(QueueId(1)).is_none());
    assert_ne!(vhost.number(), number);
    assert_eq!(cell.subscribe(NOW, subscription(BOB), &Arc::new(Outbox::default())), Err(Refusal::Gone));
    // A second one that finds it unused changes nothing.
    let number = vhost.number();
    vhost.delete_unused(NOW, &cell);
    assert_eq!(vhost.number(), number);
}

#[test]
fn an_idle_queue_is_small() {
    // The vhost's maps, the name and the entry come to about 250 octets more. With the two counts of an `Arc` it fits the
    // allocator's pieces of 640 octets.
    assert!(size_of::<QueueCell>() <= 624, "{} octets", size_of::<QueueCell>());
}
