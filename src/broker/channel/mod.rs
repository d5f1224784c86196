//! Channels: what a client does on one.

pub mod reply_to;
