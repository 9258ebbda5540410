"""What the documentation shows is run: Python from top to bottom of each page, configurations, commands."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from fraiseql_observers.cli.app import PROGRAM, app
from fraiseql_observers.config import load_config
from tests.support.documentation import DOCS, REPOSITORY, Block, blocks, page_name, pages, prose
from tests.support.server import ServerProcess
from tools.reference.pages import FOLDER
from tools.reference.pages import pages as reference_pages

_PAGES = pages()
_PYTHON_PAGES = [page for page in _PAGES if any(block.language == "python" for block in blocks(page))]
#: What the configurations of the pages name.
_ENVIRONMENT = {
    "FULFILMENT_URL": "https://fulfilment.example/hooks",
    "FULFILMENT_SECRET": "whsec_bm90IGEgc2VjcmV0LCBhbmQgbm90IHVzZWQh",
}


def _write_files(page: Path, folder: Path) -> None:
    for block in blocks(page):
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")


def _printed(page: Path) -> Iterator[str]:
    """Find what a page says that its Python prints: the text after a block that ends by printing."""
    for block, following in itertools.pairwise(blocks(page)):
        last_line = block.text.splitlines()[-1] if block.text else ""
        if (
            block.language == "python"
            and last_line.lstrip().startswith("print(")
            and following.language == "text"
        ):
            yield following.text


@pytest.mark.parametrize("page", _PYTHON_PAGES, ids=page_name)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, server: ServerProcess, prefix: str
) -> None:
    _write_files(page, tmp_path)
    script = tmp_path / "page.py"
    script.write_text("\n".join(b.text for b in blocks(page) if b.language == "python" and not b.title))
    run = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        env=os.environ
        | _ENVIRONMENT
        | {"FRAISEQL_JOB_QUEUE_URL": server.url, "FRAISEQL_STORAGE_KEY_PREFIX": prefix},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    for text in _printed(page):
        assert text in run.stdout, f"{page_name(page)} shows what is not printed:\n{text}"


_CONFIGURATIONS = [
    pytest.param(page, block, id=page_name(page))
    for page in _PAGES
    for block in blocks(page)
    if block.language == "toml"
]


@pytest.mark.parametrize(("page", "block"), _CONFIGURATIONS)
def test_a_configuration_that_is_shown_loads_without_a_warning(
    page: Path, block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    _write_files(page, tmp_path)
    file = tmp_path / "observers.toml"
    file.write_text(block.text)
    assert load_config(file).warnings == ()


def test_a_target_of_make_that_is_named_exists() -> None:
    named = {target for page in _PAGES for target in re.findall(r"\bmake (\w+)`", prose(page))}
    named |= {
        target
        for page in _PAGES
        for block in blocks(page)
        for target in re.findall(r"\bmake (\w+)", block.text)
    }
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert named - targets == set()


def _commands(path: str, command: Any) -> Iterator[str]:
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(f"{path} {name}", inner)


def test_a_command_that_is_named_exists() -> None:
    known = set(_commands(PROGRAM, typer.main.get_command(app)))
    written = " ".join(page.read_text(encoding="utf-8") for page in _PAGES if page.parent != FOLDER)
    named = re.findall(rf"{PROGRAM} (?:(?:jobs|dlq|config) )?[a-z]+", written)
    assert named
    assert {name for name in named if name not in known} == set()


def test_every_page_is_in_the_navigation() -> None:
    navigation = (REPOSITORY / "zensical.toml").read_text()
    tomllib.loads(navigation)
    missing = [page for page in DOCS.rglob("*.md") if f'"{page.relative_to(DOCS)}"' not in navigation]
    assert missing == []


def test_a_file_that_the_readme_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", prose(REPOSITORY / "README.md"))
    assert links
    assert [link for link in links if not (REPOSITORY / link).exists()] == []


@pytest.mark.parametrize("name", reference_pages())
def test_a_reference_page_says_what_the_code_says(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == reference_pages()[name], "run `make reference`"


def test_every_setting_is_described_once_in_the_reference() -> None:
    text = (FOLDER / "configuration.md").read_text(encoding="utf-8")
    variables = re.findall(r"`(FRAISEQL_[A-Z]+_\w+)` \|$", text, re.MULTILINE)
    assert len(variables) == len(set(variables)) > 30
