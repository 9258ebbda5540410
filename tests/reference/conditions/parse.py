"""From the text of a condition to its tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.reference.conditions.regexes import compiled
from tests.reference.conditions.tree import Leaf, Literal, Not, NotACondition, Path, Tree, chain
from tests.reference.conditions.words import Words
from tests.reference.times import instant
from tests.reference.values import scalar

MAX_BYTES, MAX_NESTING, MAX_NODES, MAX_ITEMS = 4096, 64, 2048, 1000

ENVELOPE = {"event_type", "entity_type", "entity_id", "user_id", "tenant_id", "actor_type"}
TAKEN = {"size", "old", "new", "time"}
#: What needs the event's changes or other elements has no meaning for one element.
NOT_INSIDE = {"any", "all", "old", "new", "field_changed", "field_changed_to", "field_changed_from"}
STRING_FUNCTIONS = {"starts_with", "ends_with", "matches", "like", "ieq"}


class _Parser:
    def __init__(self, text: str) -> None:
        self.words = Words(text)
        self.nesting = 0
        self.nodes = 0
        self.inside = False

    def count(self, tree: Tree) -> Tree:
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
        operands = [self.and_()]
        while self.words.take("||") or self.words.word("or"):
            operands.append(self.and_())
            self.count(operands[-1])
        return chain("||", operands)

    def and_(self) -> Tree:
        operands = [self.not_()]
        while self.words.take("&&") or self.words.word("and"):
            operands.append(self.not_())
            self.count(operands[-1])
        return chain("&&", operands)

    def not_(self) -> Tree:
        if self.takes_not():
            return self.count(Not(self.nested(self.not_)))
        return self.primary()

    def takes_not(self) -> bool:
        """Take `!` or `not` where it is the operator."""
        words = self.words
        before = words.at
        if not words.take("!="):
            if words.take("!"):
                return True
            if words.word("not"):
                after = words.at
                if not self.field_ended():
                    words.at = after
                    return True
        words.at = before
        return False

    def field_ended(self) -> bool:
        """Whether what follows, and is taken, can only follow the name of a field."""
        words = self.words
        if words.next() in {".", "["} or words.operator() or words.take("?"):
            return True
        words.word("not")
        return words.word("in") and words.take("(")

    def primary(self) -> Tree:
        words = self.words
        if words.take("("):
            tree = self.nested(self.or_)
            words.need(")")
            return tree
        start = words.skip()
        if words.next() == "@":
            return self.comparison(start, self.envelope())
        name = words.name()
        if name not in {"in", "not"} and words.take("("):
            return self.call(name, start)
        path = words.path_from(name, start)
        return self.comparison(start, path, optional=words.take("?"))

    def envelope(self) -> Path:
        self.words.touching("@")
        name = self.words.name()
        if name not in ENVELOPE:
            raise NotACondition(f"no field {name} of the envelope")
        return Path((name,), f"@{name}", envelope=True)

    def comparison(self, start: int, path: Path, *, taken: str = "", optional: bool = False) -> Tree:
        words = self.words
        operator = words.operator()
        if operator:
            values = [words.literal()[0]]
        else:
            operator = "not in" if words.word("not") else "in"
            if not words.word("in"):
                raise NotACondition(f"no operator at {words.at}")
            words.need("(")
            values = [words.literal()[0]]
            while words.take(","):
                values.append(words.literal()[0])
            words.need(")")
        if len(values) > MAX_ITEMS:
            raise NotACondition("too many items")
        if taken == "time" and not all(isinstance(value, str) and instant(value) for value in values):
            raise NotACondition("no time")
        return self.leaf(operator, path, start, values, taken=taken, optional=optional)

    def leaf(self, operator: str, path: Path, start: int, values: list[Any], **more: Any) -> Tree:
        text = self.words.text[start : self.words.at]
        is_time = more.get("taken") == "time"
        literals = tuple(Literal(value, instant(value) if is_time else None) for value in values)
        return self.count(Leaf(operator, path, text, literals=literals, **more))

    def call(self, name: str, start: int) -> Tree:
        """Read the rest of a call, after its opening parenthesis."""
        if self.inside and name in NOT_INSIDE:
            raise NotACondition(f"no {name} inside any and all")
        words = self.words
        if name in TAKEN:
            path = words.bare_path()
            optional = words.take("?")
            words.need(")")
            return self.comparison(start, path, taken=name, optional=optional)
        if name in {"any", "all"}:
            return self.quantifier(name, start)
        if name in {"has_field", "field_changed", "field_changed_to", "field_changed_from"}:
            return self.presence(name, start)
        if name in {"is_null", "contains"} | STRING_FUNCTIONS:
            return self.value_function(name, start)
        raise NotACondition(f"no function {name}")

    def quantifier(self, name: str, start: int) -> Tree:
        words = self.words
        path = words.bare_path()
        optional = words.take("?")
        words.need(",")
        self.inside = True
        inner = self.nested(self.or_)
        self.inside = False
        words.need(")")
        return self.leaf(name, path, start, [], optional=optional, inner=inner)

    def key_or_path(self) -> tuple[Path, bool]:
        """Take a quoted key or a bare path, and say whether it was in quotes."""
        key = self.words.quoted()
        return (self.words.bare_path(), False) if key is None else (Path((key,), key), True)

    def presence(self, name: str, start: int) -> Tree:
        words = self.words
        path, _ = self.key_or_path()
        values: list[Any] = []
        if name in {"field_changed_to", "field_changed_from"}:
            words.need(",")
            value, in_quotes = words.function_literal()
            # A quoted value stands for the string and for the scalar that it spells.
            values = [value, *((scalar(value) or ()) if in_quotes else ())]
        words.need(")")
        return self.leaf(name, path, start, values)

    def value_function(self, name: str, start: int) -> Tree:
        words = self.words
        words.skip()
        if words.next() == "@":
            path, optional = self.envelope(), False
        else:
            path, in_quotes = self.key_or_path()
            optional = not in_quotes and words.take("?")
        values: list[Any] = []
        if name != "is_null":
            words.need(",")
            values = [words.function_literal()[0]]
        words.need(")")
        if name in STRING_FUNCTIONS and not isinstance(values[0], str):
            raise NotACondition(f"{name} needs a string")
        regex = compiled(values[0]) if name == "matches" else None
        return self.leaf(name, path, start, values, optional=optional, regex=regex)


def parse(text: str) -> Tree:
    """Return the tree of a text.

    Raises:
        NotACondition: If it has none.
        OutOfScope: If we cannot tell.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise NotACondition("a lone surrogate") from error
    if size > MAX_BYTES:
        raise NotACondition("too long")
    parser = _Parser(text)
    tree = parser.or_()
    if parser.words.skip() < len(text):
        raise NotACondition(f"something left at {parser.words.at}")
    return tree
