"""As much of AMQP 0-9-1 as making and removing things by the hundred thousand takes: requests are encoded by the caller's hands and sent
many at a time, so that what is measured is the broker and no client library."""

import contextlib
import itertools
import selectors
import socket
import struct
import time

HEADER = b"AMQP\x00\x00\x09\x01"
METHOD, CONTENT_HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END = b"\xce"

# Seconds without an octet after which a broker counts as stuck: to delete an exchange with a million bindings takes some.
TIMEOUT = 120

CLOSES = {(10, 50): "connection", (20, 40): "channel"}
GET_OK, GET_EMPTY = (60, 71), (60, 72)


class Refused(Exception):
    """The broker closed the channel or the connection, or does not speak as it should."""


def frame(kind, channel, payload):
    return struct.pack("!BHI", kind, channel, len(payload)) + payload + FRAME_END


def method(class_id, method_id, arguments=b"", channel=1):
    return frame(METHOD, channel, struct.pack("!HH", class_id, method_id) + arguments)


def short(text):
    octets = text.encode()
    return bytes([len(octets)]) + octets


def long(octets):
    return struct.pack("!I", len(octets)) + octets


NO_ARGUMENTS = long(b"")


def table(**entries):
    """A field table of integers and texts."""
    encoded = (b"I" + struct.pack("!i", value) if isinstance(value, int) else b"S" + long(value.encode()) for value in entries.values())
    return long(b"".join(short(key) + value for key, value in zip(entries, encoded)))


def exchange_declare(name, kind, durable=False):
    return method(40, 10, b"\0\0" + short(name) + short(kind) + bytes([durable << 1]) + NO_ARGUMENTS)


def exchange_delete(name):
    return method(40, 20, b"\0\0" + short(name) + b"\0")


def queue_declare(name, durable=False, passive=False, arguments=NO_ARGUMENTS):
    return method(50, 10, b"\0\0" + short(name) + bytes([passive | durable << 1]) + arguments)


def queue_bind(queue, exchange, binding_key, arguments=NO_ARGUMENTS):
    return method(50, 20, b"\0\0" + short(queue) + short(exchange) + short(binding_key) + b"\0" + arguments)


def queue_delete(name):
    return method(50, 40, b"\0\0" + short(name) + b"\0")


def publish(exchange, routing_key, body, headers=None):
    properties = struct.pack("!H", 0) if headers is None else struct.pack("!H", 1 << 13) + headers
    return (
        method(60, 40, b"\0\0" + short(exchange) + short(routing_key) + b"\0")
        + frame(CONTENT_HEADER, 1, struct.pack("!HHQ", 60, 0, len(body)) + properties)
        + frame(BODY, 1, body)
    )


def get(queue):
    """basic.get without acknowledgement."""
    return method(60, 70, b"\0\0" + short(queue) + b"\1")


class Progress:
    """How far many requests came: how many were answered, in which time, and how fast the last tenth of them was."""

    def __init__(self, wanted):
        self.wanted, self.done, self.began = wanted, 0, time.monotonic()
        self.marks = [(self.began, 0)]

    def answered(self, count):
        self.done += count
        self.marks.append((time.monotonic(), self.done))

    @property
    def complete(self):
        return self.done >= self.wanted

    @property
    def seconds(self):
        return self.marks[-1][0] - self.began

    @property
    def rate(self):
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def last_rate(self):
        end, done = self.marks[-1]
        since, before = next(mark for mark in reversed(self.marks) if mark[1] <= done * 0.9)
        return (done - before) / (end - since) if end > since else 0.0


class Connection:
    """A connection with one channel."""

    def __init__(self, broker, timeout=TIMEOUT):
        self.socket = socket.create_connection((broker.host, broker.port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.broker, self.buffer, self.product = broker, bytearray(), None

    @classmethod
    def open(cls, broker, timeout=TIMEOUT):
        connection = cls(broker, timeout)
        for _ in connection.login():
            pass
        return connection

    def login(self):
        """Logs in and opens the channel; a generator that stops after each request, so that many can log in at the same time."""
        self.send(HEADER)
        yield
        self.expect((10, 10))
        plain = b"\0" + self.broker.user.encode() + b"\0" + self.broker.password.encode()
        self.send(method(10, 11, NO_ARGUMENTS + short("PLAIN") + long(plain) + short("en_US"), channel=0))
        yield
        channel_max, frame_max, _ = struct.unpack("!HIH", self.expect((10, 30)))
        self.send(
            method(10, 31, struct.pack("!HIH", channel_max, frame_max, 0), channel=0)
            + method(10, 40, short(self.broker.vhost) + b"\0\0", channel=0)
        )
        yield
        self.expect((10, 41))
        self.send(method(20, 10, b"\0"))
        yield
        self.expect((20, 11))

    def send(self, octets):
        self.socket.sendall(octets)

    def close(self):
        """Goes without a word: what it made is no part of the connection."""
        self.socket.close()

    def call(self, request):
        """Sends a request and waits for its answer; what follows class and method of that."""
        self.send(request)
        return self.expect(None)

    def expect(self, wanted):
        found, arguments = self.next_method()
        if wanted is not None and found != wanted:
            raise Refused(f"class and method {wanted} were to come, not {found}")
        return arguments

    def next_method(self):
        """The next method and its arguments; content is passed over."""
        while True:
            kind, payload = self.next_frame()
            if kind != METHOD:
                continue
            found = struct.unpack_from("!HH", payload)
            if found in CLOSES:
                code, length = struct.unpack_from("!HB", payload, 4)
                text = bytes(payload[7 : 7 + length]).decode(errors="replace")
                raise Refused(f"{CLOSES[found]} closed: {code} {text}")
            return found, bytes(payload[4:])

    def next_frame(self):
        while len(self.buffer) < 7 or len(self.buffer) < 8 + self.payload_length(0):
            self.fill()
        end = 7 + self.payload_length(0)
        kind, payload = self.buffer[0], self.buffer[7:end]
        del self.buffer[: end + 1]
        return kind, payload

    def payload_length(self, at):
        return struct.unpack_from("!I", self.buffer, at + 3)[0]

    def fill(self):
        octets = self.socket.recv(262144)
        if not octets:
            raise Refused("the broker closed the socket")
        self.buffer += octets

    def drain(self):
        """Reads until nothing has come for a second."""
        self.socket.settimeout(1)
        with contextlib.suppress(OSError):
            while self.socket.recv(262144):
                pass

    def answers(self):
        """How many methods have come with one more read, at least one."""
        count = 0
        while not count:
            self.fill()
            at, end = 0, len(self.buffer)
            while end - at >= 12 and end - at >= 8 + self.payload_length(at):
                if self.buffer[at] == METHOD:
                    if struct.unpack_from("!HH", self.buffer, at + 7) in CLOSES:
                        del self.buffer[:at]
                        self.next_method()
                    count += 1
                at += 8 + self.payload_length(at)
            del self.buffer[:at]
        return count



def pipeline(connections, requests, wanted, deadline, window=200):
    """Sends so many requests over several connections, at most `window` unanswered on each, until all are answered. Where the
    deadline passes first, none is sent any more, and those that were are waited for."""
    try:
        return answered(connections, iter(requests), wanted, deadline, window)
    except KeyboardInterrupt:
        # What was sent happens all the same, and has to have happened before it is undone.
        for connection in connections:
            connection.drain()
        raise


def answered(connections, requests, wanted, deadline, window):
    progress, sent = Progress(wanted), 0
    unanswered = dict.fromkeys(connections, 0)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while not progress.complete:
            for connection in connections if time.monotonic() < deadline else []:
                count = min(wanted - sent, window - unanswered[connection])
                # A few at a time would be one system call for each.
                if count >= window // 4 or (count and sent + count == wanted):
                    connection.send(b"".join(itertools.islice(requests, count)))
                    unanswered[connection] += count
                    sent += count
            if sent == progress.done:
                break
            ready = selector.select(TIMEOUT)
            if not ready:
                raise Refused(f"no answer for {TIMEOUT} s")
            for key, _ in ready:
                count = key.data.answers()
                unanswered[key.data] -= count
                progress.answered(count)
    return progress
