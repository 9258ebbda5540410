"""A mistake that is planted to see whether a test catches it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mistake:
    """One change of the sources.

    Attributes:
        name: What is wrong with it.
        path: The file that it changes.
        before: Text that stands there exactly once.
        after: What stands there with the mistake.
        test: The test that has to fail.
    """

    name: str
    path: str
    before: str
    after: str
    test: str

    @property
    def is_compiled(self) -> bool:
        """Whether the extension has to be built again; scripts are part of it."""
        return self.path.startswith("rust/")

    def plant(self, tree: Path) -> None:
        """Make the mistake in a tree."""
        file = tree / self.path
        text = file.read_text()
        count = text.count(self.before)
        assert count == 1, f"{self.path} has changed: {self.before!r} stands there {count} times"
        file.write_text(text.replace(self.before, self.after))
