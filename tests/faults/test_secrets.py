"""A worker that fails in every way it can tells nobody its secrets: no log, no metric, no key, no dead letter."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from tests.support.contents import contents
from tests.support.queue_under_test import QueueUnderTest, act, made
from tests.support.receiver import Reply, Rule
from tests.support.running_receiver import ReceiverThread
from tests.support.server import ServerProcess, free_port
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess

#: Each where a secret can be, and none like another.
PASSWORD = "pa55-Redis-canary"
SIGNING_KEY = b"signing-canary-0123456789abcdef"
SIGNING_SECRET = "whsec_" + base64.b64encode(SIGNING_KEY).decode()
BEARER = "bearer-canary-8d1f0c"
QUERY = "query-canary-77aa"
CANARIES = (
    *(PASSWORD, quote(PASSWORD), SIGNING_SECRET, SIGNING_SECRET.removeprefix("whsec_"), BEARER, QUERY),
    *(SIGNING_KEY.decode(), SIGNING_KEY.hex()),
)
#: The receiver repeats to the sender what it was sent, as some do.
RECEIVER_RULES = (
    Rule("/refuses", (Reply(400, {"Content-Type": "text/plain"}, f"no token {BEARER} and {QUERY} here"),)),
    Rule("/fails", (Reply(500, {"Location": f"/{QUERY}"}, SIGNING_SECRET),)),
)


def rules(receiver: ReceiverThread) -> str:
    """Configure a webhook with every sort of secret for each of three destinations that fail."""
    addresses = {
        "refuses": receiver.url,
        "fails": receiver.url,
        "closed": f"http://127.0.0.1:{free_port()}",
    }
    return "[log]\nlevel = 'debug'\n" + "".join(
        f"""
[observers.{name}]
event_type = "INSERT"
entity = "Hook"
[[observers.{name}.actions]]
type = "webhook"
url = "{address}/{name}?token={QUERY}"
allow_private = true
signing_secret_env = "CANARY_SIGNING"
headers = {{ Authorization = "Bearer {BEARER}" }}
[observers.{name}.retry]
max_attempts = 2
initial_delay_ms = 10
max_delay_ms = 100
"""
        for name, address in addresses.items()
    )


def test_no_secret_leaves_a_worker_that_fails(
    server_binary: Path, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refusals, errors, dead receivers, an exception that holds a secret, and a server that goes away."""
    monkeypatch.setenv("CANARY_SIGNING", SIGNING_SECRET)
    with (
        ServerProcess(server_binary, extra=("--requirepass", PASSWORD)) as server,
        ReceiverThread(tmp_path / "evidence", RECEIVER_RULES) as receiver,
    ):
        url = f"redis://:{PASSWORD}@127.0.0.1:{server.port}"
        queue = QueueUnderTest(
            tmp_path,
            url,
            prefix,
            rules=rules(receiver),
            max_retries=1,
            initial_delay_ms=10,
            max_delay_ms=100,
        )
        with WorkerProcess(queue.config, environment={"TESTS_RUNS": str(tmp_path / "runs")}) as worker:
            text = f"{PASSWORD} {SIGNING_SECRET} Bearer {BEARER} {QUERY}"
            queue.publish([made("Hook", "hook"), act("raises", "fail", text=text)])
            wait_until(lambda: queue.stats().dead == 4, what="four dead letters")
            pages = worker.get("/metrics") + worker.get("/healthz") + worker.get("/readyz")
            server.kill()
            wait_until(lambda: "queue_down" in worker.log, what="a worker that has noticed")
            server.start()
            wait_until(lambda: "queue_up" in worker.log, what="a worker that is back")
            assert worker.stop() == 0
        letters = json.dumps([view.to_dict() for view in queue.jobs("dead_lettered")], default=str)
        with redis.Redis.from_url(url) as client:
            keys = contents(client)
        deliveries = receiver.deliveries()

    # The secrets were in use: what has not been told has at least been known.
    assert {one.headers["authorization"] for one in deliveries} == {f"Bearer {BEARER}"}
    assert all(QUERY in one.path and one.headers["webhook-signature"] for one in deliveries)
    told = {"log": worker.whole_log, "pages": pages, "letters": letters, "keys": keys}
    # The event itself holds the text that its handler raises, so that its own bytes are left out.
    for where in ("letters", "keys"):
        told[where] = told[where].replace(text, "")
    leaks = [(where, canary) for where, said in told.items() for canary in CANARIES if canary in said]
    assert not leaks
