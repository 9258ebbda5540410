"""A machine that does random operations to both queues and to the model.

Operations are drawn by weight among those that can do something now: drawn evenly, most of them would meet an empty
queue.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.property.both_queues import BOUNDS, START_MS, BothQueues, Worker
from tests.support.queue_model import Kept, Source, Verdict

#: Few ids, so that they meet again in every state.
IDS = [bytes([n]) * 16 for n in range(1, 11)]
FAILURE = b'{"reason":"crash_limit"}'

Offer = tuple[bytes, Verdict, bytes]
Token = tuple[bytes, int]

_due = st.one_of(
    st.just(("now", 0)),
    st.just(("now", 0)),
    st.tuples(st.just("after"), st.sampled_from([0, 1, 5_000, 30_000])),
    st.tuples(st.just("at"), st.sampled_from([START_MS - 1, START_MS + 20_000, START_MS + 200_000])),
)
_payload = st.sampled_from([b"{}", b"a job\r\nof two lines", b"\x00\xff"])
_letter = st.sampled_from("ddddchl")
_verdict = st.one_of(
    st.tuples(st.just("retry"), st.sampled_from([0, 1, 4_000, 60_000])),
    st.just(("dead", 0)),
    st.just(("dead", 0)),
    st.just(("log", 0)),
    st.tuples(st.just("park"), st.sampled_from([START_MS + 5_000, START_MS + 300_000])),
)
_small = st.sampled_from([b"", b"{}", b"one", b"two"])
#: Moments at which something changes: a due time, a lease, a dedupe window, the crash window, and a jump back.
_passed_ms = st.sampled_from(
    [1, 1_000, 4_000, 5_000, 10_000, 10_000, 50_000, 100_000, 73 * 3600 * 1000, -3_000]
)


class QueueMachine(BothQueues):
    """Drives both queues and the model; a subclass says where the server is."""

    # -- what can be done now -----------------------------------------------------------------------------------

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Let every worker join, and store a few jobs."""
        for worker in self.workers:
            self.ask("join", worker.name, "{}")
            self.model.join(worker.name)
        self.enqueue(data)

    @rule(data=st.data())
    def operate(self, data: st.DataObject) -> None:
        """Do one operation."""
        self.sound = False
        operation = data.draw(st.sampled_from(self.operations()), label="operation")
        operation(data)

    def operations(self) -> list[Callable[[st.DataObject], None]]:
        """List what may be done now, each as often as it should come up."""
        model = self.model
        held, tokens = bool(model.in_place("running")), bool(self.tokens)
        expired = any(at_ms <= model.now_ms for at_ms in model.leases.values())
        lost = any(worker.name not in model.leases for worker in self.workers)
        waiting, suspects = bool(model.in_place("pending")), bool(model.in_place("suspects"))
        dead, parked = bool(model.in_place("dead")), bool(model.in_place("parked"))
        room = sum(model.how_ended(id_) is None and id_ not in model.jobs for id_ in IDS)
        weighted: list[tuple[int, Callable[[st.DataObject], None]]] = [
            (5 if room else 1, self.enqueue),
            (3, self.time_passes),
            (1 if room > 3 else 5, self.ids_are_forgotten),
            (8 if waiting else 1, self.turn),
            (8 * suspects, self.turn_for_suspects),
            (1, self.turn_again),
            (1, self.turn_late),
            (5 if lost else 1, self.join),
            (2, self.beat),
            (5 * held, self.ack),
            (5 * held, self.nack),
            (2 * held, self.release),
            (1 * tokens, self.ack_stale),
            (1 * tokens, self.nack_stale),
            (8 * bool(self.superseded()), self.report_superseded),
            (2 * bool(self.repeatable), self.repeat),
            (2 * bool(model.jobs), self.cancel),
            (5 * expired, self.reclaim_lost),
            (4 * held, self.workers_are_lost),
            (4 * suspects + waiting, self.poison),
            (1, self.reclaim),
            (1, self.leave),
            (3 * dead, self.replay),
            (1 * dead, self.remove),
            (3 * parked, self.unpark),
            (1, self.rotate),
            (1 + dead, self.trim),
            (1, self.server_restarts),
            (1, self.clock_jumps),
            (1, self.audit_finds_nothing),
            (1, self.scripts_are_flushed),
            (1, self.find),
            (1, self.look),
        ]
        return [operation for weight, operation in weighted for _ in range(weight)]

    # -- storing ------------------------------------------------------------------------------------------------

    def enqueue(self, data: st.DataObject) -> None:
        """Offer jobs, some of them known, some twice."""
        ids = st.sampled_from(IDS)
        offers = st.tuples(st.builds(lambda id_, letter: id_ + letter.encode(), ids, _letter), _due, _payload)
        jobs = data.draw(st.lists(offers, min_size=1, max_size=BOUNDS.batch_size), label="jobs")
        self.repeatable["enqueue"] = lambda: self.offer(jobs)
        self.offer(jobs)

    def offer(self, jobs: list[Offer]) -> None:
        """Offer jobs, and see that ready ones leave a token for whoever is idle."""
        stored = self.ask("enqueue", jobs)
        assert stored == self.model.enqueue(jobs, self.audit.ghosts.total())
        if stored != "full" and any(
            new and job[1][0] == "now" for new, job in zip(stored, jobs, strict=True)
        ):
            assert self.server.llen(f"{self.tag}:wake") >= 1

    def cancel(self, data: st.DataObject) -> None:
        """Cancel a job in whatever state, or one that is not there."""
        id_ = data.draw(st.sampled_from(IDS), label="id")
        job = self.model.jobs.get(id_)
        member = job.member if job else id_ + b"d"
        assert self.ask("cancel", member) == self.model.cancel(member)

    def rotate(self, _: st.DataObject) -> None:
        """Let ids be forgotten, if it is time."""
        assert self.ask("rotate") == self.model.rotate()

    def ids_are_forgotten(self, _: st.DataObject) -> None:
        """Let a dedupe window pass while all workers live."""
        for _again in range(2):
            self.pass_time(BOUNDS.dedupe_window_ms)
            assert self.ask("rotate") == self.model.rotate()
        for worker in self.workers:
            assert self.ask("beat", worker.name, []) == self.model.beat(worker.name, [])

    # -- workers ------------------------------------------------------------------------------------------------

    def worker(self, data: st.DataObject) -> Worker:
        """Choose a worker."""
        return data.draw(st.sampled_from(self.workers), label="worker")

    def join(self, data: st.DataObject) -> None:
        """Join; a worker that has lost its lease does so under a new name."""
        lost = [worker for worker in self.workers if worker.name not in self.model.leases]
        worker = data.draw(st.sampled_from(lost or self.workers), label="worker")
        if worker in lost:
            place = self.workers.index(worker)
            worker = self.workers[place] = self.new_worker()
        assert self.ask("join", worker.name, '{"pid":1}') == self.model.now_ms
        self.model.join(worker.name)

    def beat(self, data: st.DataObject) -> None:
        """Renew a lease, be it late, and hear of what was cancelled."""
        name = self.worker(data).name
        cancelled = sorted(self.model.cancels.get(name, set()))
        heard = data.draw(st.sampled_from([[], cancelled]), label="heard")
        assert self.ask("beat", name, heard) == self.model.beat(name, heard)

    def turn(self, data: st.DataObject) -> None:
        """Lease, never more than one reclaim call may move."""
        alive = [w for w in self.workers if self.model.leases.get(w.name, 0) > self.model.now_ms]
        worker = data.draw(st.sampled_from(alive * 3 + self.workers), label="worker")
        self.lease(worker, data.draw(st.integers(0, BOUNDS.batch_size), label="want"), "pending")

    def turn_for_suspects(self, data: st.DataObject) -> None:
        """Lease what runs alone."""
        self.lease(self.worker(data), 1, "suspects")

    def lease(self, worker: Worker, want: int, source: Source) -> None:
        """Run a new turn."""
        worker.call += 1
        worker.want = min(want, BOUNDS.batch_size - len(self.model.held(worker.name)))
        worker.source = source
        self.take(worker, worker.call)

    def turn_again(self, data: st.DataObject) -> None:
        """Ask again with the same number, as after a lost reply."""
        worker = self.worker(data)
        if worker.want <= BOUNDS.batch_size - len(self.model.held(worker.name)):
            self.take(worker, worker.call)

    def turn_late(self, data: st.DataObject) -> None:
        """Ask with an old number: a request that was long on its way."""
        worker = self.worker(data)
        if 1 < worker.call <= self.model.calls.get(worker.name, 0):
            self.take(worker, worker.call - 1)

    def take(self, worker: Worker, call: int) -> None:
        """Run one turn and check all that it says."""
        name, want, source = worker.name, worker.want, worker.source
        self.model.promote(name)
        standing, lost = self.model.standing(name, call, want), self.model.lost(name)
        available = len(self.model.in_place(source))
        anew = standing == "alive" and call > self.model.calls.get(name, -1)
        turn = self.ask("turn", name, call, want, source)
        assert (turn["standing"], turn["lost"]) == (standing, lost)
        members = [member for member, _, _ in turn["jobs"]]
        self.model.lease(name, call, want, source, members)
        if anew and not self.audit.ghosts and not self.model.left_entries:
            assert len(members) == min(want, available), "what waits is leased as far as it is wanted"
        self.tokens += [(name, member, call) for member in members]
        for member, payload, history in turn["jobs"]:
            job = self.model.jobs[member[:16]]
            assert (payload, history) == (job.payload, job.history)

    def holding(self, data: st.DataObject) -> tuple[Worker, list[Token]]:
        """Choose a worker that holds jobs, and some of its tokens."""
        holders = [worker for worker in self.workers if self.model.held(worker.name)] or self.workers
        worker = data.draw(st.sampled_from(holders), label="worker")
        running = [(job.member, *job.holder) for job in self.model.in_place("running") if job.holder]
        tokens = [(member, call) for member, name, call in sorted(running) if name == worker.name]
        return worker, [token for token in tokens if data.draw(st.integers(0, 3)) > 0]

    def ack(self, data: st.DataObject) -> None:
        """Complete some of the jobs that a worker holds, perhaps naming each twice."""
        worker, tokens = self.holding(data)
        record, times = (
            data.draw(_small, label="record"),
            data.draw(st.sampled_from([1, 1, 2]), label="times"),
        )
        acks = [(member, call, record) for member, call in tokens] * times
        self.repeatable["ack"] = lambda: self.complete(worker.name, acks)
        self.complete(worker.name, acks)

    def ack_stale(self, data: st.DataObject) -> None:
        """Complete under any token that was ever given, be it to somebody else."""
        name, member, call = data.draw(st.sampled_from(self.tokens), label="token")
        own = data.draw(st.booleans(), label="own")
        self.complete(name if own else self.worker(data).name, [(member, call, b"{}")])

    def complete(self, name: str, acks: list[tuple[bytes, int, bytes]]) -> None:
        """Ack, if there is anything to ack."""
        if acks:
            assert self.ask("ack", name, acks) == self.model.ack(name, acks)

    def nack(self, data: st.DataObject) -> None:
        """End the attempts of some of the jobs that a worker holds."""
        worker, tokens = self.holding(data)
        nacks = [
            (member, call, data.draw(_verdict), data.draw(_small), b"why", data.draw(_small))
            for member, call in tokens
        ]
        self.repeatable["nack"] = lambda: self.fail(worker.name, nacks)
        self.fail(worker.name, nacks)

    def nack_stale(self, data: st.DataObject) -> None:
        """End an attempt under any token that was ever given."""
        name, member, call = data.draw(st.sampled_from(self.tokens), label="token")
        own = data.draw(st.booleans(), label="own")
        nack = (member, call, data.draw(_verdict), b"", b"why", b"")
        self.fail(name if own else self.worker(data).name, [nack])

    def fail(self, name: str, nacks: list[tuple[bytes, int, Verdict, bytes, bytes, bytes]]) -> None:
        """Nack, if there is anything to nack."""
        if nacks:
            assert self.ask("nack", name, nacks) == self.model.nack(name, nacks)

    def release(self, data: st.DataObject) -> None:
        """Give some of the jobs back that a worker holds."""
        worker, tokens = self.holding(data)
        name, source = worker.name, worker.source
        again = data.draw(st.booleans(), label="leases again")
        self.repeatable["release"] = lambda: self.give_back(name, tokens, source)
        self.give_back(name, tokens, source)
        if again:
            self.lease(worker, len(tokens), source)

    def give_back(self, name: str, tokens: list[Token], source: Source) -> None:
        """Release, if there is anything to release."""
        if tokens:
            assert self.ask("release", name, tokens, source) == self.model.release(name, tokens, source)

    def superseded(self) -> list[tuple[str, bytes, int]]:
        """List the tokens of jobs that the same worker has leased once more since."""
        holders = {job.member: job.holder for job in self.model.in_place("running")}
        return [
            (name, member, call)
            for name, member, call in self.tokens
            if (holder := holders.get(member)) and holder[0] == name and holder[1] != call
        ]

    def report_superseded(self, data: st.DataObject) -> None:
        """Report under the token of an earlier lease of a job that the same worker holds again."""
        name, member, call = data.draw(st.sampled_from(self.superseded()), label="token")
        match data.draw(st.sampled_from(["ack", "nack", "release"]), label="report"):
            case "ack":
                self.complete(name, [(member, call, b"{}")])
            case "nack":
                self.fail(name, [(member, call, data.draw(_verdict), b"", b"why", b"")])
            case _:
                self.give_back(name, [(member, call)], "pending")

    def repeat(self, data: st.DataObject) -> None:
        """Send the last call of some kind again, as after a lost reply, whatever happened since."""
        self.repeatable[data.draw(st.sampled_from(sorted(self.repeatable)), label="call")]()

    def leave(self, data: st.DataObject) -> None:
        """Leave, if nothing is held."""
        name = self.worker(data).name
        assert self.ask("leave", name) == self.model.leave(name)

    def reclaim(self, data: st.DataObject) -> None:
        """Try to take over from a worker, dead or alive."""
        self.take_over(self.worker(data).name)

    def reclaim_lost(self, _: st.DataObject | None = None) -> None:
        """Take over from everybody whose lease has run out, as a turn would name them."""
        for name in sorted(self.model.leases):
            if self.model.leases[name] <= self.model.now_ms:
                self.take_over(name)

    def workers_are_lost(self, data: st.DataObject) -> None:
        """Let some workers die while they run jobs, and be reclaimed."""
        self.pass_time(BOUNDS.lease_ms // 2)
        for worker in self.workers:
            if worker.name in self.model.leases and data.draw(st.booleans(), label="survives"):
                assert self.ask("beat", worker.name, []) == self.model.beat(worker.name, [])
        self.pass_time(BOUNDS.lease_ms // 2)
        self.reclaim_lost()

    def poison(self, data: st.DataObject) -> None:
        """Let one worker after another lease a job and die of it, while the others live."""
        for _ in range(data.draw(st.integers(1, 3), label="deaths")):
            victim = self.workers[0] = self.new_worker()
            self.ask("join", victim.name, "{}")
            self.model.join(victim.name)
            self.lease(victim, 1, "suspects" if self.model.in_place("suspects") else "pending")
            self.check()
            for worker in self.workers[1:]:
                self.pass_time(BOUNDS.lease_ms // 2)
                assert self.ask("beat", worker.name, []) == self.model.beat(worker.name, [])
            self.take_over(victim.name)
            self.check()

    def take_over(self, name: str) -> None:
        """Reclaim from one incarnation."""
        assert self.ask("reclaim", name, FAILURE) == self.model.reclaim(name, FAILURE)

    # -- dead letters and parked jobs -----------------------------------------------------------------------------

    def replay(self, data: st.DataObject) -> None:
        """Send dead letters back, each by two operators, one of whom may be late."""
        history, late = data.draw(_small), data.draw(st.sampled_from([0, 0, 1]))
        letters = [(job.member, job.time_ms - late, history) for job in self.chosen("dead", data)]
        for _ in range(2):
            assert self.ask("replay", letters) == self.model.replay(letters)

    def remove(self, data: st.DataObject) -> None:
        """Take dead letters away."""
        late = data.draw(st.sampled_from([0, 0, 1]))
        letters = [(job.member, job.time_ms - late) for job in self.chosen("dead", data)]
        assert self.ask("remove", letters) == self.model.remove(letters)

    def trim(self, data: st.DataObject) -> None:
        """Let old letters go, perhaps after more than the time that they are kept."""
        self.pass_time(data.draw(st.sampled_from([0, 0, 31 * 24 * 3600 * 1000]), label="ms"))
        assert self.ask("trim") == self.model.trim()

    def unpark(self, data: st.DataObject) -> None:
        """Move parked jobs on, and ask for one that may not be parked."""
        failure = data.draw(st.sampled_from([None, b'{"reason":"expired"}']))
        members = [job.member for job in self.chosen("parked", data)]
        members += [data.draw(st.sampled_from(IDS)) + b"d"]
        assert self.ask("unpark", members, failure) == self.model.unpark(members, failure)

    def chosen(self, place: str, data: st.DataObject) -> list[Kept]:
        """Choose some of the jobs in a place."""
        there = sorted(self.model.in_place(place), key=lambda job: job.member)
        return [job for job in there if data.draw(st.integers(0, 3)) > 0]

    # -- the world ----------------------------------------------------------------------------------------------

    def time_passes(self, data: st.DataObject) -> None:
        """Move all clocks, usually forth."""
        self.pass_time(data.draw(_passed_ms, label="ms"))

    def server_restarts(self, _: st.DataObject) -> None:
        """Let both see a new run id, as after a failover."""
        self.server.hset(f"{self.tag}:meta", "run_id", "another")
        self.memory.restart()
        self.model.restarted = True

    def clock_jumps(self, data: st.DataObject) -> None:
        """Move the clock, and let a worker or two see it."""
        self.pass_time(data.draw(st.sampled_from([-3_600_000, -5_000, 5_000, 3_600_000]), label="ms"))
        for _ in range(data.draw(st.integers(1, 2), label="workers")):
            assert self.ask("hold") == self.model.hold()

    def audit_finds_nothing(self, _: st.DataObject) -> None:
        """Audit a queue in which all is well, but for leases from before a jump back."""
        self.model.audit()
        assert self.ask("audit") == (0, 0, 0)

    def scripts_are_flushed(self, _: st.DataObject) -> None:
        """Make the server forget the scripts."""
        self.server.script_flush()

    def find(self, data: st.DataObject) -> None:
        """Look for a job, known or not."""
        id_ = data.draw(st.sampled_from(IDS), label="id")
        found = self.ask("find", id_)
        job = self.model.jobs.get(id_)
        if job is None:
            assert found["place"] == (self.model.how_ended(id_) or "missing")
            return
        assert found["place"] == {"suspects": "pending"}.get(job.place, job.place)
        assert found["time_ms"] == (job.time_ms if job.place in {"scheduled", "parked", "dead"} else None)
        assert found["holder"] == (job.holder[0] if job.holder else None)
        assert (found["bytes"], found["history"]) == (job.payload, job.history)
        assert found["failure"] == job.failure
        assert found["crashes"] == self.model.crashes.get(id_, (0, 0))[0]

    def look(self, _: st.DataObject) -> None:
        """List and count everything there is."""
        self.look_everywhere()

    def teardown(self) -> None:
        """Whatever happened, a healthy worker brings every job to an end."""
        if not self.sound:
            return
        latest_ms = max(map(int, self.audit.scheduled.values()), default=0)
        self.pass_time(max(latest_ms - self.model.now_ms, 0))
        for _ in range(3):
            self.pass_time(300_000)
            self.reclaim_lost()
        worker = self.workers[0] = self.new_worker()
        self.ask("join", worker.name, "{}")
        self.model.join(worker.name)
        self.the_keys_keep_their_promises()
        entries = sum(map(len, self.audit.pending.values())) + len(self.audit.suspects)
        for _ in range(entries + len(self.audit.scheduled) + len(IDS)):
            waiting, suspects = any(self.audit.pending.values()), bool(self.audit.suspects)
            if not waiting and not suspects and not self.audit.scheduled:
                break
            # Each turn takes an entry at least, be it that of a cancelled job.
            self.lease(worker, BOUNDS.batch_size, "pending" if waiting or not suspects else "suspects")
            held = sorted(self.model.held(worker.name))
            self.complete(worker.name, [(member, worker.call, b"{}") for member in held])
            self.the_keys_keep_their_promises()
        assert {job.place for job in self.model.jobs.values()} <= {"dead", "parked"}
        self.look_everywhere()
        self.check()
