//! What a running server does, feature by feature: lapin drives it where it can, raw frames do what no client would.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "a test may stop at once, reads the clock for its deadlines and runs clients in threads"
)]

mod api;
mod back_pressure;
mod backlog;
mod bounded_queues;
mod client;
mod jobs_client;
mod peer;
#[expect(dead_code, reason = "other test targets use the rest")]
#[path = "../support/mod.rs"]
mod support;

mod acknowledgements;
mod alternate_exchange;
mod cc_and_bcc;
mod channel_errors;
mod choosing_exchanges;
mod confirms;
mod consumer_timeout;
mod consumers;
mod ctl;
mod data_directory;
mod dead_letters;
mod deduplication;
mod delayed;
mod delivery_limit;
mod direct_reply_to;
mod disk_alarm;
mod events;
mod exchange_bindings;
mod exchanges;
mod firehose;
mod floods;
mod flow;
mod frames_cut_short;
mod frameworks;
mod get;
mod held_back;
mod http_connections;
mod http_login;
mod http_messages;
mod http_objects;
mod http_operations;
mod http_origins;
mod http_peers;
mod http_policies;
mod jobs_examples;
mod jobs_leases;
mod jobs_publish;
mod jobs_status;
mod kill_loop;
mod large_messages;
mod large_messages_in_memory;
mod limits;
mod malformed;
mod many_channels;
mod memory;
mod message_groups;
mod over_the_bound;
mod paged;
mod perf;
mod prefetch;
mod priorities;
mod publish_and_consume;
mod queue_lifecycle;
mod quorum_type;
mod readme;
mod recent_history;
mod recover;
mod restart;
mod retries;
mod returns;
mod shutdown;
mod single_active;
mod slow_reader;
mod transaction_crashes;
mod transactions;
mod update_secret;
