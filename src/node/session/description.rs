//! What a connection answers when somebody asks about it. Nothing is counted for it beforehand.

use std::net::SocketAddr;

use leveret_protocol::ShortString;

use super::Session;
use crate::broker::alarm::Alarms;
use crate::broker::channel::ChannelDescription;
use crate::broker::connection::Description;
use crate::broker::ids::ConnectionId;

/// A connection at one moment.
#[derive(Clone, Debug)]
pub struct ConnectionReport {
    /// Its id.
    pub id: ConnectionId,
    /// The client's end.
    pub peer: SocketAddr,
    /// This end.
    pub local: Option<SocketAddr>,
    /// Who logged in; empty before that.
    pub user: ShortString,
    /// Whether a vhost is open.
    pub is_open: bool,
    /// When it was accepted, in milliseconds since 1970.
    pub connected_at: u64,
    /// What its machine tells.
    pub description: Description,
    /// RabbitMQ's word for what it does: as its machine has it, or `flow` while it is held up, or `blocking` while an alarm is on
    /// and it has not published.
    pub state: &'static str,
    /// Bytes of memory that it holds besides messages in queues.
    pub memory: ConnectionMemory,
    /// What waits on its channels.
    pub waiting: Vec<Waiting>,
}

/// Bytes of memory that a connection holds besides messages in queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionMemory {
    /// Messages that are not complete.
    pub assembling: usize,
    /// Publishes that wait for room in a queue.
    pub held: usize,
    /// Publishes of open transactions.
    pub uncommitted: usize,
    /// Deliveries that are on their way to it.
    pub outgoing: usize,
}

/// What a channel's client waits for, or has not committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The channel.
    pub channel: u16,
    /// Publishes that are not confirmed.
    pub unconfirmed: u64,
    /// Publishes that wait for tx.commit.
    pub uncommitted: usize,
    /// Publishes wait for room in a queue, or the client was asked to pause.
    pub held_back: bool,
}

impl ConnectionReport {
    /// RabbitMQ's name of it: `PEER -> HOST`.
    #[must_use]
    pub fn name(&self) -> String {
        name(self.peer, self.local)
    }

    /// Its channels, by number.
    pub fn channels(&self) -> impl Iterator<Item = &ChannelDescription> {
        self.description.channels.iter()
    }

    /// RabbitMQ's word for what a channel does: as its machine has it, or `flow` while its publishes are held back.
    #[must_use]
    pub fn channel_state(&self, channel: &ChannelDescription) -> &'static str {
        if channel.state == "running" && self.waiting_on(channel.number).held_back { "flow" } else { channel.state }
    }

    /// What waits on a channel.
    #[must_use]
    pub fn waiting_on(&self, channel: u16) -> Waiting {
        let known = self.waiting.iter().find(|waiting| waiting.channel == channel).copied();
        known.unwrap_or_else(|| Waiting { channel, ..Waiting::default() })
    }
}

fn name(peer: SocketAddr, local: Option<SocketAddr>) -> String {
    match local {
        Some(local) => format!("{} -> {}", canonical(peer), canonical(local)),
        None => canonical(peer).to_string(),
    }
}

/// An IPv4 address that came in by an IPv6 socket, as IPv4.
const fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

impl Session {
    /// Tells at which address of this machine the client came in.
    pub const fn came_to(&mut self, local: SocketAddr) {
        self.local = Some(local);
    }

    /// Answers whoever asked about this connection.
    pub fn answer_questions(&self) {
        for question in self.outbox.questions() {
            // Who asked may have lost patience.
            let _gone = question.send(self.report());
        }
    }

    /// RabbitMQ's name of this connection.
    pub(super) fn name(&self) -> String {
        name(self.peer, self.local)
    }

    /// RabbitMQ: alarms come before flow.
    fn state(&self, of_machine: &'static str) -> &'static str {
        if of_machine != "running" {
            return of_machine;
        }
        if self.node.alarms.alarms() != Alarms::NONE {
            return "blocking";
        }
        if self.is_held_back() || self.outruns_the_log() || self.waits_for_its_turn() || self.flow.is_paused() {
            "flow"
        } else {
            of_machine
        }
    }

    fn memory(&self) -> ConnectionMemory {
        let backlog: usize = self.backlog.as_slice().iter().map(|delivery| delivery.message.cost()).sum();
        ConnectionMemory {
            assembling: self.connection.assembling(),
            held: self.held.bytes(),
            uncommitted: self.uncommitted.bytes(),
            outgoing: self.outbox.bytes() + backlog,
        }
    }

    pub(super) fn report(&self) -> ConnectionReport {
        let description = self.connection.describe();
        let waiting = description.channels.iter().map(|channel| Waiting {
            channel: channel.number,
            unconfirmed: self.confirms.owed_to(channel.number),
            uncommitted: self.uncommitted.count(channel.number),
            held_back: self.held.holds(channel.number) || self.flow.is_paused_on(channel.number),
        });
        ConnectionReport {
            id: self.id,
            peer: self.peer,
            local: self.local,
            user: self.user.as_ref().map(|user| user.name.clone()).unwrap_or_default(),
            is_open: self.vhost.is_some(),
            connected_at: self.connected_at,
            waiting: waiting.collect(),
            state: self.state(description.state),
            memory: self.memory(),
            description,
        }
    }
}
