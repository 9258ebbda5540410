"""The language of conditions: a grammar as regular expressions, and truth of the tree that it gives.

A tree is a tuple: ``("or" | "and", left, right)``, ``("not", inner)``, ``("compare", path, optional, op, literal)``,
``("has", path)``, ``("changed", function, path, expected)``. A path is a tuple of keys and indexes; what it looks like
in the text is kept beside it, for error texts.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.reference.events import Event
from tests.reference.values import equal, scalar, type_name

MAX_BYTES, MAX_NESTING, MAX_NODES, MAX_STEPS = 4096, 64, 2048, 16

Tree = tuple[Any, ...]
Step = str | int


class NotACondition(ValueError):
    """The text is no condition."""


class CannotAnswer(Exception):
    """The event cannot answer; the text is the error's."""


@dataclass(frozen=True)
class Path:
    """A way into the data; equal to another that leads to the same place."""

    steps: tuple[Step, ...]
    shown: str = field(compare=False)


@dataclass(frozen=True)
class Literal:
    """A scalar of a text; equal to another that is written alike, so 1, 1.0 and True are three."""

    value: Any = field(compare=False)
    written: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "written", repr(self.value))


# Unicode's White_Space, which differs a little from what Python strips.
SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
#: The same, each character by itself.
SPACES = "".join(filter(re.compile(f"[{SPACE}]").fullmatch, map(chr, range(0x3001))))
NAME = re.compile(r"[^\W\d]\w*")
SKIP = re.compile(f"[{SPACE}]*")
OPERATOR = re.compile(r"==|!=|>=|<=|>|<")
BARE = re.compile(r"(?:[^\W_]|[.-])*")
SINGLE = re.compile(r"'([^']*)'")
DOUBLE = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
INDEX = re.compile(r"\[([0-9]+)\]")
#: After these, a `not` is a field.
AFTER_FIELD = re.compile(
    rf"not(?!\w)(?:[.\[]|[{SPACE}]*(?:\?|==|!=|[=<>]|(?:not(?!\w)[{SPACE}]*)?in(?!\w)[{SPACE}]*\())"
)
FUNCTIONS = {"has_field": 1, "field_changed": 1, "field_changed_to": 2, "field_changed_from": 2}
ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.nesting = 0
        self.nodes = 0

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Take what matches here, after white space."""
        self.skip()
        return self.take_here(pattern)

    def take_here(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def skip(self) -> None:
        self.take_here(SKIP)

    def need(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = self.take(pattern)
        if not found:
            raise NotACondition(self.at)
        return found

    def node(self, tree: Tree) -> Tree:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise NotACondition("too many nodes")
        return tree

    def nested(self, read: Callable[[], Tree]) -> Tree:
        self.nesting += 1
        if self.nesting > MAX_NESTING:
            raise NotACondition("too deep")
        tree = read()
        self.nesting -= 1
        return tree

    def or_(self) -> Tree:
        tree = self.and_()
        while self.take(re.compile(r"\|\||or(?!\w)")):
            tree = self.node(("or", tree, self.and_()))
        return tree

    def and_(self) -> Tree:
        tree = self.not_()
        while self.take(re.compile(r"&&|and(?!\w)")):
            tree = self.node(("and", tree, self.not_()))
        return tree

    def not_(self) -> Tree:
        self.skip()
        is_field = AFTER_FIELD.match(self.text, self.at)
        if self.take(re.compile(r"!(?!=)")) or (not is_field and self.take(re.compile(r"not(?!\w)"))):
            return self.node(("not", self.nested(self.not_)))
        return self.primary()

    def primary(self) -> Tree:
        if self.take(re.compile(r"\(")):
            tree = self.nested(self.or_)
            self.need(re.compile(r"\)"))
            return tree
        start = self.at
        name = self.need(NAME)[0]
        after_name = self.at
        if name != "in" and self.take(re.compile(r"\(")):
            tree = self.function(name)
            self.need(re.compile(r"\)"))
            return self.node(tree)
        self.at = after_name
        path = self.path(name, start)
        optional = bool(self.take(re.compile(r"\?")))
        op = self.need(OPERATOR)[0]
        if self.take_here(re.compile(r"[=!<>]")):
            raise NotACondition("no such operator")
        return self.node(("compare", path, optional, op, Literal(self.literal()[0])))

    def path(self, name: str, start: int) -> Path:
        steps: list[Step] = [name]
        while True:
            if self.take_here(re.compile(r"\.")):
                found = self.take_here(NAME)
                if not found:
                    raise NotACondition("no name after the dot")
                steps.append(found[0])
            elif index := self.take_here(INDEX):
                if int(index[1]) >= 2**64:
                    raise NotACondition("no such index")
                steps.append(int(index[1]))
            elif self.take_here(re.compile(r"\[")):
                steps.append(self.double())
                if not self.take_here(re.compile(r"\]")):
                    raise NotACondition("no bracket")
            else:
                break
        if len(steps) > MAX_STEPS:
            raise NotACondition("too many steps")
        return Path(tuple(steps), self.text[start : self.at])

    def double(self) -> str:
        found = self.take_here(DOUBLE)
        value = scalar(found[0]) if found else None
        if value is None:
            raise NotACondition("no JSON string")
        return str(value[0])

    def quoted(self) -> str | None:
        self.skip()
        if self.text.startswith('"', self.at):
            return self.double()
        if found := self.take_here(SINGLE):
            return found[1]
        if self.text.startswith("'", self.at):
            raise NotACondition("no end of the string")
        return None

    def literal(self) -> tuple[Any, bool]:
        """Return the value and whether it was in quotes."""
        text = self.quoted()
        if text is not None:
            return text, True
        found = self.take_here(BARE)
        bare = found[0] if found else ""
        value = scalar(bare)
        return (bare if value is None else value[0]), False

    def function(self, name: str) -> Tree:
        if name not in FUNCTIONS:
            raise NotACondition(name)
        key = self.quoted()
        if key is None:
            self.skip()
            start = self.at
            path = self.path(self.need(NAME)[0], start)
        else:
            path = Path((key,), key)
        if name == "has_field":
            return ("has", path)
        expected: tuple[Literal, ...] = ()
        if FUNCTIONS[name] == 2:
            self.need(re.compile(","))
            self.skip()
            start = self.at
            value, in_quotes = self.literal()
            if self.at == start:
                raise NotACondition("no value")
            # A quoted value stands for the string and for the scalar that it spells.
            expected = tuple(map(Literal, (value, *((scalar(value) or ()) if in_quotes else ()))))
        return ("changed", name, path, expected)


def parse(text: str) -> Tree:
    """Return the tree of a text.

    Raises:
        NotACondition: If it has none.
    """
    if len(text.encode()) > MAX_BYTES:
        raise NotACondition("too long")
    reader = _Reader(text)
    tree = reader.or_()
    reader.skip()
    if reader.at < len(text):
        raise NotACondition(reader.at)
    return tree


def _walk(value: Any, steps: tuple[Step, ...]) -> tuple[Any] | None:
    """Return the value at the end of a path, in a tuple because it may be None; or None if it leads nowhere."""
    for step in steps:
        match step, value:
            case str(), dict() if step in value:
                value = value[step]
            case int(), list() if step < len(value):
                value = value[step]
            case _:
                return None
    return (value,)


def _compare(tree: Tree, event: Event) -> bool:
    path: Path = tree[1]
    optional, op, literal = tree[2], tree[3], tree[4].value
    found = _walk(event.data, path.steps)
    if found is None:
        if optional:
            return False
        raise CannotAnswer(f"Field not found: {path.shown}")
    value = found[0]
    if op in {"==", "!="}:
        return equal(value, literal) is (op == "==")
    if not type_name(value) == type_name(literal) == "number":
        raise CannotAnswer(f"Cannot compare {path.shown}: {type_name(value)} {op} {type_name(literal)}")
    return ORDERS[op](value, literal)


def _changed(tree: Tree, event: Event) -> bool:
    _, function, path, expected = tree
    if event.changes is None and event.event_type == "UPDATE":
        raise CannotAnswer(
            f"Missing pre-image: {function}({path.shown}) needs the changes of this UPDATE, which are null"
        )
    key, *rest = path.steps
    change = (event.changes or {}).get(key)
    if change is None:
        return False
    old, new = (_walk(change[side], tuple(rest)) for side in ("old", "new"))
    if rest and (equal(old[0], new[0]) if old and new else old == new):
        return False
    if function == "field_changed":
        return True
    side = new if function == "field_changed_to" else old
    return side is not None and any(equal(side[0], literal.value) for literal in expected)


def evaluate(tree: Tree, event: Event) -> bool:
    """Return whether the condition holds.

    Raises:
        CannotAnswer: If the event cannot answer it.
    """
    match tree[0]:
        case "or":
            return evaluate(tree[1], event) or evaluate(tree[2], event)
        case "and":
            return evaluate(tree[1], event) and evaluate(tree[2], event)
        case "not":
            return not evaluate(tree[1], event)
        case "has":
            return _walk(event.data, tree[1].steps) is not None
        case "changed":
            return _changed(tree, event)
        case _:
            return _compare(tree, event)
