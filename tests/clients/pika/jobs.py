"""1,000 jobs, published with confirms, a worker that is killed half-way, another that does the rest: none is lost."""

import os
import signal
import subprocess
import sys

import pika

JOBS = 1000
KILLED_AFTER = 300


def connect(port):
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))


def publish(port):
    connection = connect(port)
    channel = connection.channel()
    channel.queue_declare("jobs")
    channel.confirm_delivery()
    for number in range(JOBS):
        channel.basic_publish("", "jobs", str(number).encode(), mandatory=True)
    connection.close()


def work(port):
    """Prints each job, which counts as doing it, and acks it then, until there are none for two seconds.

    In this order: a worker that is killed between the two has the job done twice, never lost. Each line is one write,
    so that the kill leaves no half of one."""
    connection = connect(port)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=50)
    for method, _, body in channel.consume("jobs", inactivity_timeout=2):
        if method is None:
            break
        os.write(sys.stdout.fileno(), f"{body.decode()} {int(method.redelivered)}\n".encode())
        channel.basic_ack(method.delivery_tag)
    channel.cancel()
    connection.close()


def worker(port):
    command = [sys.executable, __file__, str(port), "work"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def main(port):
    publish(port)
    done = []
    first = worker(port)
    for line in first.stdout:
        done.append(line.split())
        if len(done) == KILLED_AFTER:
            os.kill(first.pid, signal.SIGKILL)
            break
    done.extend(line.split() for line in first.stdout)
    first.wait()
    second = worker(port)
    rest = [line.split() for line in second.stdout]
    assert second.wait() == 0, "the second worker failed"
    numbers = {int(number) for number, _ in done + rest}
    assert numbers == set(range(JOBS)), f"lost: {sorted(set(range(JOBS)) - numbers)}"
    before = {number for number, _ in done}
    again = [number for number, redelivered in rest if number in before and redelivered == "0"]
    assert not again, f"delivered twice without the flag: {again}"
    connection = connect(port)
    left = connection.channel().queue_declare("jobs", passive=True).method.message_count
    assert left == 0, f"{left} jobs are left"
    connection.close()
    print(f"{len(done)} jobs before the kill, {len(rest)} after, {len(done) + len(rest) - JOBS} of them twice")
    print("1 passed, 0 failed")


if __name__ == "__main__":
    if sys.argv[2:] == ["work"]:
        work(int(sys.argv[1]))
    else:
        main(int(sys.argv[1]))
