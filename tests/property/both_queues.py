"""The queue of a real server and the one in memory side by side, with the model that both are held to.

Both are asked the same, and must answer the same. After each operation every job must be in exactly one place, the
counters must add up, and both must hold what the model says, in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, invariant
from redis import Redis

from fraiseql_observers._core import BlockingLane, MemoryQueue, QueueOptions, RedisQueue
from fraiseql_observers.errors import QueueFull
from tests.support.audit import LETTERS, Audit
from tests.support.queue_model import Bounds, QueueModel, Source

BOUNDS = Bounds()
#: The manual clock starts here, in ms since 1970.
START_MS = 1_700_000_000_000
#: The most records of finished jobs that are kept; fewer than one call may add.
RECENT_MAX = 5


class Worker:
    """What a worker process knows of itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.call = 0
        self.want = 0
        self.source: Source = "pending"


class BothQueues(RuleBasedStateMachine):
    """Both queues and the model; a subclass says where the server is."""

    server: Redis
    url: str
    lanes = count()

    def __init__(self) -> None:
        super().__init__()
        options = QueueOptions(
            key_prefix="model",
            shards=1,
            batch_size=BOUNDS.batch_size,
            max_pending=BOUNDS.max_pending,
            dedupe_window_secs=BOUNDS.dedupe_window_ms // 1000,
            completed_retention_secs=50,
            completed_retention_max=RECENT_MAX,
            dead_letter_max=BOUNDS.dead_letter_max,
            max_crashes=BOUNDS.max_crashes,
            lease_duration_secs=BOUNDS.lease_ms // 1000,
        )
        queue = f"q{next(self.lanes)}"
        self.tag = f"{{model:{queue}:0}}"
        self.server.flushdb()
        self.server.set(f"{self.tag}:clock", START_MS)
        redis = RedisQueue(self.url, options, manual_clock=True)
        redis.open_blocking(queue)
        self.memory = MemoryQueue(options, now_ms=START_MS)
        self.memory.open_blocking(queue)
        self.on_server, self.in_memory = redis.lane_blocking(queue), self.memory.lane_blocking(queue)
        self.model = QueueModel(BOUNDS, START_MS)
        self.names = count()
        self.workers = [self.new_worker() for _ in range(3)]
        self.tokens: list[tuple[str, bytes, int]] = []
        self.repeatable: dict[str, Callable[[], None]] = {}
        self.audit = Audit.read(self.server, self.tag)
        #: Whether the last operation went well, so that the end is worth a look.
        self.sound = False

    def new_worker(self) -> Worker:
        """Make up a worker with an identity of its own."""
        return Worker(f"{next(self.names):032x}")

    def ask(self, step: str, *args: object) -> Any:
        """Ask both queues the same; they must answer the same."""
        again = step == "turn" and args[1] == self.model.calls.get(str(args[0]))
        on_server = answer_of(self.on_server, step, args, again=again)
        in_memory = answer_of(self.in_memory, step, args, again=again)
        note(f"{step}{args} -> {on_server}")
        assert on_server == in_memory, f"{step}: the server answers {on_server}, memory {in_memory}"
        return on_server

    def pass_time(self, ms: int) -> None:
        """Move all clocks."""
        self.model.now_ms += ms
        self.server.set(f"{self.tag}:clock", self.model.now_ms)
        self.memory.set_clock(self.model.now_ms)

    def look_everywhere(self) -> None:
        """List and count everything there is."""
        for listing in ("pending", "scheduled", "parked", "dead", "running"):
            self.ask("list", listing, 0, 100)
            self.ask("list", listing, 1, 2)
        self.look_at_letters()
        self.ask("recent", 3)
        self.ask("stats")

    def look_at_letters(self) -> None:
        """Read the dead letters one by one: each page begins where the one before ended."""
        seen, after, more = [], None, True
        while more:
            letters, after, more = self.ask("letters", after)
            seen += letters
        dead = [
            (job.member, job.time_ms, job.payload, job.failure, job.history)
            for job in self.model.in_place("dead")
        ]
        assert seen == sorted(dead, key=lambda letter: (letter[1], letter[0]), reverse=True)

    # -- what must hold after each operation -----------------------------------------------------------------------

    @invariant()
    def check(self) -> None:
        """Hold both queues to all that must be true now."""
        self.sound = False
        self.the_keys_keep_their_promises()
        self.memory_holds_what_the_keys_hold()
        self.the_model_agrees()
        self.sound = True

    def the_keys_keep_their_promises(self) -> None:
        """Every job is in exactly one place, the counters add up, and nothing is left over."""
        audit = self.audit = Audit.read(self.server, self.tag)
        assert not audit.problems()
        assert audit.count("recent") <= RECENT_MAX
        assert {name: audit.count(name) for name in self.model.counters} == self.model.counters
        assert audit.count("audit_walks") == self.model.walks

    def memory_holds_what_the_keys_hold(self) -> None:
        """Both hold the same, in the same order."""
        audit, lane = self.audit, self.in_memory
        entries = [member for letter in LETTERS for member in reversed(audit.pending[letter])]
        entries += reversed(audit.suspects)
        # The first entries of a cancelled job's member are not its own any more.
        ghosts = Counter(audit.ghosts)
        jobs = []
        for member in entries:
            if ghosts[member] > 0:
                ghosts[member] -= 1
            else:
                jobs.append(member)
        assert [member for member, _ in lane.list("pending", 0, 100)] == jobs
        for listing, ranked in (("scheduled", audit.scheduled), ("parked", audit.parked)):
            assert lane.list(listing, 0, 100) == list(ranked.items())
        assert lane.list("dead", 0, 100) == list(reversed(audit.dead.items()))
        assert {member for member, _ in lane.list("running", 0, 100)} == {
            m for h in audit.running.values() for m in h
        }

    def the_model_agrees(self) -> None:
        """The model counts the same jobs and workers."""
        stats = answer_of(self.in_memory, "stats", (), again=False)
        places = ("scheduled", "parked", "running", "dead", "suspects")
        expected: dict[str, object] = {place: len(self.model.in_place(place)) for place in places}
        expected["pending"] = len(self.model.in_place("pending")) + len(self.model.in_place("suspects"))
        expected["counters"] = self.model.counters
        expected["workers"] = sorted((at_ms, name) for name, at_ms in self.model.leases.items())
        listed = [*self.model.in_place("pending"), *self.model.in_place("suspects")]
        if self.audit.ghosts or any(job.member in self.model.left_entries for job in listed):
            # A cancelled suspect is still an entry of their list; it may come to stand for the same job, enqueued anew.
            del expected["suspects"]
        assert isinstance(stats, dict)
        found = {name: stats[name] for name in expected}
        assert found == expected


def answer_of(lane: BlockingLane, step: str, args: tuple[object, ...], *, again: bool) -> object:
    """The answer of one queue, in an order of its own where it has none: a turn asked again, members of sets."""
    try:
        # One letter a page, so that every page but the first begins in the middle.
        answer = getattr(lane, step)(*args, **({"limit": 1} if step == "letters" else {}))
    except QueueFull:
        return "full"
    match step:
        case "turn":
            jobs = [(lease.member, lease.bytes, lease.history) for lease in answer.leases]
            assert all(lease.call == args[1] for lease in answer.leases)
            told = ("standing", "now_ms", "next_due_ms", "waiting", "suspects", "lost")
            return {name: getattr(answer, name) for name in told} | {"jobs": sorted(jobs) if again else jobs}
        case "beat":
            return answer[0], set(answer[1])
        case "reclaim":
            return answer[0], answer[1], set(answer[2]), answer[3]
        case "list" if args[0] == "running":
            return len(answer)
        case "find":
            known = ("place", "time_ms", "holder", "member", "bytes", "history", "failure", "crashes")
            return {name: getattr(answer, name) for name in known}
        case "stats":
            counted = ("now_ms", "pending", "suspects", "scheduled", "parked", "running", "dead", "counters")
            workers = sorted((expiry, name) for name, _, expiry in answer.workers)
            facts = {name: getattr(answer, name) for name in counted} | {"workers": workers}
            # A memory has no places that could disagree, and is never walked over.
            facts["counters"] = {name: n for name, n in answer.counters.items() if name != "audit_walks"}
            return facts
        case _:
            return answer
