//! Acknowledging, rejecting and recovering deliveries.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{ack, consume, declare, declare_passive, get, method, nack, publish, reject};
use crate::support::method::Method;
use crate::support::properties::Properties;

scenarios!("settle":
    acknowledging_an_unknown_tag_closes_the_channel,
    acknowledging_twice_closes_the_channel,
    acknowledging_what_needs_none_closes_the_channel,
    a_tag_of_another_channel_is_unknown,
    tag_zero_without_multiple_is_unknown,
    tag_zero_with_multiple_settles_everything,
    tag_zero_with_multiple_and_nothing_outstanding_succeeds,
    multiple_settles_up_to_its_tag,
    multiple_with_an_unknown_tag_closes_the_channel,
    rejecting_an_unknown_tag_closes_the_channel,
    a_negative_acknowledgement_of_an_unknown_tag_closes_the_channel,
    rejecting_without_requeue_drops_the_message,
    rejecting_with_requeue_puts_the_message_back_in_place,
    several_requeued_messages_come_out_in_order,
    a_negative_acknowledgement_of_everything_requeues_in_order,
    a_requeued_message_goes_to_the_same_consumer_again,
    recover_requeues_everything,
    recover_async_has_no_reply,
    recover_without_requeue_is_not_implemented,
    recover_async_without_requeue_is_not_implemented,
    recover_with_nothing_outstanding_succeeds,
    recover_redelivers_to_the_consumer,
    settling_tags_of_several_queues_at_once,
    what_one_nack_requeues_is_redelivered_in_order,
    what_two_consumers_of_a_channel_leave_is_redelivered_in_order,
);

/// A queue with messages `one`, `two` and so on, the first `out` of which are outstanding.
fn queue_with(s: &Script, messages: usize, out: usize) -> (Conn, String) {
    let mut c = s.connect();
    let q = s.another_name("q");
    c.unseen(declare(&q));
    for body in ["one", "two", "three", "four", "five"].iter().take(messages) {
        c.publish_unseen(1, &publish("", &q), &Properties::none(), body.as_bytes());
    }
    c.sync();
    s.note(&format!("{messages} messages in the queue"));
    for _ in 0..out {
        c.call(get(&q));
    }
    (c, q)
}

/// What is left in the queue.
fn drain(c: &mut Conn, queue: &str) {
    for _ in 0..5 {
        c.call(get(queue).flag("no-ack"));
    }
}

fn all(method: Method) -> Method {
    method.flag("multiple")
}

fn acknowledging_an_unknown_tag_closes_the_channel(s: &Script) {
    let mut c = s.connect();
    c.tell(&ack(1));
    c.reopen();
    c.tell(&ack(u64::MAX));
}

fn acknowledging_twice_closes_the_channel(s: &Script) {
    let (mut c, _q) = queue_with(s, 1, 1);
    c.tell(&ack(1));
    c.tell(&ack(1));
}

fn acknowledging_what_needs_none_closes_the_channel(s: &Script) {
    let (mut c, q) = queue_with(s, 1, 0);
    c.call(get(&q).flag("no-ack"));
    c.tell(&ack(1));
}

fn a_tag_of_another_channel_is_unknown(s: &Script) {
    let (mut c, _q) = queue_with(s, 1, 1);
    c.call_on(2, method("channel.open"));
    c.send_on(2, &ack(1));
    c.sync_on(2);
}

fn tag_zero_without_multiple_is_unknown(s: &Script) {
    for offender in [ack(0), nack(0), reject(0), nack(0).flag("requeue"), reject(0).flag("requeue")] {
        let (mut c, _q) = queue_with(s, 1, 1);
        c.tell(&offender);
    }
}

fn tag_zero_with_multiple_settles_everything(s: &Script) {
    let (mut c, q) = queue_with(s, 3, 2);
    c.tell(&all(ack(0)));
    c.call(method("basic.recover").flag("requeue"));
    drain(&mut c, &q);
}

fn tag_zero_with_multiple_and_nothing_outstanding_succeeds(s: &Script) {
    let mut c = s.connect();
    c.tell(&all(ack(0)));
    c.tell(&all(nack(0)));
    c.tell(&all(nack(0)).flag("requeue"));
}

fn multiple_settles_up_to_its_tag(s: &Script) {
    let (mut c, q) = queue_with(s, 4, 3);
    c.tell(&all(ack(2)));
    c.call(method("basic.recover").flag("requeue"));
    drain(&mut c, &q);
}

fn multiple_with_an_unknown_tag_closes_the_channel(s: &Script) {
    let (mut c, q) = queue_with(s, 3, 3);
    c.tell(&ack(2));
    c.tell(&all(ack(2)));
    c.reopen();
    drain(&mut c, &q);
    c.tell(&all(ack(9)));
}

fn rejecting_an_unknown_tag_closes_the_channel(s: &Script) {
    s.connect().tell(&reject(1));
}

fn a_negative_acknowledgement_of_an_unknown_tag_closes_the_channel(s: &Script) {
    let mut c = s.connect();
    c.tell(&nack(1));
    c.reopen();
    c.tell(&all(nack(1)));
}

fn rejecting_without_requeue_drops_the_message(s: &Script) {
    let (mut c, q) = queue_with(s, 3, 2);
    c.tell(&reject(1));
    c.tell(&nack(2));
    drain(&mut c, &q);
}

fn rejecting_with_requeue_puts_the_message_back_in_place(s: &Script) {
    let (mut c, q) = queue_with(s, 4, 3);
    c.tell(&reject(2).flag("requeue"));
    drain(&mut c, &q);
}

fn several_requeued_messages_come_out_in_order(s: &Script) {
    let (mut c, q) = queue_with(s, 4, 3);
    c.tell(&nack(3).flag("requeue"));
    c.tell(&nack(1).flag("requeue"));
    c.tell(&nack(2).flag("requeue"));
    drain(&mut c, &q);
}

fn a_negative_acknowledgement_of_everything_requeues_in_order(s: &Script) {
    let (mut c, q) = queue_with(s, 4, 3);
    c.tell(&all(nack(0)).flag("requeue"));
    drain(&mut c, &q);
}

fn a_requeued_message_goes_to_the_same_consumer_again(s: &Script) {
    let (mut c, q) = queue_with(s, 1, 0);
    c.call(consume(&q, "tag"));
    c.expect("basic.deliver");
    c.send(&nack(1).flag("requeue"));
    c.expect("basic.deliver");
    c.send(&reject(2).flag("requeue"));
    c.expect("basic.deliver");
    c.tell(&ack(3));
}

fn recover_requeues_everything(s: &Script) {
    let (mut c, q) = queue_with(s, 3, 2);
    c.call(method("basic.recover").flag("requeue"));
    c.call(get(&q));
    c.tell(&ack(3));
    c.tell(&ack(1));
}

fn recover_async_has_no_reply(s: &Script) {
    let (mut c, q) = queue_with(s, 2, 2);
    c.tell(&method("basic.recover-async").flag("requeue"));
    drain(&mut c, &q);
}

fn recover_without_requeue_is_not_implemented(s: &Script) {
    let (mut c, _q) = queue_with(s, 1, 1);
    c.call(method("basic.recover"));
}

fn recover_async_without_requeue_is_not_implemented(s: &Script) {
    let (mut c, _q) = queue_with(s, 1, 1);
    c.tell(&method("basic.recover-async"));
}

fn recover_with_nothing_outstanding_succeeds(s: &Script) {
    s.connect().call(method("basic.recover").flag("requeue"));
}

fn recover_redelivers_to_the_consumer(s: &Script) {
    let (mut c, q) = queue_with(s, 2, 0);
    c.call(consume(&q, "tag"));
    c.expect("basic.deliver");
    c.expect("basic.deliver");
    s.in_any_order(|| {
        c.call(method("basic.recover").flag("requeue"));
        c.sync();
        c.call(declare_passive(&q));
        c.sync();
    });
    c.tell(&all(ack(4)));
}

fn settling_tags_of_several_queues_at_once(s: &Script) {
    let (mut c, q) = queue_with(s, 2, 1);
    let other = s.name("other");
    c.call(declare(&other));
    c.publish(&publish("", &other), &Properties::none(), "elsewhere");
    c.sync();
    c.call(get(&other));
    c.call(get(&q));
    c.tell(&all(ack(2)));
    c.call(method("basic.recover").flag("requeue"));
    c.call(get(&q).flag("no-ack"));
    c.call(get(&other).flag("no-ack"));
}

fn what_one_nack_requeues_is_redelivered_in_order(s: &Script) {
    let (mut c, q) = queue_with(s, 3, 0);
    c.call(consume(&q, "tag"));
    for _ in 0..3 {
        c.expect("basic.deliver");
    }
    // The first comes back alone, so that tags are not in the order of the queue.
    c.send(&nack(1).flag("requeue"));
    c.expect("basic.deliver");
    c.send(&all(nack(0)).flag("requeue"));
    for _ in 0..3 {
        c.expect("basic.deliver");
    }
}

fn what_two_consumers_of_a_channel_leave_is_redelivered_in_order(s: &Script) {
    let mut leaver = s.connect_as("leaver");
    let q = s.another_name("q");
    leaver.unseen(declare(&q));
    leaver.call(consume(&q, "first"));
    leaver.call(consume(&q, "second"));
    for body in ["one", "two", "three", "four"] {
        leaver.publish_unseen(1, &publish("", &q), &Properties::none(), body.as_bytes());
    }
    for _ in 0..4 {
        leaver.expect("basic.deliver");
    }
    let mut heir = s.connect_as("heir");
    heir.call(consume(&q, "heir"));
    leaver.call(method("channel.close"));
    for _ in 0..4 {
        heir.expect("basic.deliver");
    }
}
