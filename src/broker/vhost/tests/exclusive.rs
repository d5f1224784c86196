//! Queues that belong to a connection.

use leveret_protocol::ReplyCode;

use super::{
    ANN, BOB, LOCKED, actor, bind, declare, declare_new, exchange, has_exchange, name, queue, queue_refused, redeclare,
    refusal, remove, routed, to_queue, told, vhost,
};
use crate::broker::auth::Permission;
use crate::broker::ids::{ConnectionId, QueueId};
use crate::broker::vhost::{Effect, ExchangeDeclaration, QueueDeclaration};

#[test]
fn an_exclusive_queue_is_locked_for_other_connections_but_takes_messages() {
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x", "fanout"));
    let exclusive = || QueueDeclaration { exclusive: true, ..queue("q") };
    declare_new(&mut vhost, ANN, exclusive());
    bind(&mut vhost, &[to_queue("x", "q", "")]);
    let locked = refusal(ReplyCode::ResourceLocked, LOCKED);
    let bob = actor(BOB);
    assert_eq!(queue_refused(&mut vhost, BOB, exclusive()), locked);
    assert_eq!(queue_refused(&mut vhost, BOB, queue("q")), locked);
    assert_eq!(told(vhost.find_queue(&bob, &name("q"))), locked);
    assert_eq!(told(vhost.queue_to_delete(&bob, &name("q"))), locked);
    assert_eq!(told(vhost.bind(&bob, &to_queue("x", "q", "k"), &mut Vec::new())), locked);
    assert_eq!(told(vhost.unbind(&bob, &to_queue("x", "q", ""), &mut Vec::new())), locked);
    assert_eq!(told(vhost.topology().access_queue(&bob, &name("q"), Permission::Read)), locked);
    assert_eq!(routed(&vhost, "x", &[""]), ["q"]);
    assert_eq!(routed(&vhost, "", &["q"]), ["q"]);
}

#[test]
fn the_exclusive_flag_must_match_in_both_directions() {
    let mut vhost = vhost();
    let exclusive = |queue_name| QueueDeclaration { exclusive: true, ..queue(queue_name) };
    declare_new(&mut vhost, ANN, exclusive("q"));
    assert_eq!(queue_refused(&mut vhost, ANN, queue("q")), refusal(ReplyCode::ResourceLocked, LOCKED));
    declare_new(&mut vhost, ANN, queue("p"));
    let expected = LOCKED.replace("'q'", "'p'");
    assert_eq!(queue_refused(&mut vhost, ANN, exclusive("p")), (ReplyCode::ResourceLocked, expected));
}

#[test]
fn an_exclusive_queue_is_never_durable_whatever_the_flag_says() {
    let mut vhost = vhost();
    let wanted = |durable| QueueDeclaration { exclusive: true, durable, ..queue("q") };
    assert!(!declare_new(&mut vhost, ANN, wanted(true)).durable);
    redeclare(&mut vhost, ANN, wanted(true));
    redeclare(&mut vhost, ANN, wanted(false));
}

#[test]
fn the_end_of_a_connection_removes_its_exclusive_queues_alone() {
    let mut vhost = vhost();
    declare(&mut vhost, ExchangeDeclaration { auto_delete: true, ..exchange("x", "fanout") });
    for (connection, exclusive, queue_name) in [(ANN, true, "b"), (ANN, true, "a"), (ANN, false, "c"), (BOB, true, "d")]
    {
        declare_new(&mut vhost, connection, QueueDeclaration { exclusive, ..queue(queue_name) });
    }
    bind(&mut vhost, &[to_queue("x", "a", "")]);
    let mut effects = Vec::new();
    vhost.connection_ended(ConnectionId(ANN), &mut effects);
    let removed = |queue_name: &str| Effect::QueueRemoved(queue(queue_name).id);
    assert_eq!(effects, [removed("a"), removed("b")]);
    assert!(!has_exchange(&vhost, "x"), "it lost its last binding");
    assert_eq!(routed(&vhost, "", &["a", "b", "c", "d"]), ["c", "d"]);
    effects.clear();
    vhost.connection_ended(ConnectionId(ANN), &mut effects);
    assert_eq!(effects, []);
}

#[test]
fn an_exclusive_queue_that_was_deleted_does_not_go_again_with_its_connection() {
    let mut vhost = vhost();
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { exclusive: true, ..queue("q") });
    assert_eq!(remove(&mut vhost, &entry), [Effect::QueueRemoved(entry.id)]);
    declare_new(&mut vhost, ANN, QueueDeclaration { id: QueueId(7), ..queue("q") });
    let mut effects = Vec::new();
    vhost.connection_ended(ConnectionId(ANN), &mut effects);
    assert_eq!(effects, []);
    assert_eq!(routed(&vhost, "", &["q"]), ["q"]);
}
