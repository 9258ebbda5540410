"""The files of TLS: each way in which they can be wrong is found before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from fraiseql_observers.config import JobQueueConfig, load_config
from fraiseql_observers.config.tls import tls_problems
from fraiseql_observers.errors import ConfigError
from fraiseql_observers.problems import ProblemKind
from tests.support.certificates import Certificates, Files

URL = "rediss://127.0.0.1"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority."""
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def client(certificates: Certificates) -> Files:
    """A client's certificate and key."""
    return certificates.issue("client", "worker-1")


def complaints(**files: str | None) -> list[tuple[object, str]]:
    """Return the setting and the message of everything that is wrong with these files."""
    found = list(tls_problems(JobQueueConfig(url=URL, **files), None))  # type: ignore[arg-type]
    assert all(problem.kind is ProblemKind.TLS for problem in found)
    return [(problem.path[-1], problem.message) for problem in found]


def test_right_files_are_right(certificates: Certificates, client: Files) -> None:
    """Nothing is said of them."""
    assert complaints(tls_ca_file=certificates.ca_file) == []
    assert (
        complaints(
            tls_ca_file=certificates.ca_file, tls_cert_file=client.certificate, tls_key_file=client.key
        )
        == []
    )


def test_a_file_that_is_not_there_is_named(client: Files) -> None:
    """Each setting by itself."""
    found = complaints(tls_ca_file="/absent/ca.pem", tls_cert_file=client.certificate, tls_key_file="/tmp")  # noqa: S108
    assert found == [
        ("tls_ca_file", "the file /absent/ca.pem cannot be read: No such file or directory"),
        ("tls_key_file", "the file /tmp cannot be read: Is a directory"),
    ]


@pytest.mark.parametrize(
    "content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_file_without_certificates_is_refused(content: bytes, tmp_path: Path) -> None:
    """It would trust nobody, and be found out only when a connection is made."""
    path = tmp_path / "ca.pem"
    path.write_bytes(content)
    [(setting, message)] = complaints(tls_ca_file=str(path))
    assert setting == "tls_ca_file"
    assert message.startswith(f"the file {path} ")


def test_a_key_of_another_certificate_is_refused(certificates: Certificates, client: Files) -> None:
    """The two must belong together."""
    other = certificates.issue("other", "worker-2")
    [(setting, message)] = complaints(tls_cert_file=client.certificate, tls_key_file=other.key)
    assert setting == "tls_key_file"
    assert message.endswith("the key does not belong to the certificate")


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602])
def test_a_key_that_everybody_can_read_or_change_is_refused(
    mode: int, certificates: Certificates, tmp_path: Path
) -> None:
    """It is a secret; the group may share it."""
    own = certificates.issue(f"open-{mode:o}", "worker-3")
    Path(own.key).chmod(mode)
    [(setting, message)] = complaints(tls_cert_file=own.certificate, tls_key_file=own.key)
    assert setting == "tls_key_file"
    assert f"by everybody (mode {mode:04o})" in message
    Path(own.key).chmod(0o640)
    assert complaints(tls_cert_file=own.certificate, tls_key_file=own.key) == []


def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(client: Files, tmp_path: Path) -> None:
    """Nobody could type it in."""
    path = tmp_path / "locked.key"
    key = serialization.load_pem_private_key(Path(client.key).read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"passphrase")
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    path.chmod(0o600)
    [(setting, message)] = complaints(tls_cert_file=client.certificate, tls_key_file=str(path))
    assert setting == "tls_key_file"
    assert "passphrase" in message


@pytest.mark.parametrize(
    ("url", "settings", "named"),
    [
        (URL, {"tls_cert_file": "c.pem"}, "tls_key_file"),
        (URL, {"tls_key_file": "c.key"}, "tls_cert_file"),
        ("redis://127.0.0.1", {"tls_ca_file": "ca.pem"}, "rediss"),
        ("unix:///run/valkey.sock", {"tls_ca_file": "ca.pem"}, "rediss"),
        ("redis+sentinel://a:1/main", {"tls_ca_file": "ca.pem"}, "rediss"),
        (URL, {"sentinel_password": "canary-pass"}, "sentinel"),
        ("redis+sentinel://a/main", {"sentinel_username": "u"}, "sentinel_password"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(url: str, settings: dict[str, str], named: str) -> None:
    """A setting that does nothing hides a mistake; here, that a connection is not what one thinks."""
    with pytest.raises(ConfigError) as caught:
        JobQueueConfig(url=url, **settings)  # type: ignore[arg-type]
    [problem] = caught.value.problems
    assert problem.kind is ProblemKind.CONFLICT
    assert named in problem.message
    assert "canary" not in str(caught.value)


def test_every_mistake_of_a_file_is_reported_with_the_others(tmp_path: Path) -> None:
    """Relative paths start at the folder of the configuration, and the line is named."""
    path = tmp_path / "observers.toml"
    path.write_text('[job_queue]\nurl = "rediss://h"\ntls_ca_file = "absent.pem"\n[worker]\nprocesses = 65\n')
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert [problem.line for problem in caught.value.problems] == [3, 5]
    (tmp_path / "absent.pem").write_text("rubbish")
    with pytest.raises(ConfigError, match="holds no certificate"):
        load_config(path)


def test_there_is_no_way_to_switch_the_checks_off() -> None:
    """Neither a setting nor an option of the URL."""
    for setting in ("tls_verify", "verify", "tls_insecure", "ssl_cert_reqs"):
        with pytest.raises(ConfigError, match="unknown"):
            JobQueueConfig(url=URL, **{setting: False})  # type: ignore[arg-type]
    for suffix in ("#insecure", "?ssl_cert_reqs=none", "?verify=false"):
        with pytest.raises(ConfigError):
            JobQueueConfig(url=URL + suffix)


def test_the_password_of_the_sentinels_is_not_shown() -> None:
    """Nor is that of the servers."""
    config = JobQueueConfig(url="redis+sentinel://:canary-1@a,b/main", sentinel_password="canary-2")
    for text in (repr(config), str(config), config.shown_url):
        assert "canary" not in text
