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

_RIGHTS = """\
## The least that a user must be allowed

Everything of the package, producers, workers and the command, works with exactly these rights. Put your own password
and `storage.key_prefix` in; `fraiseql` is the prefix where none is configured.

```text
{line}
```

`+config|get` may be left out: it shows how often the server flushes its file, and without it what the server keeps is
shown as less, never as more. A server that does not know a command of the line, as Redis 7.0 does not know `waitaof`,
refuses the line; leave the command out then. What the user may not do ends a worker with exit code 3 and the server's
word for it; that holds too for rights that are taken away while it runs.
"""

#: What the core sends that is no command of a queue's user: these are asked of sentinels.
_NOT_OF_THE_USER = frozenset({"SENTINEL"})
#: Commands of two words: of the others in their family nothing is needed.
_SECOND_WORDS = {"CLIENT": "id", "CLUSTER": "slots", "CONFIG": "get", "SCRIPT": "load"}
_CALLED_IN_SCRIPTS = re.compile(r"redis\.p?call\('([A-Za-z]+)'")
_SENT_BY_THE_CORE = re.compile(r'cmd\("([A-Z]+)"|"(EVAL|EVALSHA|Z?RANGE|ZREVRANGE)"')

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
    rights = _RIGHTS.format(line=user_line(sources))
    return f"{_INTRODUCTION}\n{keys}\n{rights}\n{_SCRIPTS}\n{scripts}"


def user_line(sources: Path) -> str:
    """Write the command that makes a user with the least rights, from what scripts and core call."""
    called: set[str] = set()
    for path in (sources / "scripts").glob("*.lua"):
        called.update(name.upper() for name in _CALLED_IN_SCRIPTS.findall(path.read_text(encoding="utf-8")))
    for path in (sources / "queue").glob("*.rs"):
        text = path.read_text(encoding="utf-8")
        # The clock of the scripts is put in front of them by the core.
        called.update(name.upper() for name in _CALLED_IN_SCRIPTS.findall(text))
        for names in _SENT_BY_THE_CORE.findall(text):
            called.update(filter(None, names))
    words = [
        f"+{name.lower()}" + (f"|{_SECOND_WORDS[name]}" if name in _SECOND_WORDS else "")
        for name in sorted(called - _NOT_OF_THE_USER)
    ]
    return f"ACL SETUSER fraiseql on >PASSWORD resetchannels resetkeys ~{{fraiseql:* -@all {' '.join(words)}"


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
