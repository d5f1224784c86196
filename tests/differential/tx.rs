//! Transactions.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{ack, declare, get, method, publish, reject};
use crate::support::properties::Properties;

scenarios!("tx":
    selecting_twice_succeeds,
    commit_without_select_is_refused,
    rollback_without_select_is_refused,
    confirms_are_refused_on_a_transactional_channel,
    published_messages_appear_with_the_commit,
    rolled_back_messages_never_appear,
    closing_the_channel_discards_the_transaction,
    a_mandatory_message_is_returned_with_the_commit,
    a_missing_exchange_is_noticed_at_once,
    an_invalid_expiration_is_noticed_at_once,
    an_unknown_tag_is_noticed_at_once,
    acknowledging_twice_in_a_transaction_is_noticed_at_once,
    acknowledgements_count_with_the_commit,
    rolled_back_acknowledgements_can_be_given_again,
    rejections_count_with_the_commit,
    messages_are_routed_by_the_bindings_at_the_publish,
    an_empty_transaction_can_be_committed_and_rolled_back,
    a_rolled_back_mandatory_message_is_not_returned,
);

/// A client in a transaction, and a queue.
fn transactional(s: &Script) -> (Conn, String) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.call(method("tx.select"));
    (c, q)
}

/// Asks for so many messages, one by one, without acknowledging them.
fn take_each(c: &mut Conn, queue: &str, count: usize) {
    for _ in 0..count {
        c.call(get(queue).flag("no-ack"));
    }
}

fn selecting_twice_succeeds(s: &Script) {
    let mut c = s.connect();
    c.call(method("tx.select"));
    c.call(method("tx.select"));
}

fn commit_without_select_is_refused(s: &Script) {
    s.connect().call(method("tx.commit"));
}

fn rollback_without_select_is_refused(s: &Script) {
    s.connect().call(method("tx.rollback"));
}

fn confirms_are_refused_on_a_transactional_channel(s: &Script) {
    let mut c = s.connect();
    c.call(method("tx.select"));
    c.call(method("confirm.select"));
}

fn published_messages_appear_with_the_commit(s: &Script) {
    let (mut c, q) = transactional(s);
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.sync();
    c.call(get(&q).flag("no-ack"));
    c.call(method("tx.commit"));
    take_each(&mut c, &q, 2);
}

fn rolled_back_messages_never_appear(s: &Script) {
    let (mut c, q) = transactional(s);
    c.publish(&publish("", &q), &Properties::none(), "rolled back");
    c.call(method("tx.rollback"));
    c.publish(&publish("", &q), &Properties::none(), "committed");
    c.call(method("tx.commit"));
    take_each(&mut c, &q, 2);
}

fn closing_the_channel_discards_the_transaction(s: &Script) {
    let (mut c, q) = transactional(s);
    c.publish(&publish("", &q), &Properties::none(), "discarded");
    c.call(method("channel.close").set("reply-code", 200));
    c.call(method("channel.open"));
    c.call(get(&q).flag("no-ack"));
    s.note("the new channel is not transactional");
    c.call(method("tx.commit"));
}

fn a_mandatory_message_is_returned_with_the_commit(s: &Script) {
    let mut c = s.connect();
    c.call(method("tx.select"));
    c.publish(&publish("", &s.name("missing")).flag("mandatory"), &Properties::none(), "returned");
    c.sync();
    s.note("not returned yet");
    c.call(method("tx.commit"));
}

fn a_missing_exchange_is_noticed_at_once(s: &Script) {
    let mut c = s.connect();
    c.call(method("tx.select"));
    c.publish(&publish(&s.name("missing"), "key"), &Properties::none(), "lost");
    c.sync();
}

fn an_invalid_expiration_is_noticed_at_once(s: &Script) {
    let mut c = s.connect();
    c.call(method("tx.select"));
    c.publish(&publish("", "key"), &Properties::none().text("expiration", "soon"), "lost");
    c.sync();
}

fn an_unknown_tag_is_noticed_at_once(s: &Script) {
    let mut c = s.connect();
    for offender in [ack(1), reject(1)] {
        c.call(method("tx.select"));
        c.tell(&offender);
        c.reopen();
    }
}

fn acknowledging_twice_in_a_transaction_is_noticed_at_once(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.call(method("tx.select"));
    c.call(get(&q));
    c.tell(&ack(1));
    c.tell(&ack(1));
}

fn acknowledgements_count_with_the_commit(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.call(method("tx.select"));
    c.call(get(&q));
    c.call(get(&q));
    c.tell(&ack(1));
    c.call(method("tx.commit"));
    c.tell(&ack(2));
    s.note("the second acknowledgement is lost with the channel");
    c.call(method("channel.close").set("reply-code", 200));
    c.call(method("channel.open"));
    take_each(&mut c, &q, 2);
}

fn rolled_back_acknowledgements_can_be_given_again(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.call(method("tx.select"));
    c.call(get(&q));
    c.tell(&ack(1));
    c.call(method("tx.rollback"));
    s.note("the message is not requeued");
    c.call(get(&q));
    c.tell(&ack(1));
    c.call(method("tx.commit"));
    c.tell(&ack(1));
}

fn rejections_count_with_the_commit(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(declare(&q));
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.call(method("tx.select"));
    c.call(get(&q));
    c.tell(&reject(1).flag("requeue"));
    c.call(get(&q));
    c.call(method("tx.commit"));
    c.call(get(&q).flag("no-ack"));
}

fn messages_are_routed_by_the_bindings_at_the_publish(s: &Script) {
    let mut c = s.connect();
    let (x, q) = (s.name("x"), s.name("q"));
    c.call(crate::support::commands::declare_exchange(&x, "fanout"));
    c.call(declare(&q));
    c.call(crate::support::commands::bind(&q, &x, ""));
    c.call(method("tx.select"));
    c.publish(&publish(&x, ""), &Properties::none(), "before");
    c.call(crate::support::commands::unbind(&q, &x, ""));
    c.publish(&publish(&x, ""), &Properties::none(), "after");
    c.call(method("tx.commit"));
    take_each(&mut c, &q, 2);
}

fn an_empty_transaction_can_be_committed_and_rolled_back(s: &Script) {
    let mut c = s.connect();
    c.call(method("tx.select"));
    c.call(method("tx.commit"));
    c.call(method("tx.rollback"));
    c.call(method("tx.commit"));
}

fn a_rolled_back_mandatory_message_is_not_returned(s: &Script) {
    let mut c = s.connect();
    c.call(method("tx.select"));
    c.publish(&publish("", &s.name("missing")).flag("mandatory"), &Properties::none(), "rolled back");
    c.call(method("tx.rollback"));
    c.call(method("tx.commit"));
}
