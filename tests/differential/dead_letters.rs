//! Dead letters: when messages die, where they go and what they look like then.

use crate::conn::Conn;
use crate::scenario::scenarios;
use crate::script::Script;
use crate::support::commands::{bind, consume, declare, declare_exchange, get, method, nack, publish, reject};
use crate::support::method::Method;
use crate::support::properties::Properties;
use crate::support::value::{Table, Value, entries, entry, int, text};

scenarios!("dead_letters":
    a_rejected_message_tells_its_history,
    nack_without_requeue_is_a_rejection,
    an_expired_message_loses_its_expiration,
    the_oldest_of_too_many_dies,
    a_message_keeps_its_keys_without_a_dead_letter_routing_key,
    a_dead_letter_routing_key_replaces_all_keys,
    bcc_never_shows,
    properties_are_kept,
    a_second_death_for_the_same_reason_is_counted,
    a_second_death_for_another_reason_comes_first,
    deaths_in_two_queues_are_told_latest_first,
    a_circle_without_a_rejection_is_cut,
    a_circle_with_a_rejection_goes_on,
    a_history_that_a_client_made_up_is_replaced,
    a_dead_letter_exchange_that_is_missing_drops_messages,
    an_exchange_that_does_not_route_drops_messages,
    the_default_exchange_takes_dead_letters,
    several_die_in_order,
    a_fanout_of_the_dead_reaches_all_queues,
    an_internal_exchange_takes_dead_letters,
    an_alternate_exchange_takes_what_the_other_does_not_route,
    purge_and_delete_kill_nothing,
    a_requeue_kills_nothing,
);

fn with(queue: &str, arguments: Table) -> Method {
    declare(queue).set("arguments", arguments)
}

/// A queue whose dead messages go to `dead` by the default exchange.
fn mortal(c: &mut Conn, queue: &str, dead: &str, more: Table) {
    let mut arguments = entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(dead))]);
    arguments.extend(more);
    c.call(declare(dead));
    c.call(with(queue, arguments));
}

/// Takes the first message as soon as it is there.
fn take(c: &mut Conn, queue: &str) {
    c.call(consume(queue, "taker"));
    c.expect("basic.deliver");
    c.unseen(method("basic.cancel").set("consumer-tag", "taker"));
}

fn a_rejected_message_tells_its_history(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    c.publish(&publish("", &q), &Properties::none(), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn nack_without_requeue_is_a_rejection(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    c.publish(&publish("", &q), &Properties::none(), "one");
    c.publish(&publish("", &q), &Properties::none(), "two");
    c.call(get(&q));
    c.call(get(&q));
    c.tell(&nack(2).flag("multiple"));
    c.call(consume(&dead, "taker"));
    c.expect("basic.deliver");
    c.expect("basic.deliver");
}

fn an_expired_message_loses_its_expiration(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    c.publish(&publish("", &q), &Properties::none().text("expiration", "20"), "body");
    take(&mut c, &dead);
}

fn the_oldest_of_too_many_dies(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, entry("x-max-length", int(2)));
    for body in ["one", "two", "three"] {
        c.publish(&publish("", &q), &Properties::none(), body);
    }
    take(&mut c, &dead);
    c.call(get(&q));
}

/// A direct exchange for dead letters, and a queue without a dead-letter routing key of its own.
fn by_exchange(s: &Script, c: &mut Conn, kind: &str) -> (String, String, String) {
    let (q, dlx, dead) = (s.name("q"), s.name("dlx"), s.name("dead"));
    c.call(declare_exchange(&dlx, kind));
    c.call(declare(&dead));
    c.call(with(&q, entry("x-dead-letter-exchange", text(&dlx))));
    (q, dlx, dead)
}

fn carbon_copies(header: &str, keys: &[&str]) -> Properties {
    let keys = keys.iter().map(text).collect();
    Properties::none().headers(entry(header, Value::Array(keys)))
}

fn a_message_keeps_its_keys_without_a_dead_letter_routing_key(s: &Script) {
    let mut c = s.connect();
    let (q, dlx, dead) = by_exchange(s, &mut c, "direct");
    let copy = s.name("copy");
    c.call(bind(&dead, &dlx, &copy));
    c.publish(&publish("", &q), &carbon_copies("CC", &[&copy]), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn a_dead_letter_routing_key_replaces_all_keys(s: &Script) {
    let mut c = s.connect();
    let (q, dead, copy) = (s.name("q"), s.name("dead"), s.name("copy"));
    mortal(&mut c, &q, &dead, Table::new());
    c.publish(&publish("", &q), &carbon_copies("CC", &[&copy]), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn bcc_never_shows(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    c.publish(&publish("", &s.name("nowhere")), &carbon_copies("BCC", &[&q]), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn properties_are_kept(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    let properties = Properties::none()
        .text("content-type", "text/plain")
        .text("correlation-id", "17")
        .text("message-id", "m")
        .text("expiration", "60000")
        .delivery_mode(2)
        .priority(3)
        .timestamp(1_000_000)
        .headers(entries([("zebra", int(1)), ("ant", text("x"))]));
    c.publish(&publish("", &q), &properties, "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn a_second_death_for_the_same_reason_is_counted(s: &Script) {
    let mut c = s.connect();
    let (q, again) = (s.name("q"), s.name("again"));
    c.call(with(&q, entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&again))])));
    c.call(with(&again, entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&q))])));
    c.publish(&publish("", &q), &Properties::none(), "body");
    for tag in 1..=4 {
        let queue = if tag % 2 == 1 { &q } else { &again };
        c.call(consume(queue, "taker"));
        c.expect("basic.deliver");
        c.unseen(method("basic.cancel").set("consumer-tag", "taker"));
        c.tell(&reject(tag));
    }
    take(&mut c, &q);
}

fn a_second_death_for_another_reason_comes_first(s: &Script) {
    let mut c = s.connect();
    let (work, wait) = (s.name("work"), s.name("wait"));
    c.call(with(&work, entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&wait))])));
    let arguments =
        [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&work)), ("x-message-ttl", int(20))];
    c.call(with(&wait, entries(arguments)));
    c.publish(&publish("", &work), &Properties::none(), "body");
    for tag in 1..=3 {
        c.call(consume(&work, "taker"));
        c.expect("basic.deliver");
        c.unseen(method("basic.cancel").set("consumer-tag", "taker"));
        c.tell(&reject(tag));
    }
    take(&mut c, &work);
}

fn deaths_in_two_queues_are_told_latest_first(s: &Script) {
    let mut c = s.connect();
    let (one, two, dead) = (s.name("one"), s.name("two"), s.name("dead"));
    mortal(&mut c, &two, &dead, entry("x-message-ttl", int(20)));
    c.call(with(&one, entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&two))])));
    c.publish(&publish("", &one), &Properties::none().text("expiration", "20"), "body");
    take(&mut c, &dead);
}

fn a_circle_without_a_rejection_is_cut(s: &Script) {
    let mut c = s.connect();
    let (one, two) = (s.name("one"), s.name("two"));
    for (queue, next) in [(&one, &two), (&two, &one)] {
        let arguments = [
            ("x-dead-letter-exchange", text("")),
            ("x-dead-letter-routing-key", text(next)),
            ("x-message-ttl", int(20)),
        ];
        c.call(with(queue, entries(arguments)));
    }
    let (last, dead) = (s.name("last"), s.name("dead"));
    mortal(&mut c, &last, &dead, entry("x-message-ttl", int(300)));
    c.publish(&publish("", &one), &Properties::none(), "in a circle");
    c.publish(&publish("", &last), &Properties::none(), "later");
    take(&mut c, &dead);
    c.call(get(&one));
    c.call(get(&two));
}

fn a_circle_with_a_rejection_goes_on(s: &Script) {
    let mut c = s.connect();
    let (one, two) = (s.name("one"), s.name("two"));
    c.call(with(&one, entries([("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&two))])));
    let arguments =
        [("x-dead-letter-exchange", text("")), ("x-dead-letter-routing-key", text(&one)), ("x-message-ttl", int(20))];
    c.call(with(&two, entries(arguments)));
    c.publish(&publish("", &one), &Properties::none(), "body");
    c.call(get(&one));
    c.tell(&reject(1));
    take(&mut c, &one);
}

fn a_history_that_a_client_made_up_is_replaced(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    let death = entries([("queue", text(&q)), ("reason", text("rejected")), ("count", Value::I64(7))]);
    let headers = entries([
        ("x-death", Value::Array(vec![Value::Table(death)])),
        ("x-first-death-queue", text("made up")),
        ("x-last-death-reason", text("made up")),
    ]);
    c.publish(&publish("", &q), &Properties::none().headers(headers), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn a_dead_letter_exchange_that_is_missing_drops_messages(s: &Script) {
    let mut c = s.connect();
    let q = s.name("q");
    c.call(with(&q, entry("x-dead-letter-exchange", text(s.name("missing")))));
    c.publish(&publish("", &q), &Properties::none(), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    c.call(get(&q));
}

fn an_exchange_that_does_not_route_drops_messages(s: &Script) {
    let mut c = s.connect();
    let (q, dlx, dead) = by_exchange(s, &mut c, "direct");
    c.call(bind(&dead, &dlx, "another key"));
    c.publish(&publish("", &q), &Properties::none(), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    c.call(get(&dead));
}

fn the_default_exchange_takes_dead_letters(s: &Script) {
    let mut c = s.connect();
    let (q, copy) = (s.name("q"), s.name("copy"));
    c.call(declare(&copy));
    c.call(with(&q, entry("x-dead-letter-exchange", text(""))));
    c.publish(&publish("", &q), &Properties::none(), "comes back to the same queue");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &q);
}

fn several_die_in_order(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, entry("x-message-ttl", int(30)));
    for body in ["one", "two", "three"] {
        c.publish(&publish("", &q), &Properties::none(), body);
    }
    c.call(consume(&dead, "taker"));
    for _ in 0..3 {
        c.expect("basic.deliver");
    }
}

fn a_fanout_of_the_dead_reaches_all_queues(s: &Script) {
    let mut c = s.connect();
    let (q, dlx, dead) = by_exchange(s, &mut c, "fanout");
    let other = s.name("other");
    c.call(declare(&other));
    c.call(bind(&dead, &dlx, ""));
    c.call(bind(&other, &dlx, ""));
    c.publish(&publish("", &q), &Properties::none(), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
    take(&mut c, &other);
}

fn an_internal_exchange_takes_dead_letters(s: &Script) {
    let mut c = s.connect();
    let (q, dlx, dead) = (s.name("q"), s.name("dlx"), s.name("dead"));
    c.call(declare_exchange(&dlx, "fanout").flag("internal"));
    c.call(declare(&dead));
    c.call(bind(&dead, &dlx, ""));
    c.call(with(&q, entry("x-dead-letter-exchange", text(&dlx))));
    c.publish(&publish("", &q), &Properties::none(), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn an_alternate_exchange_takes_what_the_other_does_not_route(s: &Script) {
    let mut c = s.connect();
    let (q, dlx, alternate, dead) = (s.name("q"), s.name("dlx"), s.name("alternate"), s.name("dead"));
    c.call(declare_exchange(&alternate, "fanout"));
    c.call(declare_exchange(&dlx, "direct").set("arguments", entry("alternate-exchange", text(&alternate))));
    c.call(declare(&dead));
    c.call(bind(&dead, &alternate, ""));
    c.call(with(&q, entry("x-dead-letter-exchange", text(&dlx))));
    c.publish(&publish("", &q), &Properties::none(), "body");
    c.call(get(&q));
    c.tell(&reject(1));
    take(&mut c, &dead);
}

fn purge_and_delete_kill_nothing(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    c.publish(&publish("", &q), &Properties::none(), "purged");
    c.sync();
    c.call(method("queue.purge").set("queue", &q));
    c.publish(&publish("", &q), &Properties::none(), "deleted");
    c.sync();
    c.call(method("queue.delete").set("queue", &q));
    c.call(get(&dead));
}

fn a_requeue_kills_nothing(s: &Script) {
    let mut c = s.connect();
    let (q, dead) = (s.name("q"), s.name("dead"));
    mortal(&mut c, &q, &dead, Table::new());
    c.publish(&publish("", &q), &Properties::none(), "body");
    c.call(get(&q));
    c.tell(&reject(1).flag("requeue"));
    c.call(get(&q));
    c.call(get(&dead));
}
