"""The cost read inside the calls against that of whole calls, in a run longer than any user's.

Beside the arms of a run a network without marks takes its turn, so what the marks themselves take
is measured, too. From the same rounds it is told what each estimator would have made of them.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.stats import trim_mean
from tabulate import tabulate

from bench import stats
from bench.engine.opened import opened
from bench.engine.plan import CaseState, Plan
from bench.schema.case import case_name
from bench.schema.errors import BenchError
from bench.schema.recipe import COST_ARMS, Recipe, texts
from bench.schema.records import Replicate
from bench.schema.text import percent
from bench.stats import Estimate, Floats
from bench.stats.readings import call_over_rest, centre, residuals
from bench.workload import axes, presets
from bench.workload.networks import Network

PAGE, TITLE = "inside.md", "# The cost inside the calls, and of whole calls"

UNMARKED = "unmarked"
UNMARKED_NETWORK = Network(lambda copied, _recipe, _shared: copied(), like=stats.PART)
"""FPN + PANet whose calls are whole."""

ARMS = {**COST_ARMS, UNMARKED: Recipe(f"{__name__}:UNMARKED_NETWORK")}

CASES = {"batch_sizes": "1"}
"""Of the preset ``cells``: two resolutions in two layouts."""

BUDGET_S = 3600.0
TIMEOUT_S = 600.0

HALF_WIDTH = 0.01
"""That the processes are counted for."""

MARKS = stats.Contrast((stats.PART,), (UNMARKED,))


def measure(folder: Path, replicates: int, console: Console) -> str:
    """Measure until every case has so many undisturbed replicates; write the page and return it.

    Raises:
        BenchError: a case cannot run here, or the folder cannot be written.
    """
    plan = Plan(
        cases=axes.sweep(presets.PRESETS["cells"], CASES),
        budget_s=BUDGET_S,
        timeout_s=TIMEOUT_S,
        seed=0,
        images_dir=None,
        scratch_dir=str(folder / "scratch"),
        arms=ARMS,
    )
    with opened(plan, folder, {"arms": texts(ARMS)}, console) as engine:
        engine.check()
        for state in engine.states:
            if not state.runs:
                reason = state.finding.reason if state.finding else "not checked"
                raise BenchError(f"{case_name(vars(state.case))} cannot run here: {reason}")
        engine.take_turns(lambda state: replicates - len(state.undisturbed))
        page = f"{TITLE}\n\n{render(engine.states)}"
    (folder / PAGE).write_text(page)
    return page


def render(states: Sequence[CaseState]) -> str:
    """Return the page: what the readings say, and what they would need."""
    measured = {case_name(vars(s.case)): s.undisturbed for s in states if s.undisturbed}
    readings = [[name, f"{len(found)}", *_readings(found)] for name, found in measured.items()]
    spreads = [[name, *_spreads(found)] for name, found in measured.items()]
    tables = ((READINGS, readings), (SPREADS, spreads))
    return (
        "\n\n".join(
            tabulate(rows, headers, tablefmt="github", disable_numparse=True)
            for headers, rows in tables
        )
        + "\n"
    )


READINGS = [
    *("case", "replicates", "inside", "residual", "whole calls", "inside x residual over whole"),
    *("marked over not", "A/A"),
]


def _readings(found: Sequence[Replicate]) -> list[str]:
    rounds_s = [replicate.rounds_s for replicate in found]
    inside = stats.inside_log_ratios(found)
    residual = residuals(found)
    whole = stats.log_ratios(rounds_s)
    apart = [a + b - c for a, b, c in zip(inside, residual, whole, strict=True)]
    logs = (inside, residual, whole)
    changes = (apart, stats.log_ratios(rounds_s, MARKS), stats.log_ratios(rounds_s, stats.NOISE))
    return [
        *(_ratio(stats.t_ratio(x)) for x in logs),
        *(_change(stats.t_ratio(x)) for x in changes),
    ]


def _ratio(found: Estimate) -> str:
    return f"{found.value:.4f} ±{percent(found.half_width_ratio, 2)}"


def _change(found: Estimate) -> str:
    return f"{percent(found.value - 1, 2, signed=True)} ±{percent(found.half_width, 2)}"


def _hodges_lehmann(values: Floats) -> float:
    pairs = itertools.combinations_with_replacement(values, 2)
    return float(np.median([(a + b) / 2 for a, b in pairs]))


ESTIMATORS: Mapping[str, Callable[[Floats], float]] = {
    "median": centre,
    "trimmed mean": lambda values: float(trim_mean(values, 0.1)),
    "Hodges-Lehmann": _hodges_lehmann,
}
"""What may stand for the rounds of a process."""

SPREADS = [
    "sd between processes",
    *(f"inside, {name}" for name in ESTIMATORS),
    "whole calls",
    f"processes for ±{percent(HALF_WIDTH, 0)}: inside",
    "whole calls",
]


def _spreads(found: Sequence[Replicate]) -> list[str]:
    inside = {
        name: [estimator(call_over_rest(replicate.spans_s[stats.PART])) for replicate in found]
        for name, estimator in ESTIMATORS.items()
    }
    whole = stats.log_ratios([replicate.rounds_s for replicate in found])
    spreads = [_sd(values) for values in (*inside.values(), whole)]
    needed = [_processes(_sd(values)) for values in (inside["median"], whole)]
    return [*(percent(sd, 2) for sd in spreads), *(f"{count}" for count in needed)]


def _sd(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1))


def _processes(sd: float) -> int:
    """Return how many processes an interval of `HALF_WIDTH` takes where so many are known."""
    return math.ceil((1.96 * sd / HALF_WIDTH) ** 2)
