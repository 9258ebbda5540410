"""Row 17: paths of handlers that lead to nothing, or to what is no handler."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraiseql_observers.problems import ProblemKind
from tests.bad_input.refusals import CANARY, checked, only, refused_text, toml, write

MODULE = """
import asyncio
def one(event): pass
def none(): pass
def three(event, context, more): pass
def keywords(*, event, context): pass
def generator(event, context): yield
async def async_generator(event, context): yield
class Holder:
    def __call__(self, event): pass
    def method(self, event): pass
class Both:
    def __init__(self, event, context): pass
holder = Holder()
number = 5
text = "one"
nothing = None
"""
#: Modules whose import does not end well, by name.
BROKEN = {
    "raising": f"raise RuntimeError('{CANARY[:4]}')",
    "ending": "import sys\nsys.exit(3)",
    "needing": "import no_such_module_at_all",
    "unparsed": "def f(:",
    "nul": "x = 1\x00",
    "latin": "x = '\xe9'",
    "interrupting": "raise SystemExit",
    "circular": "from fed_circular import f",
    "recursive": "def f(): return f()\nf()",
    "many_lines": "raise RuntimeError('first\\nsecond\\x1b[31m')",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder with modules of handlers, which are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    (tmp_path / "handlers_fed.py").write_text(MODULE)
    for name, text in BROKEN.items():
        (tmp_path / f"fed_{name}.py").write_bytes(text.encode("latin-1" if name == "latin" else "utf-8"))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def _file(*handlers: str) -> str:
    actions = "".join(
        f'[[observers.paid.actions]]\ntype = "function"\nhandler = {toml(handler)}\n' for handler in handlers
    )
    return f'[observers.paid]\nevent_type = "*"\nentity = "*"\n{actions}'


@pytest.mark.parametrize(
    "handler",
    [
        *(
            "os.system",
            "os",
            ":f",
            "a:",
            ":",
            "a:b:c",
            ".a:f",
            "..a:f",
            ".:f",
            "a.:f",
            "a..b:f",
            "a:.f",
            "a:f.",
        ),
        *(
            "a b:f",
            "a:f g",
            "a-b:f",
            "a:f-g",
            "1a:f",
            "a:1f",
            "a:f()",
            "a:f(1)",
            "a:f[0]",
            "a/b:f",
            "/a/b.py:f",
        ),
        *(
            "a.py",
            "../a:f",
            "a:b..c",
            "é:f",
            "a:é",
            "a:f\n",
            "\na:f",
            "a:f;x",
            "a:`x`",
            "a: f",
            "a :f",
            "a:f\x00",
        ),
        *("lambda:0 or f", "__import__('os'):system", "a" * 254 + ":f"),
    ],
    ids=lambda handler: ascii(handler[:30]),
)
def test_a_path_of_another_form_is_refused_when_the_file_is_loaded(handler: str, tmp_path: Path) -> None:
    """Nothing is imported to find that out."""
    problem = only(refused_text(tmp_path, _file(handler)))
    assert problem.path == ("observers", "paid", "actions", 0, "handler")
    assert problem.kind in {ProblemKind.NAME, ProblemKind.RANGE}
    assert "allowed: package.module:callable" in problem.message
    assert problem.code == "OB005"


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        ("no_such_module_at_all:f", "there is no module no_such_module_at_all"),
        ("handlers_fed.sub:f", "there is no module handlers_fed.sub"),
        ("handlers_fed:absent", "has no absent"),
        ("handlers_fed:holder.absent", "has no holder.absent"),
        ("handlers_fed:text.upper.nothing", "has no text.upper.nothing"),
        ("handlers_fed:number", "not callable"),
        ("handlers_fed:text", "not callable"),
        ("handlers_fed:nothing", "not callable"),
        ("handlers_fed:asyncio", "not callable"),
        ("handlers_fed:Holder", "is a class"),
        ("handlers_fed:Both", "is a class"),
        ("handlers_fed:one", "cannot be called with an event and a context"),
        ("handlers_fed:none", "cannot be called with an event and a context"),
        ("handlers_fed:three", "cannot be called with an event and a context"),
        ("handlers_fed:keywords", "cannot be called with an event and a context"),
        ("handlers_fed:holder", "cannot be called with an event and a context"),
        ("handlers_fed:holder.method", "cannot be called with an event and a context"),
        ("handlers_fed:generator", "generator"),
        ("handlers_fed:async_generator", "generator"),
        ("os:system", "cannot be called with an event and a context"),
        ("os:_exit", "cannot be called with an event and a context"),
        ("sys:exit", "cannot be called with an event and a context"),
        ("fed_raising:f", "importing the module fed_raising failed: RuntimeError: hunt"),
        ("fed_ending:f", "importing the module fed_ending failed: SystemExit"),
        ("fed_interrupting:f", "importing the module fed_interrupting failed: SystemExit"),
        ("fed_needing:f", "needs a module that is not there: no_such_module_at_all"),
        ("fed_unparsed:f", "importing the module fed_unparsed failed: SyntaxError"),
        ("fed_nul:f", "importing the module fed_nul failed"),
        ("fed_latin:f", "importing the module fed_latin failed: SyntaxError"),
        ("fed_circular:f", "importing the module fed_circular failed: ImportError"),
        ("fed_recursive:f", "importing the module fed_recursive failed: RecursionError"),
        ("fed_many_lines:f", "importing the module fed_many_lines failed: RuntimeError: first"),
    ],
)
def test_a_handler_that_is_none_is_refused_when_it_is_checked(
    handler: str, reason: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a worker starts, on one line, with the reason; nothing of it is called."""
    (mistake,) = checked(write(folder, _file(handler)), monkeypatch)
    assert (mistake["kind"], mistake["code"]) == ("handler", "OB005")
    assert mistake["key"] == "observers.paid.actions[0].handler"
    assert reason in mistake["message"]
    assert mistake["message"].isprintable()


def test_every_handler_that_is_none_is_told_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker says all the reasons why it does not start."""
    handlers = ["no_such_module_at_all:f", "handlers_fed:one", "fed_raising:f", "os:system"]
    mistakes = checked(write(folder, _file(*handlers)), monkeypatch)
    assert [mistake["key"] for mistake in mistakes] == [
        f"observers.paid.actions[{n}].handler" for n in range(len(handlers))
    ]
