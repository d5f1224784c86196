//! Events of connections, channels, consumers and logins.

use std::net::SocketAddr;

use leveret_protocol::{FieldTable, FieldValue, ShortString};

use super::{Events, PERFORMED_BY, headers, performer, text, whole};
use crate::broker::auth::sasl::{Login, Mechanism};
use crate::broker::queue::Subscription;
use crate::node::session::ConnectionReport;

/// What RabbitMQ tells of a connection with TLS; of another one that there is nothing.
const WITHOUT_TLS: [&str; 8] = [
    "peer_cert_issuer",
    "peer_cert_serial_number",
    "peer_cert_subject",
    "peer_cert_validity",
    "ssl_cipher",
    "ssl_hash",
    "ssl_key_exchange",
    "ssl_protocol",
];

/// A consumer, for whoever is told that it came or went.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct ConsumerSeen<'a> {
    pub(in crate::node) connection: &'a ConnectionSeen<'a>,
    pub(in crate::node) channel: u16,
    pub(in crate::node) tag: &'a ShortString,
    pub(in crate::node) queue: &'a ShortString,
}

/// A connection, for whoever is told that something of it came or went.
#[derive(Clone, Copy, Debug)]
pub(in crate::node) struct ConnectionSeen<'a> {
    pub(in crate::node) name: &'a str,
    pub(in crate::node) vhost: &'a ShortString,
    pub(in crate::node) user: &'a ShortString,
}

impl ConnectionSeen<'_> {
    /// What stands for RabbitMQ's process of a channel.
    fn channel(&self, number: u16) -> FieldValue {
        text(format!("{} ({number})", self.name))
    }
}

impl Events {
    /// A connection has opened its vhost.
    pub(in crate::node) fn tell_connection_created(&self, connection: &ConnectionSeen<'_>, report: &ConnectionReport) {
        self.tell("connection.created", || {
            let description = &report.description;
            let mut told = headers([
                ("pid", text(connection.name)),
                ("name", text(connection.name)),
                ("type", text("network")),
                ("ssl", false.into()),
                ("protocol", text("{0,9,1}")),
                ("auth_mechanism", text(description.mechanism)),
                ("user", text(connection.user.as_bytes())),
                ("vhost", text(connection.vhost.as_bytes())),
                ("timeout", whole(description.heartbeat)),
                ("frame_max", whole(description.frame_max)),
                ("channel_max", whole(description.channel_max)),
                ("client_properties", FieldValue::Table(description.client_properties.clone())),
                ("connected_at", whole(report.connected_at)),
                ("node", text(&self.node)),
                (PERFORMED_BY, performer(Some(connection.user))),
            ]);
            for name in WITHOUT_TLS {
                told.insert(name, text(""));
            }
            add_given_name(&mut told, &description.client_properties);
            add_ends(&mut told, report.peer, report.local);
            told.insert("port", whole(report.local.map_or(0, |local| local.port())));
            told
        });
    }

    /// A connection that had opened its vhost is gone.
    pub(in crate::node) fn tell_connection_closed(&self, connection: &ConnectionSeen<'_>, properties: &FieldTable) {
        self.tell("connection.closed", || {
            let mut told = headers([
                ("name", text(connection.name)),
                ("pid", text(connection.name)),
                ("node", text(&self.node)),
                ("client_properties", FieldValue::Table(properties.clone())),
                // What follows RabbitMQ does not tell.
                ("user", text(connection.user.as_bytes())),
                ("vhost", text(connection.vhost.as_bytes())),
                (PERFORMED_BY, performer(Some(connection.user))),
            ]);
            add_given_name(&mut told, properties);
            told
        });
    }

    /// A channel is open.
    pub(in crate::node) fn tell_channel_created(&self, connection: &ConnectionSeen<'_>, number: u16) {
        self.tell("channel.created", || {
            headers([
                ("pid", connection.channel(number)),
                ("name", connection.channel(number)),
                ("connection", text(connection.name)),
                ("number", whole(number)),
                ("user", text(connection.user.as_bytes())),
                ("vhost", text(connection.vhost.as_bytes())),
                (PERFORMED_BY, performer(Some(connection.user))),
            ])
        });
    }

    /// A channel is closed.
    pub(in crate::node) fn tell_channel_closed(&self, connection: &ConnectionSeen<'_>, number: u16) {
        self.tell("channel.closed", || {
            headers([
                ("pid", connection.channel(number)),
                ("name", connection.channel(number)),
                // They have ended before it.
                ("consumer_count", whole(0)),
                (PERFORMED_BY, performer(Some(connection.user))),
            ])
        });
    }

    /// A consumer is attached to its queue.
    pub(in crate::node) fn tell_consumer_created(
        &self,
        consumer: ConsumerSeen<'_>,
        subscription: &Subscription,
        arguments: &FieldTable,
    ) {
        self.tell("consumer.created", || {
            let mut told = describe(consumer);
            told.insert("exclusive", subscription.exclusive);
            told.insert("ack_required", !subscription.no_ack);
            told.insert("prefetch_count", whole(subscription.prefetch));
            told.insert("arguments", FieldValue::Table(arguments.clone()));
            told
        });
    }

    /// A consumer is gone, whoever ended it.
    pub(in crate::node) fn tell_consumer_deleted(&self, consumer: ConsumerSeen<'_>) {
        self.tell("consumer.deleted", || describe(consumer));
    }

    /// Somebody has logged in by AMQP, or was not let in.
    pub(in crate::node) fn tell_login(
        &self,
        (mechanism, login): (Mechanism, &Login),
        connection: &str,
        (peer, local): (SocketAddr, Option<SocketAddr>),
        refused: Option<&str>,
    ) {
        let key = if refused.is_some() { "user.authentication.failure" } else { "user.authentication.success" };
        self.tell(key, || {
            let name = match login {
                Login::Password { user, .. } => text(user),
                Login::Anonymous => text(""),
            };
            let mut told = headers([
                ("connection_type", text("network")),
                ("connection_name", text(connection)),
                ("name", name),
                ("auth_mechanism", text(mechanism.name())),
                ("protocol", text("{0,9,1}")),
                ("ssl", false.into()),
            ]);
            add_ends(&mut told, peer, local);
            if let Some(reason) = refused {
                told.insert("error", text(reason));
            }
            told
        });
    }
}

fn describe(consumer: ConsumerSeen<'_>) -> FieldTable {
    headers([
        ("consumer_tag", text(consumer.tag.as_bytes())),
        ("channel", consumer.connection.channel(consumer.channel)),
        ("queue", text(consumer.queue.as_bytes())),
        ("vhost", text(consumer.connection.vhost.as_bytes())),
        (PERFORMED_BY, performer(Some(consumer.connection.user))),
    ])
}

/// The name that the client gave its connection, if it did.
fn add_given_name(told: &mut FieldTable, properties: &FieldTable) {
    if let Some(name) = properties.get("connection_name").and_then(FieldValue::as_bytes) {
        told.insert("user_provided_name", text(name));
    }
}

fn add_ends(told: &mut FieldTable, peer: SocketAddr, local: Option<SocketAddr>) {
    told.insert("peer_host", text(peer.ip().to_canonical().to_string()));
    told.insert("peer_port", whole(peer.port()));
    if let Some(local) = local {
        told.insert("host", text(local.ip().to_canonical().to_string()));
    }
}
