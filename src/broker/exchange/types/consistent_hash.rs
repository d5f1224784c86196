//! x-consistent-hash: a message goes to one destination, by a hash of its routing key or of what the exchange's arguments
//! name. The binding key is a destination's weight: twice the weight, twice the share of the keys.
//!
//! Each destination draws a number from the message's hash and its own name, and the highest wins (rendezvous hashing;
//! Thaler and Ravishankar, 1998). Unlike a jump hash over buckets, as RabbitMQ has it, that does not depend on the order
//! in which bindings came, which a restart does not keep; and whichever binding goes, only its own keys move.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use leveret_protocol::erlang::erlang_term;
use leveret_protocol::{FieldTable, FieldValue, HeaderView, Properties, ShortString};

use super::hash::{hash, mixed};
use super::runs::{Bound, Runs};
use super::{Binding, Destination, Envelope, Routing, TypeRefusal};
use crate::broker::error::ChannelError;
use crate::broker::resource::{Resource, ResourceKind};
use crate::broker::value::octets_of;

const HASH_HEADER: &str = "hash-header";
const HASH_PROPERTY: &str = "hash-property";
const MAX_WEIGHT: u16 = 10_000;

/// Destinations with their weights.
#[derive(Clone, Debug, Default)]
pub struct Table {
    source: Source,
    nodes: Runs<Node>,
}

/// What is hashed.
#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    RoutingKey,
    Header(Box<[u8]>),
    Property(Property),
}

#[derive(Clone, Copy, Debug)]
enum Property {
    CorrelationId,
    MessageId,
    Timestamp,
}

/// A destination. RabbitMQ lets the first of several bindings count; here it is the heaviest, as order is not known.
#[derive(Clone, Debug)]
struct Node {
    hash: u64,
    heaviest: u16,
    destination: Destination,
    /// Bindings of each weight.
    weights: Arc<BTreeMap<u16, u32>>,
}

impl Bound for Node {
    fn destination(&self) -> &Destination {
        &self.destination
    }
}

impl Property {
    fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"correlation_id" => Some(Self::CorrelationId),
            b"message_id" => Some(Self::MessageId),
            b"timestamp" => Some(Self::Timestamp),
            _ => None,
        }
    }

    fn of(self, properties: &Properties) -> Option<Vec<u8>> {
        match self {
            Self::CorrelationId => properties.correlation_id.as_ref().map(|id| id.as_bytes().to_vec()),
            Self::MessageId => properties.message_id.as_ref().map(|id| id.as_bytes().to_vec()),
            Self::Timestamp => properties.timestamp.map(|seconds| seconds.to_be_bytes().to_vec()),
        }
    }
}

impl Source {
    fn of(arguments: &FieldTable) -> Self {
        let text = |name| arguments.get(name).and_then(FieldValue::as_bytes);
        if let Some(header) = text(HASH_HEADER) {
            return Self::Header(header.into());
        }
        let property = text(HASH_PROPERTY).and_then(Property::by_name);
        property.map_or(Self::RoutingKey, Self::Property)
    }

    /// All messages that lack what is hashed have the same hash, as in RabbitMQ.
    fn hash(&self, envelope: &Envelope<'_>) -> u64 {
        match self {
            Self::RoutingKey => hash(envelope.routing_keys.first().copied().unwrap_or_default()),
            Self::Header(name) => {
                let mut headers = envelope.headers.into_iter().flatten();
                let header = headers.find(|(header, _)| header.as_bytes() == &**name);
                header.map_or(0, |(_, value)| hash(&octets_of(value)))
            }
            Self::Property(property) => {
                let properties = HeaderView::parse(envelope.content_header).and_then(|view| Ok(view.properties()?));
                properties.ok().and_then(|properties| property.of(&properties)).map_or(0, |value| hash(&value))
            }
        }
    }
}

impl Node {
    fn new(destination: &Destination) -> Self {
        let key = destination.key();
        let kind = match key.kind {
            ResourceKind::Exchange => 1,
            ResourceKind::Queue => 2,
        };
        let hash = mixed(hash(key.name.as_bytes()) ^ kind);
        Self { hash, heaviest: 0, destination: destination.clone(), weights: Arc::default() }
    }

    /// Changes its bindings; `None` where none is left.
    fn change(mut self, change: impl FnOnce(&mut BTreeMap<u16, u32>)) -> Option<Self> {
        let weights = Arc::make_mut(&mut self.weights);
        change(weights);
        weights.retain(|_, count| *count > 0);
        self.heaviest = *weights.last_key_value()?.0;
        Some(self)
    }

    fn draw(&self, message: u64) -> Draw {
        Draw { number: mixed(message ^ self.hash), weight: self.heaviest }
    }
}

/// What a destination draws for a message.
#[derive(Clone, Copy, Debug)]
struct Draw {
    number: u64,
    weight: u16,
}

impl Draw {
    fn cmp(self, other: Self) -> Ordering {
        if self.weight == other.weight {
            return self.number.cmp(&other.number);
        }
        self.score().total_cmp(&other.score())
    }

    /// The higher the weight, the nearer to zero: chances are then in proportion to weights.
    fn score(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the upper 53 bits fit")]
        let fraction = ((self.number >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        fraction.ln() / f64::from(self.weight)
    }
}

impl Routing for Table {
    fn new(arguments: &FieldTable) -> Self {
        Self { source: Source::of(arguments), nodes: Runs::default() }
    }

    fn bind(&mut self, binding: &Binding) {
        let Ok(weight) = weight(&binding.binding_key) else { return };
        let node = self.nodes.remove(&binding.destination).unwrap_or_else(|| Node::new(&binding.destination));
        let node = node.change(|weights| *weights.entry(weight).or_default() += 1);
        node.into_iter().for_each(|node| self.nodes.add(node));
    }

    fn unbind(&mut self, binding: &Binding) {
        let Ok(weight) = weight(&binding.binding_key) else { return };
        let Some(node) = self.nodes.remove(&binding.destination) else { return };
        let node = node.change(|weights| {
            weights.entry(weight).and_modify(|count| *count = count.saturating_sub(1));
        });
        node.into_iter().for_each(|node| self.nodes.add(node));
    }

    fn route(&self, envelope: &Envelope<'_>, found: &mut dyn FnMut(&Destination)) {
        let message = self.source.hash(envelope);
        let mut nodes = self.nodes.iter();
        let Some(mut highest) = nodes.next().map(|node| (node.draw(message), node)) else { return };
        for node in nodes {
            let draw = node.draw(message);
            if highest.0.cmp(draw).is_le() {
                highest = (draw, node);
            }
        }
        found(&highest.1.destination);
    }

    fn varies(&self) -> bool {
        match self.source {
            Source::RoutingKey => false,
            Source::Header(_) | Source::Property(_) => true,
        }
    }
}

/// What it refuses.
pub(super) struct Rules;

impl super::Rules for Rules {
    fn validate_arguments(arguments: &FieldTable, exchange: &Resource) -> Result<(), ChannelError> {
        let header = text(arguments, HASH_HEADER, exchange)?;
        let property = text(arguments, HASH_PROPERTY, exchange)?;
        match (header, property) {
            (Some(_), Some(_)) => Err(TypeRefusal::TwoHashSources.into()),
            (None, Some(name)) if Property::by_name(name).is_none() => {
                Err(TypeRefusal::HashProperty(String::from_utf8_lossy(name).into_owned()).into())
            }
            (_, _) => Ok(()),
        }
    }

    fn validate_binding(binding_key: &ShortString, _: &FieldTable, _: &Destination) -> Result<(), TypeRefusal> {
        weight(binding_key).map(drop)
    }
}

/// A string argument. Where RabbitMQ's channel crashes over another type, it is refused here.
fn text<'a>(
    arguments: &'a FieldTable,
    name: &'static str,
    exchange: &Resource,
) -> Result<Option<&'a [u8]>, ChannelError> {
    match arguments.get(name) {
        None => Ok(None),
        Some(FieldValue::LongString(text)) => Ok(Some(text)),
        Some(other) => {
            Err(ChannelError::ArgumentType { found: other.type_name(), argument: name, resource: exchange.clone() })
        }
    }
}

/// A binding key as a number, as Erlang reads one: digits after an optional sign.
fn weight(binding_key: &ShortString) -> Result<u16, TypeRefusal> {
    let text = binding_key.as_str().unwrap_or_default();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        let key = FieldValue::LongString(binding_key.as_bytes().to_vec().into());
        return Err(TypeRefusal::WeightNoInteger(erlang_term(&key)));
    }
    // Too many digits for any number are too large, unless all are zeros.
    match (text.starts_with('-'), digits.trim_start_matches('0')) {
        (true, _) | (false, "") => Err(TypeRefusal::WeightTooSmall),
        (false, digits) => {
            let weight = digits.parse::<u16>().ok().filter(|weight| *weight <= MAX_WEIGHT);
            weight.ok_or(TypeRefusal::WeightTooLarge)
        }
    }
}
