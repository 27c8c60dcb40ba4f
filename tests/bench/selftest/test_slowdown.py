"""Injected slow-downs are real work in a stage, and change nothing else."""

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench.schema.records import Status
from bench.selftest.calibration import PLACES
from bench.selftest.slowdown import (
    EVERYWHERE,
    KINDS,
    Alone,
    Work,
    alone,
    keep_maps,
    kept,
    slow_down,
    slowed,
)
from bench.workload.arms import build_arms
from bench.workload.check import check
from bench.workload.inputs import make_inputs
from bench.workload.networks import Neck, Shared
from bench.workload.stages import stages
from panet import InputError
from tests.support.factories import case, check_task, recipes

FUSE = "panet n3 fuse"
SMALL = case(height_px=32, width_px=32, channels_last=True)


def neck_and_maps() -> tuple[Neck, tuple[torch.Tensor, ...]]:
    torch.manual_seed(0)
    neck = Neck((8, 8, 8, 8))
    return neck, tuple(torch.randn(1, 8, size, size) for size in (16, 8, 4, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_work_is_done_on_as_many_channels_as_asked(kind: str) -> None:
    x = torch.randn(1, 8, 4, 4)
    allocated = []
    for channels in (4, 8, 20):
        with torch.profiler.profile(profile_memory=True, acc_events=True) as profiler:
            Work(kind, channels, FUSE)(x)
        bytes_ = sum(max(0, event.self_cpu_memory_usage) for event in profiler.key_averages())
        allocated.append(bytes_)
    assert 0 < allocated[0] < allocated[1] < allocated[2]


def test_extra_convolution_is_executed() -> None:
    x = torch.randn(1, 8, 4, 4)
    with FlopCounterMode(display=False) as counter:
        Work("compute", 6, FUSE)(x)
    assert counter.get_total_flops() == 2 * 16 * 8 * 6


@pytest.mark.parametrize("channels_last", [False, True])
def test_lost_layout_is_really_lost_and_restored(channels_last: bool) -> None:
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x = torch.randn(1, 8, 4, 4).contiguous(memory_format=layout)
    restored = KINDS["layout"](x, 8)
    assert restored.data_ptr() != x.data_ptr()
    assert restored.stride() == x.stride()
    assert torch.equal(restored, x)


def test_work_has_a_text() -> None:
    work = Work("copy", 96, "fpn p2 smooth")
    assert str(work) == "copy:96 in fpn p2 smooth"
    assert Work.parse(str(work)) == work


def test_unknown_kind_or_stage_is_refused() -> None:
    with pytest.raises(InputError, match=r"'sleep'.*compute, copy, layout"):
        Work.parse("sleep:3 in panet n3 fuse")
    with pytest.raises(InputError, match=r"'panet n9 fuse'; choose from every stage, fpn p2"):
        Work("copy", 3, "panet n9 fuse").layers(neck_and_maps()[0])


def test_places_are_stages_of_the_network() -> None:
    names = {stage.name for stage in stages(neck_and_maps()[0])}
    assert set(PLACES) <= names | {EVERYWHERE}


@pytest.mark.parametrize("place", PLACES)
def test_slowed_network_gives_what_the_network_gives(place: str) -> None:
    network, maps = neck_and_maps()
    plain = network(*maps)
    slow = slow_down(network, Work("copy", 8, place))(*maps)
    assert all(torch.equal(a, b) for a, b in zip(plain, slow, strict=True))


def test_work_is_done_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[tuple[int, ...]] = []

    def look(x: torch.Tensor, _: int) -> torch.Tensor:
        shapes.append(tuple(x.shape))
        return x

    monkeypatch.setitem(KINDS, "copy", look)
    network, maps = neck_and_maps()
    slow_down(network, Work("copy", 1, FUSE))(*maps)
    assert shapes == [(1, 256, 8, 8)]
    shapes.clear()
    network, _ = neck_and_maps()
    slow_down(network, Work("copy", 1, EVERYWHERE))(*maps)
    assert len(shapes) == len(stages(network))


def test_work_alone_comes_behind_what_the_network_has_made() -> None:
    network, maps = neck_and_maps()
    work, shared = Work("copy", 8, FUSE), Shared()
    keep_maps(network, work.layers(network), shared)
    network(*maps)
    (made,) = Alone(work, shared)()
    assert made.shape == (1, 256, 8, 8)


def test_slowed_arms_pass_the_check_of_the_same_work(tmp_path: Path) -> None:
    work = Work("compute", 16, FUSE)
    arms = recipes(fpn="fpn", left="panet", right="panet") | {"slowed": slowed(work)}
    found = check(check_task(tmp_path, SMALL, arms=arms))
    assert (found.status, found.reason) == (Status.OK, "")
    assert found.facts["left"].macs == found.facts["right"].macs < found.facts["slowed"].macs
    assert found.facts["fpn"].macs < found.facts["left"].macs


def test_slowed_arm_is_split_into_the_stages_of_the_plain_one(tmp_path: Path) -> None:
    arms = recipes(base="panet") | {"slowed": slowed(Work("copy", 4096, FUSE))}
    task = check_task(tmp_path, SMALL, arms=arms)
    built = build_arms(task, make_inputs(task)[0], compiled=False, marked=True)
    names = []
    for arm in built.values():
        assert arm.marks is not None
        arm.marks.begin()
        arm.call()
        arm.marks.end()
        arm.marks.keep()
        names.append(list(arm.marks.spans_s()))
    assert names[0] == names[1]
    assert FUSE in names[0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_arms_of_a_calibration_pass_the_check(kind: str, tmp_path: Path) -> None:
    work = Work(kind, 16, EVERYWHERE)
    arms = {"base": kept(work), "work": alone(work)}
    found = check(check_task(tmp_path, SMALL, arms=arms))
    assert (found.status, found.reason) == (Status.OK, "")
    assert found.round_s is not None
