"""Orders come in, deliveries go out, a worker is killed in the middle of it, and nothing is lost.

All of it runs on this machine and needs nothing set up: an embedded server in a folder that is removed at the
end, one worker after another, and a receiver that is sometimes in trouble.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import sys
import tempfile
from pathlib import Path

from examples.demo.expected import expected_jobs
from examples.demo.orders import order_events
from examples.demo.receiver import Receiver
from examples.demo.screen import Screen, print_tally
from examples.demo.server import embedded_server
from examples.demo.shop import DemoFailed, Shop
from examples.demo.tally import Tally
from examples.demo.worker import WorkerFailed, Workers
from fraiseql_observers.config import load_config
from fraiseql_observers.dead_letters import DeadLetterQueue
from fraiseql_observers.executor import build_with_queue
from fraiseql_observers.inspector import Inspector

RULES = Path(__file__).with_name("rules.toml")
EVENTS = 3_000
#: The exit code of a program that Ctrl-C has ended, by the convention of shells: 128 + SIGINT.
INTERRUPTED = 130

NEXT = """
Where to look next
  examples/demo/rules.toml     the rules of this demonstration
  README.md                    an example of ten lines; what is promised, and its limits
  fraiseql-observers --help    the command for operators: status, jobs, dlq, publish, config check
"""


def main() -> int:
    """Run the demonstration: 0 if every sum holds, 1 if one does not, 130 after Ctrl-C."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    with (
        tempfile.TemporaryDirectory(prefix="obs-demo-") as folder,
        Receiver(secret) as receiver,
        embedded_server(Path(folder) / "server") as url,
    ):
        workers = Workers(RULES, Path(folder))
        # For the rules in this process and, since it inherits them, for the worker.
        os.environ |= {
            "FRAISEQL_JOB_QUEUE_URL": url,
            "DEMO_SIGNING_SECRET": secret,
            "DEMO_SALES_URL": receiver.url("sales"),
            "DEMO_CARRIER_URL": receiver.url("carrier"),
            "DEMO_MAIL_URL": receiver.url("mail"),
            "DEMO_OLD_ERP_URL": receiver.url("old-erp"),
        }
        try:
            tally = asyncio.run(_demonstrate(workers, receiver))
        except (DemoFailed, WorkerFailed) as error:
            print(f"\nThe demonstration failed: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nInterrupted; the worker and the server are stopped.", file=sys.stderr)
            return INTERRUPTED
        finally:
            # For a second Ctrl-C, which does not wait for a worker to finish what runs.
            for worker in workers.started:
                worker.kill_now()
    holds = print_tally(tally)
    print(NEXT)
    return 0 if holds else 1


async def _demonstrate(workers: Workers, receiver: Receiver) -> Tally:
    config = load_config(RULES)
    events = list(order_events(EVENTS))
    expected = expected_jobs(events)
    async with build_with_queue(config) as executor:
        with Screen(events=len(events), jobs=len(expected)) as screen:
            inspector = Inspector(executor.queue)
            server = (await inspector.status()).server
            screen.say(f"{server.product} {server.version} runs, for this demonstration only")
            shop = Shop(executor, receiver, screen, events=events, jobs=len(expected))
            await shop.run(workers.new)
        counters = (await inspector.status()).counters
        letters = await DeadLetterQueue(executor.queue).list(limit=EVENTS)
    return Tally(
        events=shop.published.events,
        matched=shop.published.matched,
        expected=expected,
        job_ids=shop.published.job_ids,
        delivered=receiver.delivered,
        answers=receiver.answers,
        badly_signed=receiver.badly_signed,
        dead_ids={letter.id for letter in letters},
        retried=counters.get("retried", 0),
        reclaimed=counters.get("reclaimed", 0),
        completed=counters.get("completed", 0),
    )


if __name__ == "__main__":
    try:
        exit_code = main()
    except KeyboardInterrupt:
        # The second one, in the middle of the cleaning up after the first.
        exit_code = INTERRUPTED
    sys.exit(exit_code)
