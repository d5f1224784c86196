//! What operators may do, without a wire.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use leveret_protocol::{Properties, ShortString};

use super::{AfterGet, GetLimits, LoginRefused, Operator, PublishError, QueueWanted, Role};
use crate::broker::alarm::Alarm;
use crate::config::Config;
use crate::node::Node;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn name(text: &str) -> ShortString {
    ShortString::new(text).unwrap()
}

fn log_in(node: &Arc<Node>, user: &str, password: &str, peer: IpAddr) -> Result<Operator, LoginRefused> {
    Operator::log_in(node, Bytes::copy_from_slice(user.as_bytes()), Bytes::copy_from_slice(password.as_bytes()), peer)
}

fn operator() -> (Arc<Node>, Operator) {
    let node = Arc::new(Node::new(&Config::default()).unwrap());
    let operator = log_in(&node, "guest", "guest", HERE).unwrap();
    (node, operator)
}

#[test]
fn guest_may_come_from_this_machine_alone() {
    let (node, operator) = operator();
    assert!(operator.is(Role::Administrator) && operator.is(Role::Monitoring));
    assert!(log_in(&node, "guest", "guest", "::1".parse().unwrap()).is_ok());
    let elsewhere = log_in(&node, "guest", "guest", "192.0.2.1".parse().unwrap());
    assert_eq!(elsewhere.unwrap_err(), LoginRefused::NotLocal);
    let wrong = log_in(&node, "guest", "wrong", "192.0.2.1".parse().unwrap());
    assert_eq!(wrong.unwrap_err(), LoginRefused::Credentials, "the place tells nothing of the password");
}

#[tokio::test]
async fn messages_of_a_get_that_is_given_up_go_back() {
    let (_node, operator) = operator();
    let access = operator.enter(&name("/")).unwrap();
    access.declare_queue(QueueWanted { name: name("q"), ..QueueWanted::default() }).unwrap();
    for body in [b"one", b"two"] {
        assert!(access.publish(&name(""), &name("q"), Properties::default(), body).await.unwrap());
    }
    let limits = GetLimits { count: 10, bytes: 1 };
    let got = access.get(&name("q"), limits, AfterGet::Requeue).await.unwrap();
    assert_eq!(got.len(), 1, "so many bytes are enough");
    let content = access.queue(&name("q")).unwrap().content;
    assert_eq!((content.ready, content.unacked), (2, 0));
}

#[tokio::test]
async fn nothing_is_published_while_an_alarm_is_on() {
    let (node, operator) = operator();
    let access = operator.enter(&name("/")).unwrap();
    node.alarms.set(Alarm::Memory, true);
    let refused = access.publish(&name(""), &name("q"), Properties::default(), b"").await;
    assert_eq!(refused, Err(PublishError::Blocked("low on memory")));
    assert!(node.alarmed().memory);
}
