"""A TCP proxy between clients and one server that does to their connections what networks do.

Its face, of which every method may be called from the test's thread at any time:

- `Proxy.url` is the server's address by way of the proxy; `Proxy.port` and `Proxy.target` are the ports of both.
- `cut` resets all connections, `half_close` ends only what the server says, `refuse` takes no new ones until `heal`.
- `delay` makes replies late, `drip` cuts everything into slices, `blackhole` keeps everything back until `heal`.
- `on` adds a rule for single requests, see `tests.faults.rig.rules`; `seen` counts the requests of a name.

Nothing is thrown away save by a reset: what a blackhole has kept back comes through when it heals, late, as it does
after a partition. Requests and replies are told apart, so that a cut is exactly where a test wants it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self

from tests.faults.rig.link import Link, Weather, reset
from tests.faults.rig.names import Names
from tests.faults.rig.rules import Rule, Rules
from tests.support.settle import settle

#: Seconds within which the proxy's own thread does what it is told.
_DEADLINE_SECS: Final = 10.0


class Proxy:
    """A proxy on a free port of 127.0.0.1, on a thread of its own.

    Args:
        target: The server's port on 127.0.0.1; it may be set to another one, for connections from then on.
        raw: Whether the client is a replica, whose link has no requests and replies; then there are no rules.
    """

    def __init__(self, target: int, *, raw: bool = False) -> None:
        self.target = target
        self.port = 0
        self._raw = raw
        self._rules = Rules()
        self._names = Names()
        self._weather = Weather()
        self._seen: Counter[str] = Counter()
        self._links: set[Link] = set()
        self._refusing = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    @property
    def url(self) -> str:
        """The address for clients."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._links)

    def seen(self, name: str) -> int:
        """Count the requests of a name, a command's or a script's, that clients have sent."""
        return self._seen[name]

    def clear(self) -> None:
        """Follow no rule any more; the weather stays."""
        self._rules.clear()

    def on(self, what: str, **rule: Any) -> Rule:
        """Add a rule; the arguments are those of `Rule`, which see."""
        return self._rules.add(Rule(what, **rule))

    def cut(self) -> int:
        """Reset every connection, on both sides, and return how many there were."""
        return self._do(self._cut())

    def half_close(self) -> None:
        """End what the server says to its clients; what they say still reaches it."""
        self._do(self._half_close())

    def refuse(self) -> None:
        """Reset every connection, and each new one, until `heal`."""
        self._refusing = True
        self.cut()

    def delay(self, secs: float) -> None:
        """Let each reply come so much later, without holding back the next one."""
        self._weather.delay_secs = secs

    def drip(self, size: int, *, pause_secs: float = 0.0) -> None:
        """Pass everything on in slices of so many bytes, with a pause behind each; 0 ends it."""
        self._weather.slice_size, self._weather.slice_pause_secs = size, pause_secs

    def blackhole(self, *, requests: bool = True, replies: bool = True) -> None:
        """Pass nothing on, in one direction or both, and connect nobody; connections stay as they are."""
        self._do(self._weather.hold(requests=requests, replies=replies))

    def heal(self) -> None:
        """End `blackhole`, `delay`, `drip` and `refuse`; what was kept back comes through. Rules stay."""
        self._refusing = False
        self._do(self._weather.clear())

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_DEADLINE_SECS)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, int]) -> int:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_DEADLINE_SECS)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def _close(self) -> int:
        self._server.close()
        await settle()
        count = await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await settle()
        await self._loop.shutdown_default_executor()
        return count

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._pass_on(reader, writer)
        except asyncio.CancelledError:
            # It is a task of asyncio's own, which would make an error of its cancellation.
            reset(writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._weather.wait(requests=True)
        if self._refusing:
            reset(writer)
            return
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        link = Link(self._weather, self._rule_for, (reader, writer), upstream, raw=self._raw)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def _cut(self) -> int:
        links = list(self._links)
        for link in links:
            link.reset()
        return len(links)

    async def _half_close(self) -> int:
        for link in self._links:
            link.half_close()
        return len(self._links)

    def _rule_for(self, request: bytes) -> Rule | None:
        names = self._names.of(request)
        self._seen.update(names)
        return self._rules.find(names)
