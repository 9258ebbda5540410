"""The page about what lies in Redis, from the names in the core and the headers of its scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tools.reference.markdown import prose, table

_INTRODUCTION = """\
# Redis keys and scripts

What the queue keeps in Redis or Valkey. Read it when you operate one; nothing here is an interface, and writing to
these keys by hand loses jobs. Change a job only through the library or the command.

## Keys

Every key of a queue starts with `{PREFIX:QUEUE:SHARD}:`, the prefix being `storage.key_prefix`. The braces are
Redis' hash tag: all keys of a shard live on one slot of a cluster. The shard is 0 in this version, unless
`storage.shards` says more. A *member* is the 16 bytes of a job's id and one letter for its priority (c, h, d, l).

A job is in exactly one of pending, scheduled, running, suspects, parked, dead and done. Its state is where it is.
"""

_SCRIPTS = """\
## Scripts

Each change of a job is one Lua script, which Redis runs as a whole or not at all. `allow-oom` lets it run when the
server's memory is full, so that only new jobs are refused then; `no-writes` marks one that only reads.
"""

_FIELD = re.compile(r"^    /// (.*)\n    pub (\w+): ", re.MULTILINE)
_NAME = re.compile(r"^            (\w+): .*$", re.MULTILINE)
_LITERAL = re.compile(r'key\((?:&format!\()?"([^"]+)"')
_PER_WORKER = re.compile(r'    /// (.*)\n    pub fn \w+\(&self.*\n        format!\("\{\}:(\w+):\{\}"')
_HEADER = re.compile(r"#!lua(.*)\n((?:--.*\n)+)")


def page(sources: Path) -> str:
    """Write the page.

    Args:
        sources: The folder that holds `queue/keys.rs` and `scripts/`.
    """
    keys = table(["key", "holds"], _keys((sources / "queue" / "keys.rs").read_text(encoding="utf-8")))
    scripts = "\n".join(
        _script(path) for path in sorted((sources / "scripts").glob("*.lua")) if path.stem != "prelude"
    )
    return f"{_INTRODUCTION}\n{keys}\n{_SCRIPTS}\n{scripts}"


def _keys(source: str) -> Iterator[list[str]]:
    meanings = {name: text for text, name in _FIELD.findall(source)}
    for line in _NAME.finditer(source):
        names = _LITERAL.findall(line[0])
        if names:
            shown = ", ".join(f"`:{name.replace('{}', 'PRIORITY')}`" for name in names)
            yield [shown, _linked(meanings[line[1]])]
    for text, name in _PER_WORKER.findall(source):
        yield [f"`:{name}:INCARNATION`", _linked(text)]


def _linked(text: str) -> str:
    return re.sub(r"\[`([^`]+)`\]", r"`\1`", text)


def _script(path: Path) -> str:
    found = _HEADER.match(path.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{path}: a script starts with #!lua and a header")
    flags = found[1].replace("flags=", "").strip()
    lines = [line.removeprefix("--").removeprefix(" ") for line in found[2].splitlines()]
    title, blank = lines[0], lines.index("")
    name, _, first = title.partition(": ")
    about = prose(" ".join([first, *lines[1:blank]]))
    contract = "\n".join(lines[blank + 1 :])
    note = f" (`{flags}`)" if flags else ""
    return f"### {name}{note}\n\n{about[:1].upper()}{about[1:]}\n\n```text\n{contract}\n```\n"
