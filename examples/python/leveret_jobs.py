"""A small client of Leveret's jobs API: the standard library alone, polite when the broker is busy.

Every request that fails for want of room or of a connection is tried again: after as long as `Retry-After` says, or else
after a time that doubles with each attempt, and a random part of it, so that clients that failed together come back apart.
"""

import base64
import json
import random
import time
import urllib.error
import urllib.parse
import urllib.request

SHORTEST, LONGEST = 0.2, 30.0


class GaveUp(Exception):
    """The broker did not take the request in time; `retry_after` says when it may, if it said so."""

    def __init__(self, reason, retry_after=None):
        super().__init__(reason)
        self.retry_after = retry_after


def pause(attempt, retry_after=None):
    """Seconds to wait before attempt number `attempt` + 1."""
    if retry_after is not None:
        # Never sooner than asked for; a little later, or everybody comes at the same moment.
        return retry_after * (1 + random.random() / 4)
    return random.uniform(SHORTEST / 2, min(LONGEST, SHORTEST * 2**attempt))


class Jobs:
    def __init__(self, base="http://localhost:15672", user="guest", password="guest", vhost="/"):
        self.base = base.rstrip("/")
        self.vhost = urllib.parse.quote(vhost, safe="")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self.authorization = f"Basic {token}"

    def request(self, method, path, body=None, headers=None, patience=60.0, timeout=90.0):
        """The answer's status, headers and body. 4xx raises urllib.error.HTTPError at once; GaveUp when `patience`
        seconds are over."""
        deadline, attempt = time.monotonic() + patience, 0
        while True:
            request = urllib.request.Request(self.base + path, data=body, method=method, headers=headers or {})
            request.add_header("Authorization", self.authorization)
            if body is not None and not request.has_header("Content-type"):
                request.add_header("Content-Type", "application/octet-stream")
            try:
                with urllib.request.urlopen(request, timeout=timeout) as answer:
                    return answer.status, answer.headers, answer.read()
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    raise
                reason, retry_after = error.read().decode(errors="replace"), seconds(error.headers.get("Retry-After"))
            except OSError as error:
                # No connection: the broker may be starting again.
                reason, retry_after = str(error), None
            wait = pause(attempt, retry_after)
            if time.monotonic() + wait > deadline:
                raise GaveUp(reason, retry_after)
            time.sleep(wait)
            attempt += 1

    def queue_path(self, queue):
        return f"/v1/queues/{self.vhost}/{urllib.parse.quote(queue, safe='')}"

    def publish(self, queue, body, job_id, content_type="application/json", patience=60.0):
        """Puts a job into the queue; it is on the disk then. The id is the caller's own: a job that is sent again, since
        the answer was lost, has the same one, by which workers can tell."""
        headers = {"Content-Type": content_type, "X-Leveret-Message-Id": job_id}
        _, _, answer = self.request("POST", self.queue_path(queue) + "/messages", body, headers, patience)
        return json.loads(answer)["id"]

    def status(self, queue, job_id):
        """Where the job is; None: it is not known (any more)."""
        try:
            path = f"{self.queue_path(queue)}/jobs/{urllib.parse.quote(job_id, safe='')}"
            return json.loads(self.request("GET", path, patience=5.0)[2])["status"]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise

    def take(self, queue, wait=20, lease=30):
        """A lease's token, the message's headers and its body; None when none came in time."""
        status, headers, body = self.request("GET", f"{self.queue_path(queue)}/messages?wait={wait}&lease={lease}")
        return None if status == 204 else (headers["X-Leveret-Lease"], headers, body)

    def ack(self, lease):
        self.request("DELETE", f"/v1/leases/{lease}")

    def nack(self, lease, requeue=True, delay=0):
        body = {"requeue": requeue, "delay": delay} if requeue else {"requeue": False}
        self.request("POST", f"/v1/leases/{lease}/nack", json.dumps(body).encode())

    def extend(self, lease, seconds_from_now):
        self.request("PATCH", f"/v1/leases/{lease}", json.dumps({"lease": seconds_from_now}).encode())


def seconds(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
