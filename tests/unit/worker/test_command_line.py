"""The command line of the worker: usage errors end with 2, and nothing has been started."""

from __future__ import annotations

import pytest

from fraiseql_observers.worker.__main__ import main


@pytest.mark.parametrize("processes", ["0", "-1", "65", "x", "1e9", "1.0", ""])
def test_a_wrong_number_of_processes_is_a_usage_error(
    processes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--config", "a.toml", "--processes", processes])
    assert ended.value.code == 2
    assert "is not a number from 1 to 64" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--what"], ["extra"], ["--config"]])
def test_unknown_arguments_are_a_usage_error(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_help_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "SIGHUP" in capsys.readouterr().out
