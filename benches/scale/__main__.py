"""How the cost of a broker grows as its work grows: connections, queues, bindings, fan-out, consumers and sizes of bodies, each at
several sizes, for any AMQP 0-9-1 brokers in turn.

    pip install matplotlib
    cargo build --release
    target/release/leveret server --data-dir /tmp/scale &
    python3 benches/scale leveret=127.0.0.1:5672:$! rabbitmq=127.0.0.1:5674:$(pidof beam.smp)

A broker is NAME=HOST:PORT, or NAME=HOST:PORT:PID where its memory is to be measured, too. Measurements:

    connections  100, 1k, 10k open connections with a channel each: how fast they open, memory of each, the rate of a pair beside them
    queues       1k, 10k, 100k queues: how fast they are declared and deleted, memory of each, a publish and a get amid them
    durable      100, 1k, 10k durable queues, each bound to a topic exchange: the same with the disk
    bindings     1k, 10k, 100k, 1M bindings of a topic exchange: how fast they are made, memory of each, routing through them
    headers      10 to 10k bindings of a headers exchange: the same
    fanout       1 to 1,000 queues bound to an exchange: copies delivered, messages published
    consumers    1 to 1,000 consumers of one queue: the rate
    bodies       1 KiB to 16 MiB: messages and MiB a second

Every point starts without what the one before it has made, and ends without what it has made itself; what is named leveret-scale-* belongs
to this script, and what a killed run has left of it goes first. Making things counts against --budget seconds for each point. A point that is
not reached in time is told with how far it came, and larger ones of that broker are not tried. Rates of messages are those of `leveret
perf` over --seconds each, with the generator on the same machine. Memory of each is what the process has grown by since the measurement
began, divided by the number: allocators give memory back late, so that it is exact only of a broker that has just started, and of
sizes that go up.

Figures go to figures.json in --out, where points that were measured before stay unless they are measured again, so that a run may be
done in pieces (--measure, --sizes). Charts (scale-*.svg, logarithmic) are drawn of all that is in it; --draw does only that. Both need no
broker of a certain make, and the script is done in (sizes × brokers × budget) at most, but for removing what it has made.

A process that is to hold 10,000 connections needs as many files: `ulimit -n 20000` for this script and the brokers."""

import argparse
import json
import pathlib
import resource
import signal
import sys
import time

import bindings
import bodies
import charts
import connections
import consumers
import durable
import fanout
import headers
import queues
import tables
from broker import OutOfTime, brokers, commit, now, options
from wire import Refused

MEASUREMENTS = {
    "connections": connections,
    "queues": queues,
    "durable": durable,
    "bindings": bindings,
    "headers": headers,
    "fanout": fanout,
    "consumers": consumers,
    "bodies": bodies,
}
UNITS = {"k": 1_000, "M": 1_000_000, "KiB": 1 << 10, "MiB": 1 << 20}


def number(text):
    """1000, 1k, 1M, 16KiB."""
    digits = text.rstrip("kKMiB")
    unit = text[len(digits) :]
    if not digits.isdigit() or (unit and unit not in UNITS):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; 1000, 1k, 1M and 16KiB are")
    return int(digits) * UNITS.get(unit, 1)


def sizes(text):
    return [number(part) for part in text.split(",")]


def parse():
    parser = argparse.ArgumentParser(prog="scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brokers", nargs="*", metavar="NAME=HOST:PORT[:PID]")
    parser.add_argument("--measure", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS), metavar="M", help="only these measurements")
    parser.add_argument("--sizes", type=sizes, help="only these sizes, such as 1k,10k")
    parser.add_argument("--budget", type=float, default=60, help="seconds that making what a point needs may take (default %(default)s)")
    parser.add_argument("--workers", type=int, default=4, help="connections over which queues and bindings are made and removed (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="how long each rate of messages is measured (default %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/scale"), help="folder for figures.json and charts (default %(default)s)")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw charts of the figures that are there and print tables of them")
    options(parser)
    arguments = parser.parse_args()
    if not arguments.brokers and not arguments.draw:
        parser.error("no broker is given, and --draw is not either")
    arguments.brokers = [] if arguments.draw else brokers(parser, arguments)
    return arguments


class Record:
    """The figures so far. A point is one measurement of one broker at one size, and there once."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "figures.json"
        self.points = json.loads(self.path.read_text())["points"] if self.path.exists() else []

    def add(self, point):
        def identity(point):
            return list(MEASUREMENTS).index(point["measurement"]), point["broker"], point["size"]

        self.points = sorted([known for known in self.points if identity(known) != identity(point)] + [point], key=identity)
        self.path.write_text(json.dumps({"points": self.points}, indent=1) + "\n")


def point(broker, measurement, size, baseline):
    """Measures one point: its figures, or why there are none."""
    try:
        return {"figures": measurement.measure(broker, size, time.monotonic() + broker.budget, baseline)}
    except (OutOfTime, Refused, OSError, RuntimeError) as reason:
        return {"missed": str(reason)}


def run(arguments, record):
    for name in arguments.measure:
        measurement = MEASUREMENTS[name]
        for broker in arguments.brokers:
            if hasattr(measurement, "clean"):
                measurement.clean(broker)
            baseline, missed = broker.resident(), False
            for size in sorted(arguments.sizes or measurement.SIZES):
                result = {"missed": "not tried, as a smaller one was not reached"} if missed else point(broker, measurement, size, baseline)
                missed = "missed" in result
                told = result.get("missed") or ", ".join(f"{key} {tables.short(value)}" for key, value in result["figures"].items())
                print(f"{name} {size:,} of {broker.name}: {told}", flush=True)
                record.add({"measurement": name, "broker": broker.name, "size": size, "measured": now(), "commit": commit(), **result})


def interrupted(*_):
    raise KeyboardInterrupt


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, interrupted)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    record = Record(arguments.out)
    try:
        if not arguments.draw:
            run(arguments, record)
    except (Refused, OSError) as reason:
        sys.exit(f"scale: {reason}")
    except KeyboardInterrupt:
        sys.exit("interrupted; what was made is removed, what was measured is kept")
    charts.draw(record.points, MEASUREMENTS, arguments.out)
    print(tables.markdown(record.points, MEASUREMENTS))


if __name__ == "__main__":
    main()
