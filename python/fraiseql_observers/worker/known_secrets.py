"""Which texts of a configuration are secret, so that they can be kept out of logs and stored errors.

What this package writes itself never holds one. But a handler's own exception may, or a library's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from fraiseql_observers.actions import WebhookAction
from fraiseql_observers.actions.headers import HARMLESS_HEADERS
from fraiseql_observers.actions.signing_secret import SecretError, read_secret_file
from fraiseql_observers.config import Config

#: A shorter text is no secret that could be kept: replacing it would garble every other line.
SHORTEST: Final = 6


def known_secrets(config: Config) -> set[str]:
    """Return every secret that this configuration holds or refers to."""
    found = set(_queue_secrets(config))
    for definition in config.observers.values():
        for action in definition.actions:
            if isinstance(action, WebhookAction):
                found.update(_webhook_secrets(action, config))
    return {secret for secret in found if len(secret) >= SHORTEST}


def _queue_secrets(config: Config) -> Iterator[str]:
    password = urlsplit(config.job_queue.url).password
    if password:
        yield password
        yield unquote(password)
    if config.job_queue.sentinel_password:
        yield config.job_queue.sentinel_password


def _webhook_secrets(action: WebhookAction, config: Config) -> Iterator[str]:
    yield from action.signing_secret or ()
    for name in action.signing_secret_env or ():
        yield os.environ.get(name, "").strip()
    for path in action.signing_secret_file or ():
        # One that cannot be read is refused where the action is built.
        with contextlib.suppress(SecretError):
            yield from read_secret_file(path, config.folder)
    url = action.url if action.url_env is None else os.environ.get(action.url_env, "")
    if url:
        query = urlsplit(url).query
        yield query
        yield from (part.partition("=")[2] for part in query.split("&"))
    for name, value in action.headers.items():
        if name.lower() not in HARMLESS_HEADERS:
            yield value
            # "Bearer abc": the scheme is no secret, what follows is one by itself.
            yield value.rpartition(" ")[2]
