"""How a runner ends: what runs is finished, released, or left behind in a stuck thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from fraiseql_observers._core import Feed
from fraiseql_observers.worker import runner, shutdown
from fraiseql_observers.worker.contract import Rule
from fraiseql_observers.worker.runner import Ending, Runner
from tests.unit.worker.fake_feed import FakeFeed, FakeJob
from tests.unit.worker.test_dispatch import OneRule


class Bench:
    """A runner on a fake feed; its handler waits for `finish`, for stubborn jobs though it is cancelled."""

    def __init__(self, *, grace_secs: float = 5.0) -> None:
        self.feed = FakeFeed()
        self.finish = asyncio.Event()
        self.stubborn: set[FakeJob] = set()
        self.suspects = 0
        self.runner = Runner(
            cast("Feed", self.feed),
            OneRule(Rule(self.handle)),
            grace_secs=grace_secs,
            on_suspects=self.count_suspects,
            on_stuck=lambda _job: True,
        )
        self.runner.start()
        self.running = asyncio.ensure_future(self.runner.run())

    async def handle(self, job: Any) -> int | None:
        while True:
            try:
                await self.finish.wait()
            except asyncio.CancelledError:
                if job not in self.stubborn:
                    raise
            else:
                return None

    def count_suspects(self) -> None:
        self.suspects += 1

    async def hand_out(self, *jobs: FakeJob) -> None:
        await asyncio.sleep(0)
        self.feed.hand_out(*jobs)
        await asyncio.sleep(0)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 10))


def test_a_stop_waits_for_what_runs() -> None:
    async def test() -> None:
        bench = Bench()
        await bench.hand_out(FakeJob())
        bench.runner.end(Ending.STOPPED)
        while bench.feed.is_leasing:
            await asyncio.sleep(0)
        assert not bench.running.done()
        bench.finish.set()
        assert await bench.running is Ending.STOPPED
        assert bench.feed.kinds() == ["succeed"]
        assert bench.feed.is_closed

    run(test)


def test_what_runs_longer_than_the_grace_is_given_back() -> None:
    async def test() -> None:
        bench = Bench(grace_secs=0.05)
        await bench.hand_out(FakeJob(), FakeJob())
        bench.runner.end(Ending.STOPPED)
        assert await bench.running is Ending.STOPPED
        assert bench.feed.kinds() == ["release", "release"]

    run(test)


def test_leaving_does_not_wait_for_what_runs() -> None:
    async def test() -> None:
        bench = Bench(grace_secs=3600)
        await bench.hand_out(FakeJob())
        bench.runner.end(Ending.STOPPED)
        await asyncio.sleep(0)
        bench.runner.leave()
        assert await bench.running is Ending.LEFT
        assert bench.feed.kinds() == ["release"]

    run(test)


def test_cancelling_the_runner_gives_jobs_back_before_it_ends() -> None:
    async def test() -> None:
        bench = Bench(grace_secs=3600)
        await bench.hand_out(FakeJob())
        bench.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bench.running
        assert bench.feed.kinds() == ["release"]
        assert bench.feed.is_closed

    run(test)


def test_a_stuck_job_ends_the_runner_after_the_others_have_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STUCK_SECS", 0.01)

    async def test() -> None:
        bench = Bench()
        stuck, other = FakeJob(), FakeJob()
        bench.stubborn.add(stuck)
        await bench.hand_out(stuck, other)
        bench.feed.cancel(stuck, "timeout")
        while bench.feed.is_leasing:
            await asyncio.sleep(0.001)
        assert not bench.running.done(), "the other job may still finish"
        bench.runner.leave()
        assert await bench.running is Ending.LEFT
        assert bench.feed.outcome(other) == ("release", {})
        assert bench.feed.outcome(stuck) is None
        assert bench.runner.left_behind == 1
        bench.finish.set()

    run(test)


def test_a_stuck_job_alone_ends_the_runner_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "STUCK_SECS", 0.01)
    monkeypatch.setattr(shutdown, "UNWIND_SECS", 0.01)

    async def test() -> None:
        bench = Bench(grace_secs=3600)
        job = FakeJob()
        bench.stubborn.add(job)
        await bench.hand_out(job)
        bench.feed.cancel(job, "timeout")
        assert await bench.running is Ending.REPLACE
        bench.finish.set()

    run(test)


def test_outcomes_that_the_queue_does_not_take_hold_up_a_stop_for_the_grace_only() -> None:
    async def test() -> None:
        bench = Bench(grace_secs=0.1)
        bench.feed.is_drained = False
        await asyncio.sleep(0)
        begun = time.monotonic()
        bench.runner.end(Ending.STOPPED)
        await bench.running
        assert 0.1 <= time.monotonic() - begun < 20

    run(test)


def test_suspects_are_reported_and_their_own_runner_ends_without_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SUSPECTS_LINGER_SECS", 0.01)

    async def test() -> None:
        bench = Bench()
        await asyncio.sleep(0)
        bench.feed.notify("suspects_waiting")
        assert bench.suspects == 1
        bench.feed.notify("suspects_done")
        assert await bench.running is Ending.NO_SUSPECTS

    run(test)


def test_a_suspect_that_still_runs_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "SUSPECTS_LINGER_SECS", 0.01)

    async def test() -> None:
        bench = Bench()
        await bench.hand_out(FakeJob())
        bench.feed.notify("suspects_done")
        await asyncio.sleep(0.05)
        assert bench.feed.is_leasing
        bench.finish.set()
        bench.feed.notify("suspects_done")
        assert await bench.running is Ending.NO_SUSPECTS

    run(test)


def test_new_rules_are_for_new_jobs_and_wake_parked_ones() -> None:
    async def test() -> None:
        bench = Bench()
        running = FakeJob()
        await bench.hand_out(running)
        using = asyncio.ensure_future(bench.runner.use(OneRule(None)))
        await asyncio.sleep(0)
        assert len(bench.feed.rules) == 2
        assert not using.done(), "a job runs under the rules before"
        job = FakeJob()
        await bench.hand_out(job)
        assert bench.feed.outcome(job) == ("park", {"reason": "rule_gone"})
        bench.finish.set()
        await using
        bench.runner.end(Ending.STOPPED)
        await bench.running
        assert bench.feed.outcome(running) == ("succeed", {"status_code": None})

    run(test)


def test_a_queue_that_refuses_us_ends_the_runner() -> None:
    async def test() -> None:
        bench = Bench()
        await asyncio.sleep(0)
        bench.feed.notify("queue_refused: NOPERM")
        assert await bench.running is Ending.REFUSED

    run(test)


def test_a_feed_gone_quiet_has_the_process_replaced() -> None:
    """Whatever the reason is: another process is the cure."""

    async def test() -> None:
        bench = Bench()
        await asyncio.sleep(0)
        bench.feed.notify("gone_quiet: it asks for no jobs any more")
        assert await bench.running is Ending.REPLACE
        assert bench.runner.why == "it asks for no jobs any more"

    run(test)


def test_the_same_warning_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        bench = Bench()
        await asyncio.sleep(0)
        for _ in range(3):
            bench.feed.notify("queue_unsuitable: evicts keys")
        bench.feed.notify("queue_unsuitable: too old")
        bench.runner.end(Ending.STOPPED)
        await bench.running

    run(test)
    assert [record.message for record in caplog.records] == [
        "queue_unsuitable: evicts keys",
        "queue_unsuitable: too old",
    ]
