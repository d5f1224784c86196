//! What others leave for a connection: deliveries from queues, and news. Its bound is the windows of its consumers,
//! which `session::windows` shares out.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::broker::ids::ConsumerId;
use crate::broker::queue::Delivery;
use crate::store::Waiter;

/// A connection's outbox.
#[derive(Debug, Default)]
pub struct Outbox {
    content: Mutex<Content>,
    arrival: Notify,
}

/// A consumer, or what stands for a channel, that held something for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimedOut {
    pub(super) consumer: ConsumerId,
    /// How long it may.
    pub(super) timeout: Duration,
    /// The client is to be told that the consumer is cancelled; otherwise its channel ends.
    pub(super) cancels: bool,
}

/// What is in an outbox.
#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) deliveries: Vec<Delivery>,
    pub(super) cancelled: Vec<ConsumerId>,
    pub(super) timed_out: Vec<TimedOut>,
    /// Consumers under a limit of their channel for which there are messages; each once until it is offered room.
    pub(super) wanting: Vec<ConsumerId>,
    pub(super) close: Option<String>,
}

impl Outbox {
    /// Puts content in; the caller calls `wake` after releasing its locks.
    pub(super) fn put(&self, add: impl FnOnce(&mut Content)) {
        add(&mut self.content.lock());
    }

    pub(super) fn take(&self) -> Content {
        std::mem::take(&mut self.content.lock())
    }

    /// Asks the connection to close with 320.
    pub fn force_close(&self, reason: &str) {
        self.put(|content| content.close = Some(reason.to_owned()));
        self.wake();
    }

    /// Waits until something has been put in since the last wait.
    pub async fn arrival(&self) {
        self.arrival.notified().await;
    }
}

impl Waiter for Outbox {
    /// Something was put in, or something that the connection waits for has come about.
    fn wake(&self) {
        self.arrival.notify_one();
    }
}
