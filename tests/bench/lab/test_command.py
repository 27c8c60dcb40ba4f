"""``python -m bench lab``: all evidence has one entry."""

import pytest

from bench import __main__ as command


def test_every_command_is_in_one_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["lab", "--help"])
    shown = capsys.readouterr().out
    for name in ("gatetest", "other-tools", "gpu", "tensorboard", "faults", "fleet"):
        assert f"\n    {name}" in shown


def test_a_name_is_needed() -> None:
    assert command.main(["lab"]) == 2
