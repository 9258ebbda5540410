"""What a worker shows of itself over HTTP: its metrics, whether it lives, whether it is ready.

The gauges come from the queue, through a child, since the supervisor has no connection of its own. They are
true or absent: a scrape waits for them for less than a second, then answers without.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final

from fraiseql_observers.metrics import CONTENT_TYPE, Gauges, families, render_text
from fraiseql_observers.worker.crew import Crew
from fraiseql_observers.worker.endpoint import Answer
from fraiseql_observers.worker.pipes import Order, Report
from fraiseql_observers.worker.slot import Slot

#: Seconds that one child gets for its answer before the next one is asked too.
ASK_NEXT_SECS: Final = 0.25
#: Seconds after which a scrape is answered without gauges.
GIVE_UP_SECS: Final = 0.8


class Health:
    """Answers the paths of the worker's HTTP server.

    Args:
        crew: Whose children are shown.
        bounds: The upper bounds of the duration histogram, as the core counts it.
    """

    def __init__(self, crew: Crew, bounds: list[float]) -> None:
        self._crew = crew
        self._bounds = bounds
        self._question: _Question | None = None
        self._number = 0
        self.is_stopping = False

    def handle(self, path: str, answer: Callable[[Answer], None]) -> None:
        """Answer one GET."""
        if path == "/metrics":
            self._ask(lambda gauges: answer(self._metrics(gauges)))
        elif path == "/healthz":
            answer(Answer(HTTPStatus.OK, b"alive\n"))
        elif path == "/readyz":
            answer(self._readiness())
        else:
            answer(Answer(HTTPStatus.NOT_FOUND, b"there are /metrics, /healthz and /readyz\n"))

    def hear(self, report: Report) -> None:
        """Take a child's answer to the question for the gauges."""
        question = self._question
        if question is not None and report["number"] == question.number:
            self._question = None
            question.answer(report["gauges"] or {})

    def tick(self, now: float) -> float | None:
        """Ask the next child, or give up, when the time has come; return when to look again."""
        question = self._question
        if question is None:
            return None
        if now >= question.give_up_at:
            self._question = None
            question.answer({})
            return None
        if now >= question.ask_next_at:
            question.ask_next(now)
        return min(question.ask_next_at, question.give_up_at)

    def _ask(self, then: Callable[[Gauges], None]) -> None:
        if self._question is None:
            self._number += 1
            # Last heard first: who spoke a moment ago is not frozen.
            slots = sorted((slot for slot in self._crew if slot.is_ready), key=lambda slot: -slot.heard_at)
            self._question = _Question(self._number, iter(slots), time.monotonic())
        self._question.waiting.append(then)

    def _metrics(self, gauges: Gauges) -> Answer:
        shown = families(self._crew.counters(), gauges, self._bounds)
        return Answer(HTTPStatus.OK, render_text(shown), CONTENT_TYPE)

    def _readiness(self) -> Answer:
        now = time.monotonic()
        ready = sum(slot.is_ready for slot in self._crew.slots)
        healthy = sum(slot.is_healthy(now) for slot in self._crew.slots)
        wanted = len(self._crew.slots)
        is_ready = healthy == wanted and not self.is_stopping
        body = {
            "ready": is_ready,
            "stopping": self.is_stopping,
            "children": {"wanted": wanted, "ready": ready, "healthy": healthy},
        }
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return Answer(status, json.dumps(body).encode() + b"\n", "application/json")


class _Question:
    """One question for the gauges; every scrape that comes meanwhile waits for the same answer."""

    def __init__(self, number: int, slots: Iterator[Slot], now: float) -> None:
        self.number = number
        self.waiting: list[Callable[[Gauges], None]] = []
        self.ask_next_at = now
        self.give_up_at = now + GIVE_UP_SECS
        self._slots = slots
        self._has_been_asked = False
        self.ask_next(now)

    def ask_next(self, now: float) -> None:
        """Ask the next child that takes the question."""
        self.ask_next_at = now + ASK_NEXT_SECS
        for slot in self._slots:
            if slot.child is not None and slot.child.send(Order.GAUGES, self.number):
                self._has_been_asked = True
                return
        if not self._has_been_asked:
            # There is nothing to wait for: the next tick gives up.
            self.give_up_at = now

    def answer(self, gauges: Gauges) -> None:
        """Hand the gauges to everybody who waits."""
        for then in self.waiting:
            then(gauges)
