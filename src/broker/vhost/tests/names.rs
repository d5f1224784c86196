//! What becomes of line ends in names.

use std::sync::Arc;

use leveret_protocol::ReplyCode;

use super::{
    ANN, actor, bind, declare, declare_new, exchange, exchange_refused, has_exchange, name, queue, queue_refused,
    refusal, routed, to_queue, unbind, vhost,
};
use crate::broker::vhost::{ExchangeDeclaration, QueueDeclaration, cleaned};

#[test]
fn line_ends_are_taken_out_of_names() {
    assert_eq!(cleaned(&name("\r\na\rb\nc\r\n")), name("abc"));
    assert_eq!(cleaned(&name("a b\t")), name("a b\t"));
    let mut vhost = vhost();
    declare(&mut vhost, exchange("x\r\n", "fanout"));
    declare(&mut vhost, ExchangeDeclaration { passive: true, ..exchange("\rx", "") });
    let entry = declare_new(&mut vhost, ANN, QueueDeclaration { name: name("\nq\r"), ..queue("q") });
    assert_eq!(entry.name, "q");
    assert_eq!(vhost.find_queue(&actor(ANN), &name("q\n")), Ok(Arc::clone(&entry)));
    bind(&mut vhost, &[to_queue("x\n", "q\n", "")]);
    assert_eq!(routed(&vhost, "x", &[""]), ["q"]);
    assert!(routed(&vhost, "x\n", &[""]).is_empty(), "publishing takes names as they are");
    unbind(&mut vhost, &to_queue("\nx", "\nq", ""));
    assert!(routed(&vhost, "x", &[""]).is_empty());
    assert_eq!(vhost.queue_to_delete(&actor(ANN), &name("q\r")), Ok(Some(entry)));
    vhost.delete_exchange(&actor(ANN), &name("x\r"), false, &mut Vec::new()).unwrap();
    assert!(!has_exchange(&vhost, "x"));
}

#[test]
fn line_ends_do_not_hide_reserved_and_default_names() {
    let mut vhost = vhost();
    assert_eq!(
        exchange_refused(&mut vhost, exchange("\r\n", "direct")),
        refusal(ReplyCode::AccessRefused, "operation not permitted on the default exchange")
    );
    assert_eq!(
        queue_refused(&mut vhost, ANN, queue("a\nmq.q")),
        refusal(ReplyCode::AccessRefused, "queue name 'amq.q' contains reserved prefix 'amq.*'")
    );
}
