//! Leveret: an AMQP 0-9-1 message broker.
//!
//! A message walks through the folders in this order: `net`, `protocol`, `broker::connection`, `broker::channel`,
//! `broker::exchange`, `broker::queue`, and back. `broker` decides and does nothing else; `node` carries out.

pub mod broker;
pub mod cli;
pub mod config;
pub mod http;
pub mod logging;
pub mod net;
pub mod node;
pub mod serving;
pub mod store;
