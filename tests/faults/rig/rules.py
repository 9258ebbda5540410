"""What a proxy does to single requests and replies: which, and what.

A rule is decided by counting, so that a test does the same each time. It is over when it has fired as often as it
may; the rules that were made first are asked first, and at most one of them takes a request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum


class Fate(Enum):
    """What becomes of a request."""

    #: Both connections are reset, and the server has not seen it.
    CUT_BEFORE = "cut before"
    #: The server has carried it out, then both connections are reset; `Rule.bytes` of the reply have come through.
    CUT_AFTER = "cut after"
    #: The server does not see it; `Rule.error` is the reply.
    REFUSE = "refuse"
    #: The server carries it out; `Rule.error` is the reply all the same.
    MISREPORT = "misreport"
    #: Nothing but `Rule.then`.
    PASS = "pass"


@dataclass
class Rule:
    """One rule.

    Attributes:
        what: The name of the request, see `tests.faults.rig.names`, such as ``turn`` or ``SCRIPT LOAD``; ``*`` is any.
        fate: What becomes of it.
        nth: The first request of the name that it takes, counted from when the rule was made; the first is 1.
        every: It takes each so many-th from there on.
        times: How often it fires; ``None`` for always.
        bytes: How many bytes of the reply still come through, for `Fate.CUT_AFTER`.
        error: The reply, for `Fate.REFUSE` and `Fate.MISREPORT`; its first word is the code.
        then: Called when it fires, before its fate: on the proxy's thread, which waits for it.
    """

    what: str
    fate: Fate
    nth: int = 1
    every: int = 1
    times: int | None = 1
    bytes: int = 0
    error: str = "ERR refused by the test"
    then: Callable[[], object] | None = None
    _seen: int = field(default=0, init=False)
    _fired: int = field(default=0, init=False)

    @property
    def fired(self) -> int:
        """How often it has fired."""
        return self._fired

    def takes(self, names: Iterable[str]) -> bool:
        """Count a request, and say whether this rule takes it."""
        if self.what != "*" and self.what not in names:
            return False
        self._seen += 1
        over = self.times is not None and self._fired >= self.times
        if over or self._seen < self.nth or (self._seen - self.nth) % self.every:
            return False
        self._fired += 1
        return True


class Rules:
    """The rules of a proxy, which threads of the test may change at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, rule: Rule) -> Rule:
        """Begin to follow a rule."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Follow no rule any more."""
        with self._lock:
            self._rules.clear()

    def find(self, names: tuple[str, ...]) -> Rule | None:
        """Return the rule that takes the next request of these names."""
        with self._lock:
            return next((rule for rule in self._rules if rule.takes(names)), None)
