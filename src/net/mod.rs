//! Sockets: listeners and the task of each connection.

pub mod server;
