//! The end of a node, in order.

use std::sync::Arc;

use super::open;
use crate::store::disk::faulty::FaultyDisk;

#[test]
fn when_a_node_is_closed_its_keeper_has_let_go_of_the_log() {
    let node = open(&FaultyDisk::new());
    let storage = Arc::clone(node.storage.as_ref().unwrap());
    let before = Arc::strong_count(&storage);
    node.close(true);
    assert_eq!(Arc::strong_count(&storage), before - 1);
}
