"""Rows 1–3: every number of every table, one step outside its limits, of another type, of no size."""

from __future__ import annotations

from pathlib import Path

import pytest

from fraiseql_observers.config import load_config
from fraiseql_observers.problems import ProblemKind
from tests.bad_input.models import NUMBERS, RIGHT, Number
from tests.bad_input.refusals import checked, only, refused, refused_text, write

_EACH = pytest.mark.parametrize("number", NUMBERS, ids=str)

#: What is no integer, whatever the limits.
WRONG_TYPES = (
    '"10"',
    "'10'",
    '""',
    '"١٠"',
    "true",
    "false",
    "1.5",
    "10.0",
    "-0.0",
    "1e1",
    "[10]",
    "[]",
    "{ value = 10 }",
    "{}",
    "2026-01-01",
    "12:00:00",
)
#: What no setting can hold, though it is a number.
WRONG_SIZES = (
    "nan",
    "-nan",
    "inf",
    "-inf",
    "1e400",
    "-1e400",
    str(2**63),
    str(-(2**63) - 1),
    str(2**64),
    str(10**30),
    str(-(10**30)),
    "0x7fffffffffffffff",
    str(10**300),
)
#: What a variable of the environment may hold that is no integer.
VARIABLES = ("", " ", "x", "1.5", "1e2", "0x10", "0b1", "1_0", "true", "nan", "inf", "-", "٣", "9" * 5000)


def test_the_numbers_are_all_there() -> None:
    """A setting that the models call something else than an integer would not be tried below."""
    assert len(NUMBERS) >= 30
    assert {number.table.name for number in NUMBERS} >= {
        "job_queue",
        "worker",
        "storage",
        "retry",
        "observer",
    }


def test_the_file_that_is_made_wrong_is_right(tmp_path: Path) -> None:
    """Else every refusal below would show nothing."""
    load_config(write(tmp_path, RIGHT), environment={})


@_EACH
def test_a_number_one_step_outside_is_refused_with_both_limits(number: Number, tmp_path: Path) -> None:
    """Below and above, at its line, with the value that was found."""
    for value in (number.low - 1, number.high + 1):
        problem = only(refused_text(tmp_path, number.table.with_key(number.name, str(value))))
        assert (problem.kind, problem.path) == (ProblemKind.RANGE, (*number.table.path, number.name))
        assert f"the integer {value} is {'below' if value < number.low else 'above'} " in problem.message
        assert f"from {number.low} to {number.high}" in problem.message


@_EACH
def test_a_value_of_another_type_is_refused(number: Number, tmp_path: Path) -> None:
    """Nothing is converted, not even a float that is whole or a text that is a number."""
    for literal in WRONG_TYPES:
        problem = only(refused_text(tmp_path, number.table.with_key(number.name, literal)))
        assert (problem.kind, problem.path) == (ProblemKind.TYPE, (*number.table.path, number.name))
        assert f"an integer from {number.low} to {number.high}" in problem.message


@_EACH
def test_a_number_of_no_size_is_refused(number: Number, tmp_path: Path) -> None:
    """What is beyond 64 bits, beyond floats or no number at all breaks neither the check nor its message."""
    for literal in WRONG_SIZES:
        problem = only(refused_text(tmp_path, number.table.with_key(number.name, literal)))
        assert (problem.kind, problem.path) == (ProblemKind.RANGE, (*number.table.path, number.name))
        assert f"an integer from {number.low} to {number.high}" in problem.message
        assert len(problem.message) < 300


@_EACH
def test_minus_zero_is_zero(number: Number, tmp_path: Path) -> None:
    """It is an integer in TOML, and allowed where 0 is."""
    path = write(tmp_path, number.table.with_key(number.name, "-0"))
    if number.low > 0:
        assert only(refused(path)).kind is ProblemKind.RANGE
    else:
        load_config(path, environment={})


@pytest.mark.parametrize("number", [n for n in NUMBERS if len(n.table.path) == 1], ids=str)
def test_a_variable_that_is_no_number_is_refused_by_its_name(number: Number, tmp_path: Path) -> None:
    """The environment is held to the same, and never falls back to the file."""
    variable = f"FRAISEQL_{number.table.name}_{number.name}".upper()
    for text in VARIABLES:
        problem = only(refused(write(tmp_path, RIGHT), {variable: text}))
        assert problem.source == variable
        assert problem.kind in {ProblemKind.TYPE, ProblemKind.RANGE}
        assert f"from {number.low} to {number.high}" in problem.message
        assert len(problem.message) < 300


def test_every_number_wrong_at_once_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of the check lists all mistakes of all sections, in the order of the file; exit code 2."""
    numbers = [number for number in NUMBERS if len(number.table.path) == 1]
    text = ""
    for table in dict.fromkeys(number.table for number in numbers):
        text += table.before
        text += "".join(f"{n.name} = {n.high + 1}\n" for n in numbers if n.table == table)
    mistakes = checked(write(tmp_path, text), monkeypatch)
    assert [mistake["key"] for mistake in mistakes] == [str(number) for number in numbers]
    assert {mistake["code"] for mistake in mistakes} == {"OB001"}
