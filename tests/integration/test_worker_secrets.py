"""No secret of a configuration is in a log line, a stored error, a metric or a page, at debug level either."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import redis

from fraiseql_observers import assembly
from fraiseql_observers.config import load_config
from tests.support.receiver import Reply, Rule
from tests.support.running_receiver import ReceiverThread
from tests.support.server import ServerProcess
from tests.support.site import Site
from tests.support.wait import wait_until

SIGNING_SECRET = "whsec_" + base64.b64encode(b"canary-of-the-signature-0123").decode()
CANARIES = ("canary", SIGNING_SECRET[10:])


def test_secrets_stay_where_they_are(tmp_path: Path, server: ServerProcess, prefix: str) -> None:
    with ReceiverThread(
        tmp_path / "deliveries", [Rule("/hook", (Reply(400, body="canary-in-answer"),))]
    ) as receiver:
        more = """
        [observers.hook]
        event_type = "INSERT"
        entity = "Leaking"
        [[observers.hook.actions]]
        type = "webhook"
        url_env = "HOOK_URL"
        signing_secret_env = "SIGNING_SECRET"
        headers = { Authorization = "Bearer canary-in-header" }
        allow_private = true
        """
        site = Site(tmp_path, server.url, prefix, handlers=("leaking",), more=more)
        environment = {
            "HOOK_URL": f"{receiver.url}/hook?token=canary-in-query",
            "SIGNING_SECRET": SIGNING_SECRET,
        }
        with site.worker(environment=environment) as worker:
            worker.ready()
            jobs = site.publish("Leaking")
            wait_until(lambda: site.stats().dead == 2, what="two dead letters")
            shown = worker.get("/metrics")[1]
            assert worker.stop() == 0
    [delivery] = receiver.deliveries()
    assert delivery.headers["authorization"] == "Bearer canary-in-header", "the receiver gets what is for it"
    queue, close = assembly.connect(load_config(site.path))
    views = [queue.find_blocking(job, ["default"]) for job in jobs]
    close()
    stored = repr([view and view.to_dict() for view in views])
    assert "bad key *** for" in stored
    keys = _everything_in(server, prefix)
    for canary in CANARIES:
        for place in (worker.log, shown, stored, keys):
            assert canary not in place


def _everything_in(server: ServerProcess, prefix: str) -> str:
    """Read every key of the prefix, whatever its type."""
    client = redis.Redis(port=server.port)
    readers: dict[object, Callable[[bytes], object]] = {
        b"hash": client.hgetall,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"set": client.smembers,
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": client.xrange,
    }
    try:
        keys = [*client.scan_iter(f"{{{prefix}:*")]
        assert len(keys) > 3
        return repr([readers[client.type(key)](key) for key in keys])
    finally:
        client.close()
