//! `leveret ctl`: looks after a node, over its management API, and after its data. One file for each command.

mod api;
mod cancel_move;
mod close_connection;
mod delete_queue;
mod filter;
mod follow;
mod list_bindings;
mod list_channels;
mod list_connections;
mod list_consumers;
mod list_exchanges;
mod list_moves;
mod list_queues;
mod list_vhosts;
mod listing;
mod move_messages;
mod node_limit;
mod peek_messages;
mod ping;
mod purge_queue;
mod redrive_messages;
mod set_disk_free_limit;
mod set_vm_memory_high_watermark;
mod status;
mod store_check;
mod trace;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(super) use self::api::ApiError as CtlError;
use self::api::Target;
use super::error::CliError;

/// Shown under the commands.
pub(super) const EXAMPLES: &str = "\
Examples:
  leveret ctl status
      How the broker on this machine is, in a few lines
  leveret ctl list_queues name messages consumers
      A table with these columns; the names of columns are RabbitMQ's
  leveret ctl list_connections --formatter json | jq '.[].name'
      The same for a program to read
  leveret ctl purge_queue jobs --vhost /
      Remove all ready messages of a queue
  leveret ctl peek_messages dlq headers payload
      Look at them; nothing of them changes
  leveret ctl redrive_messages dlq --death-reason rejected
      Take dead letters back to where they died
  leveret ctl set_vm_memory_high_watermark absolute 4GiB
      Let the broker use so much memory, until its next start
  leveret ctl close_connection '127.0.0.1:50112 -> 127.0.0.1:5672' 'please come back later'
      End a connection; its client is told why
  leveret ctl status --url http://broker:15672 --user app --password secret
      Another broker; RABBITMQ_DEFAULT_USER and RABBITMQ_DEFAULT_PASS are taken where an option is not given
  leveret ctl store check --data-dir /var/lib/leveret
      Look through a data directory while its broker is stopped

Exit codes: 0 done, 1 something in the data directory is damaged, 64 wrong use or no such object, 65 the broker refused
it, 69 no broker there, or no login, 74 the data directory cannot be read, 75 the broker took too long.";

/// Shown under `store`.
const STORE_EXAMPLES: &str = "\
Examples:
  leveret ctl store check
      Look through ./leveret-data; nothing is changed, and the broker has to be stopped
  leveret ctl store check --data-dir /var/lib/leveret --json
      The same of another directory, for a program to read

Exit codes: 0 all is well, 1 something is damaged, 64 wrong use, 69 in use or no data directory, 74 cannot be read.";

/// Options of `leveret ctl`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, Subcommand)]
#[command(rename_all = "snake_case")]
enum Subject {
    /// How the broker is: version, uptime, memory, alarms, what there is
    Status(status::Arguments),
    /// Whether the broker answers
    Ping,
    /// Virtual hosts, one a line
    ListVhosts(listing::Arguments),
    /// Queues of a vhost, with their messages
    #[command(after_help = list_queues::COLUMNS)]
    ListQueues(listing::Arguments),
    /// Exchanges of a vhost
    #[command(after_help = list_exchanges::COLUMNS)]
    ListExchanges(listing::Arguments),
    /// Bindings of a vhost
    #[command(after_help = list_bindings::COLUMNS)]
    ListBindings(listing::Arguments),
    /// Open connections of all vhosts
    #[command(after_help = list_connections::COLUMNS)]
    ListConnections(listing::Arguments),
    /// Open channels of all vhosts
    #[command(after_help = list_channels::COLUMNS)]
    ListChannels(listing::Arguments),
    /// Consumers of a vhost
    #[command(after_help = list_consumers::COLUMNS)]
    ListConsumers(listing::Arguments),
    /// Look at ready messages of a queue without a trace
    #[command(after_help = peek_messages::COLUMNS)]
    PeekMessages(peek_messages::Arguments),
    /// Move messages from a queue to another one, or through an exchange
    #[command(after_help = move_messages::EXAMPLES)]
    MoveMessages(move_messages::Arguments),
    /// Move dead letters back to the queues in which they died
    #[command(after_help = redrive_messages::EXAMPLES)]
    RedriveMessages(redrive_messages::Arguments),
    /// Moves that run or ran lately
    #[command(after_help = list_moves::COLUMNS)]
    ListMoves(listing::Arguments),
    /// End a move
    CancelMove(cancel_move::Arguments),
    /// Remove ready messages of a queue, all or some
    #[command(after_help = purge_queue::EXAMPLES)]
    PurgeQueue(purge_queue::Arguments),
    /// Delete a queue with its messages
    DeleteQueue(delete_queue::Arguments),
    /// Copy all messages of a vhost to amq.rabbitmq.trace
    TraceOn,
    /// Stop copying messages
    TraceOff,
    /// End a connection, by its name as in `list_connections`
    CloseConnection(close_connection::Arguments),
    /// Set how much memory the broker may use before publishers are blocked, until its next start
    SetVmMemoryHighWatermark(set_vm_memory_high_watermark::Arguments),
    /// Set how much of the disk has to be free for publishers not to be blocked, until the broker's next start
    SetDiskFreeLimit(set_disk_free_limit::Arguments),
    /// The files that queues and messages are kept in
    #[command(subcommand, after_help = STORE_EXAMPLES)]
    Store(Store),
}

#[derive(Debug, Subcommand)]
enum Store {
    /// Look through a data directory while no broker uses it: what is in it, and what is damaged
    #[command(after_help = STORE_EXAMPLES)]
    Check(store_check::Arguments),
}

/// Does what the arguments say.
pub(super) fn run(arguments: Arguments) -> Result<ExitCode, CliError> {
    let target = &arguments.target;
    match arguments.subject {
        Subject::Status(arguments) => status::run(target, &arguments),
        Subject::Ping => ping::run(target),
        Subject::ListVhosts(arguments) => list_vhosts::run(target, &arguments),
        Subject::ListQueues(arguments) => list_queues::run(target, &arguments),
        Subject::ListExchanges(arguments) => list_exchanges::run(target, &arguments),
        Subject::ListBindings(arguments) => list_bindings::run(target, &arguments),
        Subject::ListConnections(arguments) => list_connections::run(target, &arguments),
        Subject::ListChannels(arguments) => list_channels::run(target, &arguments),
        Subject::ListConsumers(arguments) => list_consumers::run(target, &arguments),
        Subject::PeekMessages(arguments) => peek_messages::run(target, &arguments),
        Subject::MoveMessages(arguments) => move_messages::run(target, &arguments),
        Subject::RedriveMessages(arguments) => redrive_messages::run(target, &arguments),
        Subject::ListMoves(arguments) => list_moves::run(target, &arguments),
        Subject::CancelMove(arguments) => cancel_move::run(target, &arguments),
        Subject::PurgeQueue(arguments) => purge_queue::run(target, &arguments),
        Subject::DeleteQueue(arguments) => delete_queue::run(target, &arguments),
        Subject::TraceOn => trace::run(target, true),
        Subject::TraceOff => trace::run(target, false),
        Subject::CloseConnection(arguments) => close_connection::run(target, &arguments),
        Subject::SetVmMemoryHighWatermark(arguments) => set_vm_memory_high_watermark::run(target, &arguments),
        Subject::SetDiskFreeLimit(arguments) => set_disk_free_limit::run(target, &arguments),
        Subject::Store(Store::Check(arguments)) => store_check::run(&arguments),
    }
}
