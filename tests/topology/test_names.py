"""The name of a server: looked up for each connection, and a name that is not found may be found later.

Here nothing is remembered of a lookup that failed; that another address is taken up is row 45 of the catalogue.
"""

from __future__ import annotations

import pytest

from fraiseql_observers._core import RedisQueue
from fraiseql_observers.errors import QueueUnavailable
from tests.support.lanes import options_for


@pytest.mark.parametrize(
    "url",
    [
        "redis://no-such-host.invalid:6379",
        "redis+sentinel://no-such-host.invalid/main",
        "redis+cluster://no-such-host.invalid:7000",
    ],
)
def test_a_name_that_is_not_found_is_a_server_that_is_away(url: str, prefix: str) -> None:
    """It is waited for, since names come and go; each call asks again."""
    queue = RedisQueue(url, options_for(prefix))
    for _ in range(2):
        with pytest.raises(QueueUnavailable, match=r"no-such-host\.invalid"):
            queue.open_blocking()
