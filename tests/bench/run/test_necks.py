"""Necks as arms: which can be asked for, what is checked of them, and the table at the end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.engine.plan import CaseState
from bench.run import extra_arms, necks
from bench.run.necks import chosen, tables
from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe
from bench.schema.records import Status
from bench.schema.tasks import CheckTask
from bench.workload import check as checks
from bench.workload.arms import build_arms
from bench.workload.check import check
from bench.workload.inputs import make_inputs
from bench.workload.same_work import MismatchError, check_same_work
from panet.necks import NECKS
from reports.data.extra_arms import load
from tests.support.factories import case, check_task, facts, finding, replicate, rounds

P3_P7 = case(levels="p3-p7")
TRAINING: dict[str, Any] = {"pass_name": "training"}  # ruff takes it for a password


def task(folder: Path, names: str, **axes: Any) -> CheckTask:
    small = case(height_px=64, width_px=96, threads=1, levels="p3-p7", channels_last=True, **axes)
    return check_task(folder, small, arms=chosen(names, [small]).by_scope[small.scope])


def test_fpn_is_among_the_arms_and_once_more() -> None:
    arms = chosen(" panet, bifpn,panet", [P3_P7]).by_scope["neck"]
    assert list(arms) == ["fpn", "panet", "bifpn", "fpn_again"]
    assert arms["fpn_again"] == arms["fpn"]


@pytest.mark.parametrize(
    ("text", "levels", "sentence"),
    [
        ("fpnn", "p2-p5", "--necks 'fpnn': did you mean fpn? There are fpn, panet, bifpn"),
        ("", "p2-p5", "--necks '': There are fpn, panet"),
        ("panet,", "p2-p5", "--necks '': There are"),
        ("nas_fpn", "p2-p5", "nas_fpn: it takes 5 levels, not p2-p5; give them, such as --levels"),
    ],
)
def test_wrong_list_is_refused_in_a_line(text: str, levels: str, sentence: str) -> None:
    with pytest.raises(BenchError) as caught:
        chosen(text, [case(levels=levels)])
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_neck_is_left_out_of_the_cases_whose_levels_it_does_not_take() -> None:
    p2_p5 = case()
    extra = chosen("nas_fpn,bifpn", [p2_p5, P3_P7])
    assert list(extra.arms_of(p2_p5)) == ["fpn", "bifpn", "fpn_again"]
    assert list(extra.arms_of(P3_P7)) == ["fpn", "nas_fpn", "bifpn", "fpn_again"]
    without, whole = extra.tables([state(p2_p5, 8, "bifpn"), state(P3_P7, 8, "bifpn")])
    assert without.splitlines()[-1].startswith("nas_fpn, skipped: it takes 5 levels, not p2-p5;")
    assert "skipped" not in whole


def test_file_says_why_a_neck_is_left_out(tmp_path: Path) -> None:
    extra = chosen("nas_fpn,bifpn", [case(), P3_P7])
    extra_arms.write([state(case(), 8, "bifpn"), state(P3_P7, 8, "bifpn")], extra, tmp_path)
    without, whole = load(tmp_path, extra.file)
    assert list(without.left_out) == ["nas_fpn"]
    assert without.left_out["nas_fpn"].status == "skipped"
    assert without.left_out["nas_fpn"].reason.startswith("it takes 5 levels, not p2-p5")
    assert not whole.left_out


@pytest.mark.slow
def test_every_neck_does_its_work_on_the_same_maps(tmp_path: Path) -> None:
    found = check(task(tmp_path, ",".join(NECKS)))
    assert (found.status, found.reason) == (Status.OK, "")
    assert list(found.facts) == [*NECKS, "fpn_again"]
    assert len({fact.macs for fact in found.facts.values()}) == len(NECKS)


@pytest.mark.slow
@pytest.mark.parametrize("pass_name", ["inference", "training"])
def test_necks_run_in_a_whole_network(pass_name: str, tmp_path: Path) -> None:
    asked = task(tmp_path, "bifpn", scope="model", pass_name=pass_name, batch_size=2)
    arms = build_arms(asked, make_inputs(asked)[0], compiled=False)
    shapes = {name: [x.shape for x in arm.call()] for name, arm in arms.items()}
    assert shapes["bifpn"] == shapes["fpn"]
    backbones = [arm.network.get_submodule("cnn").state_dict() for arm in arms.values()]
    for name, weight in backbones[0].items():
        assert all(torch.equal(weight, other[name]) for other in backbones)


@pytest.mark.slow
def test_neck_of_low_precision_is_held_to_its_own_float32(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = task(tmp_path, "panet", dtype="bfloat16")
    assert check(asked).status == Status.OK
    monkeypatch.setattr(checks, "tolerance", lambda _: 1e-5)
    with pytest.raises(MismatchError, match="in bfloat16 differs from itself in float32 by"):
        check(asked)


def test_neck_with_other_shapes_is_a_mismatch() -> None:
    arms = chosen("panet", [P3_P7]).by_scope["neck"]
    p = tuple(torch.ones(1, 2, side, side) for side in (8, 4))
    outputs = {"fpn": p, "panet": p[:1], "fpn_again": p}
    with pytest.raises(MismatchError, match=r"panet gives maps of .*, fpn of"):
        check_same_work(P3_P7, arms, outputs, {"fpn": 10, "panet": 14, "fpn_again": 10})


def state(of: Case, count: int, other: str = "panet") -> CaseState:
    counted = {"fpn": facts(macs=10**9), other: facts(macs=2 * 10**9), "fpn_again": facts()}
    found = CaseState(of, finding(facts=counted))
    for index in range(count):
        taken = rounds(1.5 + 0.01 * index, aa_ratio=1.1)
        named = {other if arm == "panet" else arm: x for arm, x in taken.items()}
        found.add(replicate(index, rounds_s=named))
    return found


def test_table_has_milliseconds_beside_macs() -> None:
    training = replace(P3_P7, **TRAINING)
    ours, steps, busy = tables([state(P3_P7, 8), state(training, 8), state(case(), 0)])
    lines = ours.splitlines()
    assert lines[0] == "necks, neck cnn b1 224 nchw p3-p7; fresh processes: 8"
    fpn, panet, again = (line.split("  ") for line in lines[3:])
    assert fpn[0] == "fpn"
    assert "2.000" in "".join(panet)
    assert "2 G" in "".join(panet)
    assert again[0] == "fpn again (A/A)"
    assert "1.100 ±0.3 %" in "".join(again)
    assert float(fpn[-1]) == pytest.approx(1 / 0.0125, abs=0.1)  # GMAC/s
    assert not steps.splitlines()[3].endswith(fpn[-1])
    assert busy.startswith("necks, neck cnn b1 224 nchw: the budget was spent before")


def test_recipe_names_the_neck() -> None:
    (recipe,) = {str(r) for r in chosen("fpn", [P3_P7]).by_scope["model"].values()}
    assert Recipe.parse(recipe) == Recipe("neck", factory="fpn")
    assert necks.HELP.endswith(", ".join(NECKS))
