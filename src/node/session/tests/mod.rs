//! Sessions of clients in memory: octets in, octets out, no sockets. What a client is told is compared as a whole.

mod client;
mod errors;
mod limits;
mod ownership;
mod policies;
mod publishing;
mod reply_to;
mod settling;
mod shared_limit;
