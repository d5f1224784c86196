"""A broker that is measured: where it listens, how much memory it has, and the load tool put to it."""

import contextlib
import json
import pathlib
import shutil
import signal
import subprocess
import time
import urllib.parse

from wire import Connection, pipeline


class Broker:
    def __init__(self, spec, arguments):
        self.name, _, address = spec.partition("=")
        host, port, *pid = address.split(":")
        self.host, self.port, self.pid = host, int(port), int(pid[0]) if pid else None
        self.user, self.password, self.vhost = arguments.user, arguments.password, arguments.vhost
        self.tool, self.seconds, self.budget, self.workers = arguments.leveret, arguments.seconds, arguments.budget, arguments.workers

    @property
    def uri(self):
        user, password, vhost = (urllib.parse.quote(part, safe="") for part in (self.user, self.password, self.vhost))
        return f"amqp://{user}:{password}@{self.host}:{self.port}/{vhost}"

    @contextlib.contextmanager
    def connected(self, workers=1):
        """So many connections, closed in the end."""
        connections = []
        try:
            for _ in range(workers):
                connections.append(Connection.open(self))
            yield connections
        finally:
            for connection in connections:
                connection.close()

    def call(self, *requests):
        """Each request answered, over a connection of their own."""
        with self.connected() as [connection]:
            for request in requests:
                connection.call(request)

    def make(self, requests, wanted, deadline):
        """Requests in whatever order, over all the workers' connections."""
        with self.connected(self.workers) as connections:
            return pipeline(connections, requests, wanted, deadline)

    def resident(self):
        """Octets of memory that the broker's process has; None where its PID was not given."""
        if self.pid is None:
            return None
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def grown(self, baseline, count):
        """Octets for each of so many things, where the process has grown at all: what few of them take is lost amid the rest."""
        each = (self.resident() - baseline) / count if self.pid else 0
        return {"bytes_each": each} if each > 0 else {}

    def perf(self, *options, churn=()):
        """Runs `leveret perf`, or `leveret perf churn` of something, and gives its result; what does not end within the budget is
        interrupted."""
        command = [self.tool, "perf", *churn, "--quiet", "--format", "json", "--uri", self.uri, "--time", f"{self.seconds}s", *options]
        tool = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            out, err = tool.communicate(timeout=self.budget)
        except BaseException as stopped:
            # The tool removes what it made and writes what it has.
            tool.send_signal(signal.SIGINT)
            out, err = tool.communicate(timeout=60)
            if not isinstance(stopped, subprocess.TimeoutExpired):
                raise
            raise OutOfTime(f"leveret perf {' '.join(map(str, options))} did not end within {self.budget} s") from None
        if tool.returncode:
            raise RuntimeError(f"leveret perf {' '.join(map(str, options))}: {err.decode().strip() or out.decode().strip()}")
        return json.loads(out)


def options(parser):
    """What both scripts ask about brokers and the load tool."""
    parser.add_argument("--leveret", default="target/release/leveret", help="the program that has `leveret perf` (default %(default)s)")
    parser.add_argument("--user", default="guest", help="(default %(default)s)")
    parser.add_argument("--password", default="guest", help="(default %(default)s)")
    parser.add_argument("--vhost", default="/", help="(default %(default)s)")


def brokers(parser, arguments):
    """The brokers that were named; ends the script where that is not possible."""
    if shutil.which(arguments.leveret) is None:
        parser.error(f"{arguments.leveret} is not there; cargo build --release makes it, and --leveret names another one")
    try:
        return [Broker(spec, arguments) for spec in arguments.brokers]
    except ValueError:
        parser.error("a broker is NAME=HOST:PORT or NAME=HOST:PORT:PID")


def commit():
    """Of the tree that these scripts are in, not of the brokers."""
    here = pathlib.Path(__file__).parent
    found = subprocess.run(["git", "-C", here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def now():
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime())


class OutOfTime(Exception):
    """A point's budget was over before it was reached."""
