//! Messages of the broker's own making: where an internal exchange of a vhost leads, they go. Never in anybody's way: a
//! queue that is full gets none, and nobody waits for the disk.

use std::sync::Arc;

use leveret_protocol::{FieldTable, HeaderView};

use super::cell::QueueCell;
use super::memories::Way;
use super::together;
use super::vhost::RunningVhost;
use crate::broker::exchange::Envelope;
use crate::broker::message::Message;
use crate::broker::time::Timestamp;

impl RunningVhost {
    /// Publishes a message to the exchange that it names, with nothing locked.
    pub(super) fn publish_own(&self, now: Timestamp, message: Message) {
        let Way { route, known } = self.way_of(now, &message);
        let mut targets: Vec<Arc<QueueCell>> = self.cells_of(&route).into_vec();
        targets.retain(|target| !target.is_full());
        if !targets.is_empty() {
            let _position = together::publish(now, &targets, &[message.into()]);
        }
        self.keep_keys(now, &known.admitted);
    }

    /// Where the exchange that a message names leads it, whatever it carries.
    pub(super) fn way_of(&self, now: Timestamp, message: &Message) -> Way {
        let view = HeaderView::parse(message.header()).ok();
        let headers = view.and_then(|view| view.headers()).and_then(|octets| FieldTable::decode(octets).ok());
        let headers = headers.map(|(table, _)| table);
        let envelope = Envelope {
            routing_keys: &[message.routing_key()],
            headers: headers.as_ref(),
            content_header: message.header(),
            random: rand::random(),
        };
        self.route(now, &self.topology(), message, &envelope)
    }
}
