"""Random operations on the queue of a real server, on the one in memory, and on a model in plain Python."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from redis import Redis

from tests.property.queue_machine import QueueMachine
from tests.support.server import ServerProcess

#: How many sequences of operations one run tries, and how many operations each has.
EXAMPLES = int(os.environ.get("OBSERVERS_MODEL_EXAMPLES", "100"))
STEPS = 60
#: A failure is made smaller before it is shown, which takes longer than a test without one.
LIMIT_SECS = 600 + EXAMPLES


@pytest.mark.timeout(LIMIT_SECS)
def test_both_queues_and_the_model_agree_whatever_happens(
    server_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No order of operations, lost replies and clock steps loses a job, doubles it, or tells the queues apart."""
    # Scripts sort ids as the server's locale says; memory sorts them as bytes.
    monkeypatch.setenv("LC_ALL", "C")
    with ServerProcess(server_binary, appendonly=False) as process, Redis(port=process.port) as server:

        class Machine(QueueMachine):
            pass

        Machine.server, Machine.url = server, process.unix_url
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=[
                    HealthCheck.too_slow,
                    HealthCheck.filter_too_much,
                    HealthCheck.data_too_large,
                ],
                print_blob=True,
            ),
        )
