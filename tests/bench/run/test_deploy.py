"""What takes turns with --deploy, and what is said of it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine.plan import CaseState
from bench.run import deploy
from bench.schema.recipe import Recipe
from bench.schema.records import Replicate, Status
from bench.schema.ways import in_way
from bench.stats.beside import beside_base
from bench.stats.fastest import fastest
from reports.data import extra_arms
from tests.support.factories import case, facts, finding, replicate, result

TRAINING: dict[str, Any] = {"pass_name": "training"}  # ruff takes it for a password
BESIDE = {"eager": 1.0, "again": 1.002, "openvino": 0.8, "onnxruntime": 0.801, "inductor": 0.9}


def turns(index: int) -> Replicate:
    wobble = 1 + 0.004 * (index % 3 - 1)  # of all but the base
    rounds_s = {
        arm: [0.02 * ratio * (wobble if arm != "eager" else 1.0) * (1 + 0.01 * i) for i in range(6)]
        for arm, ratio in BESIDE.items()
    }
    rounds_s["onnxruntime"] = [x * (1 + 0.02 * (index % 2 - 0.5)) for x in rounds_s["onnxruntime"]]
    return replicate(
        index,
        rounds_s=rounds_s,
        compile_s={"openvino": 0.5},
        resident_bytes=dict.fromkeys(BESIDE, 2**20),
        waiting_cpu=dict.fromkeys(BESIDE, 0.0) | {"onnxruntime": 0.3},
    )


def measured() -> CaseState:
    known = {arm: facts() for arm in BESIDE} | {"openvino": facts(file_bytes=3 * 2**20)}
    state = CaseState(case(), finding(facts=known))
    for index in range(8):
        state.add(turns(index))
    return state


def test_cases_that_differ_in_how_they_are_run_take_turns() -> None:
    eager, nhwc = case(), case(channels_last=True)
    exported, compiled = case(runtime="openvino"), case(compile_mode="default")
    alone = case(batch_size=2)
    training = [case(**TRAINING), case(**TRAINING, channels_last=True)]
    cases = [exported, eager, nhwc, compiled, alone, *training]
    of = [result(case=of, status=Status.CONTENDED if of is nhwc else Status.OK) for of in cases]
    fails = result(case=case(runtime="onnxruntime"), status=Status.MISMATCH)
    unknown = result(case=case(compile_mode="lite"), status=Status.TOO_WIDE, finding=None)
    found = deploy.grouped([*of, fails, unknown])
    assert list(found) == [eager]
    arms = found[eager]
    assert list(arms) == ["eager", "eager-nhwc", "openvino", "inductor", "again"]
    assert arms["again"] == arms["eager"]
    assert {recipe.network for recipe in arms.values()} == {"panet"}
    run = [in_way(eager, recipe.way) for recipe in arms.values()]
    assert run == [eager, nhwc, exported, compiled, eager]


def test_ways_that_do_not_run_are_told_and_those_that_cannot_are_not() -> None:
    fails = result(case=case(runtime="onnxruntime"), status=Status.MISMATCH, reason="threads 1")
    cannot = result(case=case(runtime="openvino"), status=Status.SKIPPED, reason="not installed")
    training = result(case=case(**TRAINING), status=Status.CRASHED, reason="no luck")
    known = deploy.failed([result(), fails, cannot, training])
    assert known == {case(): {"onnxruntime": "mismatch: threads 1"}}
    state = measured()
    assert state.finding is not None
    state.finding = replace(state.finding, left_out={"inductor-lite": "crashed: no luck"})
    (text,) = deploy.tables([state], known)
    assert "\nonnxruntime  mismatch: threads 1\ninductor-lite  crashed: no luck\nfastest: " in text


def test_too_many_ways_are_left_out() -> None:
    modes = ("off", "default", "lite", "frozen")
    cases = [case(compile_mode=m, channels_last=on) for m in modes for on in (False, True)]
    results = [result(case=of) for of in cases]
    assert deploy.grouped(results) == {}
    assert len(deploy.grouped(results[1:])) == 1


def test_a_way_has_a_server_of_its_own(tmp_path: Path, monkeypatch: Any) -> None:
    made: list[tuple[str, list[str]]] = []

    def launcher(folder: Path, modules: list[str], *_: object, **__: object) -> None:
        made.append((folder.name, modules))

    monkeypatch.setattr(deploy, "ServerLauncher", launcher)
    eager = case()
    arms = {arm: Recipe("panet") for arm in ("eager", "again")}
    compiled = {"inductor": Recipe("panet", way="compile:default")}
    deploy.launcher_for({eager: arms | compiled}, tmp_path)
    inductor = ["torch._inductor.compile_fx"]
    assert made == [("eager", []), ("again", []), ("inductor", inductor)]


def test_fastest_and_what_cannot_be_told_from_it() -> None:
    replicates = measured().undisturbed
    (found,) = beside_base([replicates], "eager", "again")
    best = fastest(replicates, found, "again")
    assert (best.arm, best.not_told_apart) == ("openvino", ("onnxruntime",))
    assert best.over_fastest["inductor"].value > 1.1
    assert "again" not in best.over_fastest


def test_table_says_what_to_deploy() -> None:
    (text,) = deploy.tables([measured()], {})
    assert "fresh processes of each: 8" in text
    assert "fastest: openvino, 16." in text
    assert "not told apart from it: onnxruntime; over it: eager 1.2" in text
    assert "eager again (A/A)" in text
    rows = {line.split()[0]: line for line in text.splitlines()[1:] if line}
    assert "0.5 s" in rows["openvino"]
    assert "3 MiB" in rows["openvino"]
    assert "30.0 %!" in rows["onnxruntime"]
    assert "!" not in rows["openvino"]


def test_without_a_replicate_it_is_said_why() -> None:
    state = CaseState(case(), replace(finding(), reason="no compiler"))
    assert list(deploy.tables([state], {})) == ["deploy, neck cnn b1 224: no compiler"]


def test_file_is_read_as_that_of_further_arms(tmp_path: Path) -> None:
    known = {case(): {"aotinductor": "timeout: after 600 s"}}
    deploy.write([measured()], known, tmp_path / "deploy.json")
    (found,) = extra_arms.load(tmp_path, "deploy.json")
    assert found.left_out == known[case()]
    assert len(found.replicates) == 8
    assert found.facts["openvino"]["file_bytes"] == 3 * 2**20
    assert json.loads((tmp_path / "deploy.json").read_text())["cases"][0]["facts"]["eager"] == {
        "file_bytes": None,
        "cold_s": None,
        "ready_s": None,
        "resident_bytes": 2**20,
        "waiting_cpu": 0.0,
    }
