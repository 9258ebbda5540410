"""What a request is called: its command, and the script that it runs, whichever way that is sent.

A script is told by its text, so ``EVAL``, ``SCRIPT LOAD`` and a ``FUNCTION LOAD`` need no help. ``EVALSHA`` has a hash:
that of a text that came by, or one of our own scripts, which are put together here as the core does it.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

from tests.faults.rig.resp import words

_CORE: Final = Path(__file__).resolve().parents[3] / "rust" / "src"
#: The head of a file says what its script is, as in ``-- ack: finish jobs …``; so does that of the prelude.
_HEAD: Final = re.compile(r"^-- ([a-z_]+): ", re.MULTILINE)
_PRELUDE: Final = "prelude"
#: Commands of which the second word is part of the name.
_FAMILIES: Final = frozenset({"ACL", "CLIENT", "CLUSTER", "CONFIG", "FUNCTION", "SCRIPT"})


class Names:
    """Names requests, and remembers the scripts that it has seen."""

    def __init__(self) -> None:
        self._scripts = dict(own_scripts())

    def of(self, request: bytes) -> tuple[str, ...]:
        """Return the names under which a rule may know this request.

        The first is the command in capitals, with its second word where it is one of a family, such as ``SCRIPT LOAD``.
        The second, where the request names a script, is that of the script, such as ``ack``.
        """
        parts = words(request)
        if not parts:
            return ("",)
        command = parts[0].decode(errors="replace").upper()
        if command in _FAMILIES and len(parts) > 1:
            command += " " + parts[1].decode(errors="replace").upper()
        script: str | None = None
        if command in {"EVAL", "EVAL_RO"} and len(parts) > 1:
            script = self._learn(parts[1])
        elif command in {"SCRIPT LOAD", "FUNCTION LOAD"} and len(parts) > 2:
            script = self._learn(parts[-1])
        elif command in {"EVALSHA", "EVALSHA_RO"} and len(parts) > 1:
            script = self._scripts.get(parts[1].decode(errors="replace").lower())
        elif command in {"FCALL", "FCALL_RO"} and len(parts) > 1:
            script = parts[1].decode(errors="replace")
        return (command,) if script is None else (command, script)

    def _learn(self, text: bytes) -> str | None:
        script = script_name(text.decode(errors="replace"))
        if script is not None:
            self._scripts[hashlib.sha1(text, usedforsecurity=False).hexdigest()] = script
        return script


def script_name(text: str) -> str | None:
    """Tell a script by the head of its file, or ``None`` where it is a stranger's."""
    # What the prelude says of itself and of its parts stands before the head of the script.
    known = [name for name in _HEAD.findall(text) if name in _own_names()]
    return known[0] if known else next((name for name in _HEAD.findall(text) if name != _PRELUDE), None)


@cache
def _own_names() -> frozenset[str]:
    return frozenset(path.stem for path in (_CORE / "scripts").glob("*.lua")) - {_PRELUDE}


@cache
def own_scripts() -> dict[str, str]:
    """Return the name of each script of the core by its hash, under the server's clock and under that of tests."""
    source = (_CORE / "queue" / "scripts.rs").read_text()
    clocks = re.findall(r'const \w+_CLOCK: &str = "(.*?)";', source, re.DOTALL)
    assert len(clocks) == 2, "the core's clocks are not where they were; EVALSHA cannot be told by its hash"
    prelude = (_CORE / "scripts" / "prelude.lua").read_text()
    scripts: dict[str, str] = {}
    for name in sorted(_own_names()):
        first, _, body = (_CORE / "scripts" / f"{name}.lua").read_text().partition("\n")
        for clock in clocks:
            text = f"{first}\n{clock}{prelude}{body}"
            scripts[hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()] = name
    return scripts
