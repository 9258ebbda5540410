"""The documentation as tests see it: pages, the code blocks in them, and the text outside of those."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"

_FENCE = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of code: its language, the file that it is the content of if it has a title, and its text."""

    language: str
    title: str
    text: str


def pages() -> list[Path]:
    """Find every page that is written for readers."""
    return [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md"))]


def page_name(page: Path) -> str:
    """Name a page by its path in the repository."""
    return str(page.relative_to(REPOSITORY))


def blocks(page: Path) -> Iterator[Block]:
    """Read the blocks of code of a page, in order."""
    for language, title, text in _FENCE.findall(page.read_text(encoding="utf-8")):
        yield Block(language, title, text)


def prose(page: Path) -> str:
    """Read a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))
