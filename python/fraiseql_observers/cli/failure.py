"""The exit codes of the command and what leads to each."""

from __future__ import annotations

from enum import IntEnum

from fraiseql_observers.errors import (
    ConfigError,
    DurabilityNotConfirmed,
    ObserversError,
    QueueRefused,
    QueueUnavailable,
    ServerUnsuitable,
)


class ExitCode(IntEnum):
    """What a script that runs the command can rely on."""

    DONE = 0
    #: Done in part, or refused: some events were not queued, an id was not found.
    PARTLY = 1
    #: Bad usage or configuration; a server that must not hold jobs counts as bad configuration.
    USAGE = 2
    #: The queue cannot be reached, or refuses the login.
    UNREACHABLE = 3


def exit_code(error: ObserversError) -> ExitCode:
    """Choose the exit code for an error that ended a command."""
    match error:
        case ConfigError() | ServerUnsuitable():
            return ExitCode.USAGE
        # No answer means the same to a script as no connection: try again later.
        case QueueUnavailable() | DurabilityNotConfirmed() | QueueRefused():
            return ExitCode.UNREACHABLE
        case _:
            return ExitCode.PARTLY
