//! Policies over running queues and exchanges, as clients see them: every change counts at once.

use std::sync::Arc;

use leveret_protocol::{FieldTable, FieldValue, Method, basic, channel, confirm, queue};

use super::client::{Client, Told, call, declare, declared, name, node, publish, told};
use crate::broker::auth::User;
use crate::broker::policy::{Draft, PolicyKind};
use crate::node::{Node, PolicyError};

const USER: PolicyKind = PolicyKind::User;

fn user(tags: &[&str]) -> User {
    User { name: name("guest"), tags: tags.iter().map(|tag| (*tag).to_owned()).collect() }
}

fn table(entries: &[(&str, FieldValue)]) -> FieldTable {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

const fn number(number: i64) -> FieldValue {
    FieldValue::I64(number)
}

fn draft(policy: &str, pattern: &str, definition: &[(&str, FieldValue)]) -> Draft {
    Draft {
        name: name(policy),
        pattern: FieldValue::text(pattern),
        apply_to: None,
        priority: None,
        definition: FieldValue::Table(table(definition)),
    }
}

fn set(node: &Arc<Node>, kind: PolicyKind, draft: Draft) {
    node.set_policy(&user(&["administrator"]), &name("/"), kind, draft).unwrap();
}

fn clear(node: &Arc<Node>, policy: &str) {
    node.clear_policy(&user(&["administrator"]), &name("/"), USER, policy.as_bytes()).unwrap();
}

/// Takes everything out of a queue.
fn taken(client: &mut Client, queue: &str) -> Vec<String> {
    let get = || call(1, basic::Get { queue: name(queue), no_ack: true, ..basic::Get::default() });
    let mut bodies = Vec::new();
    loop {
        match client.send(&[get()]).pop() {
            Some(Told::Content(1, _, body)) => bodies.push(body),
            Some(Told::Method(1, Method::Basic(basic::Method::GetEmpty(_)))) => return bodies,
            other => panic!("{other:?}"),
        }
    }
}

fn published(client: &mut Client, queue: &str, bodies: &[&str]) {
    let publishes: Vec<_> = bodies.iter().map(|body| publish(1, "", queue, body)).collect();
    assert_eq!(client.send(&publishes), vec![]);
}

#[test]
fn a_smaller_length_drops_the_oldest_at_once() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q")), call(1, declare("other"))]);
    published(&mut client, "q", &["1", "2", "3", "4"]);
    published(&mut client, "other", &["1", "2", "3", "4"]);
    set(&node, USER, draft("p", "^q$", &[("max-length", number(2))]));
    assert_eq!(taken(&mut client, "q"), ["3", "4"]);
    assert_eq!(taken(&mut client, "other"), ["1", "2", "3", "4"]);
    published(&mut client, "q", &["5", "6", "7"]);
    assert_eq!(taken(&mut client, "q"), ["6", "7"]);
    clear(&node, "p");
    published(&mut client, "q", &["8", "9", "10"]);
    assert_eq!(taken(&mut client, "q"), ["8", "9", "10"]);
}

#[test]
fn what_a_smaller_length_drops_goes_to_the_dead_letter_exchange_that_the_policy_names() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q")), call(1, declare("dead"))]);
    published(&mut client, "q", &["1", "2", "3"]);
    let dead = [("dead-letter-exchange", FieldValue::text("")), ("dead-letter-routing-key", FieldValue::text("dead"))];
    set(&node, USER, draft("p", "^q$", &dead));
    set(&node, PolicyKind::Operator, draft("o", "", &[("max-length", number(1))]));
    assert_eq!(taken(&mut client, "q"), ["3"]);
    assert_eq!(taken(&mut client, "dead"), ["2"], "the operator's policy is for the dead letters' queue, too");
}

#[test]
fn a_new_queue_refuses_what_its_policy_refuses() {
    let node = node();
    set(&node, USER, draft("p", "^q", &[("max-length", number(1)), ("overflow", FieldValue::text("reject-publish"))]));
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q1")), call(1, confirm::Select { nowait: true })]);
    let answers = client.send(&[publish(1, "", "q1", "1"), publish(1, "", "q1", "2")]);
    let refused = basic::Nack { delivery_tag: 2, multiple: false, requeue: false };
    assert_eq!(answers, vec![told(1, basic::Ack { delivery_tag: 1, multiple: false }), told(1, refused)]);
    assert_eq!(taken(&mut client, "q1"), ["1"]);
}

#[test]
fn a_time_to_live_counts_for_what_comes_after_it() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q"))]);
    published(&mut client, "q", &["before"]);
    set(&node, USER, draft("p", "^q$", &[("message-ttl", number(0))]));
    published(&mut client, "q", &["after"]);
    assert_eq!(taken(&mut client, "q"), ["before"]);
}

#[test]
fn an_alternate_exchange_takes_what_is_not_routed_from_the_next_publish_on() {
    let node = node();
    let mut client = Client::open(&node);
    let bind = queue::Bind { queue: name("q"), exchange: name("amq.fanout"), ..queue::Bind::default() };
    client.send(&[call(1, declare("q")), call(1, bind)]);
    let unrouted = || publish(1, "amq.direct", "nowhere", "m");
    assert_eq!(client.send(&[unrouted()]).len(), 1, "it is returned");
    set(&node, USER, draft("p", r"^amq\.direct$", &[("alternate-exchange", FieldValue::text("amq.fanout"))]));
    assert_eq!(client.send(&[unrouted()]), vec![]);
    clear(&node, "p");
    assert_eq!(client.send(&[unrouted()]).len(), 1);
    assert_eq!(taken(&mut client, "q"), ["m"]);
}

#[test]
fn a_policy_is_no_argument_and_a_redeclare_need_not_repeat_it() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q"))]);
    set(&node, USER, draft("p", "^q$", &[("max-length", number(2))]));
    assert_eq!(client.send(&[call(1, declare("q"))]), vec![told(1, declared("q"))]);
}

#[test]
fn other_arguments_pass_where_a_policy_lets_them() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q"))]);
    let other = || call(1, queue::Declare { arguments: table(&[("x-max-length", number(1))]), ..declare("q") });
    set(&node, USER, draft("p", "^q$", &[("redeclare", FieldValue::text("warn"))]));
    assert_eq!(client.send(&[other()]), vec![told(1, declared("q"))]);
    published(&mut client, "q", &["1", "2"]);
    set(&node, USER, draft("p", "^q$", &[("redeclare", FieldValue::text("adopt"))]));
    assert_eq!(client.send(&[other()]), vec![told(1, queue::DeclareOk { message_count: 1, ..declared("q") })]);
    assert_eq!(taken(&mut client, "q"), ["2"]);
    clear(&node, "p");
    assert_eq!(client.send(&[other()]), vec![told(1, declared("q"))], "the argument stays");
    let answers = client.send(&[call(1, declare("q"))]);
    let [Told::Method(1, Method::Channel(channel::Method::Close(close)))] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    assert_eq!(close.reply_code, 406);
}

#[test]
fn what_applies_to_an_object_can_be_asked_for() {
    let node = node();
    let mut client = Client::open(&node);
    client.send(&[call(1, declare("q"))]);
    set(&node, USER, draft("p", "", &[("max-length", number(7)), ("overflow", FieldValue::text("drop-head"))]));
    set(&node, PolicyKind::Operator, draft("o", "^q$", &[("max-length", number(5))]));
    let effective = node.policies_of_queue(&name("/"), b"q").unwrap();
    let names = [&effective.user, &effective.operator].map(|policy| policy.as_ref().unwrap().name.to_string());
    assert_eq!(names, ["p", "o"]);
    let expected = [("max-length", number(5)), ("overflow", FieldValue::text("drop-head"))];
    assert_eq!(effective.definition(), table(&expected));
    let exchange = node.policies_of_exchange(&name("/"), b"amq.topic").unwrap();
    assert!(exchange.user.is_some() && exchange.operator.is_none());
    assert_eq!(node.policies_of_queue(&name("/"), b"none"), None);
    assert_eq!(node.policies_of_exchange(&name("none"), b"amq.topic"), None);
}

#[test]
fn policies_are_for_policymakers_and_operator_policies_for_administrators() {
    let node = node();
    let wanted = || draft("p", "", &[("max-length", number(7))]);
    let (home, none) = (name("/"), name("none"));
    let (management, maker, administrator) = (user(&["management"]), user(&["policymaker"]), user(&["administrator"]));
    let set = |user: &User, vhost, kind| node.set_policy(user, vhost, kind, wanted());
    assert_eq!(set(&management, &home, USER), Err(PolicyError::NotPolicymaker));
    assert_eq!(set(&maker, &none, USER), Err(PolicyError::NoVhost));
    let stranger = User { name: name("stranger"), ..maker.clone() };
    assert_eq!(set(&stranger, &home, USER), Err(PolicyError::NoVhost), "it may not enter");
    assert_eq!(set(&maker, &home, USER), Ok(true));
    assert_eq!(set(&administrator, &home, USER), Ok(false));
    assert_eq!(set(&maker, &home, PolicyKind::Operator), Err(PolicyError::NotAdministrator));
    assert_eq!(set(&administrator, &home, PolicyKind::Operator), Ok(true));
    assert_eq!(node.policies(&management, &home, PolicyKind::Operator).unwrap().len(), 1);
    assert_eq!(node.policies(&stranger, &home, USER), Err(PolicyError::NoVhost));
    assert_eq!(node.policy(&management, &home, USER, b"p"), Err(PolicyError::NotPolicymaker));
    assert_eq!(node.policy(&maker, &home, USER, b"p").unwrap().name, "p");
    assert_eq!(node.clear_policy(&management, &home, USER, b"p"), Err(PolicyError::NotPolicymaker));
    assert_eq!(node.clear_policy(&maker, &home, USER, b"p"), Ok(()));
    assert_eq!(node.clear_policy(&maker, &home, USER, b"p"), Err(PolicyError::NotFound));
    let invalid = node.set_policy(&maker, &home, USER, draft("p", "", &[]));
    assert_eq!(invalid.unwrap_err().to_string(), "Validation failed\n\nno policy provided\n");
}
