//! Messages that are taken on a lease: by clients that have no connection which could hold them.

use std::sync::Arc;
use std::time::Duration;

use leveret_protocol::ShortString;
use thiserror::Error;

use super::get::GetLimits;
use super::{Access, Operator};
use crate::broker::error::ChannelError;
use crate::broker::ids::ConsumerId;
use crate::broker::message::Message;
use crate::broker::queue::{Delivery, Input, Outcome, Refusal};
use crate::broker::resource::Resource;
use crate::broker::time::Timestamp;
use crate::node::Node;
use crate::node::cell::QueueCell;
use crate::node::leases::{Lease, Reservation};
use crate::node::outbox::Outbox;

/// A message on a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// What ends the lease, or moves its end.
    pub token: String,
    /// The message.
    pub message: Message,
    /// It was handed out before.
    pub redelivered: bool,
}

/// Why nothing is lent.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LeaseError {
    /// As basic.get.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The user, or all users, hold as much as they may.
    #[error("too many messages are leased")]
    TooManyLeases,
    /// As many requests of the user, or of all users, wait as may.
    #[error("too many requests wait for messages")]
    TooManyWait,
}

/// What to do with a message on a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEnd {
    /// It is done.
    Acknowledge,
    /// It is not to be tried again: dead-lettered where the queue does so.
    Reject,
    /// Its delivery failed: back to the queue, now or after a while.
    Requeue(Duration),
    /// The lease goes on, for so long from now.
    Extend(Duration),
}

/// How long a message may take to be read from disk.
const DISK_PATIENCE: Duration = Duration::from_secs(5);

impl Access {
    /// Takes messages on leases of so long; where there is none, waits for one.
    ///
    /// # Errors
    /// As basic.get, and when too many are lent or waited for.
    pub async fn lease(
        &self,
        queue: &ShortString,
        limits: GetLimits,
        lease: Duration,
        wait: Duration,
    ) -> Result<Vec<Leased>, LeaseError> {
        let cell = self.readable(queue)?;
        let reservation = self.node.leases.reserve(&self.actor.user.name, limits.count);
        let reservation = reservation.ok_or(LeaseError::TooManyLeases)?;
        let mut taker = Taker::new(self, cell, reservation);
        let give_up = self.node.clock.now().after(wait);
        let mut place = None;
        loop {
            taker.take(limits, lease).await.map_err(|refusal| refused(refusal, queue, &self.vhost.name))?;
            let left = self.node.clock.now().until(give_up);
            if !taker.taken.is_empty() || left.is_zero() {
                return Ok(taker.finish());
            }
            if place.is_none() {
                place = Some(self.node.leases.wait(&self.actor.user.name).ok_or(LeaseError::TooManyWait)?);
            }
            taker.wait(left).await;
        }
    }
}

impl Operator {
    /// Ends leases of the user, or lets them go on; those of the tokens that are not or no more, in order.
    pub fn end_leases<'a>(&self, tokens: impl IntoIterator<Item = &'a str>, end: LeaseEnd) -> Vec<&'a str> {
        tokens.into_iter().filter(|token| !self.end_lease(token, end)).collect()
    }

    fn end_lease(&self, token: &str, end: LeaseEnd) -> bool {
        let (leases, now, user) = (&self.node.leases, self.node.clock.now(), &self.user.name);
        match end {
            LeaseEnd::Acknowledge => leases.end(now, user, token, Outcome::Ack),
            LeaseEnd::Reject => leases.end(now, user, token, Outcome::Discard),
            LeaseEnd::Requeue(Duration::ZERO) => leases.end(now, user, token, Outcome::Fail),
            LeaseEnd::Requeue(delay) => leases.put_off(now, user, token, now.after(delay), Node::random_name()),
            LeaseEnd::Extend(by) => leases.extend(now, user, token, now.after(by)),
        }
    }
}

impl Node {
    /// Ends leases at their times, for ever; whoever lends awaits it.
    pub async fn keep_leases(&self) {
        self.leases.keep(self.clock).await;
    }

    /// Everything that is lent comes back.
    pub fn end_leases(&self) {
        self.leases.end_all(self.clock.now());
    }
}

fn refused(refusal: Refusal, queue: &ShortString, vhost: &ShortString) -> ChannelError {
    let resource = Resource::queue(queue, vhost);
    match refusal {
        Refusal::ExclusiveUse => ChannelError::SingleActiveConsumer(resource),
        Refusal::Gone | Refusal::InUse | Refusal::NotEmpty => ChannelError::NotFound(resource),
    }
}

/// Takes messages for a request. What it has when it is dropped, for whatever reason, goes back.
struct Taker<'a> {
    node: &'a Node,
    cell: Arc<QueueCell>,
    user: &'a ShortString,
    reservation: Reservation,
    /// Stands for the channel of the next message: each lease has one of its own.
    consumer: ConsumerId,
    outbox: Arc<Outbox>,
    taken: Vec<Leased>,
}

impl<'a> Taker<'a> {
    fn new(access: &'a Access, cell: Arc<QueueCell>, reservation: Reservation) -> Self {
        let (node, user) = (&*access.node, &access.actor.user.name);
        let consumer = node.next_consumer();
        Self { node, cell, user, reservation, consumer, outbox: Arc::default(), taken: Vec::new() }
    }

    /// Takes what is there, on disk, too.
    async fn take(&mut self, limits: GetLimits, lease: Duration) -> Result<(), Refusal> {
        let mut bytes = 0;
        while self.reservation.left() > 0 && bytes < limits.bytes {
            let now = self.node.clock.now();
            let outcome = self.cell.get(now, self.consumer, false, &self.outbox)?;
            match outcome.got {
                Some((delivery, _)) => {
                    bytes += delivery.message.cost();
                    self.lend(now, delivery, lease);
                }
                None if outcome.got_later => {
                    if tokio::time::timeout(DISK_PATIENCE, self.outbox.arrival()).await.is_err() {
                        break;
                    }
                }
                None => break,
            }
        }
        Ok(())
    }

    fn lend(&mut self, now: Timestamp, delivery: Delivery, lease: Duration) {
        let token = Node::random_name();
        let lease = Lease {
            cell: Arc::clone(&self.cell),
            consumer: std::mem::replace(&mut self.consumer, self.node.next_consumer()),
            checkout: delivery.checkout,
            user: self.user.clone(),
            until: now.after(lease),
        };
        self.reservation.lend(now, token.clone(), lease);
        let Delivery { message, redelivered, .. } = delivery;
        self.taken.push(Leased { token, message, redelivered });
    }

    /// Waits until there may be a message.
    async fn wait(&self, left: Duration) {
        self.cell.poll(&self.outbox);
        let _late = tokio::time::timeout(left, self.outbox.arrival()).await;
    }

    fn finish(mut self) -> Vec<Leased> {
        std::mem::take(&mut self.taken)
    }
}

impl Drop for Taker<'_> {
    fn drop(&mut self) {
        let now = self.node.clock.now();
        for leased in self.taken.drain(..) {
            self.node.leases.end(now, self.user, &leased.token, Outcome::Requeue);
        }
        let _gone = self.cell.run(now, Input::Abandon(self.consumer));
        self.cell.stop_polling(&self.outbox);
    }
}
