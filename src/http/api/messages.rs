//! Messages, one by one: publishing to an exchange and getting from a queue. For looking into queues and for what happens
//! now and then; AMQP is a thousand times as fast.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use leveret_protocol::ContentHeader;
use serde_json::{Map, Value, json};

use super::{Answer, properties};
use crate::broker::message::Message;
use crate::http::body::{JsonBody, held_until_sent, take_room};
use crate::http::caller::Caller;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::names::{self, Names};
use crate::http::routes::App;
use crate::node::admin::{AfterGet, Fetched, GetLimits};

/// The most messages that one request gets.
const GET_COUNT: i64 = 10_000;

/// Bytes of messages after which a request gets no further one.
const GET_BYTES: usize = 16 << 20;

pub(in crate::http) async fn publish(
    caller: Caller,
    Names([vhost, exchange]): Names<2>,
    JsonBody { fields, room: _room }: JsonBody,
) -> Answer {
    let access = caller.enter_to_change(&vhost)?;
    fields.require(&["routing_key", "properties", "payload", "payload_encoding"])?;
    let routing_key = fields.name("routing_key")?;
    let properties = properties::parse(&fields.object("properties")?)?;
    let body = payload(&fields)?;
    let published = access.publish(&names::exchange(exchange), &routing_key, properties, &body).await;
    let routed = published.map_err(|error| ApiError::of_publish(&error))?;
    Ok(Json(json!({ "routed": routed })).into_response())
}

fn payload(fields: &Fields) -> Result<Vec<u8>, ApiError> {
    let Some(Value::String(payload)) = fields.get("payload") else {
        return Err(ApiError::bad_request("payload_not_string"));
    };
    match fields.get("payload_encoding") {
        Some(Value::String(encoding)) if encoding == "string" => Ok(payload.as_bytes().to_vec()),
        Some(Value::String(encoding)) if encoding == "base64" => {
            STANDARD.decode(payload).map_err(|_| ApiError::bad_request(json!(["not_base64", payload])))
        }
        other => Err(ApiError::bad_request(json!(["unsupported_encoding", other]))),
    }
}

/// What a request to get says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    limits: GetLimits,
    after: AfterGet,
    form: Form,
}

pub(in crate::http) async fn get(
    State(shared): App,
    caller: Caller,
    Names([vhost, queue]): Names<2>,
    JsonBody { fields, .. }: JsonBody,
) -> Answer {
    let access = caller.enter_to_change(&vhost)?;
    let wanted = Wanted::parse(&fields)?;
    let room = take_room(&shared.room, GET_BYTES).await?;
    let fetched = access.get(&queue, wanted.limits, wanted.after).await;
    let fetched = fetched.map_err(|error| ApiError::of_channel(&error, "queue_not_found"))?;
    let response = tokio::task::block_in_place(|| {
        Json(fetched.iter().map(|fetched| wanted.show(fetched)).collect::<Vec<_>>()).into_response()
    });
    drop(fetched);
    Ok(held_until_sent(response, room))
}

impl Wanted {
    fn parse(fields: &Fields) -> Result<Self, ApiError> {
        fields.require(&["ackmode", "count", "encoding"])?;
        let count = fields.integer("count")?.unwrap_or_default();
        // Less than nothing is everything in RabbitMQ.
        let count = if count < 0 { GET_COUNT } else { count.min(GET_COUNT) };
        let truncate = fields.integer("truncate")?;
        Ok(Self {
            limits: GetLimits { count: usize::try_from(count).unwrap_or_default(), bytes: GET_BYTES },
            after: after(fields.text("ackmode")?)?,
            form: Form {
                base64: match fields.text("encoding")? {
                    "auto" => false,
                    "base64" => true,
                    _ => return Err(ApiError::bad_request("Unsupported encoding. Please use auto or base64.")),
                },
                truncate: truncate.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX),
            },
        })
    }

    fn show(&self, fetched: &Fetched) -> Value {
        let mut shown = self.form.show(&fetched.message, fetched.redelivered);
        shown.insert("message_count".to_owned(), json!(fetched.ready));
        shown.into()
    }
}

/// How bodies are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) base64: bool,
    /// Bytes after which they are cut.
    pub(super) truncate: usize,
}

impl Form {
    pub(super) fn show(&self, message: &Message, redelivered: bool) -> Map<String, Value> {
        let properties = ContentHeader::decode(message.header()).map(|header| header.properties).unwrap_or_default();
        let body = message.body();
        let shown = body.get(..self.truncate).unwrap_or(body);
        let text = std::str::from_utf8(shown).ok().filter(|_| !self.base64);
        let (payload, encoding) =
            text.map_or_else(|| (STANDARD.encode(shown), "base64"), |text| (text.to_owned(), "string"));
        let text_of = |octets: &[u8]| json!(String::from_utf8_lossy(octets));
        let fields = [
            ("payload_bytes", json!(body.len())),
            ("redelivered", json!(redelivered)),
            ("exchange", text_of(message.exchange())),
            ("routing_key", text_of(message.routing_key())),
            ("properties", properties::show(&properties)),
            ("payload", json!(payload)),
            ("payload_encoding", json!(encoding)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn after(ackmode: &str) -> Result<AfterGet, ApiError> {
    match ackmode {
        "ack_requeue_true" | "reject_requeue_true" => Ok(AfterGet::Requeue),
        "ack_requeue_false" => Ok(AfterGet::Acknowledge),
        "reject_requeue_false" => Ok(AfterGet::Reject),
        other => Err(ApiError::bad_request(format!(
            "Invalid ackmode value: {other}. Valid values are: ack_requeue_true, ack_requeue_false, \
             reject_requeue_true, reject_requeue_false"
        ))),
    }
}
