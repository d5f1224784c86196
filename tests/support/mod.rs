//! What tests against a running broker need: a raw-frame AMQP client, canonical transcripts, and a server to talk to.
//!
//! None of it uses the project's own protocol code: a mistake there must not be able to hide itself here.

pub(crate) mod commands;
pub(crate) mod method;
pub(crate) mod properties;
pub(crate) mod raw;
pub(crate) mod server;
pub(crate) mod transcript;
pub(crate) mod value;
