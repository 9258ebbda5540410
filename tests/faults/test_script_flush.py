"""A server that forgets its scripts, again and again: no call fails for it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Thread

from redis import Redis

from tests.support.lanes import lane_on_server, member
from tests.support.server import ServerProcess

JOBS = 400


@contextmanager
def flushed(port: int) -> Generator[list[int]]:
    """Flush the scripts as fast as the server does it, in a thread; gives the number of times."""
    done, times = Event(), [0]

    def flush() -> None:
        with Redis(port=port) as client:
            while not done.is_set():
                client.script_flush()
                times[0] += 1

    thread = Thread(target=flush)
    thread.start()
    try:
        yield times
    finally:
        done.set()
        thread.join()


def test_no_call_fails_however_often_scripts_are_flushed(server: ServerProcess, prefix: str) -> None:
    """A script that was flushed once more right after it was loaded goes with its text."""
    with Redis(port=server.port) as client:
        lane = lane_on_server(server.url, client, prefix).steps
        with flushed(server.port) as times:
            lane.join("worker", "{}")
            for number in range(JOBS):
                assert lane.enqueue([(member(number), ("now", 0), b"{}")]) == [True]
                assert len(lane.turn("worker", number + 1, 1).leases) == 1
                assert lane.ack("worker", [(member(number), number + 1, b"{}")]) == ["acked"]
        assert times[0] > JOBS
        assert lane.stats().counters["completed"] == JOBS
