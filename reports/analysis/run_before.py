"""A run against the one before it: what of the cost moves from run to run on this machine.

The intervals of ratios have in them what calm runs differ by; this machine may move by more.
"""

import itertools
from collections.abc import Callable, Iterator

from bench.schema.files import COST, RESULTS
from bench.schema.records import Status, differences
from bench.schema.text import counted, percent
from reports.data import run_series
from reports.data.errors import ReportError
from reports.data.result_files import ResultFile
from reports.data.series import RunSeries

LOOKED_AT = 5
"""Of the runs before it in its folder; those of other cases or code are passed by."""

RATIOS = ("inside", "cost")
"""What is compared, the first of them that an arm has."""

SAME = ("code", "networks_code", "inputs")
"""Of two runs, beside the machine: ours, that of anyone's networks, and their inputs."""

Ratios = dict[tuple[str, str], float]
"""By case, and network or part."""


def sentences(file: ResultFile, series: Callable[[], RunSeries]) -> Iterator[str]:
    """Yield how the costs of a run differ from those of the run before it, if there is one.

    Args:
        file: of the run. Others are looked for beside its folder: of the same machine and code.
        series: makes its numbers, where there is a run before it.
    """
    befores = _before(file)
    nearest = next(befores, None)
    if nearest is None:
        return
    run = series()
    own = _sure(run)
    for before in itertools.chain([nearest], befores):
        earlier = _sure(before)
        moved = {key: own[key] / earlier[key] - 1 for key in own if key in earlier}
        if not moved:
            continue
        case_id, arm = max(moved, key=lambda key: abs(moved[key]))
        ends = dict.fromkeys((min(moved.values()), max(moved.values())))
        by = " to ".join(percent(end, signed=True) for end in ends)
        most = ", ".join(filter(None, (arm, run.cases[case_id].name)))
        yield (
            f"Against the run before it, {before.file.run['run_id']}, "
            f"{counted(len(moved), 'ratio')} moved by {by}; most: {most}."
        )
        return


def _sure(run: RunSeries) -> Ratios:
    found: Ratios = {}
    for case_id, case in run.cases.items():
        if case.status != Status.OK:
            continue
        for metric in reversed(RATIOS):
            for (of, arm), series in case.series.items():
                if of == metric and series.estimate is not None:
                    found[case_id, arm] = series.estimate.value
    return found


def _before(file: ResultFile) -> Iterator[RunSeries]:
    """Yield the runs before one in its folder, the newest first, of the same machine and code."""
    folder = file.path.resolve().parent
    if folder.name != file.run["run_id"] or file.path.name not in (RESULTS, COST):
        return  # a file by itself: what lies around it is not its own
    earlier = sorted(
        path
        for path in folder.parent.glob(f"*/{file.path.name}")
        if path.parent.name < folder.name and not path.parent.is_symlink()
    )
    for path in earlier[: -LOOKED_AT - 1 : -1]:
        try:
            before = run_series.read(path)
        except ReportError:
            continue
        same_machine = not differences(before.environment, file.run["environment"])
        if same_machine and all(before.file.run.get(x) == file.run.get(x) for x in SAME):
            yield before
