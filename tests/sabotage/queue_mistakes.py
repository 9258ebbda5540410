"""Five mistakes in the way of a job, and for each the test that is there to catch it."""

from __future__ import annotations

from typing import Final

from tests.sabotage.mistake import Mistake

QUEUE_MISTAKES: Final = (
    Mistake(
        "a job is acked before it has run",
        "python/fraiseql_observers/worker/dispatch.py",
        "            feed.succeed(job, status_code=await rule.run(job))\n",
        "            feed.succeed(job)\n            await rule.run(job)\n",
        "tests/faults/test_deliveries.py"
        "::test_five_killed_workers_lose_nothing_and_repeat_only_what_was_running",
    ),
    Mistake(
        "an ack does not look at its token",
        "rust/src/scripts/ack.lua",
        "  if held[i] == ARGV[4 + n + i] and not seen[member] then\n",
        "  if not seen[member] then\n",
        "tests/contract/test_job_queue.py::test_a_token_is_good_once",
    ),
    Mistake(
        "an enqueue does not look whether the job is known",
        "rust/src/scripts/enqueue.lua",
        "if ended[i] == 0 and ended_before[i] == 0 and redis.call('HSETNX', KEYS[1], id, ARGV[3 + 2 * n + i]) == 1",
        "if redis.call('HSET', KEYS[1], id, ARGV[3 + 2 * n + i]) >= 0",
        "tests/faults/test_volume.py::test_events_published_again_after_their_jobs_are_done_make_no_job",
    ),
    Mistake(
        "a reclaim does not count crashes",
        "rust/src/scripts/reclaim.lua",
        "      count = tonumber(crashes) + 1\n",
        "      count = 1\n",
        "tests/faults/test_poison.py::test_jobs_that_end_their_process_are_buried_and_no_other_job_is",
    ),
    Mistake(
        "a line of the log holds a secret",
        "python/fraiseql_observers/actions/webhook.py",
        "        ours = self._own_headers(context, body, given)\n",
        '        __import__("sys").stderr.write(f"sending {given}\\n")\n'
        "        ours = self._own_headers(context, body, given)\n",
        "tests/faults/test_secrets.py::test_no_secret_leaves_a_worker_that_fails",
    ),
)
