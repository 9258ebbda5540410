"""Where an embedded server lives: from the URL to a private directory, its files and its socket."""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from fraiseql_observers.errors import ConfigError

#: The longest path of a unix socket in bytes: 103 on macOS, 107 on Linux, each with a closing zero byte.
MAX_SOCKET_PATH = 103
#: The name of the socket, in the data directory or in a short one.
_SOCKET = "server.sock"


@dataclass(frozen=True)
class DataDirectory:
    """The files in a data directory, beside those of the server itself."""

    path: Path

    @property
    def users_lock(self) -> Path:
        """Shared by every user, tried exclusively by the keeper; the first file made, so it marks us."""
        return self.path / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one user that looks after the keeper, so that only one starts it."""
        return self.path / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper for its life."""
        return self.path / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the keeper and the server, which inherits it; free only when no server uses the files."""
        return self.path / "server.lock"

    @property
    def record(self) -> Path:
        """Where the server is, see `Record`."""
        return self.path / "server.json"

    @property
    def log(self) -> Path:
        """What the keeper and the server say."""
        return self.path / "server.log"


@dataclass(frozen=True)
class Record:
    """Where the server of a directory is.

    It outlives the keeper, so that the next one takes the same socket and those who reconnect find it.

    Attributes:
        socket: The path of the unix socket.
        keeper_pid: The keeper, or ``None`` while the server is not yet ready.
        server_pid: The server, or ``None`` while it is not yet ready.
    """

    socket: str
    keeper_pid: int | None = None
    server_pid: int | None = None

    @classmethod
    def read(cls, directory: DataDirectory) -> Record | None:
        """Read the record; ``None`` where there is none or it is damaged."""
        try:
            return cls(**json.loads(directory.record.read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def write(self, directory: DataDirectory) -> None:
        """Replace the record in one step, so that no reader sees a half."""
        draft = directory.record.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self)))
        draft.replace(directory.record)


def parse_url(url: str) -> Path:
    """Turn an ``embedded://`` URL into the absolute path of its directory, free of symbolic links.

    Raises:
        ConfigError: If the URL has another scheme, or more than a path.
    """
    parts = urlsplit(url)
    # The text is not shown, since somebody may have put a password there.
    if parts.scheme != "embedded" or parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            "url: an embedded server is named embedded:// (the user's data directory) or "
            "embedded:///absolute/path, with three slashes and nothing else"
        )
    text = unquote(parts.path)
    if "\0" in text:
        raise ConfigError("url: a path of an embedded server must not hold a zero byte")
    try:
        return Path(text).resolve() if text else _user_data_directory().resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"url: the directory of the embedded server cannot be found: {error}") from error


def prepare(path: Path) -> DataDirectory:
    """Make a data directory, or check that an existing one is ours and private.

    A directory that holds other things is refused: a mistyped path must not fill somebody's home.

    Raises:
        ConfigError: If it is no directory, belongs to another user, is open to others, holds other things, or
            cannot be made or written.
    """
    directory = DataDirectory(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        owner = path.stat().st_uid
        if owner != os.geteuid():
            raise _unfit(path, f"belongs to the user id {owner}, not to yours, {os.geteuid()}")
        # Looked at before the marker and the mode: whoever makes a file here has closed the directory before,
        # and makes the marker first.
        is_empty = next(path.iterdir(), None) is None
        if not is_empty and not directory.users_lock.exists():
            raise _unfit(path, "holds other things; name a new or empty directory")
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            if not is_empty:
                raise _unfit(path, f"is open to others; close it with: chmod 700 '{path}'")
            path.chmod(0o700)
        directory.users_lock.touch(mode=0o600)
    except (FileExistsError, NotADirectoryError) as error:
        raise _unfit(path, f"is no directory: {error}") from error
    except OSError as error:
        raise _unfit(path, f"cannot be used: {error}") from error
    return directory


def choose_socket(directory: DataDirectory) -> Path:
    """Choose where the server listens: in the data directory, or where that is too long in a short one.

    The short directory has a random name, is made by us with mode 0700, and lies where nobody else can rename
    it. The one that an earlier record names is taken again while it is still private.

    Raises:
        OSError: If no short directory can be made.
    """
    beside = directory.path / _SOCKET
    if len(os.fsencode(beside)) <= MAX_SOCKET_PATH:
        return beside
    earlier = Record.read(directory)
    if earlier is not None and is_private(Path(earlier.socket).parent):
        return Path(earlier.socket)
    # The longest name that mkdtemp gives is the prefix and eight letters.
    for base in filter(_is_safe_base, _short_bases()):
        if len(os.fsencode(base / "fraiseql-12345678" / _SOCKET)) <= MAX_SOCKET_PATH:
            return Path(tempfile.mkdtemp(prefix="fraiseql-", dir=base)) / _SOCKET
    raise OSError(
        f"{directory.path} is too long for a unix socket ({MAX_SOCKET_PATH} bytes), and neither "
        "XDG_RUNTIME_DIR nor the directory for temporary files is short and safe"
    )


def is_private(path: Path) -> bool:
    """Whether a path is a directory of ours, no link to one, which nobody else can enter."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and not stat.S_IMODE(status.st_mode) & 0o077
    )


def _user_data_directory() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "fraiseql_observers"
    # The XDG specification has relative values ignored.
    base = Path(os.environ.get("XDG_DATA_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "share") / "fraiseql_observers"


def _short_bases() -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    # The last one helps where TMPDIR is long; what is made there has a random name and mode 0700.
    candidates = (runtime, tempfile.gettempdir(), "/tmp")  # noqa: S108
    return [Path(text).resolve() for text in candidates if text]


def _is_safe_base(path: Path) -> bool:
    """Whether nobody else can rename what we make in a directory: closed to others for writing, or sticky."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return os.access(path, os.W_OK | os.X_OK) and (not mode & 0o022 or bool(mode & stat.S_ISVTX))


def _unfit(path: Path, reason: str) -> ConfigError:
    return ConfigError(f"url: the directory of the embedded server, {path}, {reason}")
