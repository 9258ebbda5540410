"""Everything that a server holds, as text in which something can be looked for."""

from __future__ import annotations

from collections.abc import Collection

from redis import Redis


def contents(client: Redis, *, without: Collection[str] = ()) -> str:
    """Read every key of a server, names and values.

    Args:
        client: Of the server.
        without: The last parts of names whose values are left out.
    """
    parts: list[object] = []
    for key in client.scan_iter(count=1000):
        parts.append(key)
        if key.decode(errors="replace").rpartition(":")[2] in without:
            continue
        match client.type(key):
            case b"string":
                parts.append(client.get(key))
            case b"hash":
                parts.append(client.hgetall(key))
            case b"list":
                parts.append(client.lrange(key, 0, -1))
            case b"set":
                parts.append(client.smembers(key))
            case b"zset":
                parts.append(client.zrange(key, 0, -1, withscores=True))
            case b"stream":
                parts.append(client.xrange(key))
            case kind:
                raise AssertionError(f"a key of type {kind!r}, which nobody looks into")
    return repr(parts)
