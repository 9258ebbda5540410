"""The sums of the demonstration, and whether they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from http import HTTPStatus
from uuid import UUID

#: The rule whose destination refuses everything.
REFUSED_RULE = "customer_moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Everything that was counted, each figure where it happened.

    Attributes:
        events: Events published.
        matched: Events that matched at least one rule, as the publisher was told.
        expected: The id of each job that plain Python expects, with the rule behind it.
        job_ids: The ids of the jobs that were stored, as the publisher was told.
        delivered: How many times the receiver answered each id with 200.
        answers: How many requests the receiver answered with each status.
        badly_signed: Requests whose signature the receiver could not verify.
        dead_ids: The ids in the dead letter queue.
        retried, reclaimed, completed: Counters of the queue.
    """

    events: int
    matched: int
    expected: Mapping[UUID, str]
    job_ids: AbstractSet[UUID]
    delivered: Counter[UUID]
    answers: Counter[int]
    badly_signed: int
    dead_ids: AbstractSet[UUID]
    retried: int
    reclaimed: int
    completed: int

    @property
    def lost(self) -> int:
        """Jobs that neither arrived nor are dead letters."""
        return len(self.job_ids - self.delivered.keys() - self.dead_ids)

    @property
    def repeated(self) -> int:
        """Deliveries beyond the first of each id."""
        return self.delivered.total() - len(self.delivered)

    @property
    def asked_to_wait(self) -> int:
        """Requests that were answered with 500 or 429."""
        return self.answers[HTTPStatus.INTERNAL_SERVER_ERROR] + self.answers[HTTPStatus.TOO_MANY_REQUESTS]

    def rows(self) -> Iterator[tuple[str, int, str]]:
        """Yield name, figure and explanation, in the order in which they add up."""
        yield "events", self.events, "published"
        yield "matched", self.matched, "events that matched at least one rule"
        yield (
            "jobs",
            len(self.job_ids),
            "one a match; = delivered + dead-lettered + lost",
        )
        yield (
            "delivered",
            len(self.delivered),
            "distinct ids that the receiver answered with 200",
        )
        yield (
            "dead-lettered",
            len(self.dead_ids),
            "refused with 400, where no retry would help",
        )
        yield "lost", self.lost, "neither delivered nor dead-lettered"
        yield (
            "retried",
            self.retried,
            "attempts answered with 500 or 429, and made again",
        )
        yield (
            "reclaimed",
            self.reclaimed,
            "were running in the killed worker, and came back",
        )
        yield (
            "repeated",
            self.repeated,
            "of these, had arrived: the receiver knows the id",
        )

    def checks(self) -> Iterator[tuple[str, bool]]:
        """Yield what must be true, and whether it is."""
        refused = {job_id for job_id, rule in self.expected.items() if rule == REFUSED_RULE}
        yield (
            "the rules matched what the same rules in plain Python match",
            self.job_ids == self.expected.keys(),
        )
        yield "no job is lost", self.lost == 0
        yield (
            "jobs = delivered + dead-lettered",
            len(self.job_ids) == len(self.delivered) + len(self.dead_ids),
        )
        yield (
            "nothing arrived that was not ordered",
            self.delivered.keys() <= self.job_ids,
        )
        yield (
            "the dead letters are the jobs that were refused with 400, and no others",
            self.dead_ids == refused,
        )
        yield (
            "jobs = completed + dead-lettered in the queue's own books",
            (len(self.job_ids) == self.completed + len(self.dead_ids)),
        )
        yield "every request was signed", self.badly_signed == 0
        yield (
            "the killed worker was running jobs, and they came back",
            self.reclaimed > 0,
        )
        yield "only what ran at the kill arrived twice", self.repeated <= self.reclaimed
        # An answer that reached a worker just before it was killed leads to no retry, but to another run.
        yield (
            "every 500 and 429 led to a retry, or was on its way when the worker was killed",
            (self.asked_to_wait - self.reclaimed <= self.retried <= self.asked_to_wait),
        )
