//! Sockets of AMQP: listeners and the task that serves each connection. Knows nothing of AMQP beyond bytes in, bytes out.

mod connection;
pub mod server;

#[cfg(test)]
mod tests;
