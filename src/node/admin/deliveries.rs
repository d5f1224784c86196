//! Unacked deliveries of a queue for operators: listed, and given more time before they are taken back.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::ShortString;

use super::{Access, Operator};
use crate::broker::connection::ConsumerDescription;
use crate::broker::error::ChannelError;
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::Outstanding;
use crate::node::session::ConnectionReport;

/// An unacked delivery.
#[derive(Clone, Debug)]
pub struct DeliveryReport {
    /// What its queue knows.
    pub delivery: Outstanding,
    /// What its consumer's connection knows; none where it was asked for by basic.get or lent, or when the connection did not
    /// tell in time.
    pub client: Option<(Arc<ConnectionReport>, ConsumerDescription)>,
}

impl Access {
    /// Unacked deliveries by the numbers of their messages, behind one of them or from the beginning; at most so many.
    ///
    /// # Errors
    /// As basic.get.
    pub async fn deliveries(
        &self,
        operator: &Operator,
        queue: &ShortString,
        after: Option<SequenceNumber>,
        most: usize,
    ) -> Result<Vec<DeliveryReport>, ChannelError> {
        let outstanding = self.readable(queue)?.outstanding(after, most);
        let consumers = operator.consumers(std::slice::from_ref(self)).await.into_iter();
        let clients: HashMap<_, _> =
            consumers.filter_map(|report| Some((report.subscription.consumer, report.client?))).collect();
        let reports = outstanding.into_iter().map(|delivery| {
            let client = clients.get(&delivery.consumer).cloned();
            DeliveryReport { delivery, client }
        });
        Ok(reports.collect())
    }

    /// Lets the delivery of that message stay unacked for so long from now on; the delivery as it is then. `None`: nobody
    /// holds it.
    ///
    /// # Errors
    /// As basic.get.
    pub fn extend_delivery(
        &self,
        queue: &ShortString,
        sequence: SequenceNumber,
        by: Duration,
    ) -> Result<Option<Outstanding>, ChannelError> {
        Ok(self.readable(queue)?.extend_delivery(self.node.clock.now(), sequence, by))
    }
}
