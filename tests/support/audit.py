"""What the keys of one lane hold, read with redis-py and judged without any code of the package.

The scripts promise that a job is in exactly one place and that the counters add up. `Audit.read` takes everything
that the lane's keys hold at one moment; `Audit.problems` names every promise that they break.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from redis import Redis

LETTERS = "chdl"
#: Keys with one name per lane; `running:` and `cancels:` have one per incarnation.
FIXED_KEYS = {
    *("meta", "jobs", "history", "scheduled", "leases", "suspects", "crashes", "dead", "failures", "recent"),
    *("done:0", "done:1", "ended:0", "ended:1", "wake", "workers", "calls", "parked", "ghosts", "clock"),
    *(f"pending:{letter}" for letter in LETTERS),
}
#: The most wake tokens that a lane keeps.
MAX_TOKENS = 4


@dataclass
class Audit:
    """Everything that one lane holds. Members are 17 bytes: a job's id and its priority letter."""

    names: set[str]
    meta: dict[str, str]
    jobs: dict[bytes, bytes]
    pending: dict[str, list[bytes]]
    suspects: list[bytes]
    scheduled: dict[bytes, float]
    parked: dict[bytes, float]
    dead: dict[bytes, float]
    running: dict[str, dict[bytes, bytes]]
    cancels: dict[str, set[bytes]]
    leases: dict[str, float]
    calls: dict[str, bytes]
    workers: dict[str, bytes]
    history: dict[bytes, bytes]
    failures: dict[bytes, bytes]
    crashes: dict[bytes, bytes]
    ghosts: Counter[bytes]
    done: list[set[bytes]]
    ended: list[dict[bytes, bytes]]
    recent: list[tuple[int, int]]
    tokens: int
    expiring: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, server: Redis, tag: str) -> Self:
        """Read a lane in one transaction; `tag` is its hash tag with braces, such as ``{fraiseql:default:0}``."""
        keys = sorted(str(key, "utf-8") if isinstance(key, bytes) else key for key in server.keys(f"{tag}:*"))
        names = {key.removeprefix(f"{tag}:") for key in keys}
        held = sorted(name for name in names if name.startswith("running:"))
        told = sorted(name for name in names if name.startswith("cancels:"))
        pipe = server.pipeline(transaction=True)
        for name in ("meta", "jobs", "history", "failures", "crashes", "ghosts", "calls", "workers"):
            pipe.hgetall(f"{tag}:{name}")
        for name in ("ended:0", "ended:1"):
            pipe.hgetall(f"{tag}:{name}")
        for name in ("done:0", "done:1"):
            pipe.smembers(f"{tag}:{name}")
        for name in (*(f"pending:{letter}" for letter in LETTERS), "suspects"):
            pipe.lrange(f"{tag}:{name}", 0, -1)
        for name in ("scheduled", "parked", "dead", "leases"):
            pipe.zrange(f"{tag}:{name}", 0, -1, withscores=True)
        pipe.xrange(f"{tag}:recent")
        pipe.llen(f"{tag}:wake")
        for name in held:
            pipe.hgetall(f"{tag}:{name}")
        for name in told:
            pipe.smembers(f"{tag}:{name}")
        for key in keys:
            pipe.ttl(key)
        got = iter(pipe.execute())
        meta, jobs, history, failures, crashes, ghosts, calls, workers = (next(got) for _ in range(8))
        ended, done = [next(got), next(got)], [set(next(got)), set(next(got))]
        pending = {letter: next(got) for letter in LETTERS}
        suspects = next(got)
        scheduled, parked, dead, leases = (dict(next(got)) for _ in range(4))
        recent = [(int(fields[b"n"]), fields[b"r"].count(b"\n") + 1) for _, fields in next(got)]
        tokens = next(got)
        return cls(
            names=names,
            meta={name.decode(): value.decode(errors="replace") for name, value in meta.items()},
            jobs=jobs,
            pending=pending,
            suspects=suspects,
            scheduled=scheduled,
            parked=parked,
            dead=dead,
            running={name.partition(":")[2]: next(got) for name in held},
            cancels={name.partition(":")[2]: set(next(got)) for name in told},
            leases={name.decode(): score for name, score in leases.items()},
            calls={name.decode(): value for name, value in calls.items()},
            workers={name.decode(): value for name, value in workers.items()},
            history=history,
            failures=failures,
            crashes=crashes,
            ghosts=Counter({member: int(count) for member, count in ghosts.items()}),
            done=done,
            ended=ended,
            recent=recent,
            tokens=tokens,
            expiring=[key for key in keys if next(got) != -1],
        )

    def places(self) -> dict[bytes, list[str]]:
        """Name every place in which each id is, entries of cancelled jobs left out."""
        entries = Counter(member for listed in (*self.pending.values(), self.suspects) for member in listed)
        places: dict[bytes, list[str]] = {}

        def note(member: bytes, place: str) -> None:
            places.setdefault(member[:16], []).append(place)

        for member, count in entries.items():
            for _ in range(count - self.ghosts[member]):
                note(member, "pending")
        for place, members in (("scheduled", self.scheduled), ("parked", self.parked), ("dead", self.dead)):
            for member in members:
                note(member, place)
        for incarnation, held in self.running.items():
            for member in held:
                note(member, f"running by {incarnation}")
        for ended in self.done:
            for id_ in ended:
                places.setdefault(id_, []).append("ended")
        return places

    def count(self, counter: str) -> int:
        """Read one counter; what never happened is 0."""
        return int(self.meta.get(counter, "0"))

    def problems(self) -> list[str]:
        """Name every promise of the scripts that does not hold."""
        return [*self._wrong_places(), *self._wrong_counts(), *self._leftovers()]

    def _wrong_places(self) -> list[str]:
        places = self.places()
        wrong = [f"{id_.hex()} is in {where}" for id_, where in places.items() if len(where) != 1]
        alive = {id_ for id_, where in places.items() if where != ["ended"]}
        wrong += [f"{id_.hex()} has bytes and no place" for id_ in self.jobs.keys() - alive]
        wrong += [f"{id_.hex()} has a place and no bytes" for id_ in alive - self.jobs.keys()]
        entries = Counter(member for listed in (*self.pending.values(), self.suspects) for member in listed)
        wrong += [f"{m.hex()} has {n} ghosts too many" for m, n in (self.ghosts - entries).items()]
        for letter, members in self.pending.items():
            wrong += [f"{m.hex()} is on the list {letter}" for m in members if m[16:] != letter.encode()]
        return wrong

    def _wrong_counts(self) -> list[str]:
        entries = sum(map(len, self.pending.values())) + len(self.suspects)
        running = sum(map(len, self.running.values()))
        there = (
            entries - self.ghosts.total() + running + sum(map(len, (self.scheduled, self.parked, self.dead)))
        )
        gone = sum(map(self.count, ("completed", "cancelled", "removed", "trimmed", "logged")))
        wrong = []
        if self.count("enqueued") != there + gone:
            wrong.append(f"{self.count('enqueued')} enqueued, but {there} there and {gone} gone")
        left = len(self.dead) + sum(map(self.count, ("removed", "trimmed", "replayed")))
        if self.count("dead") != left:
            wrong.append(f"{self.count('dead')} died, but {left} are dead, removed, trimmed or replayed")
        if self.count("ghosts") != self.ghosts.total():
            wrong.append(f"{self.count('ghosts')} ghosts counted, {self.ghosts.total()} there")
        if self.count("recent") != sum(n for n, _ in self.recent) or any(n != r for n, r in self.recent):
            wrong.append(f"{self.count('recent')} records counted, {self.recent} there")
        if self.tokens > MAX_TOKENS:
            wrong.append(f"{self.tokens} wake tokens")
        if self.count("orphans"):
            wrong.append(f"{self.count('orphans')} orphans")
        return wrong

    def _leftovers(self) -> list[str]:
        wrong = [f"{key} expires" for key in self.expiring]
        for name in self.names - FIXED_KEYS:
            kind, _, incarnation = name.partition(":")
            if kind not in {"running", "cancels"}:
                wrong.append(f"the key {name} is not declared")
            elif incarnation not in self.leases:
                wrong.append(f"{name} has no lease")
        for what in ("history", "crashes"):
            wrong += [
                f"{id_.hex()} has no bytes but {what}"
                for id_ in getattr(self, what).keys() - self.jobs.keys()
            ]
        explained = {member[:16] for member in (*self.dead, *self.parked)}
        wrong += [f"{id_.hex()} is not dead, but has a failure" for id_ in self.failures.keys() - explained]
        wrong += [f"{id_.hex()} is dead without a failure" for id_ in explained - self.failures.keys()]
        for done, ended in zip(self.done, self.ended, strict=True):
            wrong += [f"{id_.hex()} has an ending, but has not ended" for id_ in ended.keys() - done]
        for what in ("calls", "workers"):
            wrong += [
                f"{name} has {what}, but no lease" for name in getattr(self, what).keys() - self.leases.keys()
            ]
        return wrong
