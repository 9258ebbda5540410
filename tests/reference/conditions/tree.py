"""What a condition is made of: leaves, their negation, and chains of `&&` or `||`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Step = str | int


class NotACondition(ValueError):
    """The text is no condition."""


class CannotAnswer(Exception):
    """The event cannot answer; the text is the error's."""


class OutOfScope(Exception):
    """Only the core can know: a regular expression outside our subset, a character whose class Python lacks."""


@dataclass(frozen=True)
class Path:
    """A way into the data, or a field of the envelope; equal to another that leads to the same place."""

    steps: tuple[Step, ...]
    shown: str = field(compare=False)
    envelope: bool = False


@dataclass(frozen=True)
class Literal:
    """A scalar of a text; equal to another that is of the same type and value, so 1, 1.0 and True are three.

    A string that stands for an instant is equal to every other that does.
    """

    value: Any = field(compare=False)
    instant: tuple[int] | None = None
    identity: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", repr(self.instant or self.value))


@dataclass(frozen=True)
class Leaf:
    """One question to the event.

    `operator` is a comparison, `in`, `not in` or the name of a function; `taken` is what is compared of the path:
    its value where it is empty, else `size`, `old`, `new` or `time` of it.
    """

    operator: str
    path: Path
    text: str = field(compare=False)
    taken: str = ""
    optional: bool = False
    literals: tuple[Literal, ...] = ()
    inner: Tree | None = None
    regex: re.Pattern[str] | None = field(default=None, compare=False)

    @property
    def operand(self) -> str:
        """How error texts name what is compared."""
        return f"{self.taken}({self.path.shown})" if self.taken else self.path.shown

    @property
    def values(self) -> list[Any]:
        """What it is compared with."""
        return [literal.value for literal in self.literals]


@dataclass(frozen=True)
class Not:
    """The opposite of a tree."""

    inner: Tree


@dataclass(frozen=True)
class Chain:
    """Operands of one operator, `&&` or `||`; a chain of the same operator on the left is part of this one."""

    operator: str
    operands: tuple[Tree, ...]


Tree = Leaf | Not | Chain


def chain(operator: str, operands: list[Tree]) -> Tree:
    """Join operands, of which there may be one, as left to right does it: ``(a && b) && c`` is ``a && b && c``."""
    if len(operands) == 1:
        return operands[0]
    first, *rest = operands
    if isinstance(first, Chain) and first.operator == operator:
        return Chain(operator, (*first.operands, *rest))
    return Chain(operator, (first, *rest))


def leaves(tree: Tree) -> list[Leaf]:
    """Return the leaves in order of the text, not those inside `any` and `all`."""
    match tree:
        case Leaf():
            return [tree]
        case Not():
            return leaves(tree.inner)
        case Chain():
            return [leaf for operand in tree.operands for leaf in leaves(operand)]
