"""Handlers: how they are found, called and understood."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers.actions.base import ActionContext, ActionResult
from fraiseql_observers.actions.function import FunctionCall, add_handler_folder, import_handler
from fraiseql_observers.actions.models import FunctionAction
from fraiseql_observers.errors import ConfigError, PermanentError, RetryableError
from fraiseql_observers.problems import ProblemKind
from tests.support.wait import wait_until

MODULE = """
import asyncio
called = []
def sync(event, context): called.append((event, context))
async def coroutine(event, context): called.append((event, context))
def one(event): pass
def three(event, context, more): pass
def keywords(*, event, context): pass
def generator(event, context): yield
async def async_generator(event, context): yield
class Holder:
    def method(self, event, context): pass
    async def __call__(self, event, context): called.append((event, context))
holder = Holder()
number = 5
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Put a folder of handlers on the path, and take its modules away afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    (tmp_path / "handlers_under_test.py").write_text(MODULE)
    add_handler_folder(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def call(handler: Callable[..., Any], context: ActionContext) -> ActionResult:
    """Run one attempt of a handler."""

    async def run() -> ActionResult:
        with ThreadPoolExecutor(1) as threads:
            return await FunctionCall(handler, threads).run(context)

    return asyncio.run(run())


@pytest.mark.parametrize("name", ["sync", "coroutine", "holder"])
def test_handler_is_called_with_event_and_context(folder: Path, context: ActionContext, name: str) -> None:
    """Sync, async and callable objects are called alike."""
    handler = import_handler(FunctionAction(handler=f"handlers_under_test:{name}"))
    assert call(handler, context) == ActionResult()
    assert sys.modules["handlers_under_test"].called == [(context.event, context)]


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("no_such_module:f", "no module no_such_module"),
        ("handlers_under_test.sub:f", "no module"),
        ("handlers_under_test:absent", "has no absent"),
        ("handlers_under_test:holder.absent", "has no holder.absent"),
        ("handlers_under_test:number", "not callable"),
        ("handlers_under_test:Holder", "is a class"),
        ("handlers_under_test:one", "cannot be called"),
        ("handlers_under_test:three", "cannot be called"),
        ("handlers_under_test:keywords", "cannot be called"),
        ("handlers_under_test:Holder.method", "cannot be called"),
        ("handlers_under_test:generator", "generator"),
        ("handlers_under_test:async_generator", "generator"),
        ("os:system", "cannot be called"),
        ("broken_syntax:f", "SyntaxError"),
        ("broken_import:f", "needs a module that is not there: no_such_dependency"),
        ("broken_code:f", "ZeroDivisionError"),
        ("broken_exit:f", "SystemExit"),
    ],
)
def test_handler_that_cannot_be_used_is_named_when_the_worker_starts(
    folder: Path, handler: str, reason: str
) -> None:
    """Each way of being wrong has its reason."""
    (folder / "broken_syntax.py").write_text("def f(:\n")
    (folder / "broken_import.py").write_text("import no_such_dependency\n")
    (folder / "broken_code.py").write_text("1 / 0\n")
    (folder / "broken_exit.py").write_text("import sys\nsys.exit(3)\n")
    with pytest.raises(ConfigError) as caught:
        import_handler(FunctionAction(handler=handler))
    (problem,) = caught.value.problems
    assert (problem.kind, problem.path) == (ProblemKind.HANDLER, ("handler",))
    assert reason in problem.message


def raising(error: BaseException) -> Callable[..., Any]:
    """Return a sync handler that raises."""

    def handler(event: object, context: ActionContext) -> None:
        raise error

    return handler


def raising_async(error: BaseException) -> Callable[..., Any]:
    """Return an async handler that raises."""

    async def handler(event: object, context: ActionContext) -> None:
        raise error

    return handler


class Unspeakable(Exception):
    """An exception that cannot describe itself."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("wrap", [raising, raising_async])
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("bad value"), "ValueError: bad value"),
        (TimeoutError(), "TimeoutError: "),
        (StopIteration(5), "StopIteration"),
        (SystemExit(3), "SystemExit: 3"),
        (asyncio.CancelledError("stop"), "CancelledError: stop"),
        (KeyError("line\nbreak\x1b[31m"), "line"),
        (Unspeakable(), "cannot be read"),
    ],
)
def test_any_other_exception_is_retried(
    context: ActionContext, wrap: Callable[..., Any], error: BaseException, text: str
) -> None:
    """Whatever a handler raises, the attempt failed and nothing else of the worker does."""
    with pytest.raises(RetryableError) as caught:
        call(wrap(error), context)
    shown = str(caught.value)
    assert text in shown
    assert len(shown) <= 300
    assert shown.isprintable()


@pytest.mark.parametrize("wrap", [raising, raising_async])
def test_errors_of_this_package_pass_through(context: ActionContext, wrap: Callable[..., Any]) -> None:
    """A handler decides between retry and end, and when."""
    with pytest.raises(RetryableError) as retry:
        call(wrap(RetryableError("later", retry_after=timedelta(minutes=5))), context)
    assert retry.value.retry_after == timedelta(minutes=5)
    with pytest.raises(PermanentError, match="never"):
        call(wrap(PermanentError("never")), context)


def test_long_error_text_is_cut(context: ActionContext) -> None:
    """The text is kept with each of the last attempts."""
    with pytest.raises(RetryableError) as caught:
        call(raising(ValueError("x" * 10_000)), context)
    assert len(str(caught.value)) == 300


def test_sync_handler_runs_in_a_thread_and_sees_context_variables(context: ActionContext) -> None:
    """The event loop never waits for a handler that blocks."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    seen: list[object] = []

    def handler(event: object, context: ActionContext) -> None:
        seen.extend([threading.current_thread() is threading.main_thread(), variable.get()])

    variable.set("inherited")
    call(handler, context)
    assert seen == [False, "inherited"]


def test_awaitable_of_a_sync_handler_is_awaited(context: ActionContext) -> None:
    """A wrapper around an async function often is a plain function."""
    done: list[int] = []

    async def inner() -> None:
        done.append(1)

    call(lambda event, context: inner(), context)
    assert done == [1]


def test_cancelling_an_attempt_cancels_an_async_handler(context: ActionContext) -> None:
    """A cancellation from outside is no failure of the handler."""

    async def run() -> None:
        started = asyncio.Event()

        async def handler(event: object, context: ActionContext) -> None:
            started.set()
            await asyncio.Event().wait()

        with ThreadPoolExecutor(1) as threads:
            task = asyncio.create_task(FunctionCall(handler, threads).run(context))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())


def leave_by_return() -> None:
    """Come back as if nothing had happened."""


def leave_by_raising() -> None:
    """Come back with an error."""
    raise ValueError


def leave_by_exit() -> None:
    """End as a program of its own does."""
    sys.exit(7)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("leave", "code"), [(leave_by_return, 0), (leave_by_raising, 1), (leave_by_exit, 7)])
@pytest.mark.parametrize("is_async", [True, False])
def test_process_that_a_handler_forks_ends_where_it_comes_back(
    context: ActionContext, leave: Callable[[], None], code: int, *, is_async: bool
) -> None:
    """It would go on as a second worker otherwise, with the jobs and the event queue of the first."""
    parent, children = os.getpid(), []

    def fork(event: object, context: ActionContext) -> None:
        children.append(os.fork())
        if os.getpid() != parent:
            leave()

    async def fork_async(event: object, context: ActionContext) -> None:
        fork(event, context)

    try:
        assert call(fork_async if is_async else fork, context) == ActionResult()
    finally:
        if os.getpid() != parent:
            os._exit(99)  # The copy of the test run must not go on, whatever comes out of the handler.
    (child,) = children
    codes: list[int] = []

    def has_ended() -> bool:
        ended, status = os.waitpid(child, os.WNOHANG)
        codes.extend([os.waitstatus_to_exitcode(status)] if ended else [])
        return bool(codes)

    try:
        wait_until(has_ended, what="its end")
    finally:
        if not codes:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    assert codes == [code]
