//! What others leave for a connection: deliveries from queues, and news. Its bound is the windows of its consumers,
//! which `session::windows` shares out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::session::ConnectionReport;
use crate::broker::ids::ConsumerId;
use crate::broker::queue::Delivery;
use crate::store::Waiter;

/// A connection's outbox.
#[derive(Debug, Default)]
pub struct Outbox {
    content: Mutex<Content>,
    arrival: Notify,
    /// Whether there are questions: looked at in every turn of the connection.
    asked: AtomicBool,
    questions: Mutex<Vec<Question>>,
    question: Notify,
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
/// Somebody wants to know what the connection does.
pub(super) type Question = oneshot::Sender<ConnectionReport>;

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

    /// Bytes of memory that the deliveries in it cost.
    pub(super) fn bytes(&self) -> usize {
        self.content.lock().deliveries.iter().map(|delivery| delivery.message.cost()).sum()
    }

    /// Asks the connection to close with 320.
    pub fn force_close(&self, reason: &str) {
        self.put(|content| content.close = Some(reason.to_owned()));
        self.wake();
    }

    /// Asks the connection about itself. It answers soon, unless it ends.
    pub(super) fn ask(&self) -> oneshot::Receiver<ConnectionReport> {
        let (question, answer) = oneshot::channel();
        self.questions.lock().push(question);
        self.asked.store(true, Ordering::Release);
        self.question.notify_one();
        answer
    }

    /// The questions since the last time.
    pub(super) fn questions(&self) -> Vec<Question> {
        if !self.asked.load(Ordering::Relaxed) {
            return Vec::new();
        }
        self.asked.store(false, Ordering::Release);
        std::mem::take(&mut self.questions.lock())
    }

    /// Waits for a question. Apart from `arrival`, since a connection that can send nothing does not wait for that.
    pub async fn question(&self) {
        self.question.notified().await;
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
