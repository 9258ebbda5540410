"""The webhooks that README and guide show: published, run by a worker, and accepted by an independent verifier."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from uuid import UUID, uuid4, uuid5

import pytest
from standardwebhooks import Webhook

from fraiseql_observers.events import EntityEvent
from tests.support.command import run_command
from tests.support.documentation import DOCS, REPOSITORY, blocks, page_name
from tests.support.evidence import Delivery
from tests.support.receiver import Reply, Rule
from tests.support.running_receiver import ReceiverThread
from tests.support.running_worker import WorkerProcess
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

_GUIDE = DOCS / "guides" / "webhooks.md"
_README = REPOSITORY / "README.md"
_OBSERVER = "order_shipped"


def _secret(folder: Path) -> str:
    """Make a secret with the lines that the guide shows."""
    script = folder / "secret.py"
    script.write_text("".join(block.text for block in blocks(_GUIDE) if block.language == "python"))
    secret = runpy.run_path(str(script))["secret"]
    assert isinstance(secret, str)
    return secret


def _event() -> EntityEvent:
    return EntityEvent(
        "UPDATE",
        "Order",
        uuid4(),
        {"number": 7, "status": "shipped", "total": 120, "customer": {"address": {"city": 'Z"ürich'}}},
        changes={"status": {"old": "paid", "new": "shipped"}},
    )


@pytest.mark.parametrize("page", [_README, _GUIDE], ids=page_name)
def test_webhook_of_a_page_is_tried_again_and_verified_by_its_receiver(
    page: Path, tmp_path: Path, server: ServerProcess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is the page's own, to the letter; only the environment says where things are."""
    (text,) = (block.text for block in blocks(page) if block.title == "observers.toml")
    # The preset's first delay is minutes long; Retry-After cannot shorten it, one field of the rule can.
    assert text.count('preset = "webhook"') == 1
    config = tmp_path / "observers.toml"
    config.write_text(text.replace('preset = "webhook"', 'preset = "webhook"\ninitial_delay_ms = 10'))
    event, secret = _event(), _secret(tmp_path)
    (tmp_path / "events.ndjson").write_bytes(event.to_json() + b"\n")
    once_down = Rule("/hooks", (Reply(503), Reply(204)))
    with ReceiverThread(tmp_path / "evidence.ndjson", rules=(once_down,)) as receiver:
        for name, value in {
            "FRAISEQL_JOB_QUEUE_URL": server.url,
            "FRAISEQL_STORAGE_KEY_PREFIX": prefix,
            "FRAISEQL_METRICS_PORT": "0",
            "FRAISEQL_SECURITY_ALLOW_HOSTS": "127.0.0.1",
            "FULFILMENT_URL": f"{receiver.url}/hooks",
            "FULFILMENT_SECRET": secret,
        }.items():
            monkeypatch.setenv(name, value)
        with WorkerProcess(config, tmp_path / "worker.log") as worker:
            published = run_command(
                ["publish", str(tmp_path / "events.ndjson"), "--config", str(config), "--json"]
            )
            assert (published.code, published.document["queued"]) == (0, 1), published.err

            def has_both() -> bool:
                worker.check()
                return receiver.counts().deliveries >= 2

            wait_until(has_both, what="two deliveries")
            assert worker.stop() == 0, worker.log
        first, second = receiver.deliveries()
    _assert_accepted(first, secret, event, page)
    _assert_accepted(second, secret, event, page)
    assert [d.headers["x-fraiseql-attempt"] for d in (first, second)] == ["1", "2"]


def _assert_accepted(delivery: Delivery, secret: str, event: EntityEvent, page: Path) -> None:
    """Raise what the library of Standard Webhooks says against a request, or what differs from the page."""
    assert delivery.body is not None
    body = Webhook(secret).verify(delivery.body, delivery.headers)
    job_id = uuid5(UUID(str(event.id)), f"0:{_OBSERVER}")
    assert delivery.headers["webhook-id"] == delivery.headers["idempotency-key"] == str(job_id)
    assert delivery.headers["x-fraiseql-event"] == "UPDATE"
    if page == _GUIDE:
        assert body == {"order": "7", "to": {"city": 'Z"ürich'}}
    else:
        assert body == json.loads(event.to_json())
