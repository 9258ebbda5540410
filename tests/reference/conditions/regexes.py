r"""The regular expressions that mean the same to Python and to the linear-time engine of the core, translated.

The subset: literals, ``.``, classes of characters, ranges and ``\d \w \s``, ``\b``, escaped punctuation, groups
``(…)`` and ``(?:…)``, ``(?i)`` in front, ``|``, ``* + ? {m} {m,} {m,n}`` also lazy, ``^`` and ``$``. What no
linear-time engine has is no condition; anything else is out of scope.
"""

from __future__ import annotations

import re
import unicodedata

from tests.reference.conditions.tree import NotACondition, OutOfScope
from tests.reference.conditions.words import SPACE

MAX_BYTES = 512
#: The limit of 64 KiB is the compiled size, which we cannot know: what weighs no more than this is below it.
MOST_WEIGHT = 40
#: The classes that have hundreds of ranges in Unicode weigh so much, and everything else 1.
WEIGHTS = {r"\w": 30, r"\d": 4}

PUNCTUATION = r"[\\.+*?()|\[\]{}^$\-/]"
ATOM = re.compile(
    rf"""(?P<literal>[^\\.+*?()|\[\]{{}}^$])
    | (?P<dot>\.)
    | (?P<escape>\\{PUNCTUATION})
    | (?P<digits>\\d)
    | (?P<words>\\w)
    | (?P<spaces>\\s)
    | (?P<class>\[\^?(?:[^\W_]-[^\W_]|[\w .,:;@/%=+*?()]|\\{PUNCTUATION}|\\[dsw])+\])""",
    re.VERBOSE,
)
REPEAT = re.compile(r"(?:[*+?]|\{([0-9]{1,3})(,([0-9]{1,3})?)?\})\??")
ANCHOR = re.compile(r"\\b|[\^$]")


def compiled(source: str) -> re.Pattern[str]:
    """Return what is searched for.

    Raises:
        NotACondition: If it is no regular expression of a linear-time engine.
        OutOfScope: If it is not of our subset.
    """
    if len(source.encode()) > MAX_BYTES:
        raise NotACondition("the regular expression is too long")
    folded = source.startswith("(?i)")
    body = source.removeprefix("(?i)")
    if folded and not body.isascii():
        raise OutOfScope("folding of other letters")
    translated = _Translator(body).all()
    try:
        return re.compile(translated, re.IGNORECASE if folded else 0)
    except re.error as error:
        raise NotACondition(str(error)) from error


class _Translator:
    def __init__(self, source: str) -> None:
        self.source = source
        self.at = 0
        self.weight = 0
        self.copies = 1

    def all(self) -> str:
        out = self.alternatives()
        if self.at < len(self.source):
            raise NotACondition("a parenthesis that nothing opened")
        if self.weight * self.copies > MOST_WEIGHT:
            raise OutOfScope("perhaps too large when compiled")
        return out

    def alternatives(self) -> str:
        out = ""
        while self.at < len(self.source) and self.source[self.at] != ")":
            if self.source[self.at] == "|":
                self.at += 1
                out += "|"
            else:
                out += self.piece()
        return out

    def piece(self) -> str:
        if anchor := self.match(ANCHOR):
            if self.match(REPEAT):
                raise OutOfScope("a repeated anchor")
            return {"^": r"\A", "$": r"\Z"}.get(anchor[0], anchor[0])
        out = self.group() if self.source[self.at] == "(" else self.atom()
        repeat = self.match(REPEAT)
        if not repeat:
            return out
        if self.match(REPEAT):
            raise OutOfScope("a repeated repetition")  # Python has possessive ones there
        if repeat[1]:
            self.bound(int(repeat[1]), int(repeat[3]) if repeat[3] else None)
        return out + repeat[0]

    def bound(self, least: int, most: int | None) -> None:
        if most is not None and most < least:
            raise NotACondition("bounds the wrong way round")
        # A bound on how often anything is copied, wherever it stands.
        self.copies *= max(1, most or least)

    def group(self) -> str:
        source = self.source[self.at :]
        if re.match(r"\(\?(?:=|!|<=|<!)", source):
            raise NotACondition("look-around")
        opening = re.match(r"\((?:\?:)?(?!\?)", source)
        if not opening:
            raise OutOfScope("a flag or name")
        self.at += opening.end()
        inner = self.alternatives()
        if self.at == len(self.source):
            raise NotACondition("a group that is not closed")
        self.at += 1
        return f"{opening[0]}{inner})"

    def atom(self) -> str:
        found = self.match(ATOM)
        if found:
            classes = re.findall(r"\\[dw]", re.sub(r"\\[^dw]", "", found[0]))
            self.weight += 1 + sum(WEIGHTS[name] for name in classes)
            if found["spaces"]:
                return f"[{SPACE}]"
            if found["class"]:
                return re.sub(r"(\\[^s])|\\s", lambda part: part[1] or SPACE, found[0])
            return re.escape(found[0]) if found["literal"] else found[0]
        if self.source[self.at] in "*+?" or re.match(r"\\(?:[0-9]|\Z)", self.source[self.at :]):
            raise NotACondition("nothing to repeat, or a reference back")
        raise OutOfScope(self.source[self.at :])

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.source, self.at)
        if found:
            self.at = found.end()
        return found


def searched(regex: re.Pattern[str], text: str) -> bool:
    """Whether the text has what the regular expression describes.

    Raises:
        OutOfScope: If the text has characters that the two engines class or fold differently.
    """
    if not text.isascii():
        if regex.flags & re.IGNORECASE:
            raise OutOfScope("folding of other letters")
        kinds = {unicodedata.category(character) for character in text if not character.isascii()}
        if re.search(r"\\[wb]", regex.pattern) and not kinds <= {
            "Lu",
            "Ll",
            "Lo",
            "Po",
            "Pd",
            "Zs",
            "Nd",
            "Sm",
        }:
            raise OutOfScope("characters that may or may not belong to a word")
    return bool(regex.search(text))
