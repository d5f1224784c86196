//! Leveret: an AMQP 0-9-1 message broker.

pub mod cli;
pub mod config;
pub mod logging;
pub mod net;
