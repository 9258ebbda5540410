"""The reply to each script is lost in turn: whoever asks again finds the state as if it had been asked once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import pytest

from fraiseql_observers._core import BlockingLane, RedisQueue
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
#: Scripts that no worker and no operator calls by a step of a lane, each with why.
OTHERS: Final = {
    "confirm": "writes nothing but a time, before each wait for a confirmation",
    "hold": "said again, it holds reclaiming back from then on",
    "open": "runs by itself on each connection",
    **dict.fromkeys(
        ("audit", "walk", "strays", "ghosts", "unplaced", "mend", "letters", "trim", "erase", "redact"),
        "has no case here yet: looks, mends and forgets, in passes that are repeated until there is nothing left",
    ),
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
)


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[Proxy]:
    """A proxy before the shared server."""
    with Proxy(server.port) as proxy:
        yield proxy


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
        for _ in range(5):
            try:
                case.call(lane)
            except QueueError:
                continue
            break
        else:
            raise AssertionError(f"{case.script} is never answered")
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


@pytest.mark.row(42)
def test_the_first_reply_of_a_connection_may_be_lost(
    server: ServerProcess, proxy: Proxy, prefix: str, catalogue: Entry
) -> None:
    """What opens a queue is asked again too, and an enqueue behind it makes one job."""
    rule = proxy.on("open", fate=Fate.CUT_AFTER)
    queue = RedisQueue(proxy.url, options_for(prefix), manual_clock=True)
    lane = queue.lane_blocking("default")
    for _ in range(5):
        try:
            assert lane.enqueue([(member(1), NOW, b"{}")]) == [True]
        except QueueError:
            continue
        break
    assert rule.fired == 1
    with server.client() as client:
        audit = Audit.read(client, tag_of(prefix))
    assert audit.problems() == []
    assert audit.count("enqueued") == 1
    catalogue.record(lost=0, duplicated=0, bound=0)
