//! From a publish to its queues: order, the memory of routes, returns and confirms, queues that go meanwhile.

use leveret_protocol::{FieldTable, FieldValue, basic, confirm, exchange, queue, tx};

use super::client::{Client, call, consume, content, declare, declared, deliver, name, node, publish, returned, told};

fn fanout(exchange: &str) -> exchange::Declare {
    exchange::Declare { exchange: name(exchange), kind: name("fanout"), ..exchange::Declare::default() }
}

fn bind(queue: &str, exchange: &str) -> queue::Bind {
    queue::Bind { queue: name(queue), exchange: name(exchange), ..queue::Bind::default() }
}

fn delete(queue: &str) -> queue::Delete {
    queue::Delete { queue: name(queue), ..queue::Delete::default() }
}

fn consuming(consumer_tag: &str) -> basic::ConsumeOk {
    basic::ConsumeOk { consumer_tag: name(consumer_tag) }
}

#[test]
fn a_remembered_route_ends_with_every_change_of_the_topology() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, fanout("x")), call(1, declare("a")), call(1, declare("b")), call(1, bind("a", "x"))]);
    client.send(&[call(1, consume("a", "A")), call(1, consume("b", "B"))]);
    let publish = |body| publish(1, "x", "k", body);
    assert_eq!(
        client.send(&[publish("1"), publish("2")]),
        vec![content(1, deliver("A", 1, "x", "k"), "1"), content(1, deliver("A", 2, "x", "k"), "2")]
    );
    // Another client binds, then the queue goes.
    Client::open(&node).send(&[call(1, bind("b", "x"))]);
    assert_eq!(
        client.send(&[publish("3")]),
        vec![content(1, deliver("A", 3, "x", "k"), "3"), content(1, deliver("B", 4, "x", "k"), "3")]
    );
    Client::open(&node).send(&[call(1, delete("a"))]);
    assert_eq!(client.send(&[publish("4")]), vec![content(1, deliver("B", 5, "x", "k"), "4")]);
    Client::open(&node).send(&[call(1, delete("b"))]);
    assert_eq!(client.send(&[publish("5")]), vec![content(1, returned("x", "k"), "5")]);
}

#[test]
fn messages_for_several_queues_arrive_in_the_order_in_which_they_were_published() {
    let mut client = Client::open(&node());
    client.send(&[call(1, declare("a")), call(1, declare("b"))]);
    client.send(&[call(1, consume("a", "A")), call(1, consume("b", "B"))]);
    let sent = [publish(1, "", "a", "1"), publish(1, "", "b", "2"), publish(1, "", "a", "3"), publish(1, "", "b", "4")];
    let expected = [("A", "a"), ("B", "b"), ("A", "a"), ("B", "b")];
    let expected: Vec<_> = (1..)
        .zip(expected)
        .map(|(tag, (consumer, key))| content(1, deliver(consumer, tag, "", key), &tag.to_string()))
        .collect();
    assert_eq!(client.send(&sent), expected);
}

#[test]
fn a_message_without_a_queue_is_returned_before_it_is_confirmed() {
    let mut client = Client::open(&node());
    client.send(&[call(1, declare("q")), call(1, confirm::Select { nowait: true })]);
    assert_eq!(
        client.send(&[publish(1, "", "q", "1"), publish(1, "", "nobody", "2"), publish(1, "", "q", "3")]),
        vec![content(1, returned("", "nobody"), "2"), told(1, basic::Ack { delivery_tag: 3, multiple: true }),]
    );
}

#[test]
fn a_transaction_returns_at_its_commit_and_forgets_what_was_rolled_back() {
    let mut client = Client::open(&node());
    assert_eq!(client.send(&[call(1, tx::Select {}), publish(1, "", "nobody", "1")]), vec![told(1, tx::SelectOk {})]);
    assert_eq!(
        client.send(&[call(1, tx::Commit {})]),
        vec![content(1, returned("", "nobody"), "1"), told(1, tx::CommitOk {})]
    );
    assert_eq!(
        client.send(&[publish(1, "", "nobody", "2"), call(1, tx::Rollback {}), call(1, tx::Commit {})]),
        vec![told(1, tx::RollbackOk {}), told(1, tx::CommitOk {})]
    );
}

#[test]
fn a_queue_that_is_deleted_between_publishes_takes_with_it_what_it_had() {
    let mut client = Client::open(&node());
    client.send(&[call(1, declare("q"))]);
    let sent = [publish(1, "", "q", "1"), call(1, delete("q")), publish(1, "", "q", "2")];
    assert_eq!(
        client.send(&sent),
        vec![told(1, queue::DeleteOk { message_count: 1 }), content(1, returned("", "q"), "2")]
    );
    // A queue of that name is another queue.
    assert_eq!(client.send(&[call(1, declare("q"))]), vec![told(1, declared("q"))]);
}

#[test]
fn a_transaction_may_have_been_routed_to_a_queue_that_is_gone_at_its_commit() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q")), call(1, tx::Select {}), publish(1, "", "q", "1")]);
    Client::open(&node).send(&[call(1, delete("q"))]);
    assert_eq!(client.send(&[call(1, tx::Commit {})]), vec![told(1, tx::CommitOk {})]);
}

#[test]
fn a_queue_goes_with_its_last_consumer_if_it_was_declared_so() {
    let node = node();
    let mut client = Client::open(&node);
    let auto_delete = queue::Declare { auto_delete: true, ..declare("q") };
    let cancel = basic::Cancel { consumer_tag: name("C"), nowait: false };
    client.send(&[call(1, auto_delete), call(1, consume("q", "C"))]);
    let mut other = Client::open(&node);
    assert_eq!(other.send(&[call(1, consume("q", "D"))]), vec![told(1, consuming("D"))]);
    // One is left: the queue stays, and what comes goes to it.
    let canceled = basic::CancelOk { consumer_tag: name("C") };
    assert_eq!(client.send(&[call(1, cancel), publish(1, "", "q", "1")]), vec![told(1, canceled)]);
    assert_eq!(other.read(), vec![content(1, deliver("D", 1, "", "q"), "1")]);
    other.vanish();
    assert_eq!(client.send(&[publish(1, "", "q", "2")]), vec![content(1, returned("", "q"), "2")]);
}

#[test]
fn a_publish_that_has_waited_for_one_queue_is_refused_where_another_one_is_full() {
    let node = node();
    let (mut publisher, mut worker) = (Client::open(&node), Client::open(&node));
    publisher.send(&[call(1, fanout("x")), call(1, confirm::Select::default())]);
    for (queue, overflow) in [("waits", "block"), ("refuses", "reject-publish")] {
        let arguments: FieldTable = [("x-max-length", FieldValue::I32(1)), ("x-overflow", FieldValue::text(overflow))]
            .into_iter()
            .map(|(key, value)| (name(key), value))
            .collect();
        publisher.send(&[call(1, queue::Declare { arguments, ..declare(queue) }), call(1, bind(queue, "x"))]);
    }
    let ack = |delivery_tag| told(1, basic::Ack { delivery_tag, multiple: false });
    assert_eq!(publisher.send(&[publish(1, "x", "", "first")]), vec![ack(1)]);
    assert_eq!(publisher.send(&[publish(1, "x", "", "second")]), vec![], "it waits");
    let get = |queue| call(1, basic::Get { queue: name(queue), no_ack: true, ..basic::Get::default() });
    assert_eq!(worker.send(&[get("waits")]).len(), 1);
    let refused = basic::Nack { delivery_tag: 2, multiple: false, requeue: false };
    assert_eq!(publisher.read(), vec![told(1, refused)]);
    assert_eq!(worker.send(&[get("refuses"), get("waits")]).len(), 2, "the queue with room has it");
    assert_eq!(publisher.send(&[publish(1, "x", "", "third")]), vec![ack(3)]);
}
