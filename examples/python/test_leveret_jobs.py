"""python3 -m unittest: how the client waits, without a broker."""

import http.server
import json
import threading
import time
import unittest

from leveret_jobs import LONGEST, GaveUp, Jobs, pause


class Busy(http.server.BaseHTTPRequestHandler):
    """Refuses so many requests, then takes one."""

    refusals, retry_after, times = 0, None, []

    def do_POST(self):
        cls = type(self)
        cls.times.append(time.monotonic())
        self.rfile.read(int(self.headers["Content-Length"]))
        cls.refusals -= 1
        body = json.dumps({"id": self.headers["X-Leveret-Message-Id"]}).encode()
        self.send_response(503 if cls.refusals >= 0 else 201)
        if cls.refusals >= 0 and cls.retry_after:
            self.send_header("Retry-After", cls.retry_after)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class TheClient(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.jobs = Jobs(f"http://127.0.0.1:{self.server.server_port}")
        Busy.times = []

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def gaps(self):
        return [later - earlier for earlier, later in zip(Busy.times, Busy.times[1:])]

    def test_waits_as_long_as_it_is_told(self):
        Busy.refusals, Busy.retry_after = 1, "1"
        self.assertEqual(self.jobs.publish("q", b"x", "a"), "a")
        self.assertGreaterEqual(self.gaps()[0], 1.0)

    def test_backs_off_where_it_is_told_nothing(self):
        Busy.refusals, Busy.retry_after = 3, None
        self.assertEqual(self.jobs.publish("q", b"x", "a"), "a")
        self.assertEqual(len(self.gaps()), 3)

    def test_gives_up_rather_than_come_too_soon(self):
        Busy.refusals, Busy.retry_after = 9, "30"
        with self.assertRaises(GaveUp) as raised:
            self.jobs.publish("q", b"x", "a", patience=1.0)
        self.assertEqual((raised.exception.retry_after, len(Busy.times)), (30.0, 1))

    def test_pauses_grow_up_to_a_bound_and_differ(self):
        self.assertLess(max(pause(0) for _ in range(100)), min(LONGEST, 0.21))
        self.assertLessEqual(max(pause(50) for _ in range(100)), LONGEST)
        self.assertGreater(len({pause(5) for _ in range(20)}), 15)
        self.assertTrue(all(3 <= pause(0, 3) <= 3.75 for _ in range(100)))


if __name__ == "__main__":
    unittest.main()
