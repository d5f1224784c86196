"""A fanout exchange with so many queues bound to it: messages of 16 octets, confirmed with a window of 100, all copies consumed by two
consumers without acknowledgements."""

SIZES = [1, 10, 100, 1_000]
AXIS = "queues"
FIGURES = {"copies_per_second": "copies delivered a second", "publishes_per_second": "messages published a second"}


def measure(broker, count, deadline, baseline):
    through = ["--exchange", "leveret-scale-fanout", "--exchange-type", "fanout", "--routing-key", "copies", "--queue", "leveret-scale-copies-{queue}"]
    result = broker.perf(*through, "--queues", count, "--consumers", min(count, 2), "--auto-ack", "--confirm", 100)
    return {
        "copies_per_second": result["consumed"]["per_second"],
        "publishes_per_second": result["confirmed"]["per_second"],
    }
