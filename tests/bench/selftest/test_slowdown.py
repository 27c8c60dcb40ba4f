"""Injected slow-downs are real work, and change nothing else."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.schema.records import Status
from bench.selftest.slowdown import KEPT, KINDS, Alone, Kept, Slowdown, Slowed, alone, slowed
from bench.workload.arms import build_arms
from bench.workload.check import check
from bench.workload.inputs import make_inputs
from bench.workload.networks import Shared
from panet import InputError
from tests.support.factories import case, check_task, recipes


@pytest.mark.parametrize("kind", KINDS)
def test_work_is_done_on_as_many_channels_as_asked(kind: str) -> None:
    x = torch.randn(1, 8, 4, 4)
    allocated = []
    for channels in (4, 8, 20):
        with torch.profiler.profile(profile_memory=True) as profiler:
            Slowdown(f"{kind}:{channels}")(x)
        bytes_ = sum(max(0, event.self_cpu_memory_usage) for event in profiler.key_averages())
        allocated.append(bytes_)
    assert 0 < allocated[0] < allocated[1] < allocated[2]


def test_extra_convolution_is_executed() -> None:
    x = torch.randn(1, 8, 4, 4)
    with FlopCounterMode(display=False) as counter:
        Slowdown("compute:6")(x)
    assert counter.get_total_flops() == 2 * 16 * 8 * 6


@pytest.mark.parametrize("channels_last", [False, True])
def test_lost_layout_is_really_lost_and_restored(channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(1, 8, 4, 4).contiguous(memory_format=layout)
    restored = KINDS["layout"](x, 8)
    assert restored.data_ptr() != x.data_ptr()
    assert restored.stride() == x.stride()
    assert torch.equal(restored, x)


def test_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"'sleep'.*compute, copy, layout"):
        Slowdown("sleep:3")


def test_slowed_network_gives_what_the_network_gives() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 1))

    class Pyramid(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (network(x),)

    x = torch.randn(1, 3, 4, 4)
    (finest,) = Slowed(Pyramid(), Slowdown("copy:8"))(x)
    assert torch.equal(finest, network(x))


def test_work_alone_comes_behind_what_the_network_has_given() -> None:
    class Pyramid(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (x + 1,)

    shared: Shared = {}
    (given,) = Kept(Pyramid(), shared)(torch.zeros(1, 8, 4, 4))
    assert Alone(Slowdown("copy:8"), shared)()[0] is given


def test_slowed_arms_pass_the_check_of_the_same_work(tmp_path: Path) -> None:
    arms = recipes(fpn="fpn", left="panet", right="panet") | {"slowed": slowed("compute:16")}
    found = check(check_task(tmp_path, case(height_px=64, width_px=64), arms=arms))
    assert (found.status, found.reason) == (Status.OK, "")
    assert found.facts["left"].macs == found.facts["right"].macs < found.facts["slowed"].macs
    assert found.facts["fpn"].macs < found.facts["left"].macs


def test_arms_are_what_the_task_names(tmp_path: Path) -> None:
    small = case(height_px=64, width_px=64, channels_last=True)
    task = check_task(tmp_path, small, arms={"base": KEPT, "extra": alone("copy:16")})
    built = build_arms(task, make_inputs(task)[0], compiled=False)
    assert list(built) == ["base", "extra"]
    kept = built["base"].call()[0]
    (finest,) = built["extra"].call()
    assert finest is kept
    assert finest.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("kind", KINDS)
def test_arms_of_a_calibration_pass_the_check(kind: str, tmp_path: Path) -> None:
    arms = {"base": KEPT, "work": alone(f"{kind}:16")}
    found = check(check_task(tmp_path, case(height_px=64, width_px=64), arms=arms))
    assert (found.status, found.reason) == (Status.OK, "")
    assert found.round_s is not None
