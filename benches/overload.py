"""What a bounded queue does when twice as much is published as its worker gets done: for each broker the drain rate and how long
messages waited, first below the worker's rate and then at twice of it.

    pip install pika
    overload.py NAME=HOST:PORT ... [--bound 1000] [--job-ms 1] [--seconds 60]

Each broker has a worker that takes --job-ms for a job and acknowledges it (prefetch 10), a queue with x-max-length (x-overflow
is block for a name that begins with "leveret", else reject-publish), and a publisher with confirms, in a process of its own,
that sends a nacked job again after 50 ms. The brokers run side by side: the work is little."""

import argparse
import multiprocessing
import struct
import time

import pika
import pika.exceptions

QUEUE = "overload"


def connect(address):
    host, port = address.rsplit(":", 1)
    return pika.BlockingConnection(pika.ConnectionParameters(host, int(port), heartbeat=0, blocked_connection_timeout=None))


def publish(address, rate, seconds, results):
    """Publishes at a rate, or as fast as the broker lets it; tells how many jobs it took, and how many it refused."""
    connection = connect(address)
    channel = connection.channel()
    channel.confirm_delivery()
    began = time.monotonic()
    taken = refused = number = 0
    while time.monotonic() - began < seconds:
        due = began + number / rate
        wait = due - time.monotonic()
        if wait > 0.002:
            connection.sleep(wait)
        number += 1
        try:
            channel.basic_publish("", QUEUE, struct.pack("!d", time.time()))
            taken += 1
        except pika.exceptions.NackError:
            refused += 1
            connection.sleep(0.05)
    results.put((taken, refused))
    connection.close()


def work(address, job, seconds, warm_up):
    """Does jobs for so long; tells how many a second, and how long they waited, once it has warmed up."""
    connection = connect(address)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=10)
    waits, done = [], 0
    began = time.monotonic()
    for method, _, body in channel.consume(QUEUE, inactivity_timeout=1):
        now = time.monotonic()
        if now - began >= seconds:
            break
        if method is None:
            continue
        if now - began >= warm_up:
            waits.append(time.time() - struct.unpack("!d", body)[0])
            done += 1
        end = now + job
        while time.monotonic() < end:
            time.sleep(max(0.0, end - time.monotonic()))
        channel.basic_ack(method.delivery_tag)
    channel.cancel()
    connection.close()
    return done / (seconds - warm_up), waits


def phase(address, name, rate, arguments):
    connection = connect(address)
    channel = connection.channel()
    channel.queue_delete(QUEUE)
    overflow = "block" if name.startswith("leveret") else "reject-publish"
    channel.queue_declare(QUEUE, durable=True, arguments={"x-max-length": arguments.bound, "x-overflow": overflow})
    connection.close()
    results = multiprocessing.Queue()
    publishers = [
        multiprocessing.Process(target=publish, args=(address, rate / 2, arguments.seconds + 5, results)) for _ in range(2)
    ]
    for publisher in publishers:
        publisher.start()
    drained, waits = work(address, arguments.job_ms / 1000, arguments.seconds, arguments.seconds / 6)
    # Publishers that wait for room find it.
    connection = connect(address)
    channel = connection.channel()
    deadline = time.monotonic() + 30
    while any(publisher.is_alive() for publisher in publishers) and time.monotonic() < deadline:
        channel.queue_purge(QUEUE)
        time.sleep(0.05)
    taken, refused = map(sum, zip(*(results.get() for _ in publishers)))
    connection.close()
    return drained, waits, taken, refused


def measure(spec, arguments, report):
    name, address = spec.split("=", 1)
    # What the worker gets done when there is always a job.
    capacity, *_ = phase(address, name, 1e9, argparse.Namespace(**{**vars(arguments), "seconds": 12}))
    lines = [f"{name}: the worker gets {capacity:.0f} jobs a second done"]
    base = None
    for label, factor in (("half as much", 0.5), ("nine tenths", 0.9), ("twice as much", 2.0)):
        seconds = arguments.seconds if factor == 2.0 else arguments.seconds / 2
        run = argparse.Namespace(**{**vars(arguments), "seconds": seconds})
        drained, waits, taken, refused = phase(address, name, capacity * factor, run)
        waits.sort()
        at = lambda part: waits[min(len(waits) - 1, int(len(waits) * part))] * 1000
        lines.append(
            f"  {label}: drained {drained:.0f}/s, waited p50 {at(0.5):.1f} ms, p99 {at(0.99):.1f} ms, most {waits[-1] * 1000:.1f} ms; "
            f"published {taken}, refused {refused}; bound / drain rate = {arguments.bound / drained * 1000:.0f} ms"
        )
    report.put("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("brokers", nargs="+", metavar="NAME=HOST:PORT")
    parser.add_argument("--bound", type=int, default=1000)
    parser.add_argument("--job-ms", type=float, default=1.0)
    parser.add_argument("--seconds", type=float, default=60)
    arguments = parser.parse_args()
    report = multiprocessing.Queue()
    runs = [multiprocessing.Process(target=measure, args=(spec, arguments, report)) for spec in arguments.brokers]
    for run in runs:
        run.start()
    for _ in runs:
        print(report.get(), flush=True)
    for run in runs:
        run.join()


if __name__ == "__main__":
    main()
