//! Unacked deliveries of a queue: listed, and given more time. No resource of RabbitMQ's.

use std::time::Duration;

use axum::Json;
use axum::response::IntoResponse as _;
use leveret_protocol::{ContentHeader, ShortString};
use serde_json::{Value, json};

use super::Answer;
use crate::broker::ids::SequenceNumber;
use crate::broker::queue::Outstanding;
use crate::broker::queue::arguments::LONGEST_MS;
use crate::broker::time::Timestamp;
use crate::http::body::JsonBody;
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::json::of_name;
use crate::http::names::{Asked, Names};
use crate::http::wanted;
use crate::node::admin::DeliveryReport;

/// The most deliveries of one request.
const MOST: usize = 1000;

/// Deliveries where nobody says how many.
const USUAL: usize = 100;

pub(in crate::http) async fn list(caller: Caller, Names([vhost, queue]): Names<2>, asked: Asked) -> Answer {
    let number = |name: &str| {
        let given = asked.get(name).map(|text| text.parse::<u64>());
        given.transpose().map_err(|_| ApiError::bad_request(json!(["not_int", name])))
    };
    let count = number("count")?.map_or(USUAL, |count| usize::try_from(count).unwrap_or(MOST)).min(MOST);
    let after = number("after")?.map(SequenceNumber);
    let access = caller.enter_to_change(&vhost)?;
    let found = access.deliveries(&caller.0, &queue, after, count).await;
    let found = found.map_err(|error| ApiError::of_channel(&error, "queue_not_found"))?;
    let next = found.last().map(|report| id(&report.delivery));
    let items: Vec<_> = found.iter().map(report).collect();
    Ok(Json(json!({ "items": items, "next": next })).into_response())
}

/// `{"by"}`: it may stay unacked for so many milliseconds from now on.
pub(in crate::http) async fn extend(
    caller: Caller,
    Names([vhost, queue, delivery]): Names<3>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    let access = caller.enter_to_change(&vhost)?;
    wanted::known(&fields, &["by"])?;
    fields.require(&["by"])?;
    let by = wanted::count(&fields, "by")?.unwrap_or_default().min(LONGEST_MS);
    let sequence = sequence(&delivery)?;
    let extended = access.extend_delivery(&queue, sequence, Duration::from_millis(by));
    let extended = extended.map_err(|error| ApiError::of_channel(&error, "queue_not_found"))?;
    let delivery = extended.ok_or_else(ApiError::not_found)?;
    if delivery.deadline.is_none() {
        return Err(ApiError::bad_request("deliveries to this consumer do not time out"));
    }
    Ok(Json(describe(&delivery)).into_response())
}

fn sequence(id: &ShortString) -> Result<SequenceNumber, ApiError> {
    id.to_str_lossy().parse().map(SequenceNumber).map_err(|_| ApiError::not_found())
}

fn report(report: &DeliveryReport) -> Value {
    let mut described = describe(&report.delivery);
    let (consumer_tag, channel) = match &report.client {
        Some((client, told)) => (of_name(&told.consumer_tag), json!(format!("{} ({})", client.name(), told.channel))),
        None => (Value::Null, Value::Null),
    };
    if let Some(fields) = described.as_object_mut() {
        fields.insert("consumer_tag".to_owned(), consumer_tag);
        fields.insert("channel".to_owned(), channel);
    }
    described
}

fn describe(delivery: &Outstanding) -> Value {
    let properties = ContentHeader::decode(delivery.message.header()).map(|header| header.properties);
    let message_id = properties.unwrap_or_default().message_id;
    json!({
        "id": id(delivery), "message_id": message_id.as_ref().map(of_name), "redelivered": delivery.redelivered,
        "routing_key": String::from_utf8_lossy(delivery.message.routing_key()),
        "payload_bytes": delivery.message.body().len(),
        "delivered": delivery.since.map(Timestamp::as_millis), "deadline": delivery.deadline.map(Timestamp::as_millis),
    })
}

/// A number may be larger than those that JavaScript knows.
fn id(delivery: &Outstanding) -> String {
    delivery.sequence.0.to_string()
}
