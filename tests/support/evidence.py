"""What a receiver wrote down: a delivery a line, in a file outside Redis that a checker holds against it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Delivery:
    """One line of the evidence.

    Attributes:
        id: The header webhook-id, or ``None``.
        method: The HTTP method.
        path: The path with its query.
        number: Which delivery of this id to this path it is; the first is 1.
        status: What it is answered; ``None`` for no answer.
        at: When it arrived, in seconds since 1970.
        headers: All headers, names in lower case.
        size: The bytes of the body.
        sha256: The hash of the body, in hexadecimal.
        body: The body as text, if kept. Bytes that are no UTF-8 come back with ``surrogateescape``.
    """

    id: str | None
    method: str
    path: str
    number: int
    status: int | None
    at: float
    headers: dict[str, str]
    size: int
    sha256: str
    body: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the sender was told of success."""
        return self.status is not None and 200 <= self.status < 300


@dataclass
class Counts:
    """What a receiver has seen.

    Attributes:
        deliveries: All requests.
        ids: Distinct webhook-ids.
        accepted: Distinct webhook-ids that were answered 2xx.
        accepted_again: 2xx answers beyond the first of their id.
        statuses: Answers by status, as text; ``none`` is no answer.
        paths: Deliveries by path without query.
    """

    deliveries: int
    ids: int
    accepted: int
    accepted_again: int
    statuses: dict[str, int]
    paths: dict[str, int]


class Tally:
    """Counts deliveries as they come."""

    def __init__(self) -> None:
        self._seen: Counter[str | None] = Counter()
        self._accepted: Counter[str | None] = Counter()
        self._statuses: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()

    def add(self, delivery: Delivery) -> None:
        """Count one more."""
        self._seen[delivery.id] += 1
        self._accepted[delivery.id] += delivery.is_accepted
        self._statuses["none" if delivery.status is None else str(delivery.status)] += 1
        self._paths[delivery.path.partition("?")[0]] += 1

    def counts(self) -> Counts:
        """Sum up."""
        accepted = [count for count in self._accepted.values() if count]
        return Counts(
            deliveries=self._seen.total(),
            ids=len(self._seen),
            accepted=len(accepted),
            accepted_again=sum(accepted) - len(accepted),
            statuses=dict(self._statuses),
            paths=dict(self._paths),
        )


def evidence_line(delivery: Delivery) -> bytes:
    """Write a delivery as one line of JSON."""
    return json.dumps(vars(delivery)).encode() + b"\n"


def read_evidence(path: Path) -> Iterator[Delivery]:
    """Read the deliveries of a file in the order in which they came."""
    with path.open("rb") as lines:
        for line in lines:
            yield Delivery(**json.loads(line))
