//! The table of all methods (AMQP 0-9-1 1.4 to 1.9, with the extensions of RabbitMQ and of 0-8).
//!
//! A line is an argument in the order of the wire; `content` marks a method that a header and a body follow.

use bytes::{BufMut, Bytes, BytesMut};

use super::MethodError;
use super::argument::{Argument, Writer, decode, ids};
use super::macros::methods;
use crate::{FieldTable, ShortString};

methods! {
    "Class connection: handshake, limits and end of a connection." connection Connection = 10 {
        "The server begins the handshake." Start = 10 "connection.start" {
            version_major: u8, "Major version of the protocol: 0.";
            version_minor: u8, "Minor version of the protocol: 9.";
            server_properties: FieldTable, "What the server is and can do.";
            mechanisms: Bytes, "Names of SASL mechanisms, separated by spaces.";
            locales: Bytes, "Locales for texts, separated by spaces.";
        }
        "The client chooses how to log in." StartOk = 11 "connection.start-ok" {
            client_properties: FieldTable, "What the client is and can do.";
            mechanism: ShortString, "The chosen SASL mechanism.";
            response: Bytes, "First response of the mechanism.";
            locale: ShortString, "The chosen locale.";
        }
        "The server asks for more by the mechanism." Secure = 20 "connection.secure" {
            challenge: Bytes, "Challenge of the mechanism.";
        }
        "The client answers the challenge." SecureOk = 21 "connection.secure-ok" {
            response: Bytes, "Response of the mechanism.";
        }
        "The server proposes limits." Tune = 30 "connection.tune" {
            channel_max: u16, "Highest channel number; 0 is no limit.";
            frame_max: u32, "Octets of the largest frame, overhead included; 0 is no limit.";
            heartbeat: u16, "Seconds between heartbeats; 0 is none.";
        }
        "The client settles the limits." TuneOk = 31 "connection.tune-ok" {
            channel_max: u16, "Highest channel number; 0 is no limit.";
            frame_max: u32, "Octets of the largest frame, overhead included; 0 is no limit.";
            heartbeat: u16, "Seconds between heartbeats; 0 is none.";
        }
        "The client chooses a vhost." Open = 40 "connection.open" {
            virtual_host: ShortString, "Name of the vhost.";
            capabilities: ShortString, "Reserved.";
            insist: bool, "Reserved.";
        }
        "The connection is open." OpenOk = 41 "connection.open-ok" {
            known_hosts: ShortString, "Reserved.";
        }
        "Either side ends the connection." Close = 50 "connection.close" {
            reply_code: u16, "The reason as a number.";
            reply_text: ShortString, "The reason in words.";
            class_id: u16, "Class of the method that failed, or 0.";
            method_id: u16, "The method that failed, or 0.";
        }
        "The other side agrees to the end." CloseOk = 51 "connection.close-ok" {}
        "The server stops reading what is published (RabbitMQ extension)." Blocked = 60 "connection.blocked" {
            reason: ShortString, "Why, such as `low on memory`.";
        }
        "The server reads again (RabbitMQ extension)." Unblocked = 61 "connection.unblocked" {}
        "The client renews its credentials (RabbitMQ extension)." UpdateSecret = 70 "connection.update-secret" {
            new_secret: Bytes, "The new password or token.";
            reason: ShortString, "Why, in words.";
        }
        "The new credentials hold." UpdateSecretOk = 71 "connection.update-secret-ok" {}
    }

    "Class channel: beginning, flow and end of a channel." channel Channel = 20 {
        "The client opens the channel." Open = 10 "channel.open" {
            out_of_band: ShortString, "Reserved.";
        }
        "The channel is open." OpenOk = 11 "channel.open-ok" {
            channel_id: Bytes, "Reserved.";
        }
        "Asks the other side to pause or go on sending content." Flow = 20 "channel.flow" {
            active: bool, "Whether content may be sent.";
        }
        "The flow is as asked." FlowOk = 21 "channel.flow-ok" {
            active: bool, "Whether content will be sent.";
        }
        "Either side ends the channel." Close = 40 "channel.close" {
            reply_code: u16, "The reason as a number.";
            reply_text: ShortString, "The reason in words.";
            class_id: u16, "Class of the method that failed, or 0.";
            method_id: u16, "The method that failed, or 0.";
        }
        "The other side agrees to the end." CloseOk = 41 "channel.close-ok" {}
    }

    "Class access: a leftover of AMQP 0-8 that RabbitMQ still answers." access Access = 30 {
        "The client asks for a ticket." Request = 10 "access.request" {
            realm: ShortString, "What the ticket is for.";
            exclusive: bool, "Ask for the realm alone.";
            passive: bool, "Ask for passive access.";
            active: bool, "Ask for active access.";
            write: bool, "Ask to write.";
            read: bool, "Ask to read.";
        }
        "The client has a ticket." RequestOk = 11 "access.request-ok" {
            ticket: u16, "The ticket; nothing checks it.";
        }
    }

    "Class exchange: declaring, deleting and binding exchanges." exchange Exchange = 40 {
        "Creates an exchange, or checks that it is as described." Declare = 10 "exchange.declare" {
            ticket: u16, "Reserved.";
            exchange: ShortString, "Name of the exchange.";
            kind: ShortString, "The argument `type`: how it routes.";
            passive: bool, "Only check that it exists.";
            durable: bool, "It survives a restart.";
            auto_delete: bool, "It goes with its last binding (reserved in 0-9-1).";
            internal: bool, "Clients may not publish to it (reserved in 0-9-1).";
            nowait: bool, "Send no reply.";
            arguments: FieldTable, "Further settings.";
        }
        "The exchange exists." DeclareOk = 11 "exchange.declare-ok" {}
        "Deletes an exchange." Delete = 20 "exchange.delete" {
            ticket: u16, "Reserved.";
            exchange: ShortString, "Name of the exchange.";
            if_unused: bool, "Only when it has no bindings.";
            nowait: bool, "Send no reply.";
        }
        "The exchange is gone." DeleteOk = 21 "exchange.delete-ok" {}
        "Binds an exchange to another (RabbitMQ extension)." Bind = 30 "exchange.bind" {
            ticket: u16, "Reserved.";
            destination: ShortString, "The exchange that messages go to.";
            source: ShortString, "The exchange that messages come from.";
            routing_key: ShortString, "The binding key.";
            nowait: bool, "Send no reply.";
            arguments: FieldTable, "Further settings; part of the binding's identity.";
        }
        "The binding exists." BindOk = 31 "exchange.bind-ok" {}
        "Removes a binding between exchanges (RabbitMQ extension)." Unbind = 40 "exchange.unbind" {
            ticket: u16, "Reserved.";
            destination: ShortString, "The exchange that messages go to.";
            source: ShortString, "The exchange that messages come from.";
            routing_key: ShortString, "The binding key.";
            nowait: bool, "Send no reply.";
            arguments: FieldTable, "As they were given to bind.";
        }
        "The binding is gone. Its id breaks the pattern." UnbindOk = 51 "exchange.unbind-ok" {}
    }

    "Class queue: declaring, deleting, purging and binding queues." queue Queue = 50 {
        "Creates a queue, or checks that it is as described." Declare = 10 "queue.declare" {
            ticket: u16, "Reserved.";
            queue: ShortString, "Name of the queue; empty lets the server choose one.";
            passive: bool, "Only check that it exists.";
            durable: bool, "It survives a restart.";
            exclusive: bool, "It belongs to this connection and goes with it.";
            auto_delete: bool, "It goes with its last consumer.";
            nowait: bool, "Send no reply.";
            arguments: FieldTable, "Further settings.";
        }
        "The queue exists." DeclareOk = 11 "queue.declare-ok" {
            queue: ShortString, "Name of the queue.";
            message_count: u32, "Messages that are ready.";
            consumer_count: u32, "Consumers of the queue.";
        }
        "Binds a queue to an exchange." Bind = 20 "queue.bind" {
            ticket: u16, "Reserved.";
            queue: ShortString, "Name of the queue; empty is the last one declared on the channel.";
            exchange: ShortString, "Name of the exchange.";
            routing_key: ShortString, "The binding key.";
            nowait: bool, "Send no reply.";
            arguments: FieldTable, "Further settings; part of the binding's identity.";
        }
        "The binding exists." BindOk = 21 "queue.bind-ok" {}
        "Drops all ready messages of a queue." Purge = 30 "queue.purge" {
            ticket: u16, "Reserved.";
            queue: ShortString, "Name of the queue; empty is the last one declared on the channel.";
            nowait: bool, "Send no reply.";
        }
        "The messages are gone." PurgeOk = 31 "queue.purge-ok" {
            message_count: u32, "Messages that were dropped.";
        }
        "Deletes a queue." Delete = 40 "queue.delete" {
            ticket: u16, "Reserved.";
            queue: ShortString, "Name of the queue; empty is the last one declared on the channel.";
            if_unused: bool, "Only when it has no consumers.";
            if_empty: bool, "Only when it has no messages.";
            nowait: bool, "Send no reply.";
        }
        "The queue is gone." DeleteOk = 41 "queue.delete-ok" {
            message_count: u32, "Messages that went with it.";
        }
        "Removes a binding of a queue." Unbind = 50 "queue.unbind" {
            ticket: u16, "Reserved.";
            queue: ShortString, "Name of the queue; empty is the last one declared on the channel.";
            exchange: ShortString, "Name of the exchange.";
            routing_key: ShortString, "The binding key.";
            arguments: FieldTable, "As they were given to bind.";
        }
        "The binding is gone." UnbindOk = 51 "queue.unbind-ok" {}
    }

    "Class basic: publishing, delivering and settling messages." basic Basic = 60 {
        "Limits the messages in flight to consumers." Qos = 10 "basic.qos" {
            prefetch_size: u32, "Octets in flight; 0 is no limit, and all that RabbitMQ has.";
            prefetch_count: u16, "Messages in flight; 0 is no limit.";
            global: bool, "For the whole channel; else for each later consumer (RabbitMQ's reading).";
        }
        "The limit holds." QosOk = 11 "basic.qos-ok" {}
        "Starts a consumer." Consume = 20 "basic.consume" {
            ticket: u16, "Reserved.";
            queue: ShortString, "Name of the queue; empty is the last one declared on the channel.";
            consumer_tag: ShortString, "Name of the consumer; empty lets the server choose one.";
            no_local: bool, "Leave out messages of this connection; RabbitMQ ignores it.";
            no_ack: bool, "Messages count as acknowledged when they are sent.";
            exclusive: bool, "Only when it is alone on the queue.";
            nowait: bool, "Send no reply.";
            arguments: FieldTable, "Further settings.";
        }
        "The consumer runs." ConsumeOk = 21 "basic.consume-ok" {
            consumer_tag: ShortString, "Name of the consumer.";
        }
        "Ends a consumer; the server sends it when the queue went away." Cancel = 30 "basic.cancel" {
            consumer_tag: ShortString, "Name of the consumer.";
            nowait: bool, "Send no reply.";
        }
        "The consumer has ended." CancelOk = 31 "basic.cancel-ok" {
            consumer_tag: ShortString, "Name of the consumer.";
        }
        "Publishes a message." Publish = 40 "basic.publish" content {
            ticket: u16, "Reserved.";
            exchange: ShortString, "Name of the exchange; empty is the default exchange. Any octets.";
            routing_key: ShortString, "The routing key. Any octets.";
            mandatory: bool, "Return the message when it reaches no queue.";
            immediate: bool, "Return the message when it reaches no consumer; RabbitMQ refuses it.";
        }
        "Gives a message back to its publisher." Return = 50 "basic.return" content {
            reply_code: u16, "The reason as a number.";
            reply_text: ShortString, "The reason in words.";
            exchange: ShortString, "The exchange it was published to.";
            routing_key: ShortString, "Its routing key.";
        }
        "Brings a message to a consumer." Deliver = 60 "basic.deliver" content {
            consumer_tag: ShortString, "Name of the consumer.";
            delivery_tag: u64, "Number of the delivery on the channel, from 1.";
            redelivered: bool, "It may have been delivered before.";
            exchange: ShortString, "The exchange it was published to.";
            routing_key: ShortString, "Its routing key.";
        }
        "Asks for one message." Get = 70 "basic.get" {
            ticket: u16, "Reserved.";
            queue: ShortString, "Name of the queue; empty is the last one declared on the channel.";
            no_ack: bool, "The message counts as acknowledged when it is sent.";
        }
        "Brings the message asked for." GetOk = 71 "basic.get-ok" content {
            delivery_tag: u64, "Number of the delivery on the channel, from 1.";
            redelivered: bool, "It may have been delivered before.";
            exchange: ShortString, "The exchange it was published to.";
            routing_key: ShortString, "Its routing key.";
            message_count: u32, "Messages that are still ready.";
        }
        "There is no message." GetEmpty = 72 "basic.get-empty" {
            cluster_id: ShortString, "Reserved.";
        }
        "The messages are done with; from the server, a publisher confirm." Ack = 80 "basic.ack" {
            delivery_tag: u64, "The delivery; with multiple, 0 is all of the channel.";
            multiple: bool, "Also all before it.";
        }
        "The message is refused." Reject = 90 "basic.reject" {
            delivery_tag: u64, "The delivery.";
            requeue: bool, "Put it back; else drop or dead-letter it.";
        }
        "Redelivers what is unacked; no reply." RecoverAsync = 100 "basic.recover-async" {
            requeue: bool, "Put it back; RabbitMQ has nothing else.";
        }
        "Redelivers what is unacked." Recover = 110 "basic.recover" {
            requeue: bool, "Put it back; RabbitMQ has nothing else.";
        }
        "What was unacked is back." RecoverOk = 111 "basic.recover-ok" {}
        "The messages are refused; from the server, not confirmed (RabbitMQ extension)." Nack = 120 "basic.nack" {
            delivery_tag: u64, "The delivery; with multiple, 0 is all of the channel.";
            multiple: bool, "Also all before it.";
            requeue: bool, "Put them back; else drop or dead-letter them.";
        }
    }

    "Class confirm: publisher confirms (RabbitMQ extension)." confirm Confirm = 85 {
        "Turns publisher confirms on." Select = 10 "confirm.select" {
            nowait: bool, "Send no reply.";
        }
        "Publisher confirms are on." SelectOk = 11 "confirm.select-ok" {}
    }

    "Class tx: transactions of a channel." tx Tx = 90 {
        "Turns transactions on." Select = 10 "tx.select" {}
        "Transactions are on." SelectOk = 11 "tx.select-ok" {}
        "Makes publishes and acknowledgements since the last commit or rollback happen." Commit = 20 "tx.commit" {}
        "They have happened." CommitOk = 21 "tx.commit-ok" {}
        "Forgets publishes and acknowledgements since the last commit or rollback." Rollback = 30 "tx.rollback" {}
        "They are forgotten." RollbackOk = 31 "tx.rollback-ok" {}
    }
}
