"""The files that TLS takes: what is wrong with them shows before anything is started, and names no more than paths."""

from __future__ import annotations

import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from fraiseql_observers.config.sections import JobQueueConfig
from fraiseql_observers.problems import Problem, ProblemKind

__all__ = ["tls_path", "tls_problems"]

#: PEM files are small; whoever names something larger has named something else.
_LARGEST_FILE_BYTES = 1 << 20
_FILES = ("tls_ca_file", "tls_cert_file", "tls_key_file")


def tls_path(name: str | None, folder: Path | None) -> str | None:
    """Return where a file of the configuration is: a relative path starts at the folder of the configuration."""
    return None if name is None else str((folder or Path()) / name)


def tls_problems(job_queue: JobQueueConfig, folder: Path | None) -> Iterator[Problem]:
    """Yield what is wrong with the TLS files of ``[job_queue]``.

    A file must be readable and hold what it is named for, the key must belong to the certificate, and nobody but its
    owner and group may read the key.
    """
    paths: dict[str, Path] = {}
    for setting in _FILES:
        name = getattr(job_queue, setting)
        if name is None:
            continue
        path = (folder or Path()) / name
        complaint = _file_complaint(path)
        if complaint is None and setting == "tls_key_file":
            complaint = _mode_complaint(path)
        if complaint is None:
            paths[setting] = path
        else:
            yield _problem(setting, f"the file {name} {complaint}")
    authorities = paths.get("tls_ca_file")
    if authorities is not None and not _holds_authorities(authorities):
        yield _problem(
            "tls_ca_file", f"the file {job_queue.tls_ca_file} holds no certificate in the PEM format"
        )
    if {"tls_cert_file", "tls_key_file"} <= paths.keys():
        complaint = _pair_complaint(paths["tls_cert_file"], paths["tls_key_file"])
        if complaint is not None:
            yield _problem(
                "tls_key_file", f"{job_queue.tls_key_file} and {job_queue.tls_cert_file}: {complaint}"
            )


def _problem(setting: str, message: str) -> Problem:
    return Problem(ProblemKind.TLS, ("job_queue", setting), message)


def _file_complaint(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE_BYTES + 1)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if len(content) > _LARGEST_FILE_BYTES:
        return f"is larger than {_LARGEST_FILE_BYTES} bytes"
    return None if content else "is empty"


def _mode_complaint(path: Path) -> str | None:
    mode = os.stat(path).st_mode  # noqa: PTH116 - follows links as the reader does
    if mode & stat.S_IRWXO:
        return f"can be read or changed by everybody (mode {stat.S_IMODE(mode):04o}); allowed: 0600 or 0640"
    return None


def _holds_authorities(path: Path) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, ValueError):
        return False
    # Whether they are authorities is for the handshake to say: a self-signed server certificate is none.
    return context.cert_store_stats()["x509"] > 0


def _pair_complaint(certificate: Path, key: Path) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_to_ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key does not belong to the certificate"
        return "no private key and certificate in the PEM format"
    except _PassphraseError:
        return "the key is protected by a passphrase; allowed: a key without one"
    return None


class _PassphraseError(Exception):
    """A key cannot be used without a passphrase."""


def _refuse_to_ask() -> NoReturn:
    raise _PassphraseError
