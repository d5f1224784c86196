//! Reads basic.publish, basic.deliver and basic.ack without allocating.

use crate::basic::{Ack, CLASS_ID, Deliver, Publish};

pub(super) const PUBLISH: [u8; 4] = ids(Publish::METHOD_ID);
const DELIVER: [u8; 4] = ids(Deliver::METHOD_ID);
const ACK: [u8; 4] = ids(Ack::METHOD_ID);
const MANDATORY: u8 = 1;
const IMMEDIATE: u8 = 2;
const MULTIPLE: u8 = 1;
const REDELIVERED: u8 = 1;

/// A basic.publish in the octets it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishView<'a> {
    /// Name of the exchange; any octets.
    pub exchange: &'a [u8],
    /// The routing key; any octets.
    pub routing_key: &'a [u8],
    /// Exchange and routing key with their length octets: as they end basic.deliver.
    pub names: &'a [u8],
    /// Return the message when it reaches no queue.
    pub mandatory: bool,
    /// Return the message when it reaches no consumer.
    pub immediate: bool,
}

/// Reads the payload of a method frame. `None` when it is not a well-formed basic.publish: then
/// [`Method::decode`](crate::Method::decode) tells what it is.
#[inline]
#[must_use]
pub fn publish(payload: &[u8]) -> Option<PublishView<'_>> {
    publish_arguments(payload.strip_prefix(&PUBLISH)?)
}

/// As [`publish`], behind class and method.
#[inline]
pub(super) fn publish_arguments(arguments: &[u8]) -> Option<PublishView<'_>> {
    let (_ticket, rest) = arguments.split_first_chunk::<2>()?;
    let (names, [bits]) = rest.split_at_checked(rest.len().checked_sub(1)?)? else {
        return None;
    };
    let (exchange, rest) = short_string(names)?;
    let (routing_key, rest) = short_string(rest)?;
    rest.is_empty().then_some(PublishView {
        exchange,
        routing_key,
        names,
        mandatory: bits & MANDATORY != 0,
        immediate: bits & IMMEDIATE != 0,
    })
}

/// A basic.deliver in the octets it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliverView<'a> {
    /// Name of the consumer; any octets.
    pub consumer_tag: &'a [u8],
    /// Number of the delivery on the channel, from 1.
    pub delivery_tag: u64,
    /// It may have been delivered before.
    pub redelivered: bool,
    /// The exchange it was published to; any octets.
    pub exchange: &'a [u8],
    /// Its routing key; any octets.
    pub routing_key: &'a [u8],
}

/// Reads the payload of a method frame. `None` when it is not a well-formed basic.deliver.
#[inline]
#[must_use]
pub fn deliver(payload: &[u8]) -> Option<DeliverView<'_>> {
    let (consumer_tag, rest) = short_string(payload.strip_prefix(&DELIVER)?)?;
    let (delivery_tag, rest) = rest.split_first_chunk()?;
    let (bits, rest) = rest.split_first()?;
    let (exchange, rest) = short_string(rest)?;
    let (routing_key, rest) = short_string(rest)?;
    rest.is_empty().then_some(DeliverView {
        consumer_tag,
        delivery_tag: u64::from_be_bytes(*delivery_tag),
        redelivered: bits & REDELIVERED != 0,
        exchange,
        routing_key,
    })
}

/// Reads the payload of a method frame: delivery tag and multiple. `None` when it is not a well-formed basic.ack.
#[inline]
#[must_use]
pub fn ack(payload: &[u8]) -> Option<(u64, bool)> {
    let (delivery_tag, rest) = payload.strip_prefix(&ACK)?.split_first_chunk()?;
    let [bits] = rest else {
        return None;
    };
    Some((u64::from_be_bytes(*delivery_tag), bits & MULTIPLE != 0))
}

#[inline]
fn short_string(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = input.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

const fn ids(method_id: u16) -> [u8; 4] {
    let [class_high, class_low] = CLASS_ID.to_be_bytes();
    let [method_high, method_low] = method_id.to_be_bytes();
    [class_high, class_low, method_high, method_low]
}
