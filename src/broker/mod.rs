//! Decisions: the broker as pure state machines.
//!
//! Every machine takes an input with the time and appends effects, plain data, to a list; the caller carries them out.
//! Nothing here does IO, awaits, locks, logs, reads a clock or draws a random number, so that the same code runs in
//! tests with exact effect lists, in simulations and, later, inside a replicated state machine.

pub mod alarm;
pub mod auth;
pub mod channel;
pub mod connection;
pub mod dead_letter;
pub mod delay;
pub mod error;
pub mod exchange;
pub mod ids;
pub mod ledger;
pub mod message;
pub mod policy;
pub mod queue;
pub mod resource;
pub mod time;
pub mod value;
pub mod vhost;
