"""Durable queues, each bound to a topic exchange: what is on the disk by the time that it is answered."""

from broker import OutOfTime
from queues import clean as clean_queues
from queues import delete, name
from wire import exchange_declare, exchange_delete, queue_bind, queue_declare

SIZES = [100, 1_000, 10_000]
AXIS = "durable queues"
FIGURES = {
    "declares_per_second": "declared a second",
    "binds_per_second": "bound a second",
    "bytes_each": "octets of memory each",
    "deletes_per_second": "deleted a second",
}
EXCHANGE = "leveret-scale-durable"


def measure(broker, count, deadline, baseline):
    try:
        broker.call(exchange_declare(EXCHANGE, "topic", durable=True))
        declared = broker.make((queue_declare(name(number, "durable"), durable=True) for number in range(count)), count, deadline)
        if not declared.complete:
            delete(broker, declared.done, "durable")
            raise OutOfTime(f"{declared.done:,} of {count:,} durable queues after {declared.seconds:.0f} s")
        bindings = (queue_bind(name(number, "durable"), EXCHANGE, f"order.{number}.#") for number in range(count))
        bound = broker.make(bindings, count, deadline)
        if not bound.complete:
            raise OutOfTime(f"{bound.done:,} of {count:,} durable bindings after {bound.seconds:.0f} s")
        figures = {"declares_per_second": declared.rate, "binds_per_second": bound.rate}
        figures |= broker.grown(baseline, count)
        deleted = delete(broker, count, "durable")
        return {**figures, "deletes_per_second": deleted.rate}
    finally:
        clean(broker, count)


def clean(broker, most=SIZES[-1]):
    clean_queues(broker, "durable", most)
    broker.call(exchange_delete(EXCHANGE))
