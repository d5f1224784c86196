//! Moves of messages from queue to queue: begun, listed, ended. No resource of RabbitMQ's.

use axum::Json;
use axum::response::IntoResponse as _;
use hyper::StatusCode;
use leveret_protocol::ShortString;
use serde_json::{Value, json};

use super::{Answer, empty};
use crate::broker::dead_letter::WhichDeath;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::json::{of_name, of_table};
use crate::http::list;
use crate::http::names::{Asked, Names};
use crate::http::wanted;
use crate::node::admin::{Destination, Filter, JobReport, Wanted};

pub(in crate::http) async fn start(
    caller: Caller,
    Names([vhost, queue]): Names<2>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    wanted::known(&fields, &["destination", "filter", "limit", "rate"])?;
    fields.require(&["destination"])?;
    begin(&caller, &vhost, &queue, &fields, destination(&fields)?)
}

pub(in crate::http) async fn redrive(
    caller: Caller,
    Names([vhost, queue]): Names<2>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    wanted::known(&fields, &["to", "filter", "limit", "rate"])?;
    let which = match fields.text("to")? {
        "" | "last" => WhichDeath::Last,
        "first" => WhichDeath::First,
        _ => return Err(ApiError::bad_request("to is \"first\" or \"last\": the queue of which death")),
    };
    begin(&caller, &vhost, &queue, &fields, Destination::Home(which))
}

pub(in crate::http) async fn list_all(Caller(operator): Caller, asked: Asked) -> Answer {
    list::answer(
        || operator.enter_all().iter().flat_map(|access| access.moves()).map(|job| describe(&job)).collect(),
        &asked,
    )
}

pub(in crate::http) async fn list(caller: Caller, Names([vhost]): Names<1>, asked: Asked) -> Answer {
    let access = caller.enter(&vhost)?;
    list::answer(|| access.moves().iter().map(describe).collect(), &asked)
}

pub(in crate::http) async fn show(caller: Caller, Names([vhost, id]): Names<2>, asked: Asked) -> Answer {
    let id = number(&id)?;
    let found = caller.enter(&vhost)?.moves().into_iter().find(|job| job.id == id);
    Ok(list::one(describe(&found.ok_or_else(ApiError::not_found)?), &asked))
}

pub(in crate::http) async fn cancel(caller: Caller, Names([vhost, id]): Names<2>) -> Answer {
    if !caller.enter(&vhost)?.cancel_move(number(&id)?) {
        return Err(ApiError::not_found());
    }
    Ok(empty(StatusCode::NO_CONTENT))
}

fn begin(
    caller: &Caller,
    vhost: &ShortString,
    queue: &ShortString,
    fields: &Fields,
    destination: Destination,
) -> Answer {
    let (limit, rate) = (wanted::count(fields, "limit")?, wanted::count(fields, "rate")?);
    if rate == Some(0) {
        return Err(ApiError::bad_request(json!(["not_positive", "rate"])));
    }
    let wanted = Wanted { filter: wanted::filter(fields)?, destination, limit, rate };
    let job = caller.enter_to_change(vhost)?.move_messages(queue, wanted)?;
    Ok((StatusCode::ACCEPTED, Json(describe(&job))).into_response())
}

fn destination(fields: &Fields) -> Result<Destination, ApiError> {
    if fields.get("destination").is_some_and(Value::is_string) {
        return Ok(Destination::Queue(fields.name("destination")?));
    }
    let destination = fields.object("destination")?;
    wanted::known(&destination, &["queue", "exchange", "routing_key"])?;
    let is_there = |name| destination.get(name).is_some();
    match (is_there("queue"), is_there("exchange")) {
        (true, false) if !is_there("routing_key") => Ok(Destination::Queue(destination.name("queue")?)),
        (false, true) => {
            let routing_key = is_there("routing_key").then(|| destination.name("routing_key")).transpose()?;
            Ok(Destination::Exchange(destination.name("exchange")?, routing_key))
        }
        _ => Err(ApiError::bad_request("destination is a queue, or an exchange and perhaps a routing_key")),
    }
}

fn number(id: &ShortString) -> Result<u64, ApiError> {
    id.to_str_lossy().parse().map_err(|_| ApiError::not_found())
}

fn describe(job: &JobReport) -> Value {
    let Wanted { filter, destination, limit, rate } = &job.wanted;
    let destination = match destination {
        Destination::Nowhere => Value::Null,
        Destination::Queue(queue) => json!({ "queue": of_name(queue) }),
        Destination::Exchange(exchange, key) => {
            json!({ "exchange": of_name(exchange), "routing_key": key.as_ref().map(of_name) })
        }
        Destination::Home(WhichDeath::First) => json!("first death"),
        Destination::Home(WhichDeath::Last) => json!("last death"),
    };
    json!({
        "id": job.id, "vhost": of_name(&job.vhost), "source": of_name(&job.source), "destination": destination,
        "filter": describe_filter(filter), "limit": limit, "rate": rate, "state": job.state.name(),
        "seen": job.seen, "moved": job.moved, "stuck": job.stuck,
    })
}

fn describe_filter(filter: &Filter) -> Value {
    json!({
        "headers": of_table(&filter.headers), "routing_key": filter.routing_key.as_ref().map(of_name),
        "message_id": filter.message_id.as_ref().map(of_name), "death_reason": filter.death_reason,
        "older_than": filter.older_than.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
    })
}
