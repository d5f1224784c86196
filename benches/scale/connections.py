"""Open connections with a channel each: the time to open one, memory of each, and the message rate of one pair beside them."""

import time

from broker import OutOfTime
from wire import Connection

SIZES = [100, 1_000, 10_000]
AXIS = "connections"
FIGURES = {"opens_per_second": "opened a second", "bytes_each": "octets of memory each", "messages_per_second": "messages a second beside them"}
TOGETHER = 50


def measure(broker, count, deadline, baseline):
    held, began = [], time.monotonic()
    try:
        while len(held) < count:
            if time.monotonic() > deadline:
                raise OutOfTime(f"{len(held):,} of {count:,} connections after {time.monotonic() - began:.0f} s")
            batch = []
            for _ in range(min(TOGETHER, count - len(held))):
                batch.append(Connection(broker))
                held.append(batch[-1])
            logins = [connection.login() for connection in batch]
            while logins:
                logins = [login for login in logins if next(login, "done") != "done"]
        opened = time.monotonic() - began
        figures = {"opens_per_second": count / opened, "seconds_to_open": opened}
        figures |= broker.grown(baseline, count)
        pair = broker.perf("--auto-ack", "--confirm", 1000)
        figures["messages_per_second"] = pair["consumed"]["per_second"]
        return figures
    finally:
        for connection in held:
            connection.close()
