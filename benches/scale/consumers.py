"""Consumers of one queue, each with a connection of its own and a prefetch of 1,000, acknowledging a hundred at a time; one publisher with confirms
and a window of 10,000."""

SIZES = [1, 10, 100, 1_000]
AXIS = "consumers"
FIGURES = {"messages_per_second": "messages a second"}


def measure(broker, count, deadline, baseline):
    consuming = ["--consumers", count, "--prefetch", 1000, "--ack-every", 100]
    result = broker.perf(*consuming, "--confirm", 10_000, "--queue", "leveret-scale-consumed")
    return {"messages_per_second": result["consumed"]["per_second"], "p99_us": result["latency_us"]["p99"]}
