"""Hints say in plain words what could be calmer, and only where something could."""

from typing import Any

import pytest

from bench.machine import advice
from bench.machine.advice import Machine


def machine(**values: Any) -> Machine:
    defaults: dict[str, Any] = {
        "busy": (),
        "stolen_ratio": 0.0,
        "free_bytes": 8 * 2**30,
        "cores": 2,
        "governor": None,
    }
    return Machine(**(defaults | values))


def test_calm_machine_needs_no_hint() -> None:
    assert advice.hints(machine(), threads=2) == []
    assert advice.hints(machine(stolen_ratio=None, governor="performance"), threads=2) == []


@pytest.mark.parametrize(
    ("values", "threads", "sentence"),
    [
        ({"busy": (("cc1plus", 0.98),)}, 1, "cc1plus takes 98 % of a core: stop it"),
        ({"busy": (("cc1plus", 0.98),)}, 2, "--threads 1 leaves a core to the others"),
        ({"stolen_ratio": 0.2}, 2, "the hypervisor gives 20 % of the time to other machines"),
        ({}, 4, "4 threads on 2 usable cores wait for each other: --threads 2"),
        ({"free_bytes": 2**30}, 2, "only 1.0 GiB of memory are free"),
        ({"governor": "powersave"}, 2, "the CPU governor is powersave"),
    ],
)
def test_what_could_be_calmer_is_named(values: dict[str, Any], threads: int, sentence: str) -> None:
    found = advice.hints(machine(**values), threads)
    assert any(sentence in hint for hint in found), found


def test_looking_takes_the_time_it_is_given_and_leaves_out_ourselves() -> None:
    waits: list[float] = []
    seen = advice.look(cores=2, governor=None, wait=waits.append)
    assert waits == [advice.LOOK_S]
    assert seen.free_bytes > 0
    assert all("python" not in name or share >= advice.BUSY_RATIO for name, share in seen.busy)
