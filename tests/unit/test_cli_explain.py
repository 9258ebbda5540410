"""`fraiseql-observers explain`: what a person and a script are told about one event."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from fraiseql_observers.cli.app import run

RULES = """
[observers.large]
event_type = "INSERT"
entity = "Order"
condition = "total > 100 && status == 'new'"
[[observers.large.actions]]
type = "log"
[observers.heavy]
event_type = "*"
entity = "Order"
condition = "weight > 5"
[[observers.heavy.actions]]
type = "log"
[observers.every]
event_type = "INSERT"
entity = "*"
[[observers.every.actions]]
type = "webhook"
url_env = "A_VARIABLE_THAT_NOBODY_HAS_SET"
[observers.gone]
event_type = "DELETE"
entity = "Order"
[[observers.gone.actions]]
type = "log"
"""


def event(**data: Any) -> dict[str, Any]:
    return {
        "event_type": "INSERT",
        "entity_type": "Order",
        "entity_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "data": data,
    }


@pytest.fixture(autouse=True)
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run each test where the rules lie."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FRAISEQL_OBSERVERS_CONFIG", raising=False)
    file = tmp_path / "observers.toml"
    file.write_text(RULES)
    return file


def explained(capfd: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["explain", *arguments]) == code
    captured = capfd.readouterr()
    return captured.out if code == 0 else captured.err


def test_each_observer_tells_why_or_why_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """An indented file, no secret, no queue."""
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event(total=50), indent=2))
    assert explained(capfd, str(file)).splitlines() == [
        "INSERT Order 6f9619ff-8b86-d011-b42d-00c04fc964ff: 1 of 4 observers match",
        "",
        "large does not match: its condition is false",
        "  total > 100 && status == 'new'",
        "  is false",
        "    false  total > 100  # total is 50",
        "    -      status == 'new'  # not reached: after `total > 100` the `&&` was false",
        "",
        "heavy is left out: its condition cannot be answered",
        "  weight > 5",
        "  cannot be answered: Field not found: weight",
        "    error  weight > 5  # Field not found: weight",
        "",
        "every matches",
        "",
        "gone wants DELETE",
    ]


def test_a_script_gets_one_document(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From standard input, for the observers that are named."""
    content = json.dumps(event(total=500, status="new")).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    document = json.loads(explained(capfd, "-", "--json", "--observer", "large", "-o", "gone"))
    assert document["matched"] == ["large"]
    assert document["event"]["entity_type"] == "Order"
    large, gone = document["observers"]
    assert [leaf["outcome"] for leaf in large["condition"]["leaves"]] == ["true", "true"]
    assert (gone["verdict"], gone["condition"]) == ("other_kind", None)


def test_what_is_no_single_event_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With the reason, and a hint where a file of many was given."""
    file = tmp_path / "event.json"
    line = json.dumps(event(total=1))
    for content, says in [
        (f"{line}\n{line}\n", "more than one; explain them one by one"),
        ("{}", "event_type: missing"),
        ("", "event:"),
        (json.dumps(event(text="x" * 2_000_000)), "more than 1048576 bytes"),
    ]:
        file.write_text(content)
        assert says in explained(capfd, str(file), code=1)
    # In a box whose lines end where the path happens to have them end.
    told = explained(capfd, str(tmp_path / "none.json"), code=2)
    assert "cannot be read" in " ".join(told.replace("│", " ").split())
    assert "there is no observer lorge" in explained(capfd, str(file), "-o", "lorge", code=2)


def test_a_value_cannot_command_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Control characters are shown, not sent."""
    file = tmp_path / "event.json"
    file.write_text(json.dumps(event(total=101, status="\x1b[2J\x9b2J\u202e")))
    text = explained(capfd, str(file))
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)
    assert "\\u001b[2J\\x9b2J\\u202e" in text
