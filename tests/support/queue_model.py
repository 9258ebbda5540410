"""The queue's promises in plain Python, without orders within a list: what the model test holds both queues to.

Written from the heads of the scripts and from the specification; imports nothing of the package. Methods take what a
step was asked and what it answered, and say what it should have answered; where the answer is a choice (which jobs a
turn leases) they check that it was a legal one and go along with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Source = Literal["pending", "suspects"]
Verdict = tuple[str, int]

#: Crashes count together within this time.
CRASH_WINDOW_MS = 72 * 3600 * 1000
#: The longest that a dead letter is kept.
DEAD_LETTER_MAX_AGE_MS = 30 * 24 * 3600 * 1000
#: The places that are lists, whose entries a cancel leaves behind.
_LISTS = ("pending", "suspects")
#: The most lost incarnations that one turn names.
MOST_LOST = 4
#: How often an audit walks over a sound queue.
WALK_EVERY_MS = 3600 * 1000


@dataclass(frozen=True)
class Bounds:
    """The options of both queues."""

    batch_size: int = 6
    max_pending: int = 12
    dedupe_window_ms: int = 100_000
    dead_letter_max: int = 2
    max_crashes: int = 3
    lease_ms: int = 10_000


@dataclass
class Kept:
    """One job that has not ended."""

    member: bytes
    payload: bytes
    place: str
    time_ms: int = 0
    holder: tuple[str, int] | None = None
    history: bytes | None = None
    failure: bytes | None = None


@dataclass
class QueueModel:
    """Where every job is, and who holds a lease."""

    bounds: Bounds
    now_ms: int
    jobs: dict[bytes, Kept] = field(default_factory=dict)
    ended: list[dict[bytes, str]] = field(default_factory=lambda: [{}, {}])
    epoch: int = 0
    epoch_at_ms: int = 0
    leases: dict[str, int] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    cancels: dict[str, set[bytes]] = field(default_factory=dict)
    crashes: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    restarted: bool = False
    hold_until_ms: int = 0
    counters: dict[str, int] = field(default_factory=dict)
    #: Only a server has places to walk over.
    walks: int = 0
    walked_at_ms: int | None = None
    acks: dict[bytes, int] = field(default_factory=dict)
    left_entries: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.epoch_at_ms = self.now_ms

    def count(self, counter: str, by: int = 1) -> None:
        """Add to a counter."""
        if by:
            self.counters[counter] = self.counters.get(counter, 0) + by

    def in_place(self, place: str) -> list[Kept]:
        """List the jobs in a place."""
        return [job for job in self.jobs.values() if job.place == place]

    def how_ended(self, id_: bytes) -> str | None:
        """Tell how an id ended, if that is remembered."""
        return self.ended[0].get(id_) or self.ended[1].get(id_)

    # -- storing ------------------------------------------------------------------------------------------------

    def enqueue(self, jobs: list[tuple[bytes, Verdict, bytes]], ghosts: int) -> list[bool] | Literal["full"]:
        """Store jobs; `ghosts` is how many entries of cancelled jobs are on the lists."""
        new: dict[bytes, bool] = {}
        for member, due, _ in jobs:
            if not self._known(member[:16]):
                new.setdefault(member[:16], self._due_at(due) > self.now_ms)
        later = sum(new.values())
        ready = len(new) - later
        most = self.bounds.max_pending
        pending = len(self.in_place("pending")) + len(self.in_place("suspects")) + max(0, ghosts - most)
        if (ready and pending + ready > most) or (later and len(self.in_place("scheduled")) + later > most):
            return "full"
        stored = []
        for member, due, payload in jobs:
            stored.append(not self._known(member[:16]))
            if not stored[-1]:
                continue
            at_ms = self._due_at(due)
            place = "scheduled" if at_ms > self.now_ms else "pending"
            self.jobs[member[:16]] = Kept(member, payload, place, at_ms)
            self.acks[member[:16]] = 0
        self.count("enqueued", sum(stored))
        return stored

    def _due_at(self, due: Verdict) -> int:
        when, ms = due
        return {"now": 0, "after": self.now_ms + ms, "at": ms}[when]

    def _known(self, id_: bytes) -> bool:
        return id_ in self.jobs or self.how_ended(id_) is not None

    def cancel(self, member: bytes) -> str:
        """Cancel a job; returns where it was."""
        job = self.jobs.get(member[:16])
        if job is None:
            return "ended" if self.how_ended(member[:16]) else "missing"
        if job.place == "dead":
            return "dead"
        if job.holder:
            self.cancels.setdefault(job.holder[0], set()).add(member)
        if job.place in _LISTS:
            # Its entry stays. If the same member is enqueued again, a turn may drop either entry of the two, so that
            # the one left behind on the other list may come to stand for the job.
            self.left_entries.add(member)
        self._end(job, "cancelled")
        return {"suspects": "pending", "parked": "scheduled"}.get(job.place, job.place)

    def rotate(self) -> bool:
        """Forget what ended long ago, where it is time."""
        self.epoch_at_ms = min(self.epoch_at_ms, self.now_ms)
        if self.now_ms - self.epoch_at_ms < self.bounds.dedupe_window_ms:
            return False
        self.epoch, self.epoch_at_ms = 1 - self.epoch, self.now_ms
        self.ended[self.epoch].clear()
        return True

    def _end(self, job: Kept, how: str) -> None:
        id_ = job.member[:16]
        del self.jobs[id_]
        self.crashes.pop(id_, None)
        self.ended[self.epoch][id_] = how
        self.count(how)

    # -- workers ------------------------------------------------------------------------------------------------

    def join(self, name: str) -> None:
        """Give an incarnation a lease, unless it has one."""
        self.leases.setdefault(name, self.now_ms + self.bounds.lease_ms)

    def beat(self, name: str, heard: list[bytes]) -> tuple[bool, set[bytes]]:
        """Renew a lease."""
        if name not in self.leases:
            return False, set()
        self.leases[name] = self.now_ms + self.bounds.lease_ms
        cancels = self.cancels.get(name, set())
        cancels.difference_update(heard)
        return True, set(cancels)

    def promote(self, name: str) -> None:
        """Do what every turn of an incarnation with a lease does first."""
        if name not in self.leases:
            return
        due = [job for job in self.in_place("scheduled") if job.time_ms <= self.now_ms]
        for job in sorted(due, key=lambda job: (job.time_ms, job.member))[: self.bounds.batch_size]:
            job.place, job.time_ms = "pending", 0

    def standing(self, name: str, call: int, want: int) -> str:
        """Tell what a turn says of its caller."""
        if name not in self.leases:
            return "lost"
        asks_anew = want > 0 and call > self.calls.get(name, -1)
        return "expired" if asks_anew and self.leases[name] <= self.now_ms else "alive"

    def lost(self, name: str) -> list[str]:
        """List the incarnations that a turn names as lost."""
        if name not in self.leases:
            return []
        expired = sorted((at_ms, who) for who, at_ms in self.leases.items() if at_ms <= self.now_ms)
        return [who for _, who in expired][:MOST_LOST]

    def held(self, name: str, call: int | None = None) -> set[bytes]:
        """List the members that an incarnation holds, under one call or all."""
        holders = {job.member: job.holder for job in self.in_place("running")}
        return {m for m, h in holders.items() if h and h[0] == name and call in {None, h[1]}}

    def lease(self, name: str, call: int, want: int, source: Source, leased: list[bytes]) -> None:
        """Check what a turn leased and go along with it; after `promote`."""
        last = self.calls.get(name, -1)
        if name in self.leases and call == last:
            assert set(leased) == self.held(name, call), "asked again, a turn returns the same jobs"
            return
        if self.standing(name, call, want) != "alive" or call < last:
            assert not leased, "a turn without a lease, or with an old number, leases nothing"
            return
        assert len(leased) <= want
        assert len(set(leased)) == len(leased), "no job is leased twice by one turn"
        for member in leased:
            job = self.jobs[member[:16]]
            there = job.place == source or (job.place in _LISTS and member in self.left_entries)
            assert (job.member, there) == (member, True), "only what waits in the source is leased"
            job.place, job.holder = "running", (name, call)
        if leased:
            self.calls[name] = call

    def ack(self, name: str, acks: list[tuple[bytes, int, bytes]]) -> list[str]:
        """Complete jobs."""
        outcomes, acked = [], set()
        held_before = self.held(name)
        for member, call, _ in acks:
            job = self.jobs.get(member[:16])
            if job and job.member == member and job.holder == (name, call):
                self._end(job, "completed")
                acked.add(member)
                outcomes.append("acked")
                self.acks[member[:16]] += 1
                assert self.acks[member[:16]] == 1, "a job is acked once at most"
                continue
            before = member not in held_before and self.how_ended(member[:16]) == "completed"
            again = member in acked or (name in self.leases and before)
            outcomes.append("already" if again else "lost")
        return outcomes

    def nack(self, name: str, nacks: list[tuple[bytes, int, Verdict, bytes, bytes, bytes]]) -> list[bool]:
        """End failed attempts."""
        done = []
        for member, call, (verdict, ms), history, failure, _ in nacks:
            job = self._take(name, member, call)
            done.append(job is not None)
            if job is None:
                continue
            job.history = history or job.history
            if verdict == "retry":
                job.place, job.time_ms = "scheduled", self.now_ms + ms
                self.count("retried")
            elif verdict == "park":
                job.place, job.time_ms, job.failure = "parked", ms, failure
                self.count("parked")
            elif verdict == "dead":
                self._bury(job, failure)
            else:
                self._end(job, "logged")
        return done

    def release(self, name: str, tokens: list[tuple[bytes, int]], source: Source) -> list[bool]:
        """Give jobs back."""
        given = []
        for member, call in tokens:
            job = self._take(name, member, call)
            given.append(job is not None)
            if job:
                job.place = source
                self.count("released")
        return given

    def _take(self, name: str, member: bytes, call: int) -> Kept | None:
        job = self.jobs.get(member[:16])
        if job is None or job.member != member or job.holder != (name, call):
            return None
        job.holder = None
        return job

    def leave(self, name: str) -> int:
        """End an incarnation that holds nothing."""
        held = len(self.held(name))
        if not held:
            self._forget(name)
        return held

    def reclaim(self, name: str, failure: bytes) -> tuple[int, int, set[bytes], bool]:
        """Move on the jobs of a lost incarnation; never more than one call may."""
        if self.leases.get(name, self.now_ms + 1) > self.now_ms or self._held_back():
            return 0, 0, set(), True
        held = sorted(self.held(name))
        assert len(held) <= self.bounds.batch_size, "the test keeps within one call"
        buried = set()
        for member in held:
            job = self.jobs[member[:16]]
            job.holder = None
            count, at_ms = self.crashes.get(member[:16], (0, 0))
            count = count + 1 if count and self.now_ms - at_ms < CRASH_WINDOW_MS else 1
            if count >= self.bounds.max_crashes:
                self._bury(job, failure)
                buried.add(member)
                continue
            self.crashes[member[:16]] = (count, self.now_ms)
            job.place = "pending" if count == 1 else "suspects"
        self.count("reclaimed", len(held))
        self._forget(name)
        return len(held), 0, buried, False

    def hold(self) -> int:
        """Hold reclaiming back for one lease, and let none last longer."""
        ends_ms = self.now_ms + self.bounds.lease_ms
        for name, at_ms in self.leases.items():
            self.leases[name] = min(at_ms, ends_ms)
        self.count("clock_jumps", int(not self.now_ms < self.hold_until_ms <= ends_ms))
        self.hold_until_ms = ends_ms
        return ends_ms

    def audit(self) -> None:
        """Let no lease last longer than any can, and count a walk an hour, which finds nothing."""
        longest_ms = self.now_ms + self.bounds.lease_ms
        longer = [name for name, at_ms in self.leases.items() if at_ms > longest_ms]
        self.leases.update(dict.fromkeys(longer, longest_ms))
        self.count("mended_leases", len(longer))
        if self.walked_at_ms is None or self.walked_at_ms > self.now_ms:
            self.walked_at_ms = self.now_ms
        elif self.now_ms - self.walked_at_ms >= WALK_EVERY_MS:
            self.walked_at_ms = self.now_ms
            self.walks += 1

    def _held_back(self) -> bool:
        if self.restarted or self.hold_until_ms > self.now_ms + self.bounds.lease_ms:
            self.restarted, self.hold_until_ms = False, self.now_ms + self.bounds.lease_ms
            return True
        return self.now_ms < self.hold_until_ms

    def _forget(self, name: str) -> None:
        for kept in (self.leases, self.calls, self.cancels):
            kept.pop(name, None)

    # -- dead letters and parked jobs -----------------------------------------------------------------------------

    def _bury(self, job: Kept, failure: bytes) -> None:
        job.place, job.time_ms, job.failure = "dead", self.now_ms, failure
        self.crashes.pop(job.member[:16], None)
        self.count("dead")
        dead = sorted(self.in_place("dead"), key=lambda job: (job.time_ms, job.member))
        over = max(0, len(dead) - self.bounds.dead_letter_max)
        for oldest in dead[: min(over, 2 * self.bounds.batch_size)]:
            self._end(oldest, "trimmed")

    def trim(self) -> int:
        """Let the oldest dead letters go; returns how many went."""
        dead = sorted(self.in_place("dead"), key=lambda job: (job.time_ms, job.member))
        bound = 2 * self.bounds.batch_size
        oldest_kept_ms = self.now_ms - DEAD_LETTER_MAX_AGE_MS
        old = sum(1 for job in dead if job.time_ms <= oldest_kept_ms)
        many = len(dead) - self.bounds.dead_letter_max
        gone = max(0, min(max(many, old), bound))
        for oldest in dead[:gone]:
            self._end(oldest, "trimmed")
        self.count("trimmed_by_age", min(old, bound))
        return gone

    def replay(self, letters: list[tuple[bytes, int, bytes]]) -> list[bool]:
        """Send dead letters back."""
        sent = []
        for member, died_at_ms, history in letters:
            job = self._letter(member, died_at_ms)
            sent.append(job is not None)
            if job:
                job.place, job.failure, job.history = "pending", None, history or None
                self.crashes.pop(member[:16], None)
                self.count("replayed")
        return sent

    def remove(self, letters: list[tuple[bytes, int]]) -> list[bool]:
        """Take dead letters away."""
        taken = []
        for member, died_at_ms in letters:
            job = self._letter(member, died_at_ms)
            taken.append(job is not None)
            if job:
                self._end(job, "removed")
        return taken

    def _letter(self, member: bytes, died_at_ms: int) -> Kept | None:
        job = self.jobs.get(member[:16])
        wanted = (member, "dead", died_at_ms)
        return job if job and (job.member, job.place, job.time_ms) == wanted else None

    def unpark(self, members: list[bytes], failure: bytes | None) -> list[bool]:
        """Move parked jobs on."""
        moved = []
        for member in members:
            job = self.jobs.get(member[:16])
            parked = job is not None and (job.member, job.place) == (member, "parked")
            moves = parked and job is not None and (failure is None or job.time_ms <= self.now_ms)
            moved.append(moves)
            if not moves or job is None:
                continue
            if failure is None:
                job.place, job.failure, job.time_ms = "pending", None, 0
                self.count("unparked")
            else:
                self._bury(job, failure)
        return moved
