"""Names of stages, and the hooks that say where a network is."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.profiling.arithmetic import count
from bench.workload.networks import Neck
from bench.workload.stages import stages, watched
from panet import BackboneNeck
from panet.necks import NECKS

CHANNELS = (8, 16, 32, 64)
MAPS = tuple(torch.randn(1, c, 64 >> i, 64 >> i) for i, c in enumerate(CHANNELS))


def test_stages_of_the_neck_name_level_and_step() -> None:
    found = stages(Neck(CHANNELS))
    assert [stage.name for stage in found] == [
        *("fpn p2 lateral", "fpn p2 top-down sum", "fpn p2 smooth"),
        *("fpn p3 lateral", "fpn p3 top-down sum", "fpn p3 smooth"),
        *("fpn p4 lateral", "fpn p4 top-down sum", "fpn p4 smooth", "fpn p5 lateral"),
        *("panet n3 downsample", "panet n3 sum", "panet n3 fuse"),
        *("panet n4 downsample", "panet n4 sum", "panet n4 fuse"),
        *("panet n5 downsample", "panet n5 sum", "panet n5 fuse"),
    ]


@pytest.mark.parametrize("backbone", ["cnn", "resnet18", "mobilenetv3_small_050", "convnext_atto"])
def test_every_weight_belongs_to_one_stage(backbone: str) -> None:
    network = BackboneNeck(backbone)
    owners = {
        name: [
            stage.name
            for stage in stages(network)
            if any(name.startswith(f"{layer}.") for layer in stage.layers)
        ]
        for name, _ in network.named_parameters()
    }
    assert {len(found) for found in owners.values()} == {1}


@pytest.mark.parametrize(
    ("backbone", "levels"),
    [
        ("cnn", ["c1", "c2", "c3", "c4", "c5"]),
        ("resnet18", ["c1", "c2", "c3", "c4", "c5"]),
        ("convnext_atto", ["c2", "c3", "c4", "c5"]),
        ("swin_tiny_patch4_window7_224", ["c2", "c3", "c4", "c5"]),
    ],
)
def test_backbone_is_told_level_by_level(backbone: str, levels: list[str]) -> None:
    network = BackboneNeck(backbone, neck="fpn")
    found = [stage for stage in stages(network) if stage.part == "backbone"]
    assert [stage.level for stage in found] == levels


def test_a_backbone_that_tells_no_stages_is_one() -> None:
    class Own(nn.Module):
        out_channels = CHANNELS

    found = stages(BackboneNeck(Own()))
    assert (found[0].name, found[0].layers) == ("backbone", ("cnn",))


def test_stages_are_heard_in_order_and_never_overlap() -> None:
    network = Neck(CHANNELS)
    heard: list[str] = []
    with watched(network, lambda stage: heard.append(stage.name), lambda: heard.append("end")):
        network(*MAPS)
    assert heard[1::2] == ["end"] * (len(heard) // 2)
    assert sorted(heard[::2]) == sorted(stage.name for stage in stages(network))
    assert heard[0] == "fpn p5 lateral"
    assert heard[-2] == "panet n5 fuse"


def test_nothing_stays_attached() -> None:
    network = Neck(CHANNELS)
    names = set(network.state_dict())
    with watched(network, lambda _: None, lambda: None):
        network(*MAPS)
    hooks = [m._forward_hooks or m._forward_pre_hooks for m in network.modules()]
    assert not any(hooks)
    assert set(network.state_dict()) == names


def test_work_adds_up_to_the_network() -> None:
    network = Neck(CHANNELS).eval()
    with torch.inference_mode():
        found = count(network, lambda: network(*MAPS))
    assert sum(work.params for work in found.values()) == sum(
        p.numel() for p in network.parameters()
    )
    side = 64 // 2
    assert found["panet n3 fuse"].macs == side**2 * 256 * 256 * 9
    assert found["panet n3 sum"].macs == 0


@pytest.mark.parametrize("name", NECKS)
def test_any_neck_of_the_table_is_told_level_by_level(name: str) -> None:
    """In the place of FPN, which is where an arm has it."""
    network: Any = nn.Module()
    entry = NECKS[name]
    network.fpn = entry.build((8, 12, 16, 20, 24)[: len(entry.levels)], 16, 3)
    network.eval()
    maps = [torch.randn(1, 4 * i, 256 >> i, 256 >> i) for i in range(2, 2 + len(entry.levels))]
    heard: list[str] = []
    with watched(network, lambda stage: heard.append(stage.name), lambda: None):
        network.fpn(*maps)
    names = [stage.name for stage in stages(network)]
    assert sorted(heard) == sorted(names)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"fpn [cpn]\d [\w -]+", name) for name in names), names
    with FlopCounterMode(display=False) as counter:
        found = count(network, lambda: network.fpn(*maps))
    assert sum(work.macs for work in found.values()) == counter.get_total_flops() // 2
    assert sum(work.params for work in found.values()) == sum(
        p.numel() for p in network.parameters()
    )


def test_bytes_of_a_stage_are_what_comes_in_and_goes_out() -> None:
    network = Neck(CHANNELS).eval()
    with torch.inference_mode():
        found = count(network, lambda: network(*MAPS))
    side = 64 // 2
    map_bytes, weight_bytes = 4 * 256 * side**2, 4 * (256 * 256 * 9 + 256)
    fuse = found["panet n3 fuse"]
    assert fuse.bytes == 2 * map_bytes + weight_bytes
    # The ReLU reads the convolution's output again, and writes its own.
    assert fuse.eager_bytes == 4 * map_bytes + weight_bytes
    assert found["panet n3 sum"].bytes == 3 * map_bytes


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "make", [lambda: Neck(CHANNELS), lambda: BackboneNeck("cnn"), lambda: BackboneNeck("resnet18")]
)
def test_multiply_accumulates_of_the_stages_are_half_of_what_torch_counts(
    make: Callable[[], nn.Module], training: bool
) -> None:
    network = make().train(training)
    inputs = MAPS if isinstance(network, Neck) else (torch.randn(1, 3, 64, 64),)

    def step() -> None:
        maps = network(*inputs)
        if training:
            torch.stack([x.mean() for x in maps]).sum().backward()  # type: ignore[no-untyped-call]  # torch's

    found = count(network, step)
    with FlopCounterMode(display=False) as counter:
        step()
    macs = sum(work.macs + work.backward_macs for work in found.values())
    assert macs == counter.get_total_flops() // 2


def test_backward_work_is_that_of_the_stage() -> None:
    network = Neck(CHANNELS).train()

    def step() -> None:
        torch.stack([x.mean() for x in network(*MAPS)]).sum().backward()  # type: ignore[no-untyped-call]  # torch's

    found = count(network, step)
    # The maps ask for no gradient, so a lateral convolution has only that of its weights.
    times = {"lateral": 1, "smooth": 2, "downsample": 2, "fuse": 2}
    for name, work in found.items():
        assert work.backward_macs == times.get(name.split()[-1], 0) * work.macs, name
