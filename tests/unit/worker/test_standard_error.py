"""Standard error whose reader has stopped: lines are dropped and counted, and it is said once somebody reads again."""

from __future__ import annotations

import io
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from fraiseql_observers.worker import standard_error
from fraiseql_observers.worker.standard_error import StandardError

Ends = tuple[int, int]


def _pipe() -> Ends:
    return os.pipe()


def _socket() -> Ends:
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


@pytest.fixture(params=[_pipe, _socket], ids=["pipe", "socket"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """The ends to read from and to write to."""
    make: Callable[[], Ends] = request.param
    read, write = make()
    os.set_blocking(read, False)
    yield read, write
    os.close(read)
    os.close(write)


@pytest.fixture
def log(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """A logger that writes to it, and to which the notice goes too."""
    monkeypatch.setattr(standard_error, "PATIENCE_SECS", 0.2)
    stream = io.TextIOWrapper(StandardError(ends[1]), line_buffering=True)
    handler = logging.StreamHandler(stream)
    standard_error.logger.addHandler(handler)
    yield standard_error.logger
    standard_error.logger.removeHandler(handler)


def read_all(fd: int) -> bytes:
    """Read what is there now."""
    found = b""
    while True:
        try:
            found += os.read(fd, 1 << 20)
        except BlockingIOError:
            return found


@pytest.mark.parametrize("padding", [50, 9000])
def test_lines_that_nobody_reads_are_dropped_and_counted(
    log: logging.Logger, ends: Ends, padding: int
) -> None:
    """Those that fit are whole and in order, one may be torn, and the rest is a number; it takes one wait."""
    lines = [f"{number} {'x' * padding}" for number in range(5_000 if padding < 100 else 200)]
    begun = time.monotonic()
    for line in lines:
        log.error("%s", line)
    assert time.monotonic() - begun < 20
    kept = read_all(ends[0]).decode().split("\n")
    torn = kept.pop()
    assert 0 < len(kept) < len(lines)
    assert kept == lines[: len(kept)]
    assert lines[len(kept)].startswith(torn)
    log.error("again")
    assert read_all(ends[0]).decode().strip().splitlines() == [
        "again",
        f"{len(lines) - len(kept)} lines are missing before the last one: nobody read standard error",
    ]


def test_a_line_is_written_when_the_call_returns_whatever_its_length(log: logging.Logger, ends: Ends) -> None:
    for line in ("short", "x" * 30_000):
        log.error("%s", line)
        assert read_all(ends[0]).decode() == f"{line}\n"


def test_the_shared_end_still_blocks(log: logging.Logger, ends: Ends) -> None:
    """Programs that a handler starts write to it as they always did."""
    log.error("one")
    assert os.get_blocking(ends[1])


def test_a_pipe_that_cannot_be_opened_again_is_outlived_too(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of another user."""

    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(standard_error, "PATIENCE_SECS", 0.2)
    stream = StandardError(ends[1])
    for _ in range(200):
        assert stream.write(b"x" * 9000) == 9000
    assert read_all(ends[0])


def test_a_reader_that_is_gone_is_an_error(ends: Ends) -> None:
    """Not something to wait for."""
    stream = StandardError(ends[1])
    spare = os.open(os.devnull, os.O_RDONLY)
    os.dup2(spare, ends[0])
    os.close(spare)
    with pytest.raises(BrokenPipeError):
        stream.write(b"x\n")
