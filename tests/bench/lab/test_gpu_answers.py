"""Answers are read from the files that the commands write."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.lab import gpu_answers, gpu_checklist, tensorboard_check
from bench.run import max_batch
from bench.run.extra_arms import EXTRA_ARMS, ExtraArms
from bench.run.max_batch import Fit
from bench.schema.files import CACHES, DEPLOY, PEERS
from bench.schema.records import CaseResult, Status
from bench.selftest.document import JSON, Document
from bench.selftest.noise_components import Components
from bench.selftest.rates import Detections, GateSummary, SetupSummary
from bench.stats.fastest import Fastest
from bench.stats.intervals import Estimate
from bench.stats.proportions import rate
from bench.stats.sequential import GATE
from reports import __main__ as reports
from tests.support.factories import case, replicate, result, rounds
from tests.support.result_files import document, measured

NOT_POSSIBLE = result(Status.OOM, "too large", case=case(height_px=2048), replicates=())


def results(folder: Path, name: str, *cases: CaseResult) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document(cases)))
    return path


def aside(folder: Path, name: str, **arm_s: float) -> None:
    """Write rounds of further arms, as `bench.run.parts` does."""
    replicates = [{arm: [s, s] for arm, s in arm_s.items()} for _ in range(4)]
    entry = {"case": case().to_json(), "case_id": case().case_id, "replicates": replicates}
    failed = {**entry, "replicates": []}
    (folder / "latest").mkdir(exist_ok=True)
    (folder / "latest" / name).write_text(json.dumps({"schema": 1, "cases": [entry, failed]}))


def test_machine_is_that_of_the_environment(tmp_path: Path) -> None:
    gpu_checklist.describe("cpu", tmp_path)
    assert "; torch 2." in gpu_answers.machine(tmp_path)


@pytest.mark.slow
def test_noise_and_cost_are_those_of_the_report(tmp_path: Path) -> None:
    noisy = tuple(replicate(i, rounds_s=rounds(1.3, aa_ratio=0.97)) for i in range(5))
    path = results(
        tmp_path,
        "results.json",
        measured(1.5),
        result(Status.TOO_WIDE, "because", case=case(batch_size=2), replicates=noisy),
        measured(1.1, scope="model"),
        NOT_POSSIBLE,
    )
    assert reports.main(["cost", str(path), "--out", str(tmp_path)]) == 0
    assert gpu_answers.noise(tmp_path) == "differs from itself by up to 3.00% in 3 cases"
    said = gpu_answers.cost(tmp_path)
    assert "neck: PANet adds 32.0% to 50.0%" in said
    assert "model: PANet adds 10.0%" in said
    assert "launches" not in said  # nobody knows on a CPU
    assert f"1 {Status.OOM}" in said


def test_a_machine_that_was_busy_all_the_time_gave_no_answer(tmp_path: Path) -> None:
    path = results(tmp_path, "results.json", result(Status.TOO_WIDE, "because", replicates=()))
    assert reports.main(["cost", str(path), "--out", str(tmp_path)]) == 0
    assert gpu_answers.noise(tmp_path) == ""
    assert gpu_answers.cost(tmp_path) == f"1 {Status.TOO_WIDE}"


@pytest.mark.slow
def test_launches_are_shown_where_they_are_timed_by_themselves(tmp_path: Path) -> None:
    launched = {arm: [x * 0.9 for x in values] for arm, values in rounds().items()}
    replicates = tuple(
        replicate(i, launch_rounds_s=launched, device_rounds_s=rounds()) for i in range(5)
    )
    path = results(tmp_path, "results.json", result(replicates=replicates))
    assert reports.main(["cost", str(path), "--out", str(tmp_path)]) == 0
    assert "the host launches for 90.0% of a call" in gpu_answers.cost(tmp_path)


def test_others_networks_and_caches_are_compared_with_ours(tmp_path: Path) -> None:
    aside(tmp_path, PEERS, fpn=1.0, torchvision_fpn=1.02, panet=2.0, mmdet_pafpn=1.9)
    aside(tmp_path, CACHES, fpn_cold=1.1, fpn_warm=1.0, panet_cold=2.08, panet_warm=2.0)
    assert gpu_answers.others(tmp_path) == (
        "torchvision's FPN over ours: 1.020 in 1 case; mmdetection's PAFPN over PANet: 0.950 in "
        "1 case; FPN, cold over warm: 1.100 in 1 case; FPN + PANet, cold over warm: 1.040 in 1 case"
    )


@pytest.mark.parametrize("extra", [e for e in EXTRA_ARMS if e.file in gpu_answers.PAIRS])
def test_compared_arms_are_those_that_are_measured(extra: ExtraArms) -> None:
    known = {arm for arms in extra.by_scope.values() for arm in arms}
    for contrast in gpu_answers.PAIRS[extra.file].values():
        assert {*contrast.arms, *contrast.baselines} <= known


def test_fastest_way_is_that_of_the_run(tmp_path: Path) -> None:
    over = {"eager": Estimate(1.9, 1.8, 2.0), "max-autotune": Estimate(1.2, 1.1, 1.3)}
    answer = asdict(Fastest("tensorrt", (), over, {}))
    cases = [{"case_id": "a", "answer": answer}, {"case_id": "b", "answer": None}]
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / DEPLOY).write_text(json.dumps({"cases": cases}))
    said = "a: tensorrt; over it eager 1.900, max-autotune 1.200"
    assert gpu_answers.fastest(tmp_path) == said


def test_tensorboard_s_answer_is_that_of_its_check(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    stored = {"worst_off_ratio": 0.0042, "profiles": []}
    (tmp_path / "latest" / tensorboard_check.FILE).write_text(json.dumps(stored))
    assert gpu_answers.traces(tmp_path) == "TensorBoard's worst operator is off by 0.42%"


def test_largest_batch_is_that_of_the_search(tmp_path: Path) -> None:
    fits = [Fit(case(), arm, 8, 60, n, (), "") for arm, n in (("fpn", 59), ("panet", 53))]
    (tmp_path / "fit-1").mkdir()
    (tmp_path / "fit-1" / max_batch.FILE).write_text(json.dumps([f.to_json() for f in fits]))
    expected = f"{case().case_id}: 59 images with FPN, 53 with PANet"
    assert gpu_answers.largest_batch(tmp_path) == expected


def test_what_ran_out_of_memory_is_counted_and_the_rest_compared(tmp_path: Path) -> None:
    before = results(tmp_path, gpu_answers.BEFORE, measured(1.5))
    after = results(tmp_path, gpu_answers.AFTER, measured(1.5), NOT_POSSIBLE)
    reports.main(["compare", str(before), str(after), "--out", str(tmp_path)])
    said = gpu_answers.out_of_memory(tmp_path)
    assert said.startswith("1 of 2 cases out of memory; then ")
    assert "within_noise" in said


def test_self_test_says_alarms_and_detections_of_the_newest_gate(tmp_path: Path) -> None:
    older = GateSummary(GATE, 9, rate(9, 9), 0, 0.0, {}, (), None, None)
    detections = Detections(0.05, 0.048, 0.051, rate(2, 3), rate(0, 0), 0, 1, None)
    newest = replace(older, trials=1, false_alarms=rate(0, 1), detections=(detections,))
    unknown = Components(None, None, None, None)
    setup = SetupSummary(
        *("none", 2, (), 1, 0, 0, (older, newest), rate(0, 0), {}, unknown, unknown, None, None)
    )
    (tmp_path / "selftest-1").mkdir()
    stored = Document((), {"none-t2": setup}, ()).to_json()
    (tmp_path / "selftest-1" / JSON).write_text(json.dumps(stored))
    assert gpu_answers.self_test(tmp_path) == "false alarms: 0 of 1; +5%: 2 of 3 found"
