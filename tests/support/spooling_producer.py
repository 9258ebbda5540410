"""A producer in a process of its own: it stores one event after the other and writes down what was accepted.

Run as ``python -m tests.support.spooling_producer CONFIG EVIDENCE COUNT [FILE_SIZE [fork]]``. A line is written only
after the call has returned, so that what stands there was promised. With a file size, no file may grow beyond that many
bytes. It ends with 0 when all was accepted, and with 9 when something was refused. With ``fork`` it does not end: it
forks a child that only sleeps, prints its id and sleeps too.
"""

from __future__ import annotations

import os
import resource
import sys
import time
import uuid

from fraiseql_observers import build_with_queue_sync, load_config
from fraiseql_observers.errors import QueueUnavailable


def main(config: str, evidence: str, count: str, file_size: str = "", last: str = "") -> int:
    """Store events until one is refused."""
    if file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_size), int(file_size)))
    lines = os.open(evidence, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with build_with_queue_sync(load_config(config)) as executor:
        for number in range(int(count)):
            event = {
                "event_type": "INSERT",
                "entity_type": "Noop",
                "entity_id": str(uuid.uuid4()),
                "data": {"n": number, "text": "x" * 500},
            }
            try:
                (job_id,) = executor.process_event(event).job_ids
            except QueueUnavailable as error:
                print(error)
                return 9
            os.write(lines, f"{job_id}\n".encode())
        if last == "fork":
            child = os.fork()
            if child:
                print(child, flush=True)
            time.sleep(120)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
