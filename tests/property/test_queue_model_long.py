"""The model test over long runs: thousands of operations on one queue, a seed each, every one of them executed.

Hypothesis ends a run when it has drawn so many choices, however many steps were asked for; so each step here has
draws of its own, from the run's seed. There is no shrinking: seed and step say which run to look at again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import strategies as st
from hypothesis.control import BuildContext
from hypothesis.internal.conjecture.data import ConjectureData
from redis import Redis

from tests.property.queue_machine import QueueMachine
from tests.support.server import ServerProcess

#: How many runs, and how many steps each: `make model SEEDS=200 STEPS=2000` does many.
SEEDS = int(os.environ.get("OBSERVERS_MODEL_SEEDS", "2"))
STEPS = int(os.environ.get("OBSERVERS_MODEL_STEPS", "150"))
FIRST_SEED = int(os.environ.get("OBSERVERS_MODEL_FIRST_SEED", "1"))
#: Half a second a step would be a hang.
LIMIT_SECS = 120 + SEEDS * STEPS // 2


@pytest.mark.timeout(LIMIT_SECS)
def test_both_queues_and_the_model_agree_over_long_runs(
    server_binary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No job is lost, doubled or told differently, however long it goes on."""
    # Scripts sort ids as the server's locale says; memory sorts them as bytes.
    monkeypatch.setenv("LC_ALL", "C")
    started, executed = time.monotonic(), 0
    with ServerProcess(server_binary, appendonly=False) as process, Redis(port=process.port) as server:

        class Machine(QueueMachine):
            pass

        Machine.server, Machine.url = server, process.unix_url
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
            executed += _run(Machine(), seed)
    assert executed == SEEDS * STEPS
    with capsys.disabled():
        took = time.monotonic() - started
        print(f"\nmodel: {executed} steps executed in {SEEDS} runs from seed {FIRST_SEED}, {took:.0f} s")


def _run(machine: QueueMachine, seed: int) -> int:
    """Do a run of operations, and return how many have been executed."""
    random = Random(seed)
    step = 0
    try:
        _within_a_run(random, machine.begin)
        machine.check()
        while step < STEPS:
            _within_a_run(random, machine.operate)
            machine.check()
            step += 1
        _within_a_run(random, lambda data: machine.teardown())
    except Exception as error:
        error.add_note(
            f"the run of seed {seed}, in its step {step + 1}; OBSERVERS_MODEL_FIRST_SEED repeats it"
        )
        raise
    return step


def _within_a_run(random: Random, act: Callable[..., None]) -> None:
    """Call a rule with draws of its own."""
    drawn = ConjectureData(random=random, prefix=())
    with BuildContext(drawn, wrapped_test=_within_a_run):
        act(data=drawn.draw(st.data()))
