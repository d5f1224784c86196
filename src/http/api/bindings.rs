//! Bindings: looked at, made, removed.

use std::sync::Arc;

use axum::response::IntoResponse as _;
use hyper::StatusCode;
use hyper::header::LOCATION;
use leveret_protocol::ShortString;
use serde_json::{Value, json};

use super::properties_key::{self, quoted};
use super::{Answer, empty};
use crate::broker::exchange::{Binding, Destination};
use crate::broker::resource::ResourceKind;
use crate::broker::vhost::Link;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::{of_name, of_table};
use crate::http::list;
use crate::http::names::{self, Asked, Names};
use crate::node::admin::Access;

pub(in crate::http) async fn list_all(Caller(operator): Caller, asked: Asked) -> Answer {
    let of_vhost = |access: &Access| show_all(access, &access.bindings());
    list::answer(operator.enter_all().iter().flat_map(of_vhost).collect(), &asked)
}

pub(in crate::http) async fn list(caller: Caller, Names([vhost]): Names<1>, asked: Asked) -> Answer {
    let access = caller.enter(&vhost)?;
    list::answer(show_all(&access, &access.bindings()), &asked)
}

pub(in crate::http) async fn list_from(caller: Caller, Names([vhost, source]): Names<2>, asked: Asked) -> Answer {
    let access = caller.enter(&vhost)?;
    let source = names::exchange(source);
    list::answer(show_all(&access, &access.bindings_from(&source)), &asked)
}

pub(in crate::http) async fn list_to_exchange(
    caller: Caller,
    Names([vhost, exchange]): Names<2>,
    asked: Asked,
) -> Answer {
    let access = caller.enter(&vhost)?;
    let exchange = names::exchange(exchange);
    list::answer(show_all(&access, &access.bindings_to(ResourceKind::Exchange, &exchange)), &asked)
}

pub(in crate::http) async fn list_to_queue(caller: Caller, Names([vhost, queue]): Names<2>, asked: Asked) -> Answer {
    let access = caller.enter(&vhost)?;
    access.queue(&queue).ok_or_else(ApiError::not_found)?;
    list::answer(show_all(&access, &access.bindings_to(ResourceKind::Queue, &queue)), &asked)
}

pub(in crate::http) async fn list_between(
    caller: Caller,
    Names([vhost, source, kind, destination]): Names<4>,
    asked: Asked,
) -> Answer {
    let access = caller.enter(&vhost)?;
    let found = between(&access, &ends(source, &kind, destination)?);
    list::answer(show_all(&access, &found), &asked)
}

pub(in crate::http) async fn create(
    caller: Caller,
    Names([vhost, source, kind, destination]): Names<4>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    let ends = ends(source, &kind, destination)?;
    let link = Link { binding_key: fields.name("routing_key")?, arguments: fields.table("arguments")?, ..ends };
    let access = caller.enter_to_change(&vhost)?;
    access.bind(&link)?;
    // Clients make the binding's id of the last segment, so it is encoded as a whole (RabbitMQ).
    let made = Binding::new(
        link.source.clone(),
        Destination::Exchange(link.destination.clone()),
        link.binding_key.clone(),
        link.arguments.clone(),
    );
    let key = properties_key::of(&made);
    let tail = if key == "~" { key } else { quoted(key.as_bytes()) };
    let location = format!("{}/{tail}", quoted(link.destination.as_bytes()));
    Ok((StatusCode::CREATED, [(LOCATION, location)]).into_response())
}

pub(in crate::http) async fn show(
    caller: Caller,
    Names([vhost, source, kind, destination, key]): Names<5>,
    asked: Asked,
) -> Answer {
    let access = caller.enter(&vhost)?;
    let binding = find(&access, &ends(source, &kind, destination)?, &key)?;
    Ok(list::one(describe(&access, &binding), &asked))
}

pub(in crate::http) async fn remove(
    caller: Caller,
    Names([vhost, source, kind, destination, key]): Names<5>,
) -> Answer {
    let access = caller.enter(&vhost)?;
    let ends = ends(source, &kind, destination)?;
    let binding = find(&access, &ends, &key)?;
    let link = Link { binding_key: binding.binding_key.clone(), arguments: binding.arguments.clone(), ..ends };
    access.unbind(&link)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// The two ends that a path names; `q` is a queue, `e` an exchange.
fn ends(source: ShortString, kind: &ShortString, destination: ShortString) -> Result<Link, ApiError> {
    let (destination_kind, destination) = match kind.as_bytes() {
        b"q" => (ResourceKind::Queue, destination),
        b"e" => (ResourceKind::Exchange, names::exchange(destination)),
        _ => return Err(ApiError::not_found()),
    };
    Ok(Link {
        source: names::exchange(source),
        destination_kind,
        destination,
        binding_key: ShortString::default(),
        arguments: leveret_protocol::FieldTable::new(),
    })
}

fn between(access: &Access, ends: &Link) -> Vec<Arc<Binding>> {
    let mut found = access.bindings_to(ends.destination_kind, &ends.destination);
    found.retain(|binding| binding.source == ends.source);
    found
}

fn find(access: &Access, ends: &Link, key: &ShortString) -> Result<Arc<Binding>, ApiError> {
    let found = between(access, ends).into_iter().find(|binding| *key == properties_key::of(binding).as_str());
    found.ok_or_else(ApiError::not_found)
}

fn show_all(access: &Access, bindings: &[Arc<Binding>]) -> Vec<Value> {
    bindings.iter().map(|binding| describe(access, binding)).collect()
}

fn describe(access: &Access, binding: &Binding) -> Value {
    let (kind, destination) = match &binding.destination {
        Destination::Queue(entry) => ("queue", &entry.name),
        Destination::Exchange(name) => ("exchange", name),
    };
    json!({
        "source": of_name(&binding.source), "vhost": of_name(access.vhost()), "destination": of_name(destination),
        "destination_type": kind, "routing_key": of_name(&binding.binding_key),
        "arguments": of_table(&binding.arguments), "properties_key": properties_key::of(binding),
    })
}
