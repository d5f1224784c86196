//! Sockets of AMQP: listeners and the task that serves each connection. Knows nothing of AMQP beyond bytes in, bytes out.

mod connection;
pub mod server;
pub mod threads;

#[cfg(test)]
mod tests;
