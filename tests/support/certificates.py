"""Certificates for tests, made anew for each run: right ones, and one for each way of being wrong."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import trustme


class Files(NamedTuple):
    """A certificate and its key, as the configuration names them."""

    certificate: str
    key: str


class Certificates:
    """An authority, and what it has signed; the files are in a directory of the test.

    Args:
        directory: Where the files are put.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._authority = trustme.CA()
        self.ca_file = str(directory / "ca.pem")
        self._authority.cert_pem.write_to_path(self.ca_file)

    def issue(self, name: str, *identities: str, expired: bool = False) -> Files:
        """Return the files of a certificate for these names and addresses, under a file name of its own."""
        until = datetime.now(UTC) - timedelta(days=1) if expired else None
        begun = datetime.now(UTC) - timedelta(days=2) if expired else None
        issued = self._authority.issue_cert(*identities, not_before=begun, not_after=until)
        files = Files(str(self.directory / f"{name}.pem"), str(self.directory / f"{name}.key"))
        for place, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(files.certificate, append=place > 0)
        issued.private_key_pem.write_to_path(files.key)
        Path(files.key).chmod(0o600)
        return files

    def server_context(self, files: Files, *, ask_for_client: bool = False) -> ssl.SSLContext:
        """Return what a server of this certificate needs; it may let in only clients that this authority knows."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(files.certificate, files.key)
        if ask_for_client:
            context.load_verify_locations(self.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
