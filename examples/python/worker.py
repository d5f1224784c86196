"""A worker: takes jobs one by one and does them. One that fails comes again, later and later, and is given up in the end.

    python3 worker.py [--base http://localhost:15672] [--queue resize] [--jobs N]
"""

import argparse
import json
import sys
import threading
import urllib.error

from leveret_jobs import GaveUp, Jobs

LEASE = 30


def work(job):
    """The work itself: here, the sum of some numbers."""
    return sum(job["numbers"])


class KeptAlive:
    """Extends the lease while the work goes on, so that a short lease is enough for long work."""

    def __init__(self, jobs, lease):
        self.jobs, self.lease, self.done = jobs, lease, threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.done.wait(LEASE / 3):
            try:
                self.jobs.extend(self.lease, LEASE)
            except (urllib.error.HTTPError, GaveUp):
                return

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()


def do_one(jobs, queue, wait=20):
    """Does one job; whether there was one."""
    taken = jobs.take(queue, wait=wait, lease=LEASE)
    if taken is None:
        return False
    lease, headers, body = taken
    try:
        with KeptAlive(jobs, lease):
            result = work(json.loads(body))
        jobs.ack(lease)
        print(f"{headers['X-Leveret-Message-Id']}: {result}", flush=True)
    except (KeyError, TypeError, ValueError) as error:
        # It will never make sense: to the dead letters with it, where the queue has any.
        jobs.nack(lease, requeue=False)
        print(f"{headers['X-Leveret-Message-Id']} is no job: {error!r}", file=sys.stderr, flush=True)
    except urllib.error.HTTPError as error:
        # 404: the lease ended before the work did. Somebody else does it again.
        print(f"{headers['X-Leveret-Message-Id']}: {error}", file=sys.stderr, flush=True)
    return True


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--base", default="http://localhost:15672")
    arguments.add_argument("--queue", default="resize")
    arguments.add_argument("--jobs", type=int, help="how many jobs to do; for ever when it is not given")
    given = arguments.parse_args()
    jobs, left = Jobs(given.base), given.jobs
    while left is None or left > 0:
        try:
            if do_one(jobs, given.queue) and left is not None:
                left -= 1
        except GaveUp as error:
            print(f"the broker does not answer: {error}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
