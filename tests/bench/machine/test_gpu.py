"""What is read of a GPU, with a library that stands in for NVML."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.machine import gpu
from bench.schema.errors import BenchError


class NVMLError(Exception):
    """As in pynvml."""

    def __init__(self, value: int = 3) -> None:
        super().__init__(value)
        self.value = value


NOT_FOUND = 6


def library(**answers: Any) -> Any:
    """Return a stand-in: every function gives its answer, or raises it."""

    def function(name: str) -> Any:
        def answer(*_: Any) -> Any:
            found = answers[name]
            if isinstance(found, Exception):
                raise found
            return found

        return answer

    functions = {f"nvmlDeviceGet{name}": function(name) for name in answers}
    constants: dict[str, Any] = {"NVML_CLOCK_SM": 1, "NVML_TEMPERATURE_GPU": 0}
    constants |= {"NVMLError": NVMLError, "NVML_ERROR_NOT_FOUND": NOT_FOUND}
    return SimpleNamespace(**functions, **constants)


FULL: dict[str, Any] = {
    "ClockInfo": 1980,
    "PowerUsage": 512_000,
    "EnforcedPowerLimit": 700_000,
    "CurrentClocksEventReasons": 0x4 | 0x8,
    "Temperature": 61,
    "ProcessUtilization": [
        SimpleNamespace(pid=1, smUtil=90, timeStamp=2000),
        SimpleNamespace(pid=2, smUtil=0, timeStamp=2000),
        SimpleNamespace(pid=3, smUtil=90, timeStamp=1000),
        SimpleNamespace(pid=os.getpid(), smUtil=90, timeStamp=2000),
    ],
}


@pytest.fixture(autouse=True)
def one_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_handle", lambda *_: "card")


def test_clock_power_and_reasons_come_in_units_of_ours() -> None:
    found = gpu.read(torch.device("cuda:0"), library=library(**FULL))
    assert found is not None
    assert (found.sm_clock_hz, found.power_w, found.power_limit_w) == (1.98e9, 512.0, 700.0)
    assert found.temperature_c == 61
    assert found.throttles == ("sw_power_cap", "hw_slowdown")


def test_others_are_those_that_worked_since_then() -> None:
    card = torch.device("cuda:0")
    since_1500, since_ever = (gpu.read(card, us, library(**FULL)) for us in (1500, 0))
    assert since_1500 is not None and since_ever is not None  # noqa: PT018 - both are
    assert since_1500.others == frozenset({1})
    assert since_ever.others == frozenset({1, 3})
    nobody = FULL | {"ProcessUtilization": NVMLError(NOT_FOUND)}
    found = gpu.read(card, library=library(**nobody))
    assert found is not None
    assert found.others == frozenset()


def test_card_that_cannot_be_opened_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise NVMLError

    monkeypatch.setattr(gpu, "_handle", refuse)
    assert gpu.read(torch.device("cuda:0"), library=library(**FULL)) is None


def test_what_a_card_does_not_tell_is_unknown() -> None:
    silent = dict.fromkeys(FULL, NVMLError())
    found = gpu.read(torch.device("cuda:0"), library=library(**silent))
    assert found is not None
    assert found == gpu.GpuReading(None, None, None, None, (), None, found.at_us)


def test_older_drivers_call_the_reasons_otherwise() -> None:
    older = {k: v for k, v in FULL.items() if k != "CurrentClocksEventReasons"}
    found = gpu.read(
        torch.device("cuda"), library=library(**older, CurrentClocksThrottleReasons=0x40)
    )
    assert found is not None
    assert found.throttles == ("hw_thermal_slowdown",)


def test_joules_are_read_where_the_card_counts_them(monkeypatch: pytest.MonkeyPatch) -> None:
    card = torch.device("cuda:0")
    assert gpu.energy_j(card, library(TotalEnergyConsumption=1_234_500)) == 1234.5
    with pytest.raises(BenchError, match=r"NVML tells no energy of this device.*newer card"):
        gpu.energy_j(card, library(TotalEnergyConsumption=NVMLError()))
    monkeypatch.setattr(gpu, "_library", lambda: None)
    with pytest.raises(BenchError, match=r"NVML cannot be read: pip install 'panet-bench\[cuda\]'"):
        gpu.energy_j(card)


def test_no_other_device_is_asked() -> None:
    assert gpu.read(torch.device("cpu"), library=library(**FULL)) is None
