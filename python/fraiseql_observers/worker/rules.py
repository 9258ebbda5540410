"""The actions of a configuration as dispatch wants them: found by observer and position, or from the job."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from fraiseql_observers._core import LeasedJob
from fraiseql_observers.actions.base import Action, ActionContext
from fraiseql_observers.actions.function import FunctionCall
from fraiseql_observers.actions.registry import ActionRegistry
from fraiseql_observers.config import Config
from fraiseql_observers.errors import ConfigError, PermanentError
from fraiseql_observers.worker.contract import Rule


class ConfiguredRules:
    """What runs the jobs of one configuration.

    Args:
        config: The configuration.
        registry: Its actions, resolved.
    """

    def __init__(self, config: Config, registry: ActionRegistry) -> None:
        self._registry = registry
        #: How many observers there are.
        self.observers = len(config.observers)
        self._timeout = timedelta(seconds=config.worker.job_timeout_secs)
        self._rules: dict[tuple[str, int], Rule] = {}
        for name, definition in config.observers.items():
            for index in range(len(definition.actions)):
                action = registry.get(name, index)
                if action is not None:
                    self._rules[name, index] = self._rule(
                        action, keeps_failures=definition.on_failure != "log"
                    )

    def find(self, job: LeasedJob) -> Rule | None:
        """Return what runs this job, or ``None`` if its observer or its action is gone."""
        if job.observer is not None:
            return self._rules.get((job.observer, job.action_index))
        try:
            return self._rule(self._registry.build_inline(json.loads(job.action)), keeps_failures=True)
        except (ConfigError, ValueError) as error:
            return Rule(_refusing(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this job must not hold up those beside it
            return Rule(_refusing(f"its action cannot be read: {type(error).__name__}"))

    @property
    def names(self) -> set[tuple[str, int]]:
        """Every rule of an observer, as observer and action index."""
        return {*self._rules}

    async def aclose(self) -> None:
        """Close the connections of the actions."""
        await self._registry.aclose()

    def _rule(self, action: Action, *, keeps_failures: bool) -> Rule:
        timeout = self._timeout
        threaded = isinstance(action, FunctionCall) and action.runs_in_thread

        async def run(job: LeasedJob) -> int | None:
            deadline = datetime.now(UTC) + timeout
            context = ActionContext(job.id, job.attempt, job.event, job.observer or "", deadline)
            return (await action.run(context)).status_code

        return Rule(run, keeps_failures=keeps_failures, threaded=threaded)


def _refusing(reason: str) -> Callable[[LeasedJob], Awaitable[int | None]]:
    """Make what fails for good: the action that a job brings along is wrong, and will be on every attempt."""

    async def run(_job: LeasedJob) -> int | None:
        raise PermanentError(reason)

    return run
