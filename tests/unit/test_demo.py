"""The parts of the demonstration: its events, its receiver, and sums that can fail."""

from __future__ import annotations

import base64
import hmac
import http.client
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from examples import demo
from examples.demo.expected import RULES, expected_jobs
from examples.demo.orders import order_events
from examples.demo.receiver import Receiver
from examples.demo.tally import REFUSED_RULE, Tally

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


def test_the_shop_is_the_same_at_every_run_and_gives_each_rule_work() -> None:
    """A rule without matches would show nothing."""
    events = list(order_events(3_000))
    assert events == list(order_events(3_000))
    work = Counter(expected_jobs(events).values())
    assert work.keys() == RULES.keys()
    assert min(work.values()) >= 50


def test_the_file_and_plain_python_have_the_same_rules() -> None:
    """The rules that are held against each other have the same names."""
    folder = Path(demo.__file__).parent
    assert tomllib.loads((folder / "rules.toml").read_text())["observers"].keys() == RULES.keys()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that runs."""
    with Receiver(SECRET) as receiver:
        yield receiver


def post(
    receiver: Receiver, path: str, job_id: UUID, key: bytes = bytes(range(32))
) -> tuple[int, str | None]:
    """Deliver as a worker does, and return the status and ``Retry-After``."""
    body = b'{"a": 1}'
    mac = base64.b64encode(hmac.digest(key, f"{job_id}.17.".encode() + body, "sha256")).decode()
    address = receiver.url("").removeprefix("http://").removesuffix("/")
    connection = http.client.HTTPConnection(address, timeout=10)
    headers = {"webhook-id": str(job_id), "webhook-timestamp": "17", "webhook-signature": f"v1,{mac}"}
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.getheader("Retry-After")


def test_the_receiver_is_in_trouble_once_for_an_unlucky_job(receiver: Receiver) -> None:
    """The first request of one job in eight is refused, depending on the path, and the next one taken."""
    unlucky, lucky = UUID(int=8), UUID(int=9)
    assert [post(receiver, "/carrier", unlucky)[0] for _ in range(2)] == [500, 200]
    assert [post(receiver, "/carrier", lucky)[0] for _ in range(2)] == [200, 200]
    other = UUID(int=16)
    assert [post(receiver, "/mail", other) for _ in range(2)] == [(429, "1"), (200, None)]
    assert [post(receiver, "/old-erp", lucky)[0] for _ in range(2)] == [400, 400]
    assert receiver.delivered == {unlucky: 1, lucky: 2, other: 1}
    assert receiver.answers == {500: 1, 429: 1, 200: 4, 400: 2}
    assert receiver.badly_signed == 0


def test_the_receiver_sees_a_wrong_signature(receiver: Receiver) -> None:
    """It counts it, so that the sums fail."""
    post(receiver, "/sales", UUID(int=1), key=b"another key")
    assert receiver.badly_signed == 1


def good_tally() -> Tally:
    """Make sums that hold: five jobs arrive, one of them twice, and one is refused."""
    ids = [UUID(int=number) for number in range(6)]
    return Tally(
        events=10,
        matched=6,
        expected={**dict.fromkeys(ids[:5], "large_order"), ids[5]: REFUSED_RULE},
        job_ids=frozenset(ids),
        delivered=Counter([*ids[:5], ids[0]]),
        answers=Counter({200: 6, 500: 2, 400: 1}),
        badly_signed=0,
        dead_ids=frozenset({ids[5]}),
        retried=2,
        reclaimed=1,
        completed=5,
    )


def test_sums_that_hold_are_said_to_hold() -> None:
    """Nothing is lost, and the figures of the table are those that were counted."""
    tally = good_tally()
    assert all(holds for _, holds in tally.checks())
    figures = {name: figure for name, figure, _ in tally.rows()}
    assert figures["jobs"] == figures["delivered"] + figures["dead-lettered"] + figures["lost"] == 6
    assert (figures["lost"], figures["repeated"]) == (0, 1)


BAD_TALLIES = {
    "a job lost": replace(good_tally(), delivered=Counter({UUID(int=n): 1 for n in range(4)})),
    "a job that no rule ordered": replace(good_tally(), job_ids=frozenset(UUID(int=n) for n in range(7))),
    "a delivery that nobody ordered": replace(good_tally(), delivered=Counter({UUID(int=99): 1})),
    "a delivered dead letter": replace(good_tally(), dead_ids=frozenset({UUID(int=1), UUID(int=5)})),
    "a wrong signature": replace(good_tally(), badly_signed=1),
    "nothing reclaimed": replace(good_tally(), reclaimed=0),
    "more repeated than ran": replace(
        good_tally(), delivered=good_tally().delivered + Counter({UUID(int=1): 5})
    ),
    "a retry forgotten": replace(good_tally(), retried=0),
    "a retry too many": replace(good_tally(), retried=3),
    "a job completed twice": replace(good_tally(), completed=6),
}


@pytest.mark.parametrize("tally", BAD_TALLIES.values(), ids=BAD_TALLIES)
def test_a_sum_that_does_not_hold_is_said_to_fail(tally: Tally) -> None:
    """The demonstration ends with 1 then."""
    assert not all(holds for _, holds in tally.checks())
