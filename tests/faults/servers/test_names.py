"""The name of the server: it cannot be found for a while, and then it is at another address."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.faults.rig.catalogue import Entry
from tests.faults.servers.kernel import shim
from tests.faults.servers.stand import DRAIN_SECS, Stand
from tests.support.server import ServerProcess
from tests.support.wait import wait_until

SLOTS = 10
NAME: Final = "queue.test"
#: All of 127.0.0.0/8 is this machine's own, on Linux.
FIRST, SECOND, OURS = "127.0.0.2", "127.0.0.3", "127.0.0.1"
#: One name has the address that a file holds. Where the file is empty it cannot be found, which another file tells.
RESOLVER: Final = f"""
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {{
    int (*ask)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    char address[64];
    if (name && !strcmp(name, "{NAME}")) {{
        FILE *file = fopen(getenv("ADDRESS_FILE"), "r");
        int read = file ? fscanf(file, "%63s", address) : 0;
        if (file) fclose(file);
        if (read != 1) {{
            file = fopen(getenv("REFUSALS_FILE"), "a");
            if (file) fclose(file);
            return EAI_NONAME;
        }}
        name = address;
    }}
    return ask(name, service, hints, found);
}}
"""


@pytest.mark.row(45)
def test_a_server_that_moves_to_another_address_is_found_there(
    server_binary: Path, prefix: str, tmp_path: Path, catalogue: Entry
) -> None:
    """No address is remembered, and no failure to find one: the worker goes on by itself."""
    address, refusals = tmp_path / "address", tmp_path / "refusals"
    address.write_text(FIRST)
    resolver = {
        "LD_PRELOAD": str(shim(tmp_path, RESOLVER)),
        "ADDRESS_FILE": str(address),
        "REFUSALS_FILE": str(refusals),
    }
    with ServerProcess(server_binary, appendfsync="no", extra=("--bind", OURS, FIRST)) as server:
        stand = Stand(tmp_path, server, prefix, url=f"redis://{NAME}:{server.port}/0", slots=SLOTS)
        with stand.worker(environment=resolver) as worker, server.client() as client:
            # The producer is not told of the name.
            stand.move(server.url)
            stand.publish(100, secs=0.05)
            stand.wait_for_runs(10)
            assert addresses(server) == {OURS, FIRST}
            address.write_text("")
            client.config_set("bind", f"{OURS} {SECOND}")
            client.execute_command("CLIENT", "KILL", "LADDR", f"{FIRST}:{server.port}")
            wait_until(refusals.exists, deadline_secs=DRAIN_SECS, what="a name that cannot be found")
            assert addresses(server) == {OURS}
            stand.publish(50)
            address.write_text(SECOND)
            drained = stand.drain()
            assert addresses(server) == {OURS, SECOND}
            assert worker.stop() == 0
        stand.judge(catalogue, bound=SLOTS, drained_secs=drained)


def addresses(server: ServerProcess) -> set[str]:
    """Say at which addresses of the server its clients are."""
    with server.client() as client:
        clients = client.client_list()
    assert isinstance(clients, list)
    return {str(one["laddr"]).rpartition(":")[0] for one in clients}
