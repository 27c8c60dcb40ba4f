"""What takes turns with --deploy, and what is said of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.engine.plan import CaseState
from bench.engine.preloading import Modules
from bench.run import deploy
from bench.run.deploy_answer import tables, write
from bench.schema.recipe import Recipe
from bench.schema.records import LeftOut, Replicate, Status
from bench.schema.ways import in_way
from bench.stats.beside import beside_base
from bench.stats.fastest import fastest
from reports.data import extra_arms
from tests.support.factories import case, facts, finding, replicate, result

TRAINING: dict[str, Any] = {"pass_name": "training"}  # ruff takes it for a password
BESIDE = {"eager": 1.0, "again": 1.002, "openvino": 0.8, "onnxruntime": 0.801, "inductor": 0.9}
INT8 = {"onnxruntime-int8": 0.5}


def turns(index: int, beside: Mapping[str, float] = BESIDE) -> Replicate:
    wobble = 1 + 0.004 * (index % 3 - 1)  # of all but the base
    rounds_s = {
        arm: [0.02 * ratio * (wobble if arm != "eager" else 1.0) * (1 + 0.01 * i) for i in range(6)]
        for arm, ratio in beside.items()
    }
    rounds_s["onnxruntime"] = [x * (1 + 0.02 * (index % 2 - 0.5)) for x in rounds_s["onnxruntime"]]
    return replicate(
        index,
        rounds_s=rounds_s,
        compile_s={"openvino": 0.5},
        resident_bytes=dict.fromkeys(beside, 2**20),
        waiting_cpu=dict.fromkeys(beside, 0.0) | {"onnxruntime": 0.3},
    )


def measured(more: dict[str, float] | None = None) -> CaseState:
    """Return a case with all ways; those that are more compute in integers."""
    beside = BESIDE | (more or {})
    close = {"level_differences": {"n2": 1e-6, "n3": 2e-6}, "level_sqnr_db": {"n2": 121, "n3": 119}}
    rough = {"level_differences": {"n2": 0.1, "n3": 0.2}, "level_sqnr_db": {"n2": 35.2, "n3": 27.3}}
    known = {arm: facts() for arm in BESIDE} | {
        "openvino": facts(file_bytes=3 * 2**20, **close),
        **{arm: facts(quantised=True, **rough) for arm in more or {}},
    }
    state = CaseState(case(), finding(facts=known))
    for index in range(8):
        state.add(turns(index, beside))
    return state


def without(way: str, of: CaseState) -> CaseState:
    """Return a case in which a way died after five replicates."""
    assert of.finding is not None
    out = {way: LeftOut("timeout", "no result within 60 s")}
    state = CaseState(of.case, replace(of.finding, left_out=out))
    for index, one in enumerate(of.replicates):
        alive = {arm: s for arm, s in one.rounds_s.items() if index < 5 or arm != way}
        state.add(replace(one, rounds_s=alive))
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


def test_without_eager_the_base_is_a_way_that_computes_the_same() -> None:
    int8 = finding(facts={"panet": facts(quantised=True)})
    ways = [result(case=case(runtime="onnxruntime-int8"), finding=int8)]
    ways += [result(case=case(runtime="openvino"))]
    (arms,) = deploy.grouped(ways).values()
    assert list(arms) == ["openvino", "onnxruntime-int8", "again"]
    assert arms["again"] == arms["openvino"]


def test_ways_that_do_not_run_are_told_and_those_that_cannot_are_not() -> None:
    fails = result(case=case(runtime="onnxruntime"), status=Status.MISMATCH, reason="threads 1")
    cannot = result(case=case(runtime="openvino"), status=Status.SKIPPED, reason="not installed")
    training = result(case=case(**TRAINING), status=Status.CRASHED, reason="no luck")
    known = deploy.failed([result(), fails, cannot, training])
    assert known == {case(): {"onnxruntime": LeftOut("mismatch", "threads 1")}}
    state = measured()
    assert state.finding is not None
    out = {"inductor-lite": LeftOut("crashed", "no luck")}
    state.finding = replace(state.finding, left_out=out)
    (text,) = tables([state], known)
    assert "\nonnxruntime  mismatch: threads 1\ninductor-lite  crashed: no luck\nfastest: " in text


def test_as_many_ways_as_there_are_take_turns() -> None:
    modes = ("off", "default", "lite", "frozen", "max-autotune")
    cases = [case(compile_mode=m, channels_last=on) for m in modes for on in (False, True)]
    (arms,) = deploy.grouped(result(case=of) for of in cases).values()
    assert len(arms) == len(cases) + 1


def test_case_that_takes_no_part_is_told_with_why() -> None:
    several = [result(), result(case=case(channels_last=True))]
    assert list(deploy.not_compared(several)) == []
    alone = result(case=case(batch_size=8, channels_last=True))
    other = result(case=case(batch_size=2))
    fails = replace(other, case=case(batch_size=2, runtime="openvino"), status=Status.OOM)
    training = [result(case=case(**TRAINING, batch_size=size)) for size in (1, 2)]
    found = [*several, alone, other, replace(fails, reason="too large"), *training]
    assert list(deploy.not_compared(found)) == [
        "--deploy: neck cnn b2 224 runs as eager alone; openvino oom: too large",
        "--deploy: measured in one way alone: neck cnn b8 224; give several of --runtimes, "
        "--compile or --channels-last",
        "--deploy: what is deployed does not train; cases of training left out: 2",
    ]


def test_way_that_died_keeps_its_row_and_is_no_candidate() -> None:
    (text,) = tables([without("openvino", measured())], {})
    assert "openvino (timeout)" in text
    assert "\nopenvino  timeout: no result within 60 s\nfastest: onnxruntime, 16." in text
    assert "openvino" not in text.splitlines()[-1]


def test_integers_are_not_the_fastest_of_those_that_compute_the_same() -> None:
    (text,) = tables([measured(INT8)], {})
    answer = text.splitlines()[-1]
    assert answer.startswith("fastest of those that compute the same: openvino, 16.")
    said = "; in integers, which compute something else, surely faster: onnxruntime-int8 0.62"
    assert said in answer
    assert answer.endswith(" % of it, SQNR 27.3 to 35.2 dB.")
    assert "onnxruntime-int8" not in answer.partition("; in integers")[0]
    (text,) = tables([measured({"onnxruntime-int8": 0.8})], {})
    assert "onnxruntime-int8" not in text.splitlines()[-1]


def test_where_all_others_died_integers_are_the_answer() -> None:
    replicates = measured(INT8).undisturbed
    (found,) = beside_base([replicates], "eager", "again")
    best = fastest(replicates, found, "again", ended=BESIDE, rough=INT8)
    assert (best.arm, best.over_fastest, best.rough_and_faster) == ("onnxruntime-int8", {}, {})


def test_a_way_has_a_server_of_its_own(tmp_path: Path, monkeypatch: Any) -> None:
    made: list[tuple[str, tuple[str, ...]]] = []

    def launcher(folder: Path, modules: Modules, _at_once: int) -> None:
        made.append((folder.name, modules.timing))

    monkeypatch.setattr(deploy, "ServerLauncher", launcher)
    eager = case()
    arms = {arm: Recipe("panet") for arm in ("eager", "again")}
    compiled = {"inductor": Recipe("panet", way="compile:default")}
    deploy.launcher_for({eager: arms | compiled}, tmp_path)
    inductor = ("torch._inductor.compile_fx",)
    assert made == [("eager", ()), ("again", ()), ("inductor", inductor)]


def test_fastest_and_what_cannot_be_told_from_it() -> None:
    replicates = measured().undisturbed
    (found,) = beside_base([replicates], "eager", "again")
    best = fastest(replicates, found, "again")
    assert (best.arm, best.not_told_apart) == ("openvino", ("onnxruntime",))
    assert best.over_fastest["inductor"].value > 1.1
    assert "again" not in best.over_fastest


def test_table_says_what_to_deploy() -> None:
    (text,) = tables([measured()], {})
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
    assert list(tables([state], {})) == ["deploy, neck cnn b1 224: no compiler"]


def test_file_is_read_as_that_of_further_arms(tmp_path: Path) -> None:
    known = {case(): {"aotinductor": LeftOut("timeout", "after 600 s")}}
    write([measured(INT8)], known, tmp_path / "deploy.json")
    (found,) = extra_arms.load(tmp_path, "deploy.json")
    assert found.left_out == known[case()]
    assert len(found.replicates) == 8
    assert found.facts["openvino"]["file_bytes"] == 3 * 2**20
    (stored,) = json.loads((tmp_path / "deploy.json").read_text())["cases"]
    assert stored["facts"]["eager"] == {
        "file_bytes": None,
        "cold_s": None,
        "ready_s": None,
        "resident_bytes": 2**20,
        "waiting_cpu": 0.0,
        "quantised": False,
        "level_differences": {},
        "level_sqnr_db": {},
    }
    assert stored["facts"]["openvino"]["level_differences"] == {"n2": 1e-6, "n3": 2e-6}
    assert stored["answer"]["arm"] == "openvino"
    assert stored["answer"]["not_told_apart"] == ["onnxruntime"]
    assert 0.6 < stored["answer"]["rough_and_faster"]["onnxruntime-int8"]["high"] < 0.64
