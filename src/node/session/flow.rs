//! channel.flow to clients that obey it: a channel whose queues get full is asked to pause before its publishes have to wait.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use leveret_protocol::{Method, channel};

use super::Session;
use crate::node::cell::QueueCell;

/// The channels that are to pause, each with the queues that are the reason.
#[derive(Debug, Default)]
pub(super) struct Flow {
    paused: BTreeMap<u16, Vec<Arc<QueueCell>>>,
    /// Those that have not been told yet.
    news: Vec<u16>,
}

impl Flow {
    /// Whether a channel is to pause.
    pub(super) fn is_paused(&self) -> bool {
        !self.paused.is_empty()
    }

    /// Whether this channel is to pause.
    pub(super) fn is_paused_on(&self, channel: u16) -> bool {
        self.paused.contains_key(&channel)
    }
}

impl Session {
    /// Whether its channels are asked to pause.
    pub(super) fn heeds_flow(&self) -> bool {
        // Who also consumes may publish before it acknowledges, and never get there if it is paused.
        self.connection.obeys_flow() && !self.is_mixed()
    }

    /// A queue that the channel publishes to gets full.
    pub(super) fn slow_down(&mut self, channel: u16, cell: &Arc<QueueCell>) {
        let queues = self.flow.paused.entry(channel).or_default();
        if queues.is_empty() {
            self.flow.news.push(channel);
        }
        if !queues.iter().any(|queue| Arc::ptr_eq(queue, cell)) {
            queues.push(Arc::clone(cell));
        }
    }

    /// Tells channels to pause, and those to go on whose queues have room again.
    pub(super) fn tell_flow(&mut self, out: &mut BytesMut) {
        if self.flow.paused.is_empty() {
            return;
        }
        for channel in std::mem::take(&mut self.flow.news) {
            self.write_flow(channel, false, out);
        }
        let (outbox, mixed) = (&self.outbox, self.is_mixed());
        let go_on: Vec<u16> = self
            .flow
            .paused
            .extract_if(.., |_, queues| {
                queues.retain(|queue| !queue.is_low(outbox));
                mixed || queues.is_empty()
            })
            .map(|(channel, _)| channel)
            .collect();
        for channel in go_on {
            self.write_flow(channel, true, out);
        }
    }

    fn write_flow(&mut self, channel: u16, active: bool, out: &mut BytesMut) {
        if self.connection.ask_for_flow(channel) {
            Method::from(channel::Flow { active }).write_frame(channel, out);
        }
    }

    /// The channel is gone.
    pub(super) fn forget_flow(&mut self, channel: u16) {
        self.flow.paused.remove(&channel);
        self.flow.news.retain(|other| *other != channel);
    }
}
