"""The eight cases through the usual tools and through ours, in turn, over the same hour.

Every tool runs once per round. Ours is run as it is, and with one of its design choices switched
off at a time. Needs the extra ``dev`` (pyperf).
"""

import itertools
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from tabulate import tabulate

from bench import stats
from bench.engine.opened import opened
from bench.engine.plan import REPLICATE_S, Design, Plan
from bench.machine.environment import describe
from bench.schema import json_lines
from bench.schema.errors import BenchError

GATE_RATIO = 1.05
"""What a user would write into a CI."""

REPLICATES = 8
"""Of ours per case and run: about as long as the screen of a comparison takes."""

RUNS, PAGE = "runs.jsonl", "side-by-side.md"

Seconds = dict[str, float]
"""Name of a benchmark (`bench.lab.other_tools_cells.names`) -> seconds that the tool reports."""


@dataclass(frozen=True)
class ToolRun:
    """What one run of a tool says."""

    tool: str
    wall_s: float
    costs: dict[str, float]
    """Case -> FPN + PANet over FPN."""
    seconds: Seconds | None
    """Of the usual tools: what two runs of theirs are compared by."""
    identical: dict[str, float] | None
    """Of ours: case -> the same network over itself, within the run."""


def run_all(tools: Sequence[str], rounds: int, folder: Path, console: Console) -> None:
    """Run every tool once per round, and store what each one says.

    Args:
        tools: of `TOOLS`.
        rounds: how many.
        folder: where they are kept.
        console: shows how far it is.
    """
    for number, tool in itertools.product(range(rounds), tools):
        console.print(f"round {number + 1} of {rounds}: {tool}", highlight=False)
        run = run_tool(tool, folder, console)
        json_lines.add(folder / RUNS, asdict(run))


def write_page(folder: Path) -> str:
    """Write the page of all runs so far, and return it."""
    page = f"{_machine()}\n\n{render(read(folder))}\n"
    (folder / PAGE).write_text(page)
    return page


def read(folder: Path) -> list[ToolRun]:
    """Return all runs so far."""
    return [ToolRun(**run) for run in json_lines.read(folder / RUNS)]


def _machine() -> str:
    environment = describe()
    return (
        f"{environment['cpu']}, {environment['cores']} cores; torch "
        f"{environment['libraries']['torch']}; {time.strftime('%Y-%m-%d', time.gmtime())}"
    )


def run_tool(tool: str, folder: Path, console: Console) -> ToolRun:
    """Run a tool once over all cases."""
    (folder / "scratch").mkdir(exist_ok=True)
    start_s = time.monotonic()
    if tool in USUAL:
        seconds = USUAL[tool](folder)
        wall_s = time.monotonic() - start_s
        return ToolRun(tool, wall_s, _costs(seconds), seconds, None)
    costs, identical = _ours(folder, OURS[tool], console)
    return ToolRun(tool, time.monotonic() - start_s, costs, None, identical)


def render(runs: Sequence[ToolRun]) -> str:
    """Return the table, a row per tool."""
    rows = []
    for tool in TOOLS:
        own = [run for run in runs if run.tool == tool]
        if own:
            alarms, comparisons = false_alarms(own)
            rows.append(
                [
                    tool,
                    f"{len(own)}",
                    f"{np.median([run.wall_s for run in own]):.0f}",
                    f"{alarms} of {comparisons}",
                    f"{worst_spread(own):.3f}" if len(own) > 1 else "-",
                    _identical_spread(own),
                ]
            )
    headers = [
        "tool", "runs", "wall s per run", f"false alarms at +{GATE_RATIO - 1:.0%}",
        "cost, max over min, worst case", "A/A, sd",
    ]  # fmt: skip
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def false_alarms(runs: Sequence[ToolRun]) -> tuple[int, int]:
    """Return alarms and comparisons of identical code.

    The usual tools compare a run with another: all ordered pairs. Ours compares within a run.
    """
    if runs[0].identical is not None:
        alarms = [max(run.identical.values()) > GATE_RATIO for run in runs if run.identical]
        return sum(alarms), len(alarms)
    pairs = [
        any(late.seconds[name] > GATE_RATIO * early.seconds[name] for name in early.seconds)
        for early, late in itertools.permutations(runs, 2)
        if early.seconds is not None and late.seconds is not None
    ]
    return sum(pairs), len(pairs)


def worst_spread(runs: Sequence[ToolRun]) -> float:
    """Return the largest over the smallest cost of a case over the runs, of the worst case."""
    cases = runs[0].costs
    return max(
        max(run.costs[name] for run in runs) / min(run.costs[name] for run in runs)
        for name in cases
    )


def _identical_spread(runs: Sequence[ToolRun]) -> str:
    logs = [math.log(x) for run in runs for x in (run.identical or {}).values()]
    return f"{math.sqrt(float(np.mean(np.square(logs)))):.1%}" if logs else "-"


def _costs(seconds: Seconds) -> dict[str, float]:
    from bench.lab import other_tools_cells

    return {
        case.case_id: seconds[f"{case.case_id}-panet"] / seconds[f"{case.case_id}-fpn"]
        for case in other_tools_cells.cells()
    }


def _environment(folder: Path) -> dict[str, str]:
    from bench.lab import other_tools_cells

    return os.environ | {other_tools_cells.SCRATCH: str(folder / "scratch")}


def _pytest_benchmark(folder: Path) -> Seconds:
    from bench.lab import other_tools_cells

    written = folder / "pytest-benchmark.json"
    _call(
        folder,
        *("-m", "pytest", "--quiet", "--benchmark-quiet", "--noconftest"),
        *("-p", "no:cacheprovider", f"--benchmark-json={written}", other_tools_cells.__file__),
    )
    entries = json.loads(written.read_text())["benchmarks"]
    return {entry["param"]: entry["stats"]["mean"] for entry in entries}


def _torch_timer(folder: Path) -> Seconds:
    written = folder / "torch.json"
    _call(folder, "-m", "bench.lab.other_tools_cells", "torch", str(written))
    seconds: Seconds = json.loads(written.read_text())
    return seconds


PYPERF: tuple[str, ...] = ("--processes", "3")
"""Per benchmark. Twenty, the default, would take half an hour: each imports torch."""


def _pyperf(folder: Path) -> Seconds:
    import pyperf

    from bench.lab import other_tools_cells

    written = folder / "pyperf.json"
    written.unlink(missing_ok=True)
    inherited = f"{other_tools_cells.SCRATCH},{other_tools_cells.CELLS}"
    own = ("-o", str(written), "--inherit-environ", inherited, "--quiet")
    _call(folder, "-m", "bench.lab.other_tools_cells", "pyperf", *own, *PYPERF)
    suite = pyperf.BenchmarkSuite.load(str(written))
    return {benchmark.get_name(): benchmark.mean() for benchmark in suite}


def _call(folder: Path, *arguments: str) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(  # noqa: S603 - our own modules
        command, env=_environment(folder), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"{' '.join(arguments[:4])}: {done.stdout[-400:]}{done.stderr[-400:]}")


def _ours(
    folder: Path, scheme: "Scheme", console: Console
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the cost of every case, and the ratio of identical code."""
    from bench.lab import other_tools_cells

    plan = Plan(
        cases=other_tools_cells.cells(),
        budget_s=1800.0,
        timeout_s=600.0,
        seed=0,
        images_dir=None,
        scratch_dir=str(folder / "scratch"),
        design=scheme.design,
    )
    number = len(list(folder.glob("ours-*")))
    header = {"design": asdict(scheme.design)}
    with opened(plan, folder / f"ours-{number:03d}", header, console) as engine:
        engine.check()
        engine.take_turns(lambda state: scheme.replicates - len(state.replicates))
    rounds = {s.case.case_id: [r.rounds_s for r in s.replicates] for s in engine.states}
    return _mean(rounds, stats.COST), _mean(rounds, stats.NOISE)


def _mean(
    rounds: Mapping[str, Sequence[stats.Rounds]], contrast: stats.Contrast
) -> dict[str, float]:
    return {
        case_id: math.exp(float(np.mean([stats.log_ratio(each, contrast) for each in replicates])))
        for case_id, replicates in rounds.items()
    }


USUAL: dict[str, Callable[[Path], Seconds]] = {
    "pytest-benchmark": _pytest_benchmark,
    "torch.utils.benchmark": _torch_timer,
    "pyperf": _pyperf,
}


@dataclass(frozen=True)
class Scheme:
    """How ours measures, and how many replicates it takes of every case."""

    design: Design
    replicates: int = REPLICATES


OURS = {
    "ours": Scheme(Design()),
    "ours without the allocator": Scheme(Design(allocator=False)),
    "ours without taking turns": Scheme(Design(order="blocks")),
    "ours without replicates": Scheme(Design(replicate_s=REPLICATES * REPLICATE_S), replicates=1),
    "ours without servers": Scheme(Design(one_server=True)),
    "ours without balanced orders": Scheme(Design(order="fixed")),
}

TOOLS = (*USUAL, *OURS)
