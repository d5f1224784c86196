"""Bindings of a headers exchange, each for another device (x-match = all, a kind that all have and the device): how fast they are made,
and how fast messages are routed that match one. Messages go through the devices in turn, a hundred between two answers of the
broker, into a queue that keeps the last thousand."""

import time

from broker import OutOfTime
from wire import exchange_declare, exchange_delete, pipeline, publish, queue_bind, queue_declare, queue_delete, table

SIZES = [10, 100, 1_000, 10_000]
AXIS = "bindings"
FIGURES = {"binds_per_second": "bound a second", "messages_per_second": "messages a second that match one binding"}
EXCHANGE, QUEUE = "leveret-scale-headers", "leveret-scale-headers"
A_TIME = 100


def device(number, **more):
    return table(kind="reading", device=number, **more)


def measure(broker, count, deadline, baseline):
    try:
        broker.call(exchange_declare(EXCHANGE, "headers"), queue_declare(QUEUE, arguments=table(**{"x-max-length": 1000})))
        all_of = {"x-match": "all"}
        bindings = (queue_bind(QUEUE, EXCHANGE, "", device(number, **all_of)) for number in range(count))
        progress = broker.make(bindings, count, deadline)
        if not progress.complete:
            raise OutOfTime(f"{progress.done:,} of {count:,} bindings after {progress.seconds:.0f} s")
        return {"binds_per_second": progress.rate, "messages_per_second": rate(broker, count)}
    finally:
        clean(broker)


def rate(broker, count):
    # Encoded before: Python takes longer for that than a broker for the rest.
    messages = [publish(EXCHANGE, "", b"some octets", device(number)) for number in range(count)]
    batches = [b"".join(messages[(at + step) % count] for step in range(A_TIME)) for at in range(0, max(count, A_TIME), A_TIME)]
    asking = queue_declare(QUEUE, passive=True)
    requests = (batches[at % len(batches)] + asking for at in range(1 << 62))
    with broker.connected() as [connection]:
        progress = pipeline([connection], requests, 1 << 62, time.monotonic() + broker.seconds, window=8)
    return progress.rate * A_TIME


def clean(broker):
    broker.call(exchange_delete(EXCHANGE), queue_delete(QUEUE))
