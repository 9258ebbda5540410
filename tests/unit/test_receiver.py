"""The receiver answers what it was told and writes down all that it answers, or fault tests prove nothing."""

from __future__ import annotations

import hashlib
import http.client
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.evidence import Delivery
from tests.support.receiver import Reply, Rule
from tests.support.running_receiver import ReceiverProcess, ReceiverThread
from tests.support.wait import wait_until


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[ReceiverThread]:
    """Run a receiver with the standard rules in a thread."""
    with ReceiverThread(tmp_path / "evidence.ndjson") as receiver:
        yield receiver


def post(url: str, path: str, webhook_id: str = "a", body: bytes = b"{}") -> http.client.HTTPResponse:
    """Deliver once on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        connection.request("POST", path, body, {"webhook-id": webhook_id, "Connection": "close"})
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def test_delivery_is_written_down_as_it_was_sent(receiver: ReceiverThread) -> None:
    """Path, headers, body and its hash are in the evidence when the answer arrives."""
    body = '{"name": "Zoë"}'.encode() + b"\xff"
    assert post(receiver.url, "/orders?x=1", "id-1", body).status == 200
    (delivery,) = receiver.deliveries()
    assert (delivery.id, delivery.method, delivery.path) == ("id-1", "POST", "/orders?x=1")
    assert (delivery.number, delivery.status, delivery.size) == (1, 200, len(body))
    assert delivery.headers["webhook-id"] == "id-1"
    assert delivery.sha256 == hashlib.sha256(body).hexdigest()
    assert delivery.body is not None
    assert delivery.body.encode(errors="surrogateescape") == body


def test_each_webhook_id_goes_through_the_replies_by_itself(receiver: ReceiverThread) -> None:
    """The first delivery of each id fails, the second and all later ones succeed."""
    ids = ("a", "b", "a", "a", "b")
    assert [post(receiver.url, "/flaky/here", each).status for each in ids] == [500, 500, 200, 200, 200]


def test_limited_answer_says_when_to_come_back(receiver: ReceiverThread) -> None:
    """429 has the header Retry-After; the next delivery is accepted."""
    first = post(receiver.url, "/limited")
    assert (first.status, first.headers["Retry-After"]) == (429, "1")
    assert post(receiver.url, "/limited").status == 200


def test_rule_holds_for_paths_below_and_no_others(receiver: ReceiverThread) -> None:
    """``/gone`` is no prefix of ``/gonelse``."""
    assert post(receiver.url, "/gone/x?y").status == 400
    assert post(receiver.url, "/gonelse").status == 200


def test_slow_answer_holds_up_nobody_else(tmp_path: Path) -> None:
    """Another delivery is answered while the slow one waits."""
    rules = [Rule("/slow", (Reply(delay_secs=1.0),))]
    with ReceiverThread(tmp_path / "evidence.ndjson", rules) as receiver:
        slow = threading.Thread(target=post, args=(receiver.url, "/slow"))
        slow.start()
        wait_until(lambda: receiver.counts().deliveries == 1, what="the slow delivery")
        assert post(receiver.url, "/quick").status == 200
        assert slow.is_alive()
        slow.join()


def test_hanging_delivery_is_written_down_without_an_answer(receiver: ReceiverThread) -> None:
    """The sender waits in vain, and the receiver can be stopped all the same."""
    with socket.create_connection(("127.0.0.1", urlsplit(receiver.url).port or 0)) as connection:
        connection.sendall(b"POST /hang HTTP/1.1\r\nwebhook-id: a\r\nContent-Length: 0\r\n\r\n")
        wait_until(receiver.deliveries, what="the delivery")
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
    assert [delivery.status for delivery in receiver.deliveries()] == [None]


def test_cut_delivery_was_read_and_gets_no_answer(receiver: ReceiverThread) -> None:
    """As when a receiver commits and its connection dies: the sender cannot know, and tries again."""
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        post(receiver.url, "/cut")
    assert post(receiver.url, "/cut").status == 200
    assert [delivery.status for delivery in receiver.deliveries()] == [None, 200]


def test_connection_carries_many_deliveries(receiver: ReceiverThread) -> None:
    """A sender that keeps its connection is answered in order."""
    connection = http.client.HTTPConnection(urlsplit(receiver.url).netloc, timeout=10)
    for number in range(100):
        connection.request("POST", "/orders", b"x" * number, {"webhook-id": str(number)})
        assert connection.getresponse().read() == b""
    connection.close()
    assert [delivery.size for delivery in receiver.deliveries()] == list(range(100))


def test_counts_tell_repeats_from_first_acceptances(receiver: ReceiverThread) -> None:
    """Two ids, one of them accepted twice; asking for the counts is no delivery."""
    for path, webhook_id in (("/flaky", "a"), ("/flaky", "a"), ("/flaky", "a"), ("/gone?z", "b")):
        post(receiver.url, path, webhook_id)
    counts = receiver.counts()
    assert (counts.deliveries, counts.ids, counts.accepted, counts.accepted_again) == (4, 2, 1, 1)
    assert counts.statuses == {"500": 1, "200": 2, "400": 1}
    assert counts.paths == {"/flaky": 3, "/gone": 1}


def test_share_of_ids_is_chosen_by_the_id(tmp_path: Path) -> None:
    """A rule for one id in four meets about a quarter of them, and the same ones each time."""
    rules = [Rule("/orders", (Reply(500),), one_in=4)]
    with ReceiverThread(tmp_path / "evidence.ndjson", rules) as receiver:
        runs = [
            {number for number in range(200) if post(receiver.url, "/orders", str(number)).status == 500}
            for _ in range(2)
        ]
    assert runs[0] == runs[1]
    assert 30 <= len(runs[0]) <= 70


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"rubbish\r\n\r\n",
        b"POST / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    ],
)
def test_rubbish_is_refused_and_is_no_delivery(receiver: ReceiverThread, request_bytes: bytes) -> None:
    """What is no request gets a 400, a line that says why, and no place in the evidence."""
    with socket.create_connection(("127.0.0.1", urlsplit(receiver.url).port or 0)) as connection:
        connection.sendall(request_bytes)
        assert connection.makefile("rb").read().startswith(b"HTTP/1.1 400 ")
    assert receiver.deliveries() == []


def test_half_a_request_is_no_delivery(receiver: ReceiverThread) -> None:
    """A sender that dies in the middle of a body has delivered nothing."""
    with socket.create_connection(("127.0.0.1", urlsplit(receiver.url).port or 0)) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf")
    assert post(receiver.url, "/whole").status == 200
    assert [delivery.path for delivery in receiver.deliveries()] == ["/whole"]


def test_killed_receiver_goes_on_with_its_evidence_and_port(tmp_path: Path) -> None:
    """What was answered before SIGKILL is in the file, and a restart appends to it."""
    with ReceiverProcess(tmp_path / "evidence.ndjson", [Rule("/gone", (Reply(410),))]) as receiver:
        url = receiver.url
        assert post(url, "/gone", "a").status == 410
        receiver.kill()
        with pytest.raises(ConnectionRefusedError):
            post(url, "/gone", "lost")
        receiver.start()
        assert post(url, "/gone", "b").status == 410
        assert receiver.counts().deliveries == 1
        deliveries: list[Delivery] = receiver.deliveries()
    assert [(delivery.id, delivery.body) for delivery in deliveries] == [("a", None), ("b", None)]
