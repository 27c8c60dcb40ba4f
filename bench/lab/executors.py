"""The same shard by the executors `local` and `ray` in turns: does Ray disturb what it places?

Runs are those of ``pytest bench --executor``, in the order ABBA, so that a drift of the machine is
in both. A cluster is started before each run of Ray, and ended behind it. Its head is on this
machine, too, and so there is more of Ray beside the measurement than on any other node.
"""

import contextlib
import csv
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from tabulate import tabulate

from bench import stats
from bench.fleet import copies
from bench.lab.ray_cluster import MEASURES, cluster
from bench.machine.environment import ROOT, describe
from bench.schema import files, journal, json_lines, run_folders, text
from bench.schema.errors import BenchError
from bench.schema.recipe import TRACED_ARMS
from bench.schema.records import Replicate, undisturbed
from bench.stats.proportions import rate
from bench.stats.readings import centre
from bench.stats.verdict import EXIT_CODES, Verdict

RECORDS, RUNS, PAGE = "runs.jsonl", "runs", "executors.md"

SHARD = ("--resolutions=224,320", "--channels-last=on", "--devices=cpu", "--half-width=1%")
"""Two cases of all cores, which this half-width lets measure until the budget is spent."""

LOCAL, RAY = "local", "ray"


@dataclass(frozen=True)
class Measured:
    """A run of the shard."""

    executor: str
    results: str
    """Its result file, in the folder of runs."""
    values: dict[str, dict[str, float]]
    """Reading -> case -> what it says."""


def order(pairs: int) -> list[str]:
    """Return the executors of so many pairs: ABBA."""
    return [name for pair in range(pairs) for name in ((LOCAL, RAY), (RAY, LOCAL))[pair % 2]]


def measure(folder: Path, pairs: int, budget_s: float, console: Console) -> str:
    """Measure what is missing; write the page of all there is, and return it.

    Args:
        folder: where everything goes.
        pairs: how many there are to be in the end.
        budget_s: of a run.
        console: hears how far it is.

    Raises:
        BenchError: a run cannot be measured.
    """
    (folder / RUNS).mkdir(parents=True, exist_ok=True)
    done = read(folder)
    for number, executor in list(enumerate(order(pairs)))[len(done) :]:
        console.print(f"run {number + 1} of {2 * pairs}: {executor}", highlight=False)
        run = _run(folder, executor, budget_s)
        json_lines.add(folder / RECORDS, asdict(run))
        done.append(run)
    page = render(done, [compared(folder, *pair) for pair in itertools.pairwise(done)], describe())
    (folder / PAGE).write_text(page, encoding="utf-8")
    return page


def read(folder: Path) -> list[Measured]:
    """Return the runs so far."""
    return [Measured(**run) for run in json_lines.read(folder / RECORDS)]


def _run(folder: Path, executor: str, budget_s: float) -> Measured:
    own = {"FAULTS": str(folder.resolve()), "PYTHONPATH": str(ROOT)}
    words = [f"--run-dir={(folder / RUNS).resolve()}", f"--budget={budget_s}s", *SHARD]
    with contextlib.ExitStack() as stack:
        if executor == RAY:
            made = stack.enter_context(cluster(own))
            made.head(MEASURES)
            words.append(f"--hosts={made.address}")
        command = [sys.executable, "-m", "pytest", str(ROOT / "bench"), "-p", "no:cacheprovider"]
        done = subprocess.run(  # noqa: S603 - ourselves
            [*command, f"--executor={executor}", *words],
            cwd=ROOT,
            env=os.environ | own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    latest = (folder / RUNS / run_folders.LATEST).resolve()
    if done.returncode or not latest.exists():
        raise BenchError(f"{executor}: {text.in_a_line((done.stdout + done.stderr)[-400:])}")
    (results,) = latest.glob(f"*/{files.RESULTS}")
    name = results.relative_to((folder / RUNS).resolve()).as_posix()
    return Measured(executor, name, readings(_replicates(latest)))


def _replicates(fleet: Path) -> dict[str, list[Replicate]]:
    found: dict[str, list[Replicate]] = {}
    for shard in sorted(path.parent for path in fleet.glob(f"{copies.SHARDS}/*/{files.JOURNAL}")):
        for case_id, replicates in journal.read(shard).replicates.items():
            found.setdefault(case_id, []).extend(replicates)
    return found


def readings(cases: Mapping[str, Sequence[Replicate]]) -> dict[str, dict[str, float]]:
    """Return reading -> case -> what the replicates of a run say.

    Args:
        cases: id -> replicates, of which the undisturbed count.
    """
    return {
        reading.name: {case_id: reading.of(replicates) for case_id, replicates in cases.items()}
        for reading in READINGS
    }


@dataclass(frozen=True)
class Reading:
    """Something that a run says of a case."""

    name: str
    of: Callable[[Sequence[Replicate]], float]
    shown: Callable[[float], str]
    ratio: bool = True
    """Whether it is a logarithm, and two of them a ratio; otherwise a share."""


def _used(replicates: Sequence[Replicate]) -> Sequence[Replicate]:
    """Return those that count: the undisturbed ones, or all where there are none."""
    found = [replicate for replicate in undisturbed(replicates) if replicate.rounds_s["fpn"]]
    return found or replicates


def _latency(arm: str) -> Callable[[Sequence[Replicate]], float]:
    def of(replicates: Sequence[Replicate]) -> float:
        rounds = [replicate.rounds_s[arm] for replicate in _used(replicates)]
        return float(np.mean([math.log(1e3 * centre(seconds)) for seconds in rounds]))

    return of


def _aa(replicates: Sequence[Replicate]) -> list[float]:
    return stats.log_ratios([each.rounds_s for each in _used(replicates)], stats.NOISE)


def _disturbed(replicates: Sequence[Replicate]) -> float:
    rounds = sum(len(replicate.rounds_s["fpn"]) for replicate in replicates)
    return sum(len(replicate.disturbed) for replicate in replicates) / rounds


def _inside(replicates: Sequence[Replicate]) -> float:
    return float(np.mean(stats.inside_log_ratios(_used(replicates))))


def _ratio(log: float) -> str:
    return f"{math.exp(log):.4f}"


def _ms(log: float) -> str:
    return f"{math.exp(log):.2f}"


READINGS = (
    Reading("A/A", lambda found: float(np.mean(_aa(found))), _ratio),
    Reading(
        "A/A, sd between processes",
        lambda found: float(np.log(np.std(_aa(found), ddof=1))),
        lambda log: text.percent(math.exp(log), 2),
    ),
    Reading("cost, inside", _inside, _ratio),
    *(Reading(f"ms of {arm}", _latency(arm), _ms) for arm in TRACED_ARMS),
    Reading("disturbed rounds", _disturbed, text.percent, ratio=False),
)


@dataclass(frozen=True)
class Compared:
    """What the gate says of two runs of equal code."""

    of_one: bool
    """Whether both are of one executor."""
    verdicts: frozenset[str]


def compared(folder: Path, base: Measured, head: Measured) -> Compared:
    """Compare two runs by ``python -m reports compare``; raise `BenchError` where it cannot."""
    paths = [folder / RUNS / run.results for run in (base, head)]
    out = folder / "compared" / "-".join(path.parents[1].name for path in paths)
    if not list(out.glob("*.csv")):
        command = [sys.executable, "-m", "reports", "compare", *map(str, paths), "--out", str(out)]
        done = subprocess.run(  # noqa: S603 - ourselves
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode not in EXIT_CODES.values():
            raise BenchError(text.in_a_line(done.stderr[-300:]))
    (table,) = out.glob("*.csv")
    with table.open(encoding="utf-8", newline="") as lines:
        verdicts = frozenset(row["verdict"] for row in csv.DictReader(lines))
    return Compared(base.executor == head.executor, verdicts)


HEAD = """# The same shard by `local` and by `ray`

Made by `python -m bench lab executors FOLDER`: runs of `pytest bench --executor` in the order ABBA,
one after the other on one machine. A cluster of Ray is started before each of its runs and ended
behind it; its head and its driver are on this machine as well, so more of Ray is beside the
measurement than on a node that only measures. Intervals are over pairs of runs (Student, 95 %).
"""


def render(
    runs: Sequence[Measured], gates: Sequence[Compared], environment: Mapping[str, Any]
) -> str:
    """Return the page: what differs, and what the gate says of runs of equal code."""
    pairs = [
        sorted(pair, key=lambda run: run.executor)
        for pair in zip(runs[::2], runs[1::2], strict=False)
    ]
    if not pairs:
        return f"{HEAD}\nNo pair of runs yet.\n"
    cases = list(runs[0].values[READINGS[0].name])
    groups = {**{case_id: [case_id] for case_id in cases}, "all": cases}
    rows = [
        [reading.name, name, *_row(reading, pairs, of)]
        for reading in READINGS
        for name, of in groups.items()
    ]
    where = (
        f"{environment['cpu']}, {environment['cores']} cores; torch "
        f"{environment['libraries']['torch']}; {text.counted(len(pairs), 'pair')} of runs."
    )
    headers = ["reading", "case", LOCAL, RAY, f"{RAY} against {LOCAL}"]
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    return "\n".join([HEAD, where, "", table, "", *_told_apart(gates)])


def _row(
    reading: Reading, pairs: Sequence[Sequence[Measured]], cases: Sequence[str]
) -> Iterator[str]:
    """Yield what a reading is by either executor, and the difference; of cases the mean."""
    values = np.array(
        [[np.mean([run.values[reading.name][c] for c in cases]) for run in pair] for pair in pairs]
    )
    yield from (reading.shown(value) for value in values.mean(axis=0))
    differences = (values[:, 1] - values[:, 0]).tolist()
    found = stats.t_ratio(differences) if reading.ratio else stats.t_interval(differences)
    change = found.value - 1 if reading.ratio else found.value
    yield f"{text.percent(change, 2, signed=True)} ±{text.percent(found.half_width, 2)}"


def _told_apart(gates: Sequence[Compared]) -> Iterator[str]:
    """Yield how often runs of equal code were told apart."""
    yield (
        "`python -m reports compare`, with the thresholds that it has, of runs that follow each "
        "other; their code is the same, so what it tells apart is the machine:"
    )
    yield ""
    for of_one, which in ((False, "one by `local`, one by `ray`"), (True, "both by the same")):
        own = [gate for gate in gates if gate.of_one is of_one]
        apart = rate(sum(not gate.verdicts <= EQUAL for gate in own), len(own))
        interval = f" (95 %: {apart.low:.0%} to {apart.high:.0%})" if own else ""
        yield f"- {which}: {apart.count} of {apart.total} told apart{interval}"


EQUAL = frozenset({Verdict.WITHIN_NOISE, Verdict.INCOMPARABLE})
