"""The engine and the gate on simulated machines: what they say is true as often as they say."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from bench import stats
from bench.compare import adaptive
from bench.engine.scheduler import BLOCK_ROUNDS, Engine
from bench.schema.recipe import Recipe
from bench.schema.records import Status
from bench.schema.tasks import ReplicateTask
from bench.stats.verdict import ComparisonVerdict, Verdict
from tests.support.factories import case, recipes
from tests.support.machines import TWO, Machine, Noise, engine, measured

NOISY = {
    "rounds": Noise(round_sd=0.1),
    "drift": Noise(round_sd=0.05, drift=0.3),
    "bursts": Noise(round_sd=0.05, burst_share=0.2),
    "processes": Noise(round_sd=0.03, process_sd=0.02),
    "processes and servers": Noise(round_sd=0.03, process_sd=0.02, server_sd=0.02),
    "bimodal memory": Noise(round_sd=0.05, slow_mode=0.03),
}

SIDES = recipes(base="panet", head="panet")
CONTRAST = stats.Contrast(("head",), ("base",))
EIGHT = tuple(case(batch_size=n) for n in range(1, 9))


@pytest.mark.slow
@pytest.mark.parametrize("name", NOISY)
def test_intervals_cover_the_truth_on_every_kind_of_machine(name: str) -> None:
    covered = total = 0
    for seed in range(200):
        noise = Noise(**{**NOISY[name].__dict__, "seed": seed})
        for result in measured(Machine(noise=noise), half_width=0.03, seed=seed):
            found = stats.cost(result.used, 0.03)
            assert found is not None
            assert found.ratio.low is not None
            assert found.ratio.high is not None
            covered += found.ratio.low <= 1.5 <= found.ratio.high
            total += 1
    chance = 2 * math.sqrt(0.94 * 0.06 / total)  # 2,400 intervals of each gave 94.8 to 95.4 %
    assert covered / total >= 0.94 - chance


class Uneven(Noise):
    """Processes of one case, the last to be asked, agree much better than those of the others."""

    def rounds(self, task: ReplicateTask, start_s: float) -> dict[str, list[float]]:
        steady = replace(self, process_sd=self.process_sd / 20)
        of_case = steady if task.case == EIGHT[-1] else self
        return Noise.rounds(of_case, task, start_s)


def test_with_time_left_no_case_ends_without_a_sure_answer() -> None:
    """What the last replicate of a case tells of the spread may make another one too wide."""
    for seed in range(40):
        machine = Machine(noise=Uneven(process_sd=0.004, seed=seed))
        results = measured(machine, cases=EIGHT, seed=seed)
        assert {result.status for result in results} == {Status.OK}


def test_place_in_the_round_cancels_over_the_case() -> None:
    """A call that finds its caches emptied is slower; every arm is that call equally often."""
    (result,) = measured(Machine(noise=Noise(first_in_round=0.1)), cases=TWO[:1])
    found = stats.cost(result.used, 0.02)
    assert found is not None
    assert found.ratio.value == pytest.approx(1.5)


def test_hog_that_stays_gives_contended_and_never_ok() -> None:
    machine = Machine(busy=lambda _: True, noise=Noise(round_sd=0.3))
    results = measured(machine, budget_s=100.0)
    assert {result.status for result in results} == {Status.CONTENDED}


def test_hog_that_leaves_costs_time_and_nothing_else() -> None:
    machine = Machine(busy=lambda number: number < 10, noise=Noise(round_sd=0.01))
    results = measured(machine)
    assert {result.status for result in results} == {Status.OK}


def compare(
    noise: Noise, slowed: dict[str, dict[str, Recipe]] | None = None, busy: bool = False
) -> ComparisonVerdict:
    """Return the verdicts of one simulated comparison of eight cases."""
    asked: Engine = engine(
        Machine(noise=noise, busy=lambda _: busy),
        cases=EIGHT,
        arms=SIDES,
        extra_arms=slowed or {},
        min_rounds=BLOCK_ROUNDS,
        seed=noise.seed,
        budget_s=500.0,
    )
    asked.check()
    sides = {c.case_id: CONTRAST for c in EIGHT}
    adaptive.measure(asked, [sides])
    return adaptive.judge({s.case.case_id: s.replicates for s in asked.states}, sides)


@pytest.mark.slow
def test_identical_code_raises_hardly_an_alarm() -> None:
    """At most one comparison of 500 may: two of 60 would happen in one test of 150."""
    verdicts: Counter[Verdict] = Counter()
    for seed in range(60):
        found = compare(Noise(round_sd=0.1, process_sd=0.01, server_sd=0.01, seed=seed))
        verdicts[found.verdict] += 1
    assert verdicts[Verdict.WITHIN_NOISE] >= 59
    assert verdicts[Verdict.UNDECIDED] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "expected"), [("head", Verdict.REGRESSED), ("base", Verdict.IMPROVED)]
)
def test_slow_down_of_five_percent_is_found_in_its_case_alone(side: str, expected: Verdict) -> None:
    slowed_case = EIGHT[3].case_id
    found = 0
    for seed in range(30):
        slowed = {slowed_case: {side: Recipe("panet", slowdown="copy:500")}}
        judged = compare(Noise(round_sd=0.05, seed=seed), slowed)
        changes = judged.cases
        others = [c for name, c in changes.items() if name != slowed_case and not c.left_to_overall]
        assert {c.verdict for c in others} <= {Verdict.WITHIN_NOISE}
        found += changes[slowed_case].verdict is expected
        fresh = changes[slowed_case].ratio
        assert fresh is not None
        assert fresh.value == pytest.approx(1.05 if side == "head" else 1 / 1.05, abs=0.03)
    assert found >= 25  # 940 of 1,000 were found: fewer than 25 of 30 would be one run of 100


def test_busy_machine_gives_no_verdict() -> None:
    judged = compare(Noise(round_sd=0.5), busy=True)
    assert {change.verdict for change in judged.cases.values()} == {Verdict.UNDECIDED}
    assert judged.verdict is Verdict.UNDECIDED


@pytest.mark.slow
def test_slow_down_of_two_percent_in_all_cases_is_found_in_all_together() -> None:
    slowed = {c.case_id: {"head": Recipe("panet", slowdown="copy:200")} for c in EIGHT}
    found = [compare(Noise(round_sd=0.05, seed=seed), slowed).verdict for seed in range(30)]
    assert found.count(Verdict.REGRESSED) >= 29
