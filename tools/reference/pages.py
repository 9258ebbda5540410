"""All generated pages, by the name of their file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tools.reference import command_line, condition_errors, configuration, errors, metrics, redis_keys

_REPOSITORY: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = _REPOSITORY / "docs" / "reference"

_NOTICE: Final = "<!-- Made by `make reference` from {source}; change that, not this. -->\n\n"

#: The page's name, what it is made from, and what makes it.
_PAGES: Final[Mapping[str, tuple[str, Callable[[], str]]]] = {
    "configuration.md": (
        "the models of `config/`, `definition.py` and `actions/models.py`",
        configuration.page,
    ),
    "condition-errors.md": (
        "`slips.py` and what the core says to each",
        condition_errors.page,
    ),
    "command-line.md": ("the command in `cli/`", command_line.page),
    "metrics.md": ("the declarations in `metrics.py`", metrics.page),
    "errors.md": ("`errors.py`", errors.page),
    "redis-keys.md": (
        "`queue/keys.rs` and `scripts/*.lua`",
        lambda: redis_keys.page(_REPOSITORY / "rust" / "src"),
    ),
}


def pages() -> dict[str, str]:
    """Make the text of every page."""
    return {name: _NOTICE.format(source=source) + make() for name, (source, make) in _PAGES.items()}
