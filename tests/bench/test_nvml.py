"""What is read of a GPU, with a library that stands in for NVML."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench import nvml


class NVMLError(Exception):
    """As in pynvml."""


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
    constants = {"NVML_CLOCK_SM": 1, "NVML_TEMPERATURE_GPU": 0, "NVMLError": NVMLError}
    return SimpleNamespace(**functions, **constants)


FULL: dict[str, Any] = {
    "ClockInfo": 1980,
    "PowerUsage": 512_000,
    "EnforcedPowerLimit": 700_000,
    "CurrentClocksEventReasons": 0x4 | 0x8,
    "Temperature": 61,
    "ProcessUtilization": [SimpleNamespace(pid=1, smUtil=90), SimpleNamespace(pid=2, smUtil=0)],
}


@pytest.fixture(autouse=True)
def one_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvml, "_handle", lambda *_: "card")


def test_clock_power_and_reasons_come_in_units_of_ours() -> None:
    found = nvml.read(torch.device("cuda:0"), library(**FULL))
    assert found == nvml.GpuReading(
        1.98e9, 512.0, 700.0, 61, ("sw_power_cap", "hw_slowdown"), busy_processes=1
    )


def test_what_a_card_does_not_tell_is_unknown() -> None:
    silent = dict.fromkeys(FULL, NVMLError("not supported"))
    found = nvml.read(torch.device("cuda:0"), library(**silent))
    assert found == nvml.GpuReading(None, None, None, None, (), None)


def test_older_drivers_call_the_reasons_otherwise() -> None:
    older = {k: v for k, v in FULL.items() if k != "CurrentClocksEventReasons"}
    found = nvml.read(torch.device("cuda"), library(**older, CurrentClocksThrottleReasons=0x40))
    assert found is not None
    assert found.throttles == ("hw_thermal_slowdown",)


def test_no_other_device_is_asked() -> None:
    assert nvml.read(torch.device("cpu"), library(**FULL)) is None
