"""Bodies of so many octets through one queue to one consumer without acknowledgements; confirmed, with 32 MiB at most unconfirmed."""

SIZES = [1 << 10, 16 << 10, 256 << 10, 1 << 20, 16 << 20]
AXIS = "octets of a body"
FIGURES = {"messages_per_second": "messages a second", "mib_per_second": "MiB a second"}


def measure(broker, size, deadline, baseline):
    window = max(2, min(1000, (32 << 20) // size))
    result = broker.perf("--size", size, "--confirm", window, "--auto-ack", "--queue", "leveret-scale-bodies")
    rate = result["consumed"]["per_second"]
    return {"messages_per_second": rate, "mib_per_second": rate * size / (1 << 20)}
