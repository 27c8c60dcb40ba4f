"""The self-test end to end, on a simulated machine: what it calibrates, tries, pools and says."""

import contextlib
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from bench import __main__ as command
from bench.engine import opened
from bench.engine.plan import CaseState
from bench.fleet import side_by_side
from bench.machine.environment import describe
from bench.schema.errors import BenchError
from bench.schema.records import Status
from bench.schema.tasks import Failure, Task
from bench.selftest import background_load, document, rates, resampling, session, trials
from bench.selftest.calibration import PLACES, Slowing, calibrate
from bench.selftest.document import Document
from bench.selftest.rates import SetupSummary
from bench.selftest.request import SelfTestRequest, setups
from bench.selftest.session import SelfTest
from bench.selftest.slowdown import EVERYWHERE
from bench.selftest.trials import SlowedArm
from bench.stats.sequential import GATE
from bench.stats.stages import CaseStages
from tests.support.machines import SLOWDOWN_PER_CHANNEL, TWO, Machine, Noise, engine

QUIET = Console(quiet=True)
QUICK_CASES = 2


class Simulated(Machine):
    """Stands in for the fork servers; a new machine per engine, all with the same noise."""

    noise = Noise(round_sd=0.02)
    killed_at: int | None = None
    contended = False
    started = 0

    def __init__(self, *_: object, **__: object) -> None:
        type(self).started += 1
        super().__init__(noise=self.noise, fails=self._fail, busy=lambda _: self.contended)

    def _fail(self, task: Task[Any]) -> Failure | None:
        if self.killed_at is not None and len(self.tasks) == self.killed_at:
            raise KeyboardInterrupt
        return None


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opened, "ServerLauncher", Simulated)
    monkeypatch.setattr(session, "probe_cores", lambda: [{"0.001": 0.15, "1": None}])
    monkeypatch.setattr(session, "git_commit", lambda: "0123abc")
    monkeypatch.setattr(Simulated, "noise", Noise(round_sd=0.02))
    monkeypatch.setattr(Simulated, "killed_at", None)
    monkeypatch.setattr(Simulated, "contended", False)


def request(folder: Path, **values: Any) -> SelfTestRequest:
    defaults: dict[str, Any] = {
        "trials": 3,
        "sizes": (0.05,),
        "loads": ("none",),
        "quick": True,
        "folder": folder / "selftest-1",
    }
    return SelfTestRequest(**(defaults | values))


def shown(folder: Path) -> Document:
    """Return what the self-test shows; the JSON has the same."""
    read = document.read(folder / "selftest-1")
    stored = json.loads((folder / "selftest-1" / document.JSON).read_text())
    assert stored["setups"] == json.loads(json.dumps(read.to_json()))["setups"]
    return read


def summary_of(folder: Path) -> SetupSummary:
    return shown(folder).setups["none-t2"]


def run_without_pages(wanted: SelfTestRequest) -> SelfTest:
    """Run many trials; the page, which draws thousands of comparisons, is not written each time."""
    test = SelfTest(wanted, QUIET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SelfTest, "write_page", lambda _: None)
        test.run()
    return test


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "usable_cores", lambda: 2)


def test_calibration_finds_the_work_that_takes_a_given_share() -> None:
    def measure(arms: Any, replicates: int) -> Sequence[CaseState]:
        machine = Machine(noise=Noise(round_sd=0.01))
        asked = engine(machine, arms={}, extra_arms=arms)
        asked.check()
        asked.take_turns(lambda state: replicates - len(state.replicates))
        return asked.states

    found = calibrate(TWO, (0.02, 0.05), measure)
    for case in TWO:
        for slowing, size in zip(found[case.case_id], (0.02, 0.05), strict=True):
            assert slowing.requested == size
            assert slowing.channels == pytest.approx(size / SLOWDOWN_PER_CHANNEL, rel=0.1)
            assert slowing.size == pytest.approx(size, rel=0.1)
            assert slowing.low is not None
            assert slowing.high is not None
            assert slowing.low < slowing.size < slowing.high
    assert {found[case.case_id][0].kind for case in TWO} == {"compute", "copy"}
    assert [found[case.case_id][0].place for case in TWO] == list(PLACES[:2])


def test_quiet_machine_finds_every_slow_down_and_raises_no_false_alarm(tmp_path: Path) -> None:
    SelfTest(request(tmp_path), QUIET).run()
    found = summary_of(tmp_path)
    (verdicts,) = found.gates
    assert verdicts.false_alarms.count == 0
    assert verdicts.false_alarms.total == 3
    (detections,) = verdicts.detections
    compared = 3 * QUICK_CASES
    assert (detections.detected.count, detections.detected.total) == (compared, compared)
    assert (detections.wrong, detections.undecided) == (0, 0)
    assert (found.coverage.count, found.coverage.total) == (compared, compared)
    for case in found.cases.values():
        assert case.cost == pytest.approx(1.5, rel=0.01)
    page = (tmp_path / "selftest-1" / session.PAGE).read_text()
    assert "| false alarms, identical code, live" in page
    assert "0 of 3 (95 %: 0.0 % to" in page


def test_noisy_machine_misses_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Simulated, "noise", Noise(round_sd=0.4, process_sd=0.1))
    SelfTest(request(tmp_path), QUIET).run()
    found = summary_of(tmp_path)
    (verdicts,) = found.gates
    assert verdicts.detections[0].detected.count == 0
    assert verdicts.false_alarms.count == 0
    assert (found.cost_components.round or 0) > 0.3


def test_gate_does_not_know_which_side_is_slowed(tmp_path: Path) -> None:
    run_without_pages(request(tmp_path, trials=8))
    sides = set()
    for folder in (tmp_path / "selftest-1").glob("trial-*"):
        measured = trials.read(folder)
        for arm, slowed in measured.trial.slowed.items():
            sides.add(slowed.is_head)
            rounds_s = measured.replicates[slowed.case_id][0].rounds_s
            assert set(rounds_s) == {"fpn", "base", "head", arm}
    assert sides == {True, False}


def test_sessions_are_pooled_and_the_trials_go_on(tmp_path: Path) -> None:
    SelfTest(request(tmp_path, trials=2), QUIET).run()
    servers = Simulated.started
    SelfTest(request(tmp_path, trials=1), QUIET).run()
    assert Simulated.started == servers + 1  # nothing is calibrated again
    assert summary_of(tmp_path).trials == 3
    numbers = sorted(path.name for path in (tmp_path / "selftest-1").glob("trial-*"))
    assert numbers == [f"trial-none-t2-{i:03d}" for i in range(3)]


def test_every_trial_is_read_once_and_every_setup_computed_once_per_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def unloaded(_: str) -> Any:
        yield

    counts: Counter[str] = Counter()
    read, summary = trials.read, rates.summary

    def counted_read(folder: Path) -> Any:
        counts[folder.name] += 1
        return read(folder)

    def counted_summary(measured: Any) -> Any:
        counts[measured[0].trial.setup] += 1
        return summary(measured)

    monkeypatch.setattr(background_load, "running", unloaded)
    SelfTest(request(tmp_path, trials=1, loads=("none", "light")), QUIET).run()
    monkeypatch.setattr(trials, "read", counted_read)
    monkeypatch.setattr(rates, "summary", counted_summary)
    SelfTest(request(tmp_path, trials=2, loads=("none", "light")), QUIET).run()
    setups_of = ("none-t2", "light-t2")
    folders = {f"trial-{name}-{number:03d}": 1 for name in setups_of for number in range(3)}
    # Behind four trials a page each; the first one has also to compute the other setup.
    assert counts == folders | {"none-t2": 2, "light-t2": 3}
    monkeypatch.undo()
    assert shown(tmp_path).setups["light-t2"].trials == 3


def test_interrupted_trial_is_finished_first_and_nothing_measured_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SelfTest(request(tmp_path, trials=1), QUIET).run()
    monkeypatch.setattr(Simulated, "killed_at", 4)
    with pytest.raises(KeyboardInterrupt):
        SelfTest(request(tmp_path, trials=1), QUIET).run()
    cut = tmp_path / "selftest-1" / "trial-none-t2-001"
    kept = (cut / "journal.jsonl").read_text()
    assert not (cut / trials.END).exists()
    assert summary_of(tmp_path).trials == 1
    monkeypatch.setattr(Simulated, "killed_at", None)
    SelfTest(request(tmp_path, trials=1), QUIET).run()
    assert (cut / "journal.jsonl").read_text().startswith(kept)
    assert summary_of(tmp_path).trials == 3
    assert trials.read(cut).elapsed_s is None


def test_in_all_counts_the_trials_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SelfTest(request(tmp_path, trials=1), QUIET).run()
    monkeypatch.setattr(Simulated, "killed_at", 4)
    wanted = request(tmp_path, trials=3, in_all=True)
    with pytest.raises(KeyboardInterrupt):
        SelfTest(wanted, QUIET).run()
    monkeypatch.setattr(Simulated, "killed_at", None)
    # A kill may also have cut the first line of a trial's journal, or that of a session.
    cut = tmp_path / "selftest-1" / "trial-none-t2-002"
    cut.mkdir()
    (cut / "journal.jsonl").write_text('{"header": {"sch')
    with (tmp_path / "selftest-1" / document.SESSIONS).open("a") as sessions:
        sessions.write('{"started": "20')
    SelfTest(wanted, QUIET).run()
    assert summary_of(tmp_path).trials == 3
    (tmp_path / "selftest-1" / document.JSON).unlink()
    SelfTest(wanted, QUIET).run()
    assert summary_of(tmp_path).trials == 3
    beside = side_by_side.false_alarms(json.loads(json.dumps(shown(tmp_path).to_json())))
    assert beside["none-t2"].startswith("0 of 3 (95 %: at most ")


def test_another_machine_does_not_add_its_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SelfTest(request(tmp_path, trials=1), QUIET).run()
    here = describe()
    monkeypatch.setattr(session, "describe", lambda: here | {"cpu": "another", "cores": 64})
    with pytest.raises(BenchError, match="cpu, cores differ from then"):
        SelfTest(request(tmp_path), QUIET).run()


def test_other_slow_downs_are_another_self_test(tmp_path: Path) -> None:
    SelfTest(request(tmp_path, trials=1), QUIET).run()
    with pytest.raises(BenchError, match="--inject, --quick differ from then"):
        SelfTest(request(tmp_path, sizes=(0.02,), quick=False), QUIET).run()


def test_later_session_may_slow_down_by_fewer_sizes(tmp_path: Path) -> None:
    SelfTest(request(tmp_path, trials=1, sizes=(0.02, 0.05)), QUIET).run()
    SelfTest(request(tmp_path, trials=1, sizes=(0.05,)), QUIET).run()
    totals = [d.detected.total for d in summary_of(tmp_path).gates[0].detections]
    assert totals == [QUICK_CASES, 2 * QUICK_CASES]


@pytest.mark.slow
def test_sessions_with_another_gate_are_shown_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SelfTest(request(tmp_path, trials=1), QUIET).run()
    stricter = replace(session.QUICK_GATE, confirm_looks=(6, 9))
    monkeypatch.setattr(session, "QUICK_GATE", stricter)
    SelfTest(request(tmp_path, trials=2), QUIET).run()
    found = summary_of(tmp_path)
    assert [verdicts.trials for verdicts in found.gates] == [1, 2]
    page = (tmp_path / "selftest-1" / session.PAGE).read_text()
    newest, older = page.index("fresh: 6, then 9;"), page.index("fresh: 6;")
    assert newest < older


def test_cell_that_cannot_run_ends_the_self_test_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failure(Status.SKIPPED, "no such device")
    monkeypatch.setattr(Simulated, "_fail", lambda *_: failure)
    with pytest.raises(BenchError, match=r"cannot run here: .*: no such device"):
        SelfTest(request(tmp_path), QUIET).run()


def test_slow_down_that_cannot_be_as_small_as_asked_is_not_tried(tmp_path: Path) -> None:
    smallest = SLOWDOWN_PER_CHANNEL
    SelfTest(request(tmp_path, sizes=(smallest / 4, 4 * smallest), trials=1), QUIET).run()
    (verdicts,) = summary_of(tmp_path).gates
    tried = {of.requested: of.detected.total for of in verdicts.detections}
    assert tried == {4 * smallest: QUICK_CASES}


def test_busy_machine_is_undecided_and_never_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Simulated, "noise", Noise(round_sd=0.5))
    monkeypatch.setattr(Simulated, "contended", True)
    SelfTest(request(tmp_path, trials=2), QUIET).run()
    found = summary_of(tmp_path)
    (verdicts,) = found.gates
    assert (verdicts.false_alarms.count, verdicts.undecided) == (0, 2)
    assert verdicts.detections[0].undecided == 2 * QUICK_CASES
    assert found.contended == found.replicates


def test_beside_a_background_load_fewer_threads_are_tried_as_well(tmp_path: Path) -> None:
    wanted = request(tmp_path, loads=("none", "light", "hog"), quick=False)
    found = setups(wanted, cores=2)
    assert [(setup.load, setup.threads) for setup in found] == [
        ("none", 2),
        ("light", 2),
        ("hog", 1),
        ("hog", 2),
    ]
    assert {len(setup.cases) for setup in found} == {8}
    assert [setup.threads for setup in setups(wanted, cores=1)] == [1, 1, 1]


@pytest.mark.slow
def test_page_says_what_other_programs_do_to_the_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_load, "running", lambda _: contextlib.nullcontext())
    SelfTest(request(tmp_path, loads=("none", "light")), QUIET).run()
    page = (tmp_path / "selftest-1" / session.PAGE).read_text()
    (kept,) = (line for line in page.splitlines() if line.startswith("| light, 2 threads: kept"))
    assert int(kept.split("|")[2]) > 0


def test_parts_of_the_spread_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Simulated, "noise", Noise(round_sd=0.001, process_sd=0.03))
    run_without_pages(request(tmp_path, trials=12, sizes=())).write_page()
    parts = summary_of(tmp_path).identical_components
    assert parts.process is not None
    assert parts.process == pytest.approx(0.03 * math.sqrt(2), rel=0.4)
    assert parts.round is not None
    assert parts.round < 0.005
    assert parts.turn is not None
    assert parts.turn < parts.process / 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--trials", "0"], "--trials '0': give a whole number of 1 or more"),
        (["--inject", "fast"], "--inject 'fast': give percents from 0 to 100, such as 2,5"),
        (["--load", "disk"], "--load 'disk': choose from none, light, hog"),
        (["--resume", "x"], "--resume x: no such selftest"),
    ],
)
def test_wrong_option_is_one_line_and_exit_code_2(
    arguments: Sequence[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["selftest", "--run-dir", str(tmp_path), *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_command_writes_and_shows_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["selftest", "--quick", "--inject", "0,5", "--run-dir", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# Self-test")
    assert "selftest.json" in out


@pytest.mark.slow
def test_stages_of_identical_code_are_drawn_with_their_calls() -> None:
    """Eight cases of twenty stages: 0.18 % of 80,000 comparisons, against 0.11 % without stages."""
    alarms = {}
    for stages in (0, 20):
        generator = np.random.default_rng(0)
        names = tuple(f"stage {i}" for i in range(stages))
        pools = [
            resampling._Pool(
                generator.normal(0, 0.01, 60),
                CaseStages(names, generator.normal(0, 0.01, (stages, 60))),
            )
            for _ in range(8)
        ]
        draws = [resampling._Draws(pool, GATE, 4000, generator) for pool in pools]
        flagged = np.mean([drawn.flagged_stages > 0 for drawn in draws])
        assert (0.08 < flagged < 0.18) if stages else flagged == 0
        alarms[stages] = resampling._false_alarm_rate(draws, GATE)
    assert 0 < alarms[20] < 0.004  # a standard error of 0.07 %


@pytest.mark.parametrize(
    ("place", "named", "right"),
    [
        ("fpn p2 lateral", ("fpn p2 lateral", "fpn p2 smooth"), True),
        ("fpn p2 lateral", ("fpn p2 smooth",), False),
        ("fpn p2 lateral", (), False),
        (EVERYWHERE, ("fpn p2 smooth",), None),
    ],
)
def test_named_stage_is_right_where_the_slow_down_is(
    place: str, named: tuple[str, ...], right: bool | None
) -> None:
    slowing = Slowing(0.05, "copy", 96, 0.05, None, None, place)
    case = SimpleNamespace(named=[SimpleNamespace(name=name) for name in named])
    trial: Any = SimpleNamespace(
        trial=SimpleNamespace(slowed={"other_0": SlowedArm("b1", slowing, is_head=True)}),
        judged={
            "other_0": SimpleNamespace(
                by_name={"b1": case}, explaining=lambda: "b1" if named else None
            )
        },
    )
    assert rates.names_the_stage(trial, "other_0") is right
