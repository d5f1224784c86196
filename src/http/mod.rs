//! The management API over HTTP, RabbitMQ's as far as it goes: one table of routes, one file per resource in `api`. Owns
//! the wire format and who is let in; what operators may see and do is `node::admin`'s.

mod api;
mod body;
mod caller;
mod error;
mod fields;
mod json;
mod list;
mod names;
mod origin;
mod patient;
mod routes;
mod server;
mod v1;
mod wanted;

pub use self::server::{HttpServer, HttpServerError, bind};
