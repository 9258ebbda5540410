"""A producer that goes on while servers come and go, and remembers what was promised to it."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self
from uuid import UUID, uuid4

from fraiseql_observers.config import load_config
from fraiseql_observers.errors import QueueError
from fraiseql_observers.executor import build_with_queue_sync
from tests.support.site import Site
from tests.support.wait import PATIENCE_SECS, wait_until

#: Events of one call.
BATCH = 10
_STOP_SECS = 30.0


class Load:
    """A thread that publishes until it is stopped; each event goes on being tried until it is confirmed.

    Args:
        site: Whose events they are.
        entity: Which handler runs them.
        data: More of each event.
    """

    def __init__(self, site: Site, entity: str = "Quick", **data: Any) -> None:
        self._site = site
        self._entity = entity
        self._data = data
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        #: Jobs whose storing was confirmed, and when by the monotonic clock.
        self.confirmed: dict[UUID, float] = {}
        #: What calls have said that failed, each once.
        self.errors: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Publish no more, and return when the last call has ended. May be called again."""
        self._stop.set()
        self._thread.join(_STOP_SECS)
        assert not self._thread.is_alive(), "the producer does not end"

    def goes_on(self, jobs: int = 200, *, deadline_secs: float = PATIENCE_SECS) -> None:
        """Return when so many jobs more have been confirmed."""
        wanted = len(self.confirmed) + jobs
        wait_until(lambda: len(self.confirmed) >= wanted, deadline_secs=deadline_secs, what="confirmed jobs")

    def _run(self) -> None:
        number = 0
        with build_with_queue_sync(load_config(self._site.path)) as executor:
            while not self._stop.is_set():
                events = [
                    {
                        "id": str(uuid4()),
                        "event_type": "INSERT",
                        "entity_type": self._entity,
                        "entity_id": str(uuid4()),
                        "data": {"n": number + place, **self._data},
                    }
                    for place in range(BATCH)
                ]
                number += BATCH
                while not self._stop.is_set():
                    try:
                        summaries = executor.process_events(events)
                    except QueueError as error:
                        self.errors.add(f"{type(error).__name__}: {error}")
                        # The same ids: what was stored after all is not stored again.
                        continue
                    now = time.monotonic()
                    self.confirmed.update(dict.fromkeys((job for s in summaries for job in s.job_ids), now))
                    break
