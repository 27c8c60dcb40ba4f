"""A driver that cannot be heard any more: the measurement ends, whoever keeps the input open."""

import io
import os
from types import SimpleNamespace
from typing import Any

from bench.fleet.__main__ import listening
from bench.fleet.node import BEAT_S, SILENCE_S
from bench.fleet.processes import Answers
from tests.support.fleets import Clock


def test_silence_ends_a_measurement_and_an_empty_line_does_not() -> None:
    clock = Clock()
    hears, says = os.pipe()
    go_on = listening(hears, clock)
    for _ in range(3):
        clock.wait(SILENCE_S - 1)
        assert go_on(0.0)
        os.write(says, b"\n")
        assert go_on(0.0)
    clock.wait(SILENCE_S)
    assert not go_on(0.0)
    os.close(says)
    assert not listening(hears, clock)(0.0)
    os.close(hears)


def test_driver_lets_a_node_know_that_it_is_there() -> None:
    clock, stdin = Clock(), io.StringIO()
    process: Any = SimpleNamespace(stdin=stdin, stdout=io.StringIO(), stderr=io.StringIO())
    answers = Answers(process, clock)
    for _ in range(10):
        clock.wait(BEAT_S / 2)
        answers.messages()
    assert stdin.getvalue() == 5 * "\n"
    answers.stop()
    clock.wait(BEAT_S)
    assert answers.messages() == []
