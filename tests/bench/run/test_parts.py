"""Parts of the network as arms: the work that they do in the whole, and no profiler near it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.run.extra_arms import EXTRA_ARMS
from bench.schema.case import Case
from bench.workload.arms import Arm, build_arms
from bench.workload.inputs import make_inputs, placeholder_inputs
from tests.support.factories import case, check_task


def arms_of(scratch: Path, **axes: Any) -> tuple[Case, dict[str, Arm]]:
    chosen = case(height_px=32, width_px=32, threads=1, **axes)
    (parts,) = (extra for extra in EXTRA_ARMS if extra.name == "parts")
    task = check_task(scratch, chosen, arms=parts.by_scope[chosen.scope])
    inputs, _ = make_inputs(task)
    return chosen, build_arms(task, inputs, compiled=False)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["neck", "model"])
def test_parts_give_what_the_whole_gives(scope: str, tmp_path: Path) -> None:
    _, arms = arms_of(tmp_path, scope=scope)
    outputs = {name: arm.call() for name, arm in arms.items()}
    pairs = {"panet_alone": "panet", "fpn_alone": "fpn"} if scope == "model" else {}
    for alone, whole in {**pairs, "panet_alone": "panet"}.items():
        for own, expected in zip(outputs[alone], outputs[whole], strict=True):
            torch.testing.assert_close(own, expected)


@pytest.mark.slow
def test_backbone_alone_gives_what_fpn_alone_takes(tmp_path: Path) -> None:
    _, arms = arms_of(tmp_path, scope="model", backbone="resnet18")
    with torch.inference_mode():
        p = arms["fpn_alone"].network(*arms["backbone"].call())
    for own, expected in zip(p, arms["fpn"].call(), strict=True):
        torch.testing.assert_close(own, expected)


def test_in_training_a_part_hands_its_gradient_on(tmp_path: Path) -> None:
    training: dict[str, Any] = {"pass_name": "training"}  # ruff takes it for a password
    _, arms = arms_of(tmp_path, **training)
    arm = arms["panet_alone"]
    n = arm.call()
    assert all(p.grad is not None for p in arm.network.parameters())
    assert n[0].requires_grad
    assert n[0].grad is not None  # n2 is p2, the stored map
    arm.prepare()
    assert n[0].grad is None


@pytest.mark.slow
def test_timed_networks_have_no_hooks(tmp_path: Path) -> None:
    _, arms = arms_of(tmp_path, scope="model")
    for arm in arms.values():
        for module in arm.network.modules():
            assert not module._forward_hooks
            assert not module._forward_pre_hooks


@pytest.mark.process
def test_timed_workers_load_nothing_of_the_profiling() -> None:
    later = tuple(f"bench.{room}" for room in ("profiling", "run", "compare", "selftest", "lab"))
    code = (
        "import sys, bench.engine.worker\n"
        f"assert not [name for name in sys.modules if name.startswith({later})]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scope", "levels"), [("neck", "p2-p5"), ("neck", "p3-p7"), ("model", "p2-p5")]
)
def test_placeholders_are_like_the_inputs(scope: str, levels: str, tmp_path: Path) -> None:
    sizes = {"height_px": 192, "width_px": 160, "batch_size": 2}
    chosen = case(**sizes, channels_last=True, scope=scope, levels=levels)
    task = check_task(tmp_path, chosen)
    real, _ = make_inputs(task)
    for placeholder, x in zip(placeholder_inputs(task), real, strict=True):
        assert (placeholder.shape, placeholder.stride()) == (x.shape, x.stride())
        assert (placeholder.dtype, placeholder.device) == (x.dtype, x.device)
