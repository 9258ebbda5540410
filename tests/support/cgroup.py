"""A little memory for a process: a control group, from which the kernel kills whoever takes more."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_MEGABYTE: Final = 1 << 20
#: Where groups are made, and the file that bounds their memory: under version 1 of control groups, and under version 2.
_ROOTS: Final = (
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (Path("/sys/fs/cgroup"), "memory.max"),
)


@contextmanager
def memory_cgroup(megabytes: int) -> Generator[Path]:
    """Make a group with so much memory; a process joins by writing its pid to ``cgroup.procs`` in it.

    Raises:
        PermissionError: If none can be made here: it takes a kernel with control groups, and root.
    """
    errors: list[str] = []
    for root, limit in _ROOTS:
        group = root / f"rig-{uuid.uuid4().hex[:8]}"
        try:
            group.mkdir()
        except OSError as error:
            errors.append(str(error))
            continue
        try:
            (group / limit).write_text(str(megabytes * _MEGABYTE))
        except OSError as error:
            errors.append(str(error))
            group.rmdir()
            continue
        try:
            yield group
        finally:
            group.rmdir()
        return
    raise PermissionError("; ".join(errors))
