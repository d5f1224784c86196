//! Connections, channels and consumers for operators: connections are asked, and tell.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::ShortString;

use super::{Access, Operator, Role};
use crate::broker::connection::ConsumerDescription;
use crate::broker::ids::{ConnectionId, ConsumerId};
use crate::broker::queue::Subscription;
use crate::node::session::ConnectionReport;

/// How long connections get to tell of themselves, all together. A connection answers between two pieces of work.
const PATIENCE: Duration = Duration::from_secs(2);

/// A consumer of a queue.
#[derive(Clone, Debug)]
pub struct ConsumerReport {
    /// Its queue.
    pub queue: ShortString,
    /// The queue's vhost.
    pub vhost: ShortString,
    /// What its queue knows.
    pub subscription: Subscription,
    /// What its connection knows; none when that has ended meanwhile, or did not tell in time.
    pub client: Option<(Arc<ConnectionReport>, ConsumerDescription)>,
}

impl Operator {
    /// The open connections that the user may see, by age: its own, or all. One that does not answer in time is left out.
    pub async fn connections(&self) -> Vec<ConnectionReport> {
        let mut reports = self.ask_all().await;
        reports.retain(|report| self.is(Role::Monitoring) || report.user == self.user.name);
        reports
    }

    /// The connection of that name; see [`ConnectionReport::name`].
    pub async fn connection(&self, name: &str) -> Option<ConnectionReport> {
        self.connections().await.into_iter().find(|report| report.name() == name)
    }

    /// Ends a connection with 320 and this reason.
    pub fn close_connection(&self, connection: ConnectionId, reason: &str) {
        if let Some(outbox) = self.node.outboxes.get(&connection) {
            outbox.force_close(reason);
        }
    }

    /// The consumers in these vhosts, by queue.
    pub async fn consumers(&self, vhosts: &[Access]) -> Vec<ConsumerReport> {
        let mut clients = HashMap::new();
        for report in self.ask_all().await {
            let report = Arc::new(report);
            for consumer in &report.description.consumers {
                clients.insert(consumer.consumer, (Arc::clone(&report), consumer.clone()));
            }
        }
        vhosts.iter().flat_map(|access| access.consumers(&mut clients)).collect()
    }

    async fn ask_all(&self) -> Vec<ConnectionReport> {
        let mut asked: Vec<_> = self.node.outboxes.iter().map(|outbox| (*outbox.key(), outbox.ask())).collect();
        asked.sort_unstable_by_key(|(id, _)| *id);
        let mut reports = Vec::new();
        let all = async {
            for (_, answer) in asked {
                // It may end instead of answering.
                reports.extend(answer.await.ok());
            }
        };
        let _late = tokio::time::timeout(PATIENCE, all).await;
        reports.retain(|report| report.is_open);
        reports
    }
}

type Clients = HashMap<ConsumerId, (Arc<ConnectionReport>, ConsumerDescription)>;

impl Access {
    fn consumers(&self, clients: &mut Clients) -> Vec<ConsumerReport> {
        let mut reports = Vec::new();
        for queue in self.queues() {
            reports.extend(queue.content.consumers.iter().map(|subscription| ConsumerReport {
                queue: queue.entry.name.clone(),
                vhost: self.vhost().clone(),
                subscription: *subscription,
                client: clients.remove(&subscription.consumer),
            }));
        }
        reports
    }
}
