"""The function action: a handler of the user's own, sync or async."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeAlias

from fraiseql_observers.actions.base import ActionContext, ActionResult, one_line
from fraiseql_observers.actions.forked import end_if_forked
from fraiseql_observers.actions.models import FunctionAction
from fraiseql_observers.errors import PermanentError, RetryableError
from fraiseql_observers.problems import Problem, ProblemKind, error_for

__all__ = ["FunctionCall", "Handler", "add_handler_folder", "import_handler"]

#: What a handler is: its result is ignored, or awaited first where it can be.
Handler: TypeAlias = Callable[[Any, ActionContext], Any]


def add_handler_folder(folder: Path) -> None:
    """Put the folder of the configuration file first on the path for handlers, once."""
    text = str(folder)
    if text not in sys.path:
        sys.path.insert(0, text)
        importlib.invalidate_caches()


def import_handler(config: FunctionAction) -> Handler:
    """Import a handler.

    Raises:
        ConfigError: If there is no such module or name, importing it fails, or it cannot be called with an event
            and a context.
    """
    complaint, handler = _imported(config.handler)
    complaint = complaint or _call_complaint(handler)
    if complaint:
        raise error_for([Problem(ProblemKind.HANDLER, ("handler",), complaint, within_action=True)])
    found: Handler = handler
    return found


class FunctionCall:
    """A handler, ready to run."""

    def __init__(self, handler: Handler, threads: Executor) -> None:
        """Keep what to call.

        Args:
            handler: The imported callable.
            threads: Where a handler that is not async runs, so that the event loop never waits for it.
        """
        self._handler = handler
        self._threads = threads
        self._is_async = _is_async(handler)

    @property
    def runs_in_thread(self) -> bool:
        """Whether the handler runs in a thread, which nothing can stop."""
        return not self._is_async

    async def run(self, context: ActionContext) -> ActionResult:
        """Call the handler once.

        A handler that is not async cannot be stopped: when this call is cancelled, it goes on until the thread has
        ended, and then counts for what it came to.

        Raises:
            RetryableError: If it raised that, or anything that is not a `PermanentError`.
            PermanentError: If it raised that.
        """
        if self._is_async:
            await _awaited(self._handler(context.event, context))
            return ActionResult()
        loop = asyncio.get_running_loop()
        variables = contextvars.copy_context()
        result = await _until_ended(
            loop.run_in_executor(self._threads, lambda: variables.run(_called, self._handler, context))
        )
        if inspect.isawaitable(result):
            await _awaited(result)
        return ActionResult()


async def _until_ended(call: asyncio.Future[object]) -> object:
    """Wait for a thread, cancelled or not: who gave the order to run has to know that it still does."""
    cancelled: asyncio.CancelledError | None = None
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError as error:
            cancelled = error
    result = call.result()
    if cancelled is not None and inspect.isawaitable(result):
        # What the thread has returned has not begun yet.
        raise cancelled
    return result


async def _awaited(result: Any) -> None:  # noqa: ANN401 - whatever a handler returns
    pid = os.getpid()
    try:
        await result
        end_if_forked(pid)
    except asyncio.CancelledError as error:
        end_if_forked(pid, error)
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise _failure(error) from error
    except (Exception, SystemExit) as error:
        end_if_forked(pid, error)
        raise _failure(error) from error
    except BaseException as error:
        end_if_forked(pid, error)
        raise


def _called(handler: Handler, context: ActionContext) -> object:
    """Call a handler in a thread; what it raises must not reach a future as `SystemExit` or `StopIteration`."""
    pid = os.getpid()
    try:
        result = handler(context.event, context)
        end_if_forked(pid)
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        end_if_forked(pid, error)
        raise _failure(error) from error
    except BaseException as error:
        end_if_forked(pid, error)
        raise
    return result


def _failure(error: BaseException) -> Exception:
    """Return what the queue understands of an exception: retry, unless the handler says that it is for good."""
    if isinstance(error, (RetryableError, PermanentError)):
        return error
    return RetryableError(one_line(f"{type(error).__name__}: {_text(error)}"))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as broken:  # noqa: BLE001 - the handler's own exception class may fail to describe itself
        return f"(its text cannot be read: {type(broken).__name__})"


def _imported(path: str) -> tuple[str | None, Any]:
    module_name, _, attributes = path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            return f"there is no module {error.name}", None
        return f"the module {module_name} needs a module that is not there: {error.name}", None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - importing runs the user's code, which may raise anything
        return one_line(
            f"importing the module {module_name} failed: {type(error).__name__}: {_text(error)}"
        ), None
    for name in attributes.split("."):
        if not hasattr(found, name):
            return f"the module {module_name} has no {attributes}", None
        found = getattr(found, name)
    return None, found


def _call_complaint(handler: object) -> str | None:
    if not callable(handler) or inspect.isclass(handler):
        return f"is {'a class' if callable(handler) else 'not callable'}; allowed: a function of event and context"
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        return "is a generator, whose body would never run; allowed: a function of event and context"
    try:
        inspect.signature(handler).bind(None, None)
    except TypeError:
        return "cannot be called with an event and a context; allowed: def handler(event, context)"
    except ValueError:
        # A function written in C may not tell its signature; the first call will.
        return None
    return None


def _is_async(handler: object) -> bool:
    return inspect.iscoroutinefunction(handler) or inspect.iscoroutinefunction(
        getattr(handler, "__call__", None)  # noqa: B004 - an object whose call is async
    )
