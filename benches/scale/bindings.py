"""Bindings of a topic exchange: how fast they are made, memory of each, and how fast messages are routed through a table so full.

Of every four bindings one has the key only.D.state, which no other one matches, and three have device.D.state, device.D.* and
device.D.#, which one message matches all. Routing keys go through the D in turn (100,000 and 33,333 of them at most), so that no
message has the key of the one before it."""

import time

from broker import OutOfTime
from wire import exchange_declare, exchange_delete, queue_bind, queue_declare, queue_delete

SIZES = [1_000, 10_000, 100_000, 1_000_000]
AXIS = "bindings"
FIGURES = {
    "binds_per_second": "bound a second",
    "bytes_each": "octets of memory each",
    "one_match_per_second": "messages a second, one binding matches",
    "three_matches_per_second": "messages a second, three match",
}
EXCHANGE = "leveret-scale-topic"
WAYS = [("one", "only.{}.state"), ("many-1", "device.{}.state"), ("many-2", "device.{}.*"), ("many-3", "device.{}.#")]
QUEUES = [f"leveret-scale-{queue}" for queue, _ in WAYS]
MOST_KEYS_OF_PERF = 100_000


def requests(count):
    for number in range(count):
        queue, key = QUEUES[number % 4], WAYS[number % 4][1]
        yield queue_bind(queue, EXCHANGE, key.format(number // 4 + 1))


def measure(broker, count, deadline, baseline):
    try:
        broker.call(exchange_declare(EXCHANGE, "topic"), *(queue_declare(queue) for queue in QUEUES))
        progress = broker.make(requests(count), count, deadline)
        if not progress.complete:
            raise OutOfTime(f"{progress.done:,} of {count:,} bindings after {progress.seconds:.0f} s")
        figures = {"binds_per_second": progress.rate, "last_binds_per_second": progress.last_rate}
        figures |= broker.grown(baseline, count)
        through = ["--exchange", EXCHANGE, "--predeclared", "--auto-ack", "--confirm", 1000]
        one = broker.perf(*through, "--queue", QUEUES[0], "--routing-key", f"only.{devices(count, 1)}.state")
        figures["one_match_per_second"] = one["consumed"]["per_second"]
        many = ["--queues", 3, "--consumers", 3, "--queue", "leveret-scale-many-{queue}"]
        three = broker.perf(*through, *many, "--routing-key", f"device.{devices(count, 3)}.state")
        figures["three_matches_per_second"] = three["consumed"]["per_second"] / 3
        began = time.monotonic()
        broker.call(exchange_delete(EXCHANGE))
        return {**figures, "seconds_to_delete_the_exchange": time.monotonic() - began}
    finally:
        clean(broker)


def devices(count, queues):
    """A range for `leveret perf`, which takes so many keys at most for all queues together."""
    return f"{{1..{min(count // 4, MOST_KEYS_OF_PERF // queues)}}}"


def clean(broker):
    """Nothing of it is left, also where a run was killed."""
    broker.call(exchange_delete(EXCHANGE), *(queue_delete(queue) for queue in QUEUES))
