"""One job: what runs it, and how every way in which it can end is reported."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from fraiseql_observers import redaction
from fraiseql_observers._core import Feed, LeasedJob
from fraiseql_observers.errors import EventError, PermanentError, RetryableError
from fraiseql_observers.worker.contract import Rule
from fraiseql_observers.worker.dispatch import Dispatcher
from tests.unit.worker.fake_feed import FakeFeed, FakeJob

Handler = Callable[[Any], Awaitable[int | None]]


class OneRule:
    """The same rule for every job, or none."""

    def __init__(self, rule: Rule | None) -> None:
        self.rule = rule

    @property
    def names(self) -> set[tuple[str, int]]:
        return {("paid", 0)}

    def find(self, job: LeasedJob) -> Rule | None:
        return self.rule


class Bench:
    """A dispatcher on a fake feed, whose jobs all run one handler."""

    def __init__(self, rule: Rule | None) -> None:
        self.feed = FakeFeed()
        self.notices: list[str] = []
        self.stuck: list[Any] = []
        self.dispatcher = Dispatcher(
            cast("Feed", self.feed),
            OneRule(rule),
            stuck_secs=0.01,
            on_notice=self.notices.append,
            on_stuck=self.stuck.append,
        )
        self.feed.start(self.dispatcher.on_wake)

    async def run_one(self) -> tuple[str, dict[str, Any]] | None:
        job = FakeJob()
        self.feed.hand_out(job)
        await asyncio.wait_for(self.dispatcher.idle(), 5)
        assert len(self.feed.reports) == 1, "a slot is freed once"
        return self.feed.outcome(job)


def outcome_of(handler: Handler, **rule: Any) -> tuple[str, dict[str, Any]] | None:
    async def run() -> tuple[str, dict[str, Any]] | None:
        return await Bench(Rule(handler, **rule)).run_one()

    return asyncio.run(run())


def raising(error: BaseException) -> Handler:
    async def handler(_job: Any) -> int | None:
        await asyncio.sleep(0)
        raise error

    return handler


def test_a_handler_that_returns_has_succeeded() -> None:
    async def handler(_job: Any) -> int | None:
        return 204

    assert outcome_of(handler) == ("succeed", {"status_code": 204})


def test_a_retryable_error_is_transient_and_carries_the_least_delay() -> None:
    error = RetryableError("429 from the receiver", retry_after=timedelta(seconds=1.5), status_code=429)
    assert outcome_of(raising(error)) == (
        "fail",
        {
            "permanent": False,
            "error": "429 from the receiver",
            "status_code": 429,
            "retry_after_ms": 1500,
            "keep": True,
        },
    )


@pytest.mark.parametrize(("asked", "given"), [(timedelta(days=300), 86_400_000), (timedelta(seconds=-5), 0)])
def test_the_delay_asked_for_is_bounded(asked: timedelta, given: int) -> None:
    reported = outcome_of(raising(RetryableError("later", retry_after=asked)))
    assert reported is not None
    assert reported[1]["retry_after_ms"] == given


def test_a_permanent_error_is_permanent() -> None:
    reported = outcome_of(raising(PermanentError("gone", status_code=410)))
    assert reported is not None
    assert reported[0] == "fail"
    assert reported[1]["permanent"]
    assert reported[1]["status_code"] == 410


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), RecursionError("deep")],
)
def test_any_other_exception_is_transient_and_ends_neither_loop_nor_worker(error: BaseException) -> None:
    reported = outcome_of(raising(error))
    assert reported is not None
    assert (reported[0], reported[1]["permanent"]) == ("fail", False)
    assert type(error).__name__ in reported[1]["error"]


def test_bytes_that_are_no_event_fail_for_good() -> None:
    reported = outcome_of(raising(EventError("entity_id: not a UUID")))
    assert reported is not None
    assert reported[1]["permanent"]


def test_on_failure_log_keeps_nothing() -> None:
    reported = outcome_of(raising(KeyError("x")), keeps_failures=False)
    assert reported is not None
    assert reported[1]["keep"] is False


def test_error_texts_are_cut_and_hold_no_secret_and_no_start_of_one() -> None:
    redaction.hide(["canary-secret"])
    try:
        reported = outcome_of(raising(ValueError("x" * 480 + "canary-secret" + "y" * 500)))
    finally:
        redaction.hide([])
    assert reported is not None
    assert len(reported[1]["error"]) == 500
    assert "can" not in reported[1]["error"]
    assert "***" in reported[1]["error"]


def test_an_exception_without_a_readable_text_is_reported_all_the_same() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError

    reported = outcome_of(raising(Broken()))
    assert reported is not None
    assert reported[1]["error"] == "Broken: its text cannot be read: ValueError"


def test_what_the_core_cannot_take_is_told_in_a_way_that_it_can() -> None:
    reported = outcome_of(raising(PermanentError("no file \udc80")))
    assert reported is not None
    assert reported[1]["error"] == "no file \\udc80"
    for status in (-1, 1 << 16, True, 4.0, "404"):
        reported = outcome_of(raising(PermanentError("gone", status_code=cast("Any", status))))
        assert reported is not None
        assert reported[1]["permanent"]
        assert reported[1]["status_code"] is None


def test_a_report_at_which_the_core_panics_is_a_failed_attempt() -> None:
    class PanicException(BaseException):
        """As that of PyO3: no `Exception`."""

    async def handler(_job: Any) -> int | None:
        return None

    async def run() -> None:
        bench = Bench(Rule(handler))

        def succeed(_job: FakeJob, *, status_code: int | None = None) -> None:
            raise PanicException(f"on purpose, {status_code}")

        cast("Any", bench.feed).succeed = succeed
        reported = await bench.run_one()
        assert reported is not None
        assert reported[0] == "fail"
        assert reported[1]["error"] == "PanicException: on purpose, None"

    asyncio.run(run())


def test_a_job_that_ended_without_a_report_has_its_slot_freed_when_its_time_is_up() -> None:
    async def run() -> None:
        bench = Bench(Rule(raising(GeneratorExit())))
        job = FakeJob()
        bench.feed.hand_out(job)
        await bench.dispatcher.idle()
        assert bench.feed.reports == []
        bench.feed.cancel(job, "timeout")
        assert bench.feed.kinds() == ["release"]

    asyncio.run(run())


def test_a_job_whose_rule_is_gone_is_parked() -> None:
    async def run() -> None:
        bench = Bench(None)
        assert await bench.run_one() == ("park", {"reason": "rule_gone"})
        assert not bench.feed.begun

    asyncio.run(run())


def test_nothing_runs_under_a_lease_that_is_too_old() -> None:
    async def run() -> None:
        ran = []

        async def handler(job: Any) -> int | None:
            ran.append(job)
            return None

        bench = Bench(Rule(handler))
        bench.feed.lease_is_old = True
        assert await bench.run_one() == ("release", {})
        assert not ran

    asyncio.run(run())


def test_the_feed_hears_that_a_handler_runs_in_a_thread() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            return None

        bench = Bench(Rule(handler, threaded=True))
        await bench.run_one()
        assert [*bench.feed.begun.values()] == [True]
        assert [*bench.feed.keeps.values()] == [True]

    asyncio.run(run())


def test_the_feed_hears_what_to_do_with_an_attempt_that_takes_too_long() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            return None

        bench = Bench(Rule(handler, keeps_failures=False))
        await bench.run_one()
        assert [*bench.feed.keeps.values()] == [False]

    asyncio.run(run())


@pytest.mark.parametrize("reason", ["timeout", "cancelled", "lease_lost"])
def test_a_cancelled_job_is_interrupted_and_only_frees_its_slot(reason: str) -> None:
    async def run() -> None:
        seen: list[BaseException] = []

        async def handler(_job: Any) -> int | None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                seen.append(error)
                raise
            return None

        bench = Bench(Rule(handler))
        job = FakeJob()
        bench.feed.hand_out(job)
        await asyncio.sleep(0)
        bench.feed.cancel(job, reason)
        await asyncio.wait_for(bench.dispatcher.idle(), 5)
        assert len(seen) == 1
        assert bench.feed.kinds() == ["release"]

    asyncio.run(run())


def test_a_job_that_is_cancelled_before_its_first_step_is_given_back() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            await asyncio.Event().wait()
            return None

        bench = Bench(Rule(handler))
        job = FakeJob()
        bench.feed.hand_out(job)
        bench.feed.cancel(job, "cancelled")
        await asyncio.wait_for(bench.dispatcher.idle(), 5)
        assert bench.feed.kinds() == ["release"]

    asyncio.run(run())


def test_an_error_while_a_cancelled_handler_cleans_up_is_no_failed_attempt() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            try:
                await asyncio.Event().wait()
            finally:
                raise OSError("the connection was cut")

        bench = Bench(Rule(handler))
        bench.feed.hand_out(FakeJob())
        await asyncio.sleep(0)
        bench.dispatcher.cancel_all()
        await asyncio.wait_for(bench.dispatcher.idle(), 5)
        assert bench.feed.kinds() == ["release"]

    asyncio.run(run())


def test_a_handler_that_finishes_in_spite_of_its_cancellation_has_succeeded() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return 200
            return None

        bench = Bench(Rule(handler))
        bench.feed.hand_out(FakeJob())
        await asyncio.sleep(0)
        bench.dispatcher.cancel_all()
        await asyncio.wait_for(bench.dispatcher.idle(), 5)
        assert bench.feed.kinds() == ["succeed"]

    asyncio.run(run())


def test_a_handler_that_ignores_its_cancellation_is_stuck() -> None:
    async def run() -> None:
        may_end = asyncio.Event()

        async def handler(_job: Any) -> int | None:
            while not may_end.is_set():
                try:
                    await may_end.wait()
                except asyncio.CancelledError:
                    continue
            return None

        bench = Bench(Rule(handler))
        job = FakeJob()
        bench.feed.hand_out(job)
        await asyncio.sleep(0)
        bench.feed.cancel(job, "timeout")
        await asyncio.wait_for(bench.dispatcher.idle(), 5)
        assert bench.stuck == [job]
        assert bench.feed.reports == [], "its slot is not free"
        may_end.set()
        while not bench.feed.reports:
            await asyncio.sleep(0)
        assert bench.dispatcher.stuck == 0

    asyncio.run(run())


def test_cancelling_a_job_that_has_just_ended_does_nothing() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            return None

        bench = Bench(Rule(handler))
        job = FakeJob()
        bench.feed.hand_out(job)
        await bench.dispatcher.idle()
        bench.feed.cancel(job, "timeout")
        assert bench.feed.outcome(job) == ("succeed", {"status_code": None})

    asyncio.run(run())


def test_a_dispatcher_that_accepts_no_more_gives_jobs_back() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            return None

        bench = Bench(Rule(handler))
        bench.dispatcher.accepts = False
        assert await bench.run_one() == ("release", {})
        assert bench.dispatcher.started == 0

    asyncio.run(run())


def test_every_handler_runs_in_a_task_of_its_own() -> None:
    """So that `asyncio.timeout` and the like work in it."""

    async def run() -> None:
        tasks = []

        async def handler(_job: Any) -> int | None:
            async with asyncio.timeout(60):
                tasks.append(asyncio.current_task())
                await asyncio.sleep(0)
            return None

        bench = Bench(Rule(handler))
        bench.feed.hand_out(FakeJob(), FakeJob())
        await asyncio.wait_for(bench.dispatcher.idle(), 5)
        assert len({id(task) for task in tasks}) == 2

    asyncio.run(run())


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with CPython 3.12")
def test_a_handler_that_never_waits_ends_within_the_wake() -> None:
    async def run() -> None:
        async def handler(_job: Any) -> int | None:
            return None

        bench = Bench(Rule(handler))
        bench.feed.hand_out(FakeJob())
        assert bench.feed.kinds() == ["succeed"]

    asyncio.run(run())


def test_notices_are_passed_on() -> None:
    async def run() -> None:
        bench = Bench(None)
        bench.feed.notify("suspects_waiting")
        assert bench.notices == ["suspects_waiting"]

    asyncio.run(run())
