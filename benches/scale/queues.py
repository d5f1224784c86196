"""Queues that are there: how fast they are declared and deleted, memory of each, and how long a publish and a get take amid them."""

import time

from broker import OutOfTime
from wire import GET_OK, Refused, get, publish, queue_declare, queue_delete

SIZES = [1_000, 10_000, 100_000]
AXIS = "queues"
FIGURES = {
    "declares_per_second": "declared a second",
    "bytes_each": "octets of memory each",
    "publish_and_get_us": "µs for a publish and a get",
    "deletes_per_second": "deleted a second",
}
PROBES = 200


def name(number, kind="queue"):
    return f"leveret-scale-{kind}-{number}"


def measure(broker, count, deadline, baseline):
    try:
        progress = broker.make((queue_declare(name(number)) for number in range(count)), count, deadline)
        if not progress.complete:
            delete(broker, progress.done)
            raise OutOfTime(f"{progress.done:,} of {count:,} queues after {progress.seconds:.0f} s")
        figures = {"declares_per_second": progress.rate, "last_declares_per_second": progress.last_rate}
        figures |= broker.grown(baseline, count)
        with broker.connected() as [connection]:
            figures["publish_and_get_us"] = median_of_publish_and_get(connection, count)
        deleted = delete(broker, count)
        return {**figures, "deletes_per_second": deleted.rate, "seconds_to_delete": deleted.seconds}
    finally:
        clean(broker, most=count)


def median_of_publish_and_get(connection, count):
    """One message after the other, each through another queue."""
    times = []
    for probe in range(PROBES):
        queue = name(probe * count // PROBES)
        began = time.monotonic()
        connection.send(publish("", queue, b"one") + get(queue))
        found, _ = connection.next_method()
        times.append(time.monotonic() - began)
        if found != GET_OK:
            raise RuntimeError(f"the message published to {queue} was not there to be got")
    return sorted(times)[PROBES // 2] * 1e6


def delete(broker, count, kind="queue"):
    """Deletes however long it takes: nothing is to be left. To delete a queue that is not there is no error. Number 0 goes last, so
    that it is there as long as any is."""
    progress = broker.make((queue_delete(name(number, kind)) for number in range(1, count)), count - 1, float("inf"))
    broker.call(queue_delete(name(0, kind)))
    return progress


def clean(broker, kind="queue", most=SIZES[-1]):
    """Removes what is left, also by a run that was killed."""
    try:
        broker.call(queue_declare(name(0, kind), passive=True))
    except Refused as refused:
        if "404" not in str(refused):
            raise
        return
    delete(broker, most, kind)
