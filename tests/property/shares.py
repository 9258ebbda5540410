"""How the examples of the agreement tests came out: tests that only ever see one outcome would prove little."""

from __future__ import annotations

from collections import Counter

OUTCOMES = ("true", "false", "error", "syntax error")
LEAST_SHARE = 0.15
#: The tests that count; the shares are judged where all of them ran.
COUNTING = {
    "test_answers_errors_and_explanations_agree_from_every_form",
    "test_spoilt_texts_are_refused_or_answered_alike",
}

#: Of the whole session.
seen: Counter[str] = Counter()


def table() -> list[str]:
    """Return one line for each outcome, with count and share."""
    total = seen.total()
    return [f"{outcome:<14}{seen[outcome]:>8}{seen[outcome] / total:>8.1%}" for outcome in OUTCOMES]


def too_rare() -> list[str]:
    """Return the outcomes that came out too rarely; none where nothing was counted."""
    return [outcome for outcome in OUTCOMES if seen[outcome] < LEAST_SHARE * seen.total()]
