"""The checks find work that is not the same, and let honest work pass."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.schema.recipe import ARMS, COST_ARMS, Recipe
from bench.schema.records import Status
from bench.schema.tasks import CheckTask
from bench.workload import check as checks
from bench.workload import same_work
from bench.workload.arms import build_arms
from bench.workload.check import check
from bench.workload.compilation import FirstCall
from bench.workload.compiler_cache import CompileError, compiler_cache
from bench.workload.inputs import make_inputs
from bench.workload.same_work import MismatchError, check_same_work
from bench.workload.stages import stages
from tests.support.factories import case, check_task

SMALL = {"height_px": 64, "width_px": 64, "threads": 1}


def task(folder: Path, **axes: Any) -> CheckTask:
    return check_task(folder, case(**(SMALL | axes)))


def outputs() -> dict[str, tuple[torch.Tensor, ...]]:
    p = tuple(torch.randn(1, 2, side, side) for side in (8, 4))
    n = (p[0], p[1].abs() + 1)
    return {"fpn": p, "panet": n, "fpn_again": p}


MACS = {"fpn": 10, "panet": 14, "fpn_again": 10}


def test_same_work_passes() -> None:
    check_same_work(case(), COST_ARMS, outputs(), MACS)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["neck", "model"])
@pytest.mark.parametrize("pass_name", ["inference", "training"])
def test_real_case_passes_with_its_facts(scope: str, pass_name: str, tmp_path: Path) -> None:
    found = check(task(tmp_path, scope=scope, pass_name=pass_name, channels_last=True))
    assert found.status == Status.OK, found.reason
    assert set(found.facts) == set(ARMS)
    fpn, panet = found.facts["fpn"], found.facts["panet"]
    assert panet.params - fpn.params == 3_540_480
    assert panet.macs - fpn.macs == 1_213_857_792 * 64 * 64 // (224 * 224)
    assert fpn.peak_bytes
    assert panet.peak_bytes is not None
    assert panet.peak_bytes >= fpn.peak_bytes
    assert found.round_s
    assert found.images.startswith("scikit-image")


@pytest.mark.slow
@pytest.mark.parametrize("levels", ["p3-p5", "p3-p7"])
@pytest.mark.parametrize("scope", ["neck", "model"])
def test_case_of_other_levels_passes(scope: str, levels: str, tmp_path: Path) -> None:
    asked = task(tmp_path, scope=scope, levels=levels, channels_last=True)
    found = check(asked)
    assert found.status == Status.OK, found.reason
    arms = build_arms(asked, make_inputs(asked)[0], compiled=False)
    assert len(arms["panet"].call()) == 1 + int(levels[-1]) - int(levels[1])
    stages_of = {stage.level for stage in stages(arms["panet"].network) if stage.part == "panet"}
    assert stages_of == {f"n{k}" for k in range(4, int(levels[-1]) + 1)}


def test_scratch_of_a_run_keeps_the_maps_of_every_level_apart(tmp_path: Path) -> None:
    sizes = [len(make_inputs(task(tmp_path, levels=x))[0]) for x in ("p2-p5", "p3-p5", "p3-p7")]
    assert sizes == [4, 3, 5]


@pytest.mark.slow
def test_training_keeps_more_memory_than_inference(tmp_path: Path) -> None:
    peaks = [
        check(task(tmp_path, pass_name=name)).facts["panet"].peak_bytes
        for name in ("inference", "training")
    ]
    assert peaks[0] is not None
    assert peaks[1] is not None
    assert peaks[1] > peaks[0]


def test_arms_have_equal_weights_in_memory_of_their_own(tmp_path: Path) -> None:
    asked = task(tmp_path)
    arms = build_arms(asked, make_inputs(asked)[0], compiled=False)
    states = {name: arm.network.state_dict() for name, arm in arms.items()}
    for name, weight in states["fpn"].items():
        for other in ("panet", "fpn_again"):
            assert torch.equal(weight, states[other][name])
            assert weight.data_ptr() != states[other][name].data_ptr()


def test_values_that_are_not_finite_are_found() -> None:
    maps = outputs()
    maps["panet"][1][0, 0, 0, 0] = float("nan")
    with pytest.raises(MismatchError, match="panet gives values that are not finite"):
        check_same_work(case(), COST_ARMS, maps, MACS)


def test_a_different_a_a_arm_is_found() -> None:
    maps = outputs()
    maps["fpn_again"] = tuple(x * 1.1 for x in maps["fpn"])
    with pytest.raises(MismatchError, match="to be the same network"):
        check_same_work(case(), COST_ARMS, maps, MACS)


def test_a_different_fpn_under_the_bottom_up_path_is_found() -> None:
    maps = outputs()
    maps["panet"] = (maps["panet"][0] * 1.1, maps["panet"][1])
    with pytest.raises(MismatchError, match="to share the FPN"):
        check_same_work(case(), COST_ARMS, maps, MACS)


@pytest.mark.parametrize(
    ("macs", "why"),
    [
        ({**MACS, "panet": 10}, "the bottom-up path did not run"),
        ({**MACS, "fpn_again": 11}, "fpn and fpn_again differ"),
    ],
)
def test_arms_that_executed_the_wrong_work_are_found(macs: dict[str, int], why: str) -> None:
    with pytest.raises(MismatchError, match=why):
        check_same_work(case(), COST_ARMS, outputs(), macs)


def test_a_bottom_up_path_that_changed_nothing_is_found() -> None:
    maps = outputs()
    maps["panet"] = maps["fpn"]
    with pytest.raises(MismatchError, match="did not run"):
        check_same_work(case(), COST_ARMS, maps, MACS)


def test_lost_channels_last_is_found() -> None:
    with pytest.raises(MismatchError, match="fpn lost channels-last"):
        check_same_work(case(channels_last=True), COST_ARMS, outputs(), MACS)


def test_tolerance_lets_rounding_pass_and_stops_a_wrong_layer() -> None:
    a = (torch.ones(4),)
    assert same_work.difference(a, (torch.full((4,), 1.0005),)) < same_work.tolerance(case())
    assert same_work.difference(a, (torch.full((4,), 1.01),)) > same_work.tolerance(case())
    assert same_work.tolerance(case(dtype="amp-bfloat16")) == same_work.TOLERANCE["bfloat16"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks what happens without a GPU")
@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"device": "cuda:0"}, "no cuda device on this machine"),
        ({"dtype": "tf32"}, "tf32 is a precision of NVIDIA's tensor cores"),
    ],
)
def test_what_the_machine_lacks_is_skipped_with_the_reason(
    axes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    found = check(task(tmp_path, **axes))
    assert found.status == Status.SKIPPED
    assert found.reason.startswith(reason)


def test_a_frozen_network_does_not_train(tmp_path: Path) -> None:
    training: dict[str, Any] = {"pass_name": "training"}  # ruff takes it for a password
    found = check(task(tmp_path, compile_mode="frozen", **training))
    assert (found.status, found.reason) == (
        Status.SKIPPED,
        "--compile frozen makes constants of the weights: it does not train",
    )


@pytest.mark.process  # the compiler
@pytest.mark.filterwarnings("ignore")  # what it warns of is not ours
def test_a_frozen_network_packs_every_convolution(tmp_path: Path) -> None:
    asked = task(tmp_path, compile_mode="frozen", channels_last=True)
    found = check(replace(asked, arms={"fpn": Recipe("fpn")}))
    assert found.status == Status.OK, found.reason
    assert found.facts["fpn"].read_back == {"packed convolutions": "7"}


def test_compiling_without_a_compiler_is_skipped_naming_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    found = check(task(tmp_path, compile_mode="default"))
    assert found.status == Status.SKIPPED
    assert "install g++" in found.reason


def test_neck_inputs_are_the_maps_of_the_photographs(tmp_path: Path) -> None:
    maps, source = make_inputs(task(tmp_path, batch_size=2, backbone="cnn"))
    assert [tuple(c.shape) for c in maps] == [
        (2, channels, side, side)
        for channels, side in zip((256, 512, 1024, 2048), (16, 8, 4, 2), strict=True)
    ]
    assert not torch.equal(maps[0][0], maps[0][1])
    assert "astronaut" in source


def test_inputs_are_made_once_and_read_again(tmp_path: Path) -> None:
    asked = task(tmp_path)
    first, _ = make_inputs(asked)
    (stored,) = tmp_path.glob("*.pt")
    made = stored.stat().st_mtime_ns
    again, _ = make_inputs(asked)
    assert stored.stat().st_mtime_ns == made
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.slow
def test_autocast_and_bfloat16_run_in_their_dtype(tmp_path: Path) -> None:
    for dtype in ("bfloat16", "amp-bfloat16"):
        asked = task(tmp_path, dtype=dtype)
        arms = build_arms(asked, make_inputs(asked)[0], compiled=False)
        assert arms["panet"].call()[0].dtype == torch.bfloat16
        kept = torch.float32 if dtype.startswith("amp") else torch.bfloat16
        assert next(arms["panet"].network.parameters()).dtype == kept


@pytest.mark.slow
def test_what_a_killed_compilation_left_is_not_found_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = check_task(tmp_path, case(compile_mode="default"))
    left_behind = compiler_cache(asked, "fpn") / "kernel.so"
    left_behind.parent.mkdir(parents=True)
    left_behind.write_text("half of it")

    def first_calls(*_: Any) -> None:
        raise CompileError(str(left_behind.exists()))

    monkeypatch.setattr(checks, "first_calls", first_calls)
    with pytest.raises(CompileError, match="False"):
        check(asked)


def test_freezing_that_packs_nothing_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "build_arms", lambda *_, **__: {})
    monkeypatch.setattr(checks, "first_calls", lambda *_: {"fpn": FirstCall(1.0, packed=0)})
    with pytest.raises(CompileError, match="packed no weights"):
        checks._compile_cold(task(tmp_path, compile_mode="frozen"), {}, {}, {})


@pytest.mark.process
def test_check_of_an_eager_case_does_without_the_compiler(tmp_path: Path) -> None:
    """Its import takes two seconds, and torch's counters ask for it: see `counting`."""
    code = f"""
import sys
from pathlib import Path
from bench.workload.check import check
from tests.support.factories import case, check_task
found = check(check_task(Path({str(tmp_path)!r}), case(height_px=64, width_px=64, threads=1)))
print(found.status, {{"torch._dynamo", "torch._inductor"}} & set(sys.modules))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "ok set()"
