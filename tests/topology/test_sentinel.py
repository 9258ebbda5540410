"""Sentinels: the client asks them who takes the writes, each time it connects, and follows."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.errors import QueueRefused, QueueUnavailable, ServerUnsuitable
from tests.bad_input.fake_server import fake_server
from tests.faults.rig.catalogue import Entry
from tests.support.lanes import options_for
from tests.support.load import Load
from tests.support.sentinels import SERVICE, Sentinels
from tests.support.site import Site
from tests.support.wait import wait_until
from tests.topology.books import settle_anew

#: Seconds after which a worker must have followed: the sentinels' own time, a lease that is held, and a margin.
FOLLOW_SECS = 60.0
#: Seconds by which the replica may be behind, and seconds after which a client has heard of another primary.
LAG_SECS = 1.0
NOTICE_SECS = 3.0
PASSWORD = "canary-of-the-sentinels"


@pytest.fixture(scope="module")
def settled(server_binary: Path) -> Iterator[Sentinels]:
    """A primary, a replica and three sentinels, which take long to know each other."""
    with Sentinels(server_binary) as sentinels:
        yield sentinels


@pytest.fixture
def sentinels(settled: Sentinels) -> Iterator[Sentinels]:
    """They alone may be killed; the servers stay as they are."""
    yield settled
    for sentinel in settled.sentinels:
        if not sentinel.is_running:
            sentinel.start()


@pytest.mark.row(39)
@pytest.mark.parametrize(
    ("kill", "level"),
    [
        pytest.param(True, "replica:1", id="confirmed and killed"),
        pytest.param(True, "auto", id="killed", marks=pytest.mark.long),
        pytest.param(False, "auto", id="the sentinels are told", marks=pytest.mark.long),
    ],
)
def test_a_worker_and_a_producer_follow_a_failover(
    kill: bool,  # noqa: FBT001 - a parameter of the test
    level: str,
    server_binary: Path,
    tmp_path: Path,
    prefix: str,
    catalogue: Entry,
) -> None:
    """Both go on at the new primary. Nothing is lost that a replica has confirmed; of the rest the loss is counted.

    The jobs that the new primary knows all run. Lost is what was confirmed within the replica's lag when the primary
    is killed; and while both take writes, when the sentinels promote another one and then tell its clients.
    """
    # The new primary has a replica too, so that the level can be given there.
    with Sentinels(server_binary, replicas=2, appendonly=False) as sentinels:
        site = Site(tmp_path, sentinels.url, prefix, more="[worker]\nlease_duration_secs = 5\n")
        site.settings = site.settings.replace("[storage]\n", f'[storage]\ndurability = "{level}"\n', 1)
        site.write(["quick"])
        with site.worker() as worker, Load(site) as load:
            worker.ready()
            load.goes_on()
            begun = time.monotonic()
            if kill:
                before = sentinels.primary_port()
                sentinels.primary().kill()
                wait_until(
                    lambda: sentinels.primary_port() != before,
                    deadline_secs=FOLLOW_SECS,
                    what="the replica's promotion",
                )
            else:
                sentinels.fail_over()
            known = time.monotonic()
            load.goes_on(deadline_secs=FOLLOW_SECS)
            ran = site.count("end")
            wait_until(lambda: site.count("end") > ran, deadline_secs=FOLLOW_SECS, what="a job that runs")
            assert worker.stop() == 0, worker.log
        lost = settle_anew(site, load).lost
    note = f"{len(load.confirmed)} confirmed" + ("" if level == "replica:1" else "; the lag may be lost")
    catalogue.record(**site.tally(load.confirmed), note=note)
    if level == "replica:1":
        assert lost == []
    assert all(begun - LAG_SECS <= at <= known + NOTICE_SECS for at in lost), (
        begun,
        known,
        lost[0],
        lost[-1],
    )


def test_any_living_sentinel_is_enough(sentinels: Sentinels, prefix: str) -> None:
    """The others may be dead or silent; the url names all of them."""
    sentinels.sentinels[0].kill()
    with sentinels.sentinels[1].frozen():
        RedisQueue(sentinels.url, options_for(prefix)).open_blocking()


def test_a_silent_sentinel_is_not_asked_again_for_a_while(prefix: str) -> None:
    """It costs a second. While the others name a server that cannot be used, it is asked once and not each time."""
    replica = ("redis_version:7.2.4", "role:slave", "maxmemory_policy:noeviction")
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        fake_server(replica) as named,
        fake_server(()) as speaking,
    ):
        speaking.primary = named.port
        places = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{speaking.port}"
        queue = RedisQueue(f"redis+sentinel://{places}/{SERVICE}", options_for(prefix))
        for _ in range(6):
            with pytest.raises(QueueUnavailable, match="the server is a replica"):
                queue.open_blocking()
        assert speaking.asked.count("SENTINEL") == 6
        silent.settimeout(0.2)
        silent.accept()[0].close()
        with pytest.raises(TimeoutError):
            silent.accept()


def test_sentinels_that_are_all_away_are_a_server_that_is_away(sentinels: Sentinels, prefix: str) -> None:
    """The message names one of them; it passes when one is back."""
    queue = RedisQueue(sentinels.url, options_for(prefix))
    for sentinel in sentinels.sentinels:
        sentinel.kill()
    with pytest.raises(QueueUnavailable, match=r"127\.0\.0\.1:\d+: connection refused"):
        queue.open_blocking()
    sentinels.sentinels[2].start()
    wait_until(sentinels.primary_port, what="a sentinel")
    queue.open_blocking()


def test_a_service_that_no_sentinel_knows_is_told(sentinels: Sentinels, prefix: str) -> None:
    """It is a mistake in the url, so nobody waits for it."""
    url = sentinels.url.replace(f"/{SERVICE}", "/mian")
    with pytest.raises(ServerUnsuitable, match=r"the sentinel 127\.0\.0\.1:\d+ knows no service \"mian\""):
        RedisQueue(url, options_for(prefix)).open_blocking()


def test_a_replica_that_a_sentinel_still_names_is_not_taken(sentinels: Sentinels, prefix: str) -> None:
    """A sentinel may be late: a server that takes no writes is none, and another sentinel is asked."""
    replica = sentinels.servers[1]
    stale = f"redis://127.0.0.1:{replica.port}"
    with pytest.raises(QueueUnavailable, match="the server is a replica"):
        RedisQueue(stale, options_for(prefix)).open_blocking()


def test_sentinels_have_a_password_of_their_own(server_binary: Path, prefix: str) -> None:
    """With it they answer; without it the cause is told, and neither password is."""
    with Sentinels(server_binary, password=PASSWORD) as sentinels:
        RedisQueue(sentinels.url, options_for(prefix), sentinel_password=PASSWORD).open_blocking()
        for password in (None, "wrong-canary"):
            queue = RedisQueue(sentinels.url, options_for(prefix), sentinel_password=password)
            with pytest.raises(QueueRefused) as caught:
                queue.open_blocking()
            assert "canary" not in str(caught.value)
