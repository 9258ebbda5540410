"""How long do parsing and matching take in the worst cases that are allowed?

Parsing: texts of exactly 4,096 bytes, one with 64 levels round a list of 1,000 items, the longest chains, and as many
costly regular expressions as fit. Matching: regular expressions on which other engines backtrack, and those on which
ours is slowest, on 100,000 bytes that do not match; a list of 1,000 items; the longest chain. Every answer is checked.
Each row says whether the 99th percentile (of fewer than 100 runs: the slowest) holds a bound of 1 ms; some do not, and
that is no failure. At the end Python's `re` gets small texts for the first of the expressions, to show how its time
grows where ours does not.

    python benches/micro/conditions.py             up to 1,000 runs of each row
    python benches/micro/conditions.py --quick     a few, to see that it works; no figures to keep
    python benches/micro/conditions.py --save      also writes benches/results/conditions.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from fraiseql_observers import _core
from fraiseql_observers._core import Condition, EntityEvent

RESULTS = Path(__file__).resolve().parents[1] / "results" / "conditions.json"
#: The most milliseconds that one parse, and one match, should take.
BOUND_MS = 1.0
TEXT_BYTES = 4_096
VALUE_BYTES = 100_000
#: Most runs of a row, fewest, and the seconds after which a slow row ends between the two.
RUNS, LEAST_RUNS, ROW_SECS = 1_000, 20, 3.0

#: Numbers of two and three digits, as many of three as make the text full.
ITEMS = [100 + number % 900 if number < 962 else 10 + number % 90 for number in range(1_000)]
_RANDOM = random.Random(1)  # noqa: S311 - the same text each time is what a measurement needs
#: Expressions and the texts that they do not match. The last two are the slowest that we know: more states than a cache
#: holds, and so many at once that each byte costs hundreds of steps.
REGEXES = {
    r"(a+)+$": "a" * VALUE_BYTES + "!",
    r"(a|aa)+$": "a" * VALUE_BYTES + "!",
    r"(.*)*x": "a" * VALUE_BYTES,
    r"([a-z]+)*!": "abcdefghij" * (VALUE_BYTES // 10),
    r"(?:a?){25}a{25}": ("a" * 24 + "b") * (VALUE_BYTES // 25),
    r"[ab]*a[ab]{14}[cd]": "".join(_RANDOM.choices("ab", k=VALUE_BYTES)),
    r"a[ab]{900}[cd]": "".join(_RANDOM.choices("ab", k=VALUE_BYTES)),
}
GROWING_REGEX = r"(a+)+$"
#: Texts that Python's `re` needs from a millisecond to a second for.
GROWING_BYTES = (14, 16, 18, 20, 22)


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one case, in milliseconds."""

    case: str
    runs: int
    median_ms: float
    p99_ms: float

    @property
    def verdict(self) -> str:
        """Whether the bound holds."""
        return "holds" if self.p99_ms <= BOUND_MS else "does not hold"


def event(value: str | int) -> EntityEvent:
    """Make an event whose one field holds a value."""
    return EntityEvent("INSERT", "Order", UUID(int=1), {"a": value})


def measure(case: str, call: Callable[[], Any], check: Callable[[Any], bool], *, quick: bool) -> Row:
    """Call again and again, check every answer outside the time that is measured, and sum up."""
    most, least, secs = (LEAST_RUNS, 2, 0.3) if quick else (RUNS, LEAST_RUNS, ROW_SECS)
    took: list[float] = []
    ends_at = time.perf_counter() + secs
    while len(took) < most and (len(took) < least or time.perf_counter() < ends_at):
        started = time.perf_counter_ns()
        answer = call()
        took.append((time.perf_counter_ns() - started) / 1e6)
        assert check(answer), f"{case}: the answer is right"
    took.sort()
    return Row(
        case,
        len(took),
        round(took[len(took) // 2], 4),
        round(took[min(int(0.99 * len(took)), len(took) - 1)], 4),
    )


def filled(leaf: str, joined: str) -> tuple[str, int]:
    """Return a text of exactly the most bytes with as many copies of a leaf as fit, and how many they are."""
    count = (TEXT_BYTES + len(joined)) // (len(leaf) + len(joined))
    return joined.join([leaf] * count).ljust(TEXT_BYTES), count


def parsing(*, quick: bool) -> list[Row]:
    """Measure parsing; a parsed text has to have its leaves, and to answer."""
    listed = f"{'(' * 64}a in ({','.join(map(str, ITEMS))}){')' * 64}".ljust(TEXT_BYTES)
    texts = {"1,000 items, 64 levels deep": (listed, 1)}
    for leaf, joined in (("a<", "||"), ("a==", "&&"), (r"matches(a,'\b\w')", "||")):
        text, count = filled(leaf, joined)
        texts[f"{count:,} leaves {leaf}"] = text, count
    rows = []
    for case, (text, count) in texts.items():
        assert len(text.encode()) == TEXT_BYTES, "the text is as long as is allowed"
        assert len(Condition.parse(text).explain(event("")).leaves) == count, "each leaf is there"
        rows.append(measure(case, partial(Condition.parse, text), bool, quick=quick))
    assert Condition.parse(listed).evaluate(event(ITEMS[-1])), "the last item is in the list"
    return rows


def matching(*, quick: bool) -> list[Row]:
    """Measure evaluation; nothing of this matches, so that nothing ends early."""
    cases: dict[str, tuple[str, str | int]] = {
        f"matches {regex}": (f"matches(a, '{regex}')", text) for regex, text in REGEXES.items()
    }
    cases["like, 60 stars"] = f"like(a, '{'*a' * 60}*b*')", "a" * VALUE_BYTES
    cases["in, 1,000 numbers"] = f"a in ({','.join(map(str, ITEMS))})", 5
    chain, count = filled("a<0", "||")
    cases[f"{count} comparisons"] = chain, 5
    rows = []
    for case, (text, value) in cases.items():
        condition, some = Condition.parse(text), event(value)
        rows.append(
            measure(
                case,
                partial(condition.evaluate, some),
                lambda answer: answer is False,
                quick=quick,
            )
        )
    return rows


def growth(*, quick: bool) -> list[dict[str, float]]:
    """Time one expression on growing texts, here and in Python's `re`."""
    ours, peer = Condition.parse(f"matches(a, '{GROWING_REGEX}')"), re.compile(GROWING_REGEX)
    rows = []
    for size in GROWING_BYTES[: 2 if quick else None]:
        text = "a" * size + "!"
        some = event(text)
        mine = measure("ours", partial(ours.evaluate, some), lambda answer: answer is False, quick=quick)
        started = time.perf_counter_ns()
        assert peer.search(text) is None, "nor does it match there"
        took = (time.perf_counter_ns() - started) / 1e6
        rows.append({"bytes": size + 1, "ours_ms": mine.median_ms, "re_ms": round(took, 3)})
    return rows


def report(rows: dict[str, list[Row]], grown: list[dict[str, float]]) -> dict[str, Any]:
    """Put the figures together with what they were measured on."""
    return {
        "bench": "conditions",
        "date": datetime.now(UTC).date().isoformat(),
        "version": _core.__version__,
        "core": "dev" if (Path(_core.__file__).parents[2] / "Cargo.toml").exists() else "release",
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "python": platform.python_version(),
        "bound_ms": BOUND_MS,
        **{name: [{**asdict(row), "bound": row.verdict} for row in group] for name, group in rows.items()},
        "growth": grown,
    }


def main() -> int:
    """Run, print tables and the same as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few runs of each row")
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    rows = {"parse": parsing(quick=options.quick), "match": matching(quick=options.quick)}
    for name, group in rows.items():
        print(f"{name + ', ms':>32} {'runs':>6} {'median':>9} {'p99':>9}   {BOUND_MS:g} ms")
        for row in group:
            print(f"{row.case:>32} {row.runs:>6,} {row.median_ms:>9.3f} {row.p99_ms:>9.3f}   {row.verdict}")
    grown = growth(quick=options.quick)
    print(f"{GROWING_REGEX + ', ms':>32} {'bytes':>6} {'ours':>9} {'re':>9}")
    for step in grown:
        print(f"{'':>32} {step['bytes']:>6} {step['ours_ms']:>9.3f} {step['re_ms']:>9.3f}")
    result = report(rows, grown)
    print(json.dumps(result))
    if options.save:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
