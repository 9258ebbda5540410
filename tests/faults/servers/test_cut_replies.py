"""The reply to each script is lost in turn: whoever asks again finds the state as if it had been asked once."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pytest

from fraiseql_observers._core import BlockingLane, EntityEvent, Job, RedisQueue
from fraiseql_observers.errors import QueueError
from tests.faults.rig.catalogue import Entry
from tests.faults.rig.names import own_scripts
from tests.faults.rig.proxy import Proxy
from tests.faults.rig.rules import Fate, Rule
from tests.support.audit import Audit
from tests.support.lanes import START_MS, member, options_for, tag_of
from tests.support.server import ServerProcess

NOW: Final = ("now", 0)
FAILURE: Final = b'{"reason":"crash_limit"}'
HOUR_MS: Final = 3_600_000
#: The request does not come to the server; or the reply ends before it begins, in its first line, and behind that.
FATES: Final[tuple[dict[str, Any], ...]] = (
    {"fate": Fate.CUT_BEFORE},
    *({"fate": Fate.CUT_AFTER, "bytes": cut} for cut in (0, 1, 5)),
)
#: The scripts of an audit: all of them run where something is amiss.
AUDITING: Final = ("audit", "walk", "strays", "ghosts", "unplaced", "mend")
#: Scripts that are not cut step by step, each with the test below that cuts it.
OTHERS: Final = {
    "confirm": "test_an_enqueue_whose_confirmation_is_lost_stores_its_job_once",
    "open": "test_the_first_reply_of_a_connection_may_be_lost",
    **dict.fromkeys(AUDITING, "test_an_audit_whose_reply_is_lost_mends_each_thing_once"),
}

Call = Callable[[BlockingLane], Any]


@dataclass
class Case:
    """One script, in a state in which it has something to do.

    Attributes:
        script: Its name.
        call: Calls it.
        prepare: What is done before, under the first clock.
        later_ms: How much the clock moves between the two.
    """

    script: str
    call: Call
    prepare: tuple[Call, ...] = ()
    later_ms: int = 0


def enqueue(lane: BlockingLane) -> object:
    """Store a few jobs, of which one is for later."""
    return lane.enqueue(
        [*((member(n), NOW, b"{}") for n in range(4)), (member(4, "h"), ("after", 500), b"{}")]
    )


def join(lane: BlockingLane) -> object:
    """Become a worker."""
    return lane.join("worker", "{}")


def turn(lane: BlockingLane) -> object:
    """Lease some of them."""
    return sorted(lease.member for lease in lane.turn("worker", 1, 3).leases)


def nack(*verdict: object) -> Call:
    """End the attempts of two of them."""
    return lambda lane: lane.nack("worker", [(member(n), 1, verdict, b"h", FAILURE, b"") for n in (0, 1)])  # type: ignore[misc]


def redact(lane: BlockingLane) -> object:
    """Take one record out of each entry that has it."""
    return [
        lane.redact((entry, records), [record for record in records.split(b"\n") if record != b"{}"])
        for entry, records in lane.records(None, 10)
        if b"{}" in records.split(b"\n")
    ]


def ack(lane: BlockingLane) -> object:
    """Complete two of them, whose records are in one entry."""
    return lane.ack("worker", [(member(0), 1, b"{}"), (member(1), 1, b"[]")])


LEASED: Final = (enqueue, join, turn)
DIED: Final = (*LEASED, nack("dead", 0))

CASES: Final = (
    Case("enqueue", enqueue),
    Case("join", join, (enqueue,)),
    Case("beat", lambda lane: lane.beat("worker"), (enqueue, join), 1_000),
    Case("turn", turn, (enqueue, join)),
    Case("turn", turn, (enqueue, join), 1_000),
    Case("ack", lambda lane: lane.ack("worker", [(member(n), 1, b"{}") for n in (0, 1)]), LEASED),
    Case("nack", nack("retry", 100), LEASED),
    Case("nack", nack("dead", 0), LEASED),
    Case("nack", nack("log", 0), LEASED),
    Case("nack", nack("park", START_MS + HOUR_MS), LEASED),
    Case("release", lambda lane: lane.release("worker", [(member(n), 1) for n in (0, 1)]), LEASED),
    Case("leave", lambda lane: lane.leave("worker"), (enqueue, join)),
    Case("reclaim", lambda lane: lane.reclaim("worker", FAILURE), LEASED, 60_000),
    Case("cancel", lambda lane: lane.cancel(member(3)), LEASED),
    Case("cancel", lambda lane: lane.cancel(member(0)), LEASED),
    Case("find", lambda lane: lane.find(member(0)[:16]).place, LEASED),
    Case("replay", lambda lane: lane.replay([(member(n), START_MS, b"h") for n in (0, 1)]), DIED),
    Case("remove", lambda lane: lane.remove([(member(n), START_MS) for n in (0, 1)]), DIED),
    Case(
        "unpark",
        lambda lane: lane.unpark([member(0), member(1)]),
        (*LEASED, nack("park", START_MS + HOUR_MS)),
    ),
    Case(
        "unpark",
        lambda lane: lane.unpark([member(0), member(1)], FAILURE),
        (*LEASED, nack("park", START_MS + HOUR_MS)),
        2 * HOUR_MS,
    ),
    Case(
        "rotate",
        lambda lane: lane.rotate(),
        (*LEASED, lambda lane: lane.ack("worker", [(member(0), 1, b"{}")])),
        2 * HOUR_MS,
    ),
    Case("stats", lambda lane: lane.stats().pending, LEASED),
    Case("letters", lambda lane: lane.letters(limit=10), DIED),
    Case("trim", lambda lane: lane.trim(), DIED, 60 * 24 * HOUR_MS),
    *(
        Case("erase", lambda lane, number=number: lane.erase(member(number)[:16], b"{}", "d"), prepared)  # type: ignore[misc]
        for number, prepared in ((0, LEASED), (3, LEASED), (0, DIED))
    ),
    Case("erase", lambda lane: lane.erase(member(3)[:16], b"{}", None), LEASED),
    Case("redact", redact, (*LEASED, ack)),
    Case("hold", lambda lane: lane.hold(), LEASED, 1_000),
)


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[Proxy]:
    """A proxy before the shared server."""
    with Proxy(server.port) as proxy:
        yield proxy


def until_answered(call: Callable[[], Any]) -> Any:
    """Ask again until there is an answer, as whoever was not told does."""
    for _ in range(5):
        with contextlib.suppress(QueueError):
            return call()
    raise AssertionError("it is never answered")


def check_stored_once(server: ServerProcess, prefix: str, catalogue: Entry) -> None:
    """However often it was asked for, one job was stored."""
    with server.client() as client:
        audit = Audit.read(client, tag_of(prefix))
    assert audit.problems() == []
    assert audit.count("enqueued") == 1
    catalogue.record(lost=0, duplicated=0, bound=0)


def play(case: Case, url: str, server: ServerProcess, prefix: str, meanwhile: Callable[[], object]) -> str:
    """Do what a case says, each step again until it is answered; return all that the server holds then."""
    queue = RedisQueue(url, options_for(prefix), manual_clock=True)
    with server.client() as client:
        client.set(f"{tag_of(prefix)}:clock", START_MS)
        queue.open_blocking()
        lane = queue.lane_blocking("default")
        for step in case.prepare:
            step(lane)
        client.set(f"{tag_of(prefix)}:clock", START_MS + case.later_ms)
        meanwhile()
        until_answered(lambda: case.call(lane))
        audit = Audit.read(client, tag_of(prefix))
        assert audit.problems() == []
        # The run id is that of the server, and the same for all.
        return re.sub(re.escape(prefix), "prefix", repr(audit))


@pytest.mark.row(42)
@pytest.mark.parametrize("script", sorted({case.script for case in CASES}))
def test_a_script_whose_reply_is_lost_leaves_the_state_as_if_it_had_run_once(
    server: ServerProcess, proxy: Proxy, prefix: str, catalogue: Entry, script: str
) -> None:
    """However much of the reply has come, and whether the request has come to the server or not."""
    for kind, case in enumerate(case for case in CASES if case.script == script):
        whole = play(case, server.url, server, f"{prefix}-{kind}", lambda: None)
        for number, fate in enumerate(FATES):
            rules: list[Rule] = []
            cut = play(
                case,
                proxy.url,
                server,
                f"{prefix}-{kind}-{number}",
                lambda fate=fate, rules=rules: rules.append(proxy.on(script, **fate)),  # type: ignore[misc]
            )
            assert [rule.fired for rule in rules] == [1]
            assert cut == whole
    catalogue.record(lost=0, duplicated=0, bound=0)


def test_every_script_is_cut() -> None:
    """A new script has to be added here."""
    assert {case.script for case in CASES} | OTHERS.keys() == set(own_scripts().values())
    assert all(test in globals() for test in OTHERS.values())


@pytest.mark.row(42)
def test_the_first_reply_of_a_connection_may_be_lost(
    server: ServerProcess, proxy: Proxy, prefix: str, catalogue: Entry
) -> None:
    """What opens a queue is asked again too, and an enqueue behind it makes one job."""
    rule = proxy.on("open", fate=Fate.CUT_AFTER)
    queue = RedisQueue(proxy.url, options_for(prefix), manual_clock=True)
    lane = queue.lane_blocking("default")
    assert until_answered(lambda: lane.enqueue([(member(1), NOW, b"{}")])) == [True]
    assert rule.fired == 1
    check_stored_once(server, prefix, catalogue)


@pytest.mark.row(42)
@pytest.mark.parametrize("fate", FATES, ids=str)
def test_an_enqueue_whose_confirmation_is_lost_stores_its_job_once(
    server: ServerProcess, proxy: Proxy, prefix: str, catalogue: Entry, fate: dict[str, Any]
) -> None:
    """It is told as unconfirmed, or tried again by itself, and the same job again adds nothing."""
    queue = RedisQueue(proxy.url, options_for(prefix))
    job = Job(
        action={"type": "log"},
        event=EntityEvent("INSERT", "Order", UUID(int=1), {}),
        max_attempts=1,
        initial_delay_ms=1,
        max_delay_ms=1,
        max_age_secs=60,
    )
    queue.open_blocking()
    rule = proxy.on("confirm", **fate)
    until_answered(lambda: queue.enqueue_blocking([job], enqueue_timeout_secs=5, durability="disk"))
    assert rule.fired == 1
    check_stored_once(server, prefix, catalogue)


@pytest.mark.row(42)
@pytest.mark.parametrize("script", AUDITING)
def test_an_audit_whose_reply_is_lost_mends_each_thing_once(
    server: ServerProcess, proxy: Proxy, prefix: str, catalogue: Entry, script: str
) -> None:
    """What it has begun, a later one ends; and what is counted is what was amiss."""
    for number, fate in enumerate(FATES):
        tag = tag_of(here := f"{prefix}-{number}")
        lane = RedisQueue(proxy.url, options_for(here), manual_clock=True).lane_blocking("default")
        with server.client() as client:
            client.set(f"{tag}:clock", START_MS)
            for step in LEASED:
                step(lane)
            client.execute_command("LREM", f"{tag}:pending:d", 1, member(3))
            client.zadd(f"{tag}:scheduled", {member(0): START_MS + HOUR_MS})
            client.zadd(f"{tag}:parked", {member(100): START_MS + HOUR_MS})
            client.hset(f"{tag}:ghosts", member(101), "1")
            rule = proxy.on(script, **fate)
            for hours in range(4):
                client.set(f"{tag}:clock", START_MS + hours * HOUR_MS)
                with contextlib.suppress(QueueError):
                    lane.audit()
            assert rule.fired == 1
            audit = Audit.read(client, tag)
        assert audit.problems() == ["1 orphans"]
        counted = ("mended_homeless", "mended_doubled", "orphans", "mended_ghosts")
        assert [audit.count(name) for name in counted] == [1, 1, 1, 1]
    catalogue.record(lost=0, duplicated=0, bound=0)
