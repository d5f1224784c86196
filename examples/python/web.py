"""A web handler: takes orders, hands them to workers, and tells how far they are.

    python3 web.py [--base http://localhost:15672] [--queue resize] [--port 8000]
    curl -i -d '{"numbers": [1, 2, 3]}' localhost:8000/jobs
    curl localhost:8000/jobs/ID

A user does not wait for a full queue: after two seconds of trying it gets 503 and the broker's own `Retry-After`.
"""

import argparse
import http.server
import json
import math
import re
import uuid

from leveret_jobs import GaveUp, Jobs

PATIENCE = 2.0
LARGEST = 1 << 20


class Handler(http.server.BaseHTTPRequestHandler):
    jobs, queue = None, None

    def do_POST(self):
        if self.path != "/jobs":
            return self.answer(404, {"error": "there is nothing here"})
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST:
            return self.answer(413, {"error": "an order has a length, of up to 1 MiB"})
        try:
            job = self.jobs.publish(self.queue, self.rfile.read(int(length)), str(uuid.uuid4()), patience=PATIENCE)
        except GaveUp as error:
            retry = math.ceil(error.retry_after or 5)
            return self.answer(503, {"error": "too busy"}, {"Retry-After": str(retry)})
        return self.answer(202, {"id": job}, {"Location": f"/jobs/{job}"})

    def do_GET(self):
        found = re.fullmatch(r"/jobs/([0-9a-f-]{36})", self.path)
        try:
            status = self.jobs.status(self.queue, found[1]) if found else None
        except GaveUp:
            return self.answer(503, {"error": "too busy"}, {"Retry-After": "5"})
        if status is None:
            return self.answer(404, {"error": "no such job, or it ended long ago"})
        return self.answer(200, {"id": found[1], "status": status})

    def answer(self, status, body, headers=None):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--base", default="http://localhost:15672")
    arguments.add_argument("--queue", default="resize")
    arguments.add_argument("--port", type=int, default=8000)
    given = arguments.parse_args()
    Handler.jobs, Handler.queue = Jobs(given.base), given.queue
    server = http.server.ThreadingHTTPServer(("127.0.0.1", given.port), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}/jobs", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
