//! Declaring and removing queues.

use leveret_protocol::{FieldValue, ReplyCode};

use super::{
    ANN, BOB, actor, bind, declare_new, name, permitted, queue, queue_refused, redeclare, refusal, remove, routed,
    table, text, to_queue, told, vhost,
};
use crate::broker::auth::Actor;
use crate::broker::ids::QueueId;
use crate::broker::vhost::{Effect, QueueDeclaration};

#[test]
fn declaring_the_same_queue_again_gives_the_queue_that_is_there() {
    let mut vhost = vhost();
    let arguments = table(&[("x-queue-version", FieldValue::I32(2)), ("x-mine", text("one"))]);
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { durable: true, arguments, ..queue("q") });
    let number = vhost.topology().number;
    let arguments = table(&[
        ("x-queue-version", FieldValue::I64(2)),
        ("x-queue-type", text("classic")),
        ("x-max-age", FieldValue::I32(5)),
    ]);
    let again = QueueDeclaration { durable: true, arguments, id: QueueId(99), ..queue("q") };
    assert_eq!(redeclare(&mut vhost, BOB, again).id, entry.id);
    assert_eq!(vhost.topology().number, number);
}

#[test]
fn a_queue_that_differs_is_told() {
    let mut vhost = vhost();
    declare_new(&mut vhost, ANN, QueueDeclaration { durable: true, ..queue("q") });
    let wanted = |arguments: &[(&str, FieldValue)]| QueueDeclaration {
        durable: true,
        arguments: table(arguments),
        ..queue("q")
    };
    let cases = [
        (
            QueueDeclaration { durable: false, auto_delete: true, ..wanted(&[]) },
            "'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'",
        ),
        (
            QueueDeclaration { auto_delete: true, ..wanted(&[("x-expires", FieldValue::I32(1))]) },
            "'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            wanted(&[("x-message-ttl", FieldValue::I32(10))]),
            "'x-message-ttl' for queue 'q' in vhost '/': received the value '10' of type 'signedint' but current is \
             none",
        ),
        (
            wanted(&[("x-max-length", text("a"))]),
            "'x-max-length' for queue 'q' in vhost '/': received the value 'a' of type 'longstr' but current is none",
        ),
        (
            wanted(&[("x-queue-type", text("quorum"))]),
            "'x-queue-type' for queue 'q' in vhost '/': received 'quorum' but current is 'classic'",
        ),
        (
            wanted(&[("x-queue-type", FieldValue::I32(5))]),
            "'x-queue-type' for queue 'q' in vhost '/': received '5' but current is 'classic'",
        ),
    ];
    for (wanted, difference) in cases {
        let expected = format!("inequivalent arg {difference}");
        assert_eq!(queue_refused(&mut vhost, BOB, wanted), (ReplyCode::PreconditionFailed, expected));
    }
}

#[test]
fn an_argument_that_differs_or_is_left_out_is_told_with_its_value() {
    let mut vhost = vhost();
    let mode = |value: FieldValue| QueueDeclaration { arguments: table(&[("x-queue-mode", value)]), ..queue("q") };
    declare_new(&mut vhost, ANN, mode(text("lazy")));
    assert_eq!(
        queue_refused(&mut vhost, ANN, mode(FieldValue::F64(10.0))),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'x-queue-mode' for queue 'q' in vhost '/': received '10.0' but current is 'lazy'"
        )
    );
    assert_eq!(
        queue_refused(&mut vhost, ANN, queue("q")),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'x-queue-mode' for queue 'q' in vhost '/': received none but current is the value \
             'lazy' of type 'longstr'"
        )
    );
}

#[test]
fn an_integer_differs_from_a_float_of_the_same_worth_and_not_from_another_tag() {
    let mut vhost = vhost();
    let mode = |value: FieldValue| QueueDeclaration { arguments: table(&[("x-queue-mode", value)]), ..queue("q") };
    declare_new(&mut vhost, ANN, mode(FieldValue::I32(10)));
    redeclare(&mut vhost, ANN, mode(FieldValue::U8(10)));
    assert_eq!(
        queue_refused(&mut vhost, ANN, mode(FieldValue::F64(10.0))),
        refusal(
            ReplyCode::PreconditionFailed,
            "inequivalent arg 'x-queue-mode' for queue 'q' in vhost '/': received '10.0' but current is '10'"
        )
    );
}

#[test]
fn floats_of_the_same_worth_are_equal_whatever_their_tags() {
    let mut vhost = vhost();
    let mode = |value: FieldValue| QueueDeclaration { arguments: table(&[("x-queue-mode", value)]), ..queue("q") };
    declare_new(&mut vhost, ANN, mode(FieldValue::F32(1.5)));
    redeclare(&mut vhost, ANN, mode(FieldValue::F64(1.5)));
}

#[test]
fn reserved_queue_names_are_refused_also_when_the_queue_is_there() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, queue(""));
    assert_eq!(entry.name, "amq.gen-0123456789012345678901");
    for reserved in ["amq.gen-0123456789012345678901", "amq.mine"] {
        let expected = format!("queue name '{reserved}' contains reserved prefix 'amq.*'");
        assert_eq!(queue_refused(&mut vhost, ANN, queue(reserved)), (ReplyCode::AccessRefused, expected));
    }
    assert_eq!(vhost.find_queue(&actor(ANN), &entry.name), Ok(entry));
}

#[test]
fn a_generated_name_takes_the_prefix_that_is_asked_for() {
    let mut vhost = vhost();
    let arguments = table(&[("x-name-prefix", text("mine"))]);
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { arguments, ..queue("\r\n") });
    assert_eq!(entry.name, "mine-0123456789012345678901");
}

#[test]
fn a_new_queue_with_a_bad_argument_is_not_made() {
    let mut vhost = vhost();
    let wanted = |arguments: &[(&str, FieldValue)]| QueueDeclaration { arguments: table(arguments), ..queue("q") };
    assert_eq!(
        queue_refused(&mut vhost, ANN, wanted(&[("x-max-length", text("a"))])),
        refusal(
            ReplyCode::PreconditionFailed,
            "invalid arg 'x-max-length' for queue 'q' in vhost '/': \"expected integer, got longstr\""
        )
    );
    assert_eq!(
        queue_refused(&mut vhost, ANN, wanted(&[("x-dead-letter-exchange", FieldValue::I32(1))])),
        refusal(
            ReplyCode::PreconditionFailed,
            "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'"
        )
    );
    assert_eq!(vhost.topology().queue(b"q"), None);
}

#[test]
fn a_dead_letter_exchange_needs_read_on_the_queue_and_write_on_the_exchange() {
    let mut vhost = vhost();
    let arguments = table(&[("x-dead-letter-exchange", text("dlx"))]);
    let wanted = QueueDeclaration { arguments, ..queue("q") };
    let mut effects = Vec::new();
    let mut refused = |actor: &Actor| {
        vhost.declare_queue(actor, wanted.clone(), &mut effects).map_err(|error| error.to_string()).unwrap_err()
    };
    assert_eq!(
        refused(&permitted(ANN, ".*", ".*", "")),
        "read access to queue 'q' in vhost '/' refused for user 'guest'"
    );
    assert_eq!(
        refused(&permitted(ANN, ".*", "", ".*")),
        "write access to exchange 'dlx' in vhost '/' refused for user 'guest'"
    );
    assert_eq!(
        refused(&permitted(ANN, "", ".*", ".*")),
        "configure access to queue 'q' in vhost '/' refused for user 'guest'"
    );
    assert_eq!(effects, []);
}

#[test]
fn passive_queue_declare_gives_the_queue_or_404() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, queue("q"));
    assert_eq!(vhost.find_queue(&actor(BOB), &name("q")), Ok(entry));
    assert_eq!(
        told(vhost.find_queue(&actor(BOB), &name("nope"))),
        refusal(ReplyCode::NotFound, "no queue 'nope' in vhost '/'")
    );
}

#[test]
fn removing_a_queue_leaves_a_newer_one_of_its_name_alone() {
    let mut vhost = vhost();
    let old = declare_new(&mut vhost, ANN, queue("q"));
    assert_eq!(remove(&mut vhost, &old), [Effect::QueueRemoved(old.id)]);
    assert_eq!(remove(&mut vhost, &old), []);
    let new = declare_new(&mut vhost, ANN, QueueDeclaration { id: QueueId(7), ..queue("q") });
    assert_eq!(remove(&mut vhost, &old), []);
    assert_eq!(vhost.queue_to_delete(&actor(ANN), &name("q")), Ok(Some(new)));
}

#[test]
fn deleting_a_queue_that_is_not_there_is_no_error() {
    assert_eq!(vhost().queue_to_delete(&actor(ANN), &name("q")), Ok(None));
}

#[test]
fn a_removed_queue_takes_its_bindings_along() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, queue("q"));
    bind(&mut vhost, &[to_queue("amq.topic", "q", "a.*"), to_queue("amq.direct", "q", "k")]);
    assert_eq!(remove(&mut vhost, &entry), [Effect::QueueRemoved(entry.id)]);
    declare_new(&mut vhost, ANN, queue("q"));
    assert!(routed(&vhost, "amq.topic", &["a.b"]).is_empty());
    assert!(routed(&vhost, "amq.direct", &["k"]).is_empty());
}
