"""The receiving end of the demonstration: a web server that is sometimes in trouble and remembers all.

What it does with a request depends on the path, and whether a job is one of the unlucky ones only on its id:

- ``/sales`` answers 200;
- ``/carrier`` answers 500 to the first request of one job in eight, then 200;
- ``/mail`` answers 429 with ``Retry-After: 1`` to the first request of one job in eight, then 200;
- ``/old-erp`` answers 400 to everything.
"""

from __future__ import annotations

import base64
import hmac
import threading
import time
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, cast
from uuid import UUID

#: Seconds that an answer takes, so that some requests are on the way whenever the worker is killed.
ANSWER_SECS = 0.01


class Receiver:
    """Serves on a free port of 127.0.0.1 until closed, in threads of this process.

    Args:
        signing_secret: The ``whsec_`` secret that every request must be signed with.
    """

    def __init__(self, signing_secret: str) -> None:
        self._key = base64.b64decode(signing_secret.removeprefix("whsec_"))
        self._lock = threading.Lock()
        #: How many times each job was answered with 200: twice where a worker died before it could say so.
        self.delivered: Counter[UUID] = Counter()
        #: How many requests were answered with each status.
        self.answers: Counter[int] = Counter()
        #: Requests without a valid signature.
        self.badly_signed = 0
        self._seen: set[UUID] = set()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo-receiver", daemon=True)

    def url(self, path: str) -> str:
        """Return the address of one of the paths."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, job_id: UUID, signed: bytes, signatures: str) -> HTTPStatus:
        """Decide about one request and remember the decision."""
        mac = base64.b64encode(hmac.digest(self._key, signed, "sha256")).decode()
        is_signed = any(hmac.compare_digest(f"v1,{mac}", given) for given in signatures.split())
        with self._lock:
            is_first = job_id not in self._seen
            self._seen.add(job_id)
            status = _status(path, is_unlucky=is_first and job_id.int % 8 == 0)
            self.answers[status] += 1
            self.badly_signed += not is_signed
            if status == HTTPStatus.OK:
                self.delivered[job_id] += 1
        return status


def _status(path: str, *, is_unlucky: bool) -> HTTPStatus:
    match path:
        case "/old-erp":
            return HTTPStatus.BAD_REQUEST
        case "/carrier" if is_unlucky:
            return HTTPStatus.INTERNAL_SERVER_ERROR
        case "/mail" if is_unlucky:
            return HTTPStatus.TOO_MANY_REQUESTS
        case _:
            return HTTPStatus.OK


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        super().__init__(address, _Handler)
        self.receiver = receiver

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a worker killed in mid-request is what the demonstration is about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            # The worker was killed in the middle of sending: this is no request.
            self.close_connection = True
            return
        job_id = self.headers["webhook-id"]
        signed = f"{job_id}.{self.headers.get('webhook-timestamp', '')}.".encode() + body
        status = cast("_Server", self.server).receiver.answer(
            self.path, UUID(job_id), signed, self.headers.get("webhook-signature", "")
        )
        time.sleep(ANSWER_SECS)
        self.send_response(status)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the requests out of the terminal."""
