"""The many ways to write one and the same piece of a condition."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

from tests.reference.values import scalar

GAPS = ("", "", "", " ", " ", "\t", "\n", "\u2003", "\xa0\u3000", "\x0b")


class Spelling:
    """Chance, from a seed, decides how things are written.

    The seed 0 writes everything plainly, so that a failing example shrinks to what can be read.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed) if seed else None

    def pick(self, plain: str, *others: str) -> str:
        """Return one of several spellings."""
        return self._random.choice((plain, *others)) if self._random else plain

    def chance(self, share: float) -> bool:
        """Whether something odd is done here."""
        return self._random is not None and self._random.random() < share

    def gap(self) -> str:
        """Return white space where there need not be any."""
        return self.pick("", *GAPS)

    def between(self) -> str:
        """Return white space between words."""
        return self.pick(" ", "  ", "\n", "\u2003", "\t ")

    def wide(self, token: str) -> str:
        """Return a token with white space around it."""
        return f"{self.gap()}{token}{self.gap()}" if self._random else f" {token} "

    def json_string(self, text: str) -> str:
        """Return a string in double quotes, with escapes or without."""
        units = text.encode("utf-16-be").hex()
        escaped = "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
        return self.pick(json.dumps(text, ensure_ascii=False), json.dumps(text), f'"{escaped}"')

    def quoted(self, text: str) -> str:
        """Return a string in quotes of either kind."""
        double = self.json_string(text)
        return double if "'" in text else self.pick(f"'{text}'", double)

    def number(self, number: Any) -> str:
        """Return a number, in several notations of the same value."""
        plain = repr(number).replace("e+", "e")
        if isinstance(number, float) or abs(number) > 2**53:
            return plain
        others = [f"{number}.0", f"{number}e0", f"{number}E0"]
        if number and number % 100 == 0:
            others.append(f"{number // 100}e2")
        return self.pick(plain, plain, *others)

    def word(self, text: str) -> str:
        """Return a string, bare where that is read as the same string."""
        if re.fullmatch(r"(?:[^\W_]|[.-])+", text) and scalar(text) is None:
            return self.pick(self.quoted(text), text)
        return self.quoted(text)

    def value(self, value: Any) -> str:
        """Return a literal."""
        if isinstance(value, str):
            return "" if value == "" and self.chance(0.3) else self.word(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self.number(value)
        return json.dumps(value)

    def path(self, steps: tuple[str | int, ...]) -> str:
        """Return a path whose first step is a name."""
        out = str(steps[0])
        for step in steps[1:]:
            if isinstance(step, int):
                out += f"[{step}]"
            elif step.isidentifier() and not self.chance(0.3):
                out += f".{step}"
            else:
                out += f"[{self.json_string(step)}]"
        return out
