//! Short spellings for the methods that scripts send most.

use super::method::Method;

/// The method of this name with all arguments zero, false or empty.
pub(crate) fn method(name: &str) -> Method {
    Method::new(name)
}

/// `queue.declare` of a transient, shared queue.
pub(crate) fn declare(queue: &str) -> Method {
    method("queue.declare").set("queue", queue)
}

/// Passive `queue.declare`.
pub(crate) fn declare_passive(queue: &str) -> Method {
    declare(queue).flag("passive")
}

/// `exchange.declare` of a transient exchange.
pub(crate) fn declare_exchange(exchange: &str, exchange_type: &str) -> Method {
    method("exchange.declare").set("exchange", exchange).set("type", exchange_type)
}

/// `queue.bind`.
pub(crate) fn bind(queue: &str, exchange: &str, binding_key: &str) -> Method {
    method("queue.bind").set("queue", queue).set("exchange", exchange).set("routing-key", binding_key)
}

/// `queue.unbind`.
pub(crate) fn unbind(queue: &str, exchange: &str, binding_key: &str) -> Method {
    method("queue.unbind").set("queue", queue).set("exchange", exchange).set("routing-key", binding_key)
}

/// `exchange.bind`: messages flow from `source` to `destination`.
pub(crate) fn bind_exchange(destination: &str, source: &str, binding_key: &str) -> Method {
    method("exchange.bind").set("destination", destination).set("source", source).set("routing-key", binding_key)
}

/// `exchange.unbind`.
pub(crate) fn unbind_exchange(destination: &str, source: &str, binding_key: &str) -> Method {
    method("exchange.unbind").set("destination", destination).set("source", source).set("routing-key", binding_key)
}

/// `queue.delete`.
pub(crate) fn delete(queue: &str) -> Method {
    method("queue.delete").set("queue", queue)
}

/// `exchange.delete`.
pub(crate) fn delete_exchange(exchange: &str) -> Method {
    method("exchange.delete").set("exchange", exchange)
}

/// `queue.purge`.
pub(crate) fn purge(queue: &str) -> Method {
    method("queue.purge").set("queue", queue)
}

/// `basic.publish`.
pub(crate) fn publish(exchange: &str, routing_key: &str) -> Method {
    method("basic.publish").set("exchange", exchange).set("routing-key", routing_key)
}

/// `basic.consume` with acknowledgements.
pub(crate) fn consume(queue: &str, consumer_tag: &str) -> Method {
    method("basic.consume").set("queue", queue).set("consumer-tag", consumer_tag)
}

/// `basic.cancel`.
pub(crate) fn cancel(consumer_tag: &str) -> Method {
    method("basic.cancel").set("consumer-tag", consumer_tag)
}

/// `basic.get` with acknowledgement.
pub(crate) fn get(queue: &str) -> Method {
    method("basic.get").set("queue", queue)
}

/// `basic.ack`.
pub(crate) fn ack(delivery_tag: u64) -> Method {
    method("basic.ack").set("delivery-tag", delivery_tag)
}

/// `basic.nack` without requeue.
pub(crate) fn nack(delivery_tag: u64) -> Method {
    method("basic.nack").set("delivery-tag", delivery_tag)
}

/// `basic.reject` without requeue.
pub(crate) fn reject(delivery_tag: u64) -> Method {
    method("basic.reject").set("delivery-tag", delivery_tag)
}

/// `basic.qos` with a prefetch count for consumers started later.
pub(crate) fn prefetch(count: u64) -> Method {
    method("basic.qos").set("prefetch-count", count)
}
