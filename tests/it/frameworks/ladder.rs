//! The ladder of 28 delay queues that Celery and `NServiceBus` build: level N holds a message for 2^N seconds, and each
//! binary digit of the delay, in the routing key, decides whether the message waits at its level or passes by.

use lapin::ExchangeKind;
use lapin::options::ExchangeBindOptions;
use lapin::types::AMQPValue;

use super::{durable_exchange, durable_queue};
use crate::client::{Client, table, text, within};

/// The highest level; 2^28 seconds are about eight and a half years.
const TOP: usize = 27;

/// The names of a ladder.
pub(super) struct Ladder {
    /// Exchange and queue of a level.
    pub(super) level: fn(usize) -> String,
    /// The exchange that messages leave the ladder by.
    pub(super) delivery: &'static str,
}

impl Ladder {
    /// Declares all of it, as each worker does at its start.
    pub(super) async fn declare(&self, client: &Client) {
        durable_exchange(client, self.delivery, ExchangeKind::Topic).await;
        for level in 0..=TOP {
            self.declare_level(client, level).await;
        }
    }

    async fn declare_level(&self, client: &Client, level: usize) {
        let (name, below) = ((self.level)(level), self.below(level));
        durable_exchange(client, &name, ExchangeKind::Topic).await;
        let ttl = 1000_i64 << level;
        let arguments = [
            ("x-queue-type", text("quorum")),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-message-ttl", AMQPValue::LongLongInt(ttl)),
            ("x-dead-letter-exchange", text(&below)),
        ];
        durable_queue(client, &name, &arguments).await;
        let before = "*.".repeat(TOP - level);
        client.bind(&name, &name, &format!("{before}1.#")).await;
        bind_exchange(client, &below, &name, &format!("{before}0.#")).await;
    }

    fn below(&self, level: usize) -> String {
        level.checked_sub(1).map_or_else(|| self.delivery.to_owned(), self.level)
    }

    /// The name of the exchange that messages enter the ladder by.
    pub(super) fn entry(&self) -> String {
        (self.level)(TOP)
    }

    /// Messages that wait at each level that has some.
    pub(super) async fn waiting(&self, client: &Client) -> Vec<(usize, u32)> {
        let mut waiting = Vec::new();
        for level in 0..=TOP {
            let ready = client.counts(&(self.level)(level)).await.0;
            if ready > 0 {
                waiting.push((level, ready));
            }
        }
        waiting
    }
}

/// The key of a message that is to wait so many seconds: the digits, the highest first, then its own key.
pub(super) fn key(seconds: u32, routing_key: &str) -> String {
    let digits: String = (0..=TOP).rev().map(|level| format!("{}.", seconds >> level & 1)).collect();
    format!("{digits}{routing_key}")
}

/// Binds an exchange to another.
pub(super) async fn bind_exchange(client: &Client, destination: &str, source: &str, binding_key: &str) {
    let options = ExchangeBindOptions::default();
    within(client.exchange_bind(destination.into(), source.into(), binding_key.into(), options, table(&[])))
        .await
        .expect("it is bound");
}
