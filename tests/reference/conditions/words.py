"""Tokens: a text and a place in it, from which one token after the other is taken."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from tests.reference.conditions.tree import NotACondition, OutOfScope, Path, Step
from tests.reference.values import scalar

MAX_STEPS = 16

# Unicode's White_Space, which differs a little from what Python strips.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
#: The same, each character by itself.
SPACES = "".join(filter(re.compile(f"[{SPACE}]").fullmatch, map(chr, range(0x3001))))
SINGLE = re.compile(r"'([^']*)'")
DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
INDEX = re.compile(r"\[([0-9]+)\]")
OPERATOR = re.compile(r"==|!=|>=|<=|>|<")
#: Letters in circles and squares, alphabetic though they are symbols.
ENCIRCLED = re.compile("[\u24b6-\u24e9\U0001f130-\U0001f149\U0001f150-\U0001f169\U0001f170-\U0001f189]")


def _category(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cn":
        # Some marks are alphabetic, which Python does not tell; what is unassigned here may be a letter by now.
        raise OutOfScope(character)
    return category


def is_letter(character: str) -> bool:
    """Whether the character, if there is one, is alphabetic."""
    return character != "" and (
        _category(character) in {"Lu", "Ll", "Lt", "Lm", "Lo", "Nl"} or bool(ENCIRCLED.match(character))
    )


def is_alphanumeric(character: str) -> bool:
    """Whether the character, if there is one, is a letter or any kind of digit."""
    return is_letter(character) or (character != "" and _category(character) in {"Nd", "No"})


class Words:
    """A text that is read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def skip(self) -> int:
        """Go over white space; return the new place."""
        while self.next() and self.next() in SPACES:
            self.at += 1
        return self.at

    def next(self) -> str:
        """Return the next character, or nothing at the end."""
        return self.text[self.at : self.at + 1]

    def touching(self, token: str) -> bool:
        """Take a token that stands right here."""
        found = self.text.startswith(token, self.at)
        self.at += len(token) * found
        return found

    def take(self, token: str) -> bool:
        """Take a token after white space; without it stay here."""
        before = self.at
        self.skip()
        found = self.touching(token)
        if not found:
            self.at = before
        return found

    def need(self, token: str) -> None:
        """Take a token, or refuse the text."""
        if not self.take(token):
            raise NotACondition(f"no {token} at {self.at}")

    def word(self, word: str) -> bool:
        """Take a word operator, which no letter, digit or underscore may follow."""
        before = self.at
        found = self.take(word) and not (is_alphanumeric(self.next()) or self.next() == "_")
        if not found:
            self.at = before
        return found

    def operator(self) -> str | None:
        """Take an operator of comparison after white space."""
        before = self.at
        found = OPERATOR.match(self.text, self.skip())
        self.at = found.end() if found else before
        return found[0] if found else None

    def name(self) -> str:
        """Take a name that stands right here."""
        start = self.at
        if is_letter(self.next()) or self.next() == "_":
            self.at += 1
            while is_alphanumeric(self.next()) or self.next() == "_":
                self.at += 1
        if self.at == start:
            raise NotACondition(f"no name at {start}")
        return self.text[start : self.at]

    def bare_path(self) -> Path:
        """Take a path after white space."""
        start = self.skip()
        return self.path_from(self.name(), start)

    def path_from(self, name: str, start: int) -> Path:
        """Take what follows the first name of a path, which began at `start`."""
        steps: list[Step] = [name]
        while True:
            if self.touching("."):
                steps.append(self.name())
            elif index := INDEX.match(self.text, self.at):
                self.at = index.end()
                if int(index[1]) >= 2**64:
                    raise NotACondition("no such index")
                steps.append(int(index[1]))
            elif self.touching("["):
                steps.append(self.double())
                if not self.touching("]"):
                    raise NotACondition(f"no bracket at {self.at}")
            else:
                break
        if len(steps) > MAX_STEPS:
            raise NotACondition("too many steps")
        return Path(tuple(steps), self.text[start : self.at])

    def double(self) -> str:
        """Take a JSON string that stands right here."""
        found = DOUBLE.match(self.text, self.at)
        value = scalar(found[0]) if found else None
        if found is None or value is None:
            raise NotACondition(f"no JSON string at {self.at}")
        self.at = found.end()
        return str(value[0])

    def quoted(self) -> str | None:
        """Take a string in quotes of either kind after white space."""
        before = self.at
        self.skip()
        if self.next() == '"':
            return self.double()
        if found := SINGLE.match(self.text, self.at):
            self.at = found.end()
            return found[1]
        if self.next() == "'":
            raise NotACondition("no end of the string")
        self.at = before
        return None

    def bare(self) -> str:
        """Take the longest run of a bare literal; where it is empty stay here, so that no white space is taken."""
        before = self.at
        start = self.skip()
        while is_alphanumeric(self.next()) or self.next() in {".", "-"}:
            self.at += 1
        if self.at == start:
            self.at = before
            return ""
        return self.text[start : self.at]

    def literal(self) -> tuple[Any, bool]:
        """Take a value, and say whether it was in quotes."""
        text = self.quoted()
        if text is not None:
            return text, True
        bare = self.bare()
        value = scalar(bare)
        return (bare if value is None else value[0]), False

    def function_literal(self) -> tuple[Any, bool]:
        """Take a value that must not be an empty bare one."""
        before = self.at
        value, in_quotes = self.literal()
        if self.at == before:
            raise NotACondition(f"no value at {before}")
        return value, in_quotes
