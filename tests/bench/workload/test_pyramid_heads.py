"""The scope heads: boxes that are drawn, arms with and without the paper's parts, their stages."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("torchvision", reason="an extra; make test installs it")

from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.recipe import ARMS
from bench.schema.records import Status
from bench.schema.tasks import CheckTask
from bench.workload import axes as axes_of
from bench.workload import presets
from bench.workload.arms import Arm, build_arms
from bench.workload.check import _run_counted, check
from bench.workload.inputs import make_inputs
from bench.workload.pyramid_heads import draw_boxes, spread
from bench.workload.same_work import MismatchError, check_same_work
from panet.heads import levels_of
from tests.support.factories import case, check_task

SMALL = {"scope": "heads", "height_px": 96, "width_px": 128, "threads": 1, "boxes": 6}
TRAINING: dict[str, Any] = {"pass_name": "training"}  # ruff takes it for a password


def small(**changed: Any) -> Case:
    return case(**(SMALL | changed))


def task(folder: Path, **changed: Any) -> CheckTask:
    return check_task(folder, small(**changed))


def test_boxes_lie_in_their_image_and_on_every_level() -> None:
    boxes, masks = draw_boxes(2, 800, 1344, 500, seed=1)
    assert boxes.shape == (1000, 5)
    assert boxes[:, 0].tolist() == [0.0] * 500 + [1.0] * 500
    _, x1, y1, x2, y2 = boxes.unbind(1)
    assert bool(((x1 >= 0) & (x1 < x2) & (x2 <= 1344.001)).all())
    assert bool(((y1 >= 0) & (y1 < y2) & (y2 <= 800.001)).all())
    counts = torch.bincount(levels_of(boxes), minlength=6)[2:]
    assert counts.min() > 100
    assert spread(boxes, (2, 3, 4, 5)) == ", ".join(
        f"n{k} {count}" for k, count in enumerate(counts.tolist(), start=2)
    )
    assert torch.equal(masks, torch.cat((boxes[:100], boxes[500:600])))
    assert torch.equal(draw_boxes(2, 800, 1344, 500, seed=1)[0], boxes)
    assert not torch.equal(draw_boxes(2, 800, 1344, 500, seed=2)[0], boxes)


@pytest.mark.slow
def test_real_case_passes_with_its_facts(tmp_path: Path) -> None:
    found = check(task(tmp_path, channels_last=True))
    assert (found.status, found.reason) == (Status.OK, "")
    assert set(found.facts) == set(ARMS)
    assert found.facts["panet"].params == 77_817_718
    assert found.facts["fpn"].params == 16_954_342
    of_box, of_mask = 3 * 256 * 49 * 1024, 3 * 256 * 256 * 9 * 196 + 193_077_248
    assert found.facts["panet"].macs - found.facts["fpn"].macs == 6 * (of_box + of_mask)
    assert "boxes by FPN's rule: n2 " in found.images


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Arm]:
    asked = task(tmp_path_factory.mktemp("heads"))
    inputs, _ = make_inputs(asked)
    assert [x.shape[-1] for x in inputs] == [32, 16, 8, 4, 5, 5]
    return build_arms(asked, inputs, compiled=False, marked=True)


@pytest.mark.slow
def test_heads_without_parts_have_the_weights_of_the_finest_level(arms: dict[str, Arm]) -> None:
    plain, whole = (arms[arm].network.state_dict() for arm in ("fpn", "panet"))
    for name, weight in plain.items():
        assert torch.equal(weight, whole[name.replace(".any.", ".n2.")]), name


@pytest.mark.slow
def test_calls_are_split_into_the_steps_of_both_branches(arms: dict[str, Arm]) -> None:
    steps = ("pooling", "layers per level", "shared layers", "outputs")
    for name, fusion in (("fpn", []), ("panet", ["mask fusion"])):
        marks = arms[name].marks
        assert marks is not None
        marks.begin()
        arms[name].call()
        marks.end()
        marks.keep()
        spans = marks.spans_s()
        box, mask = ([f"{branch} {step}" for step in steps] for branch in ("box", "mask"))
        assert sorted(set(spans) - {"other"}) == sorted([*box, *mask, *fusion])


@pytest.mark.slow
def test_maps_get_gradients_in_training_and_boxes_do_not(tmp_path: Path) -> None:
    asked = task(tmp_path, **TRAINING)
    inputs: tuple[Any, ...] = make_inputs(asked)[0]
    *maps, boxes, _ = inputs
    for arm in build_arms(asked, (*maps, boxes, boxes), compiled=False).values():
        arm.call()
        assert all(x.grad is not None for x in maps)
        assert boxes.grad is None
        arm.prepare()
        assert all(x.grad is None for x in maps)


def test_macs_of_training_are_those_of_the_forward_pass() -> None:
    """A linear layer's backward pass is matrix products, as its forward pass is."""
    layer, x = torch.nn.Linear(8, 4), torch.randn(2, 8, requires_grad=True)

    def step() -> tuple[torch.Tensor, ...]:
        found = layer(x)
        found.mean().backward()
        return (found,)

    assert _run_counted(Arm("layer", layer, step, lambda: None)).macs == 2 * 8 * 4


def test_heads_that_give_the_same_are_no_comparison() -> None:
    outputs = tuple(torch.randn(2, 3) for _ in range(3))
    given = {"fpn": outputs, "panet": outputs, "fpn_again": outputs}
    with pytest.raises(MismatchError, match="with and without the paper's parts give the same"):
        check_same_work(small(), task(Path()).arms, given, {"fpn": 1, "panet": 2, "fpn_again": 1})


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_dtype_that_would_move_the_boxes_is_skipped(dtype: str, tmp_path: Path) -> None:
    found = check(task(tmp_path, dtype=dtype))
    assert found.status == Status.SKIPPED
    assert f"take amp-{dtype}" in found.reason


def test_boxes_are_of_the_scope_heads_alone() -> None:
    given = {"scopes": "neck,heads", "boxes": "100,1000"}
    cases = axes_of.sweep(presets.choose_preset(None, given), given)
    assert [(one.scope, one.boxes) for one in cases] == [
        *(("neck", 0), ("heads", 100), ("heads", 1000))
    ]
    assert cases[1].case_id.endswith("-k100")
    with pytest.raises(BenchError, match="--boxes 0: the scope heads needs boxes"):
        axes_of.sweep(presets.choose_preset(None, given), {"scopes": "heads", "boxes": "0"})
