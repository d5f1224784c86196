"""The rates and latencies of brokers beside each other: every work is done by each broker in turn, several times over, and the middle one
counts, as the machine's speed changes from minute to minute.

    cargo build --release
    target/release/leveret server --data-dir /tmp/compare &
    python3 benches/compare.py leveret=127.0.0.1:5672:$! rabbitmq=127.0.0.1:5674:$(pidof beam.smp)

A broker is NAME=HOST:PORT, or NAME=HOST:PORT:PID where its processor time is to be told, too. Ratios are to the first one that does the
work. What a broker cannot do is told and left out. Works:

    small       16 B, automatic acknowledgement, one publisher and one consumer
    four        the same, four of each, over four queues
    kibibyte    1 KiB, automatic acknowledgement
    settled     1 KiB, confirms with a window of 1000, prefetch 1000, an acknowledgement for 100
    persistent  1 KiB persistent into a durable queue, two publishers, confirms with a window of 2000; beside it 1 MiB appended and synced
                over and over in --disk, where the brokers should have their data
    quorum      the same into a quorum queue
    latency     16 B at 10,000 a second, automatic acknowledgement
    declares    transient queues declared and deleted, each waited for: declares alone
    durable     the same with durable queues

The load comes from `leveret perf` on the same machine, for --seconds each time. Results are written to --out as JSON and printed as
Markdown. Queues are named leveret-perf-* and removed."""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.append(str(pathlib.Path(__file__).parent / "scale"))

from broker import OutOfTime, brokers, commit, now, options  # noqa: E402
from tables import short  # noqa: E402

MIB = 1 << 20
PERSISTENT = ("--publishers", 2, "--consumers", 0, "--size", "1KiB", "--confirm", 2000, "--persistent", "--durable")


def rate(of):
    """How many a second, and the processor time of the broker for each."""

    def figures(result):
        processor = result.get("broker_processor") or {}
        return {"a second": result[of]["per_second"], "broker's µs each": processor.get("us_each")}

    return figures


def latency(result):
    return {"p50, µs": result["latency_us"]["p50"], "p99, µs": result["latency_us"]["p99"]}


def declares(result):
    return {"a second": 1e6 / result["declare_latency_us"]["mean"]}


# Options of `leveret perf`, what is churned, and what of the result counts.
WORKS = {
    "small": (("--auto-ack",), (), rate("consumed")),
    "four": (("--auto-ack", "--publishers", 4, "--consumers", 4, "--queues", 4), (), rate("consumed")),
    "kibibyte": (("--auto-ack", "--size", "1KiB"), (), rate("consumed")),
    "settled": (("--size", "1KiB", "--confirm", 1000, "--prefetch", 1000, "--ack-every", 100), (), rate("consumed")),
    "persistent": (PERSISTENT, (), rate("confirmed")),
    "quorum": ((*PERSISTENT, "--queue-arg", "x-queue-type=quorum"), (), rate("confirmed")),
    "latency": (("--auto-ack", "--rate", 10_000), (), latency),
    "declares": ((), ("churn", "queues"), declares),
    "durable": (("--durable",), ("churn", "queues"), declares),
}
SYNCED = {"persistent", "quorum"}


def parse():
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brokers", nargs="+", metavar="NAME=HOST:PORT[:PID]")
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS), metavar="W", help="only these works")
    parser.add_argument("--rounds", type=int, default=3, help="how often each broker does each work (default %(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="how long each time (default %(default)s)")
    parser.add_argument("--disk", type=pathlib.Path, default=pathlib.Path(tempfile.gettempdir()), help="(default %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("target/compare.json"), help="(default %(default)s)")
    parser.add_argument("--budget", type=float, default=60, help="seconds after which a run is given up (default %(default)s)")
    options(parser)
    parser.set_defaults(workers=1)
    arguments = parser.parse_args()
    arguments.brokers = brokers(parser, arguments)
    return arguments


def measure(broker, work):
    """One run: its figures, or why there are none."""
    options, churn, figures = WORKS[work]
    # `leveret perf churn` has no such option.
    told = ("--broker-pid", broker.pid) if broker.pid and not churn else ()
    try:
        result = broker.perf(*options, *told, churn=churn)
    except (OutOfTime, OSError, RuntimeError, json.JSONDecodeError) as reason:
        return {"missed": str(reason)}
    return {"missed": result["error"]} if result.get("error") else figures(result)


def disk(folder, seconds):
    """MiB a second that are appended and synced one by one."""
    block, written = os.urandom(MIB), 0
    with tempfile.NamedTemporaryFile(dir=folder, prefix="leveret-compare-") as file:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            os.write(file.fileno(), block)
            os.fdatasync(file.fileno())
            written += 1
        return {"MiB a second": written / (time.monotonic() - began)}


def run(arguments):
    """Every run in the order in which it was done."""
    for work in arguments.works:
        for _ in range(arguments.rounds):
            if work in SYNCED:
                yield {"work": work, "broker": "disk", "figures": disk(arguments.disk, arguments.seconds)}
            for broker in arguments.brokers:
                figures = measure(broker, work)
                yield {"work": work, "broker": broker.name, "figures": figures}


def markdown(runs, names):
    lines = ["| work | broker | figure | runs | middle | ratio |", "|---|---|---|---|---|---|"]
    missed = []
    for work in dict.fromkeys(run["work"] for run in runs):
        first = {}
        for name in ("disk", *names):
            of_it = [run["figures"] for run in runs if run["work"] == work and run["broker"] == name]
            missed += dict.fromkeys(f"{work} by {name}: {figures['missed']}" for figures in of_it if "missed" in figures)
            done = [figures for figures in of_it if "missed" not in figures]
            for figure in done[0] if done else ():
                values = [figures[figure] for figures in done if figures[figure] is not None]
                if not values:
                    continue
                middle = statistics.median(values)
                base = first.setdefault(figure, middle) if name in names else None
                ratio = f"{middle / base:.2f}" if base else ""
                lines.append(f"| {work} | {name} | {figure} | {', '.join(map(short, values))} | {short(middle)} | {ratio} |")
    if missed:
        lines += ["", "Left out: " + "; ".join(missed) + "."]
    return "\n".join(lines)


def main():
    arguments = parse()
    runs = []
    for done in run(arguments):
        runs.append(done)
        told = ", ".join(f"{figure} {short(value) if isinstance(value, float) else value}" for figure, value in done["figures"].items())
        print(f"{done['work']} by {done['broker']}: {told}", file=sys.stderr, flush=True)
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"commit": commit(), "measured": now(), "runs": runs}, indent=1) + "\n")
    print(markdown(runs, [broker.name for broker in arguments.brokers]))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted; what was measured is in the file")
