"""``fraiseql-observers``, the operator command; the same as ``python -m fraiseql_observers``."""

from __future__ import annotations

import importlib.util
import sys

#: What the command is drawn with; a worker alone (``python -m fraiseql_observers.worker``) needs neither.
CLI_MODULES = ("typer", "rich")


def main() -> int:
    """Run the command with the arguments of this process and return its exit code."""
    if any(importlib.util.find_spec(name) is None for name in CLI_MODULES):
        sys.stderr.write(
            "fraiseql-observers: the operator command needs an extra: pip install 'fraiseql-observers[cli]' "
            "(python -m fraiseql_observers.worker runs without it)\n"
        )
        return 2
    from fraiseql_observers.cli.app import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
