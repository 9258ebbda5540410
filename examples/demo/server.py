"""The embedded server of the demonstration, gone at the end without a trace."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from fraiseql_observers.embedded import open_embedded
from fraiseql_observers.embedded.locks import is_held
from fraiseql_observers.embedded.paths import DataDirectory

#: Seconds that the server stays after its last user; usually five, for a command that may follow.
LINGER_SECS = 0.1
#: Seconds in which it must then be gone.
GONE_DEADLINE_SECS = 10.0


@contextmanager
def embedded_server(directory: Path) -> Generator[str]:
    """Run a server on a new directory, give its ``embedded://`` URL, and see that it has ended afterwards."""
    url = f"embedded://{directory}"
    server = open_embedded(url, _linger_secs=LINGER_SECS)
    try:
        yield url
    finally:
        server.close()
        end = time.monotonic() + GONE_DEADLINE_SECS
        # Otherwise its folder would be removed under its feet.
        while is_held(DataDirectory(server.directory).keeper_lock) and time.monotonic() < end:
            time.sleep(0.02)
