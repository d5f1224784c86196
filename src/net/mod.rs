//! Sockets: listeners and the task that serves each connection. Knows nothing of AMQP beyond bytes in, bytes out.

mod connection;
mod listen;
pub mod server;
mod spawn;

#[cfg(test)]
mod tests;
