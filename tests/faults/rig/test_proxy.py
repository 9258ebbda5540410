"""The proxy does to connections what it says, and nothing else."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.faults.rig.names import Names, own_scripts, script_name
from tests.faults.rig.proxy import Proxy
from tests.faults.rig.resp import Frames, error, is_push, words
from tests.faults.rig.rules import Fate, Rule
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

NO_RETRIES = Retry(NoBackoff(), 0)
#: Replies and requests of every type, a frame each.
FRAMES = (
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":7\r\n",
    b"$-1\r\n",
    b"$0\r\n\r\n",
    b"$4\r\na\r\nb\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n*2\r\n:1\r\n$1\r\nx\r\n+y\r\n",
    b"%1\r\n+key\r\n~2\r\n#t\r\n_\r\n",
    b"|1\r\n+ttl\r\n:1\r\n,1.5\r\n",
    b"=8\r\ntxt:text\r\n",
    b">2\r\n+message\r\n(12345678901234567890\r\n",
    b"PING\r\n",
)


@pytest.fixture
def proxy(server: ServerProcess) -> Iterator[Proxy]:
    """A proxy before the shared server."""
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def client(proxy: Proxy) -> Iterator[redis.Redis]:
    """A client by way of the proxy, which repeats nothing by itself."""
    with redis.Redis(port=proxy.port, socket_timeout=5, retry=NO_RETRIES, protocol=3) as client:
        yield client


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_a_stream_in_pieces_of_any_size_is_cut_into_its_frames(size: int) -> None:
    stream = b"".join(FRAMES)
    frames, found = Frames(), list[bytes]()
    for at in range(0, len(stream), size):
        found += frames.feed(stream[at : at + size])
    assert found == list(FRAMES)
    assert [frame for frame in FRAMES if is_push(frame)] == [FRAMES[-2]]


def test_a_request_is_read_as_its_words() -> None:
    assert words(b"*2\r\n$3\r\nGET\r\n$4\r\na\r\nb\r\n") == [b"GET", b"a\r\nb"]
    assert words(b"GET key\r\n") == [b"GET", b"key"]
    assert error("OOM full") == b"-OOM full\r\n"


def request(*parts: str) -> bytes:
    """Write a request."""
    blobs = "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)
    return f"*{len(parts)}\r\n{blobs}".encode()


def test_a_script_has_its_name_whichever_way_it_is_sent() -> None:
    text = "#!lua\n-- prelude: what several share\nlocal x\n-- ack: finish jobs\nreturn 1"
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    names = Names()
    assert names.of(request("evalsha", digest, "0")) == ("EVALSHA",)
    assert names.of(request("SCRIPT", "LOAD", text)) == ("SCRIPT LOAD", "ack")
    assert names.of(request("evalsha", digest.upper(), "0")) == ("EVALSHA", "ack")
    assert names.of(request("EVAL", text, "0")) == ("EVAL", "ack")
    assert names.of(request("FCALL", "turn", "0")) == ("FCALL", "turn")
    assert names.of(request("GET", "key")) == ("GET",)
    assert script_name("-- other: a stranger's") == "other"
    assert script_name("return 1") is None


def test_our_own_scripts_are_known_by_their_hashes(server: ServerProcess) -> None:
    """They may have been loaded by somebody else, whom the proxy has not seen."""
    assert {"ack", "turn", "enqueue", "beat"} <= set(own_scripts().values())
    digest, name = next(iter(own_scripts().items()))
    assert Names().of(request("EVALSHA", digest, "0")) == ("EVALSHA", name)


def test_a_rule_counts_from_when_it_was_made() -> None:
    rule = Rule("GET", Fate.PASS, nth=2, every=2, times=2)
    assert [rule.takes(("GET",)) for _ in range(7)] == [False, True, False, True, False, False, False]
    assert rule.fired == 2
    assert not Rule("GET", Fate.PASS).takes(("SET",))
    assert Rule("*", Fate.PASS).takes(("SET",))


def test_what_comes_passes_unchanged(client: redis.Redis, proxy: Proxy, prefix: str) -> None:
    value = bytes(range(256)) * 1_000
    assert client.set(prefix, value)
    assert client.get(prefix) == value
    pipe = client.pipeline(transaction=False)
    for number in range(100):
        pipe.set(f"{prefix}:{number}", number)
        pipe.get(f"{prefix}:{number}")
    assert pipe.execute()[1::2] == [str(number).encode() for number in range(100)]
    assert proxy.seen("GET") == 101
    assert proxy.connections == 1


def test_a_cut_before_the_request_leaves_the_server_as_it_was(
    client: redis.Redis, proxy: Proxy, server: ServerProcess, prefix: str
) -> None:
    client.set(prefix, 1)
    rule = proxy.on("INCRBY", fate=Fate.CUT_BEFORE, nth=2)
    assert client.incr(prefix) == 2
    with pytest.raises(redis.ConnectionError):
        client.incr(prefix)
    assert rule.fired == 1
    assert server.client().get(prefix) == b"2"
    assert client.incr(prefix) == 3


def test_a_cut_after_the_request_hides_what_the_server_has_done(
    client: redis.Redis, proxy: Proxy, server: ServerProcess, prefix: str
) -> None:
    proxy.on("INCRBY", fate=Fate.CUT_AFTER)
    with pytest.raises(redis.ConnectionError):
        client.incr(prefix)
    assert server.client().get(prefix) == b"1"


def test_a_cut_inside_a_reply_passes_its_first_bytes(proxy: Proxy, prefix: str) -> None:
    proxy.on("ECHO", fate=Fate.CUT_AFTER, bytes=6)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as peer:
        peer.sendall(request("ECHO", "abcdef"))
        assert peer.recv(100, socket.MSG_WAITALL) == b"$6\r\nab"
        with pytest.raises(ConnectionResetError):
            peer.recv(1)


def test_a_reply_is_replaced_whether_the_server_has_acted_or_not(
    client: redis.Redis, proxy: Proxy, prefix: str
) -> None:
    proxy.on("INCRBY", fate=Fate.REFUSE, error="OOM not now")
    proxy.on("INCRBY", fate=Fate.MISREPORT, error="BUSY not now")
    with pytest.raises(redis.ResponseError, match="not now"):
        client.incr(prefix)
    assert client.get(prefix) is None
    with pytest.raises(redis.ResponseError, match="not now"):
        client.incr(prefix)
    assert client.get(prefix) == b"1"
    proxy.on("GET", fate=Fate.REFUSE, nth=2)
    pipe = client.pipeline(transaction=False)
    for _ in range(3):
        pipe.get(prefix)
    got = pipe.execute(raise_on_error=False)
    assert [type(one) for one in got] == [bytes, redis.ResponseError, bytes]


def test_a_rule_may_do_something_of_the_tests_own(client: redis.Redis, proxy: Proxy, prefix: str) -> None:
    done: list[str] = []
    proxy.on("GET", fate=Fate.PASS, then=lambda: done.append("then"))
    assert client.get(prefix) is None
    assert done == ["then"]
    proxy.on("GET", fate=Fate.REFUSE)
    proxy.clear()
    assert client.get(prefix) is None


def test_cut_resets_everybody_and_refuse_those_who_come_again(client: redis.Redis, proxy: Proxy) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as peer:
        peer.sendall(b"PING\r\n")
        assert peer.recv(7) == b"+PONG\r\n"
        assert proxy.cut() == 1
        with pytest.raises(ConnectionResetError):
            peer.recv(1)
    assert client.ping()
    proxy.refuse()
    for _ in range(2):
        with pytest.raises(redis.ConnectionError):
            client.ping()
    proxy.heal()
    assert client.ping()


def test_a_blackhole_keeps_back_what_comes_until_it_heals(
    client: redis.Redis, proxy: Proxy, server: ServerProcess, prefix: str
) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as peer:
        peer.sendall(b"PING\r\n")
        assert peer.recv(7) == b"+PONG\r\n"
        peer.settimeout(0.2)
        proxy.blackhole()
        peer.sendall(request("INCR", prefix))
        with pytest.raises(TimeoutError):
            peer.recv(1)
        assert server.client().get(prefix) is None
        proxy.heal()
        peer.settimeout(5)
        assert peer.recv(4) == b":1\r\n"
        proxy.blackhole(requests=False)
        peer.sendall(request("INCR", prefix))
        wait_until(lambda: server.client().get(prefix) == b"2", what="the request")
        peer.settimeout(0.2)
        with pytest.raises(TimeoutError):
            peer.recv(1)
        proxy.heal()
        peer.settimeout(5)
        assert peer.recv(4) == b":2\r\n"


def test_delayed_replies_come_late_and_do_not_wait_for_each_other(client: redis.Redis, proxy: Proxy) -> None:
    client.ping()
    proxy.delay(0.2)
    begun = time.monotonic()
    pipe = client.pipeline(transaction=False)
    for _ in range(20):
        pipe.echo("x")
    assert pipe.execute() == [b"x"] * 20
    # One after the other they would take four seconds.
    assert 0.2 <= time.monotonic() - begun < 20 * 0.2


def test_dripping_changes_no_byte(client: redis.Redis, proxy: Proxy, prefix: str) -> None:
    proxy.drip(1)
    value = bytes(range(256)) * 4
    client.set(prefix, value)
    assert client.get(prefix) == value


def test_half_close_ends_the_replies_alone(proxy: Proxy, server: ServerProcess, prefix: str) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as peer:
        peer.sendall(b"PING\r\n")
        assert peer.recv(7) == b"+PONG\r\n"
        proxy.half_close()
        assert peer.recv(1) == b""
        peer.sendall(request("INCR", prefix))
        wait_until(lambda: server.client().get(prefix) == b"1", what="the request")


def test_a_server_that_is_gone_is_gone_behind_the_proxy_too(fresh_server: ServerProcess) -> None:
    with Proxy(fresh_server.port) as proxy, redis.Redis(port=proxy.port, retry=NO_RETRIES) as client:
        assert client.ping()
        fresh_server.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        fresh_server.start()
        assert client.ping()
