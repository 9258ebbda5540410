"""Rows 4, 6 and 11: keys that nobody knows, keys that are missing or empty, words that are no choice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers.config.sections import SECTIONS
from fraiseql_observers.problems import ProblemKind, nearest_name
from tests.bad_input.models import FIELDS, TABLES, Table
from tests.bad_input.refusals import checked, only, refused, refused_text, toml, write

_EACH = pytest.mark.parametrize(
    ("table", "name", "schema"), FIELDS, ids=[f"{table.name}.{name}" for table, name, _ in FIELDS]
)
#: Ways in which a key is misspelt.
MISSPELLINGS: dict[str, Callable[[str], str]] = {
    "other case": str.upper,
    "title case": str.title,
    "trailing space": lambda name: f"{name} ",
    "leading tab": lambda name: f"\t{name}",
    "hyphens": lambda name: name.replace("_", "-") + "-",
    "plural": lambda name: f"{name}s",
    "letter lost": lambda name: name[:1] + name[2:],
}


@_EACH
def test_a_misspelt_key_is_refused_with_the_nearest_name(
    table: Table, name: str, schema: dict[str, Any], tmp_path: Path
) -> None:
    """No setting is ever ignored, and the right name is told."""
    for how, spell in MISSPELLINGS.items():
        wrong = spell(name)
        assert wrong not in table.model.model_fields
        (problem, *_) = [
            p
            for p in refused_text(tmp_path, table.with_key(toml(wrong), "1"))
            if p.path == (*table.path, wrong)
        ]
        assert problem.kind is ProblemKind.UNKNOWN_KEY
        near = nearest_name(wrong, table.model.model_fields)
        assert (f"did you mean {near}?" if near else "known: ") in problem.message
        if how in {"other case", "title case", "trailing space", "leading tab"}:
            assert near == name


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("key", ["zzz", "", " ", "é", "a.b", "a\nb", "__class__", "x" * 10_000])
def test_a_key_like_nothing_is_refused_with_all_that_are_known(
    table: Table, key: str, tmp_path: Path
) -> None:
    """Odd keys stay on one line and within bounds."""
    problem = only(refused_text(tmp_path, table.with_key(toml(key), "1")))
    assert (problem.kind, problem.path) == (ProblemKind.UNKNOWN_KEY, (*table.path, key))
    assert "known: " in problem.message
    assert len(str(problem)) < 1500


@pytest.mark.parametrize(
    ("table", "key"), [(table, key) for table in TABLES for key, _ in table.given], ids=str
)
def test_a_missing_key_is_refused_with_what_it_may_hold(table: Table, key: str, tmp_path: Path) -> None:
    """What has no default must be given."""
    problem = only(refused_text(tmp_path, table.without_key(key)))
    assert problem.kind is ProblemKind.MISSING
    assert problem.path in {(*table.path, key), table.path}
    assert "allowed: " in problem.message


@_EACH
def test_a_blank_text_is_never_a_value(
    table: Table, name: str, schema: dict[str, Any], tmp_path: Path
) -> None:
    """Empty, or nothing but white space, is refused wherever it stands; a blank message is nobody's wish either."""
    for text in ("", " ", "   ", "\t", "\u00a0"):
        problems = refused_text(tmp_path, table.with_key(name, toml(text)))
        assert {problem.path[: len(table.path) + 1] for problem in problems} == {(*table.path, name)}


@_EACH
def test_a_value_of_no_field_is_refused_everywhere(
    table: Table, name: str, schema: dict[str, Any], tmp_path: Path
) -> None:
    """Lists of lists, nested tables and times are in no setting."""
    for literal in ("[[]]", "{ a = { b = 1 } }", "1979-05-27T07:32:00Z"):
        problems = refused_text(tmp_path, table.with_key(name, literal))
        assert {problem.path[: len(table.path) + 1] for problem in problems} == {(*table.path, name)}


_CHOICES = [
    (table, name, schema) for table, name, schema in FIELDS if "enum" in schema or schema.get("const")
]


@pytest.mark.parametrize(
    ("table", "name", "schema"), _CHOICES, ids=[f"{table.name}.{name}" for table, name, _ in _CHOICES]
)
def test_an_unknown_choice_is_refused_with_all_choices(
    table: Table, name: str, schema: dict[str, Any], tmp_path: Path
) -> None:
    """Also one that differs from a choice by a space only; the kind of an event alone is read in any case."""
    choices = [str(choice) for choice in schema.get("enum", [schema.get("const")])]
    words = ["zzz", f"{choices[0]} ", f" {choices[0]}", "x" * 10_000, choices[0] + "\n"]
    if name != "event_type":
        words.append(choices[0].swapcase())
    for word in words:
        problem = only(refused_text(tmp_path, table.with_key(name, toml(word))))
        assert problem.path == (*table.path, name)
        assert problem.kind is ProblemKind.ENUM
        assert all(choice in problem.message for choice in choices)


@pytest.mark.parametrize("word", ["created", "updated", "Deleted", "INSERT,UPDATE", "**", "ALL", "upsert"])
def test_an_unknown_kind_of_event_is_refused_with_the_kinds(word: str, tmp_path: Path) -> None:
    """Names of other systems are no kinds."""
    (table,) = (table for table in TABLES if table.name == "observer")
    problem = only(refused_text(tmp_path, table.with_key("event_type", toml(word))))
    assert (problem.kind, problem.path) == (ProblemKind.ENUM, ("observers", "paid", "event_type"))
    assert "INSERT, UPDATE, DELETE, CUSTOM, *" in problem.message


@pytest.mark.parametrize(
    "kind", ["webhok", "Webhook", "WEBHOOK", "webhook ", "http", "shell", "exec", "python"]
)
def test_an_unknown_kind_of_action_is_refused_with_the_kinds(kind: str, tmp_path: Path) -> None:
    """With the nearest one, where there is one."""
    (table,) = (table for table in TABLES if table.name == "log action")
    problem = only(refused_text(tmp_path, table.with_key("type", toml(kind))))
    assert (problem.kind, problem.code) == (ProblemKind.ENUM, "OB005")
    assert "one of webhook, function, log" in problem.message
    assert ("did you mean webhook?" in problem.message) == ("web" in kind.lower())


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ("[Worker]\nprocesses = 1\n", ("Worker",), "did you mean worker?"),
        ('["worker "]\nprocesses = 1\n', ("worker ",), "did you mean worker?"),
        ("[workers]\nprocesses = 1\n", ("workers",), "did you mean worker?"),
        ("[job-queue]\nbatch_size = 1\n", ("job-queue",), "did you mean job_queue?"),
        ('[observer.a]\nentity = "*"\n', ("observer",), "did you mean observers?"),
        ("[zzz]\na = 1\n", ("zzz",), "known: job_queue"),
        ("batch_size = 1\n", ("batch_size",), "known: job_queue"),
        ("[[worker]]\nprocesses = 1\n", ("worker",), "a list is no table"),
        ("[[observers]]\n", ("observers",), "a list is no table"),
        ("worker = 1\n", ("worker",), "the integer 1 is no table"),
        ("worker = false\n", ("worker",), "false is no table"),
    ],
)
def test_a_table_that_is_none_of_ours_is_refused(
    text: str, path: tuple[str, ...], hint: str, tmp_path: Path
) -> None:
    """A whole section under a wrong name would else be as good as absent."""
    problem = only(refused_text(tmp_path, text))
    assert problem.path == path
    assert hint in problem.message


def test_a_misspelt_key_in_every_table_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All mistakes of all sections in one run, with exit code 2."""
    text = "".join(f'[{name}]\n"NO SUCH" = 1\n' for name in SECTIONS)
    mistakes = checked(write(tmp_path, text), monkeypatch)
    assert [mistake["kind"] for mistake in mistakes] == ["unknown_key"] * len(SECTIONS)
    assert [mistake["line"] for mistake in mistakes] == [2 * n + 2 for n in range(len(SECTIONS))]


def test_a_name_of_a_switch_that_must_not_exist_is_unknown(tmp_path: Path) -> None:
    """Certificates are always checked: no key of any spelling turns that off."""
    (table,) = (table for table in TABLES if table.name == "webhook action")
    for key in ("verify", "verify_ssl", "insecure", "tls_verify", "ssl", "check_hostname", "allow_insecure"):
        problem = only(refused(write(tmp_path, table.with_key(key, "false"))))
        assert problem.kind is ProblemKind.UNKNOWN_KEY
