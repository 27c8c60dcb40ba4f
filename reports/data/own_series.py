"""The numbers of a run of `panet-bench cost`: networks, their parts, and what an exchange does."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from bench import stats
from bench.schema.case import OF_OURS, Case, case_name
from bench.schema.records import Replicate
from bench.stats.beside import besides, exchanges, residual_logs
from bench.stats.parts import call_and_shares, inside_logs, insides
from reports.data import own_runs
from reports.data.errors import damaged
from reports.data.own_runs import OwnCase, OwnRun
from reports.data.rows import rows_of
from reports.data.series import CaseSeries, RunSeries, Series, by_key, latencies, logs_of

COMMAND = "panet-bench cost"

THIS = "the network"
"""That was asked about, if it is one: its case says which."""

COUNTED = ("macs", "params", "peak_bytes")
"""Of a part."""

Cases = Sequence[tuple[Replicate, ...]]

Found = list[list[Series]]
"""Of every case its series."""


def of_run(run: OwnRun) -> RunSeries:
    """Return the numbers of a run, computed from its rounds as the command did.

    Raises:
        ReportError: it is damaged.
    """
    with damaged(run.path, "measure again"):
        names = _names(run)
        networks = _networks(run, names)
        found: Found = [list(latencies(by_arm)) for by_arm in networks]
        used = [case.result.used for case in run.cases]
        others = [arm for arm in run.networks if arm not in (run.base, run.again)]
        for arm in (run.base, *others) if run.parts else ():
            _add_inside(run, arm, names[arm], used, found)
        for arm in others:
            _add_whole(run, arm, names[arm], used, found)
        cases = {
            case.result.case.case_id: CaseSeries(
                _named(case.result.case),
                str(case.result.status),
                case.result.reason,
                by_key(of_case),
                {**by_arm, **dict(_parts(run, case))},
                runtime_version="",
            )
            for case, by_arm, of_case in zip(run.cases, networks, found, strict=True)
        }
        inputs = tuple(PurePath(each).name for each in run.document["run"].get("inputs", ()))
        return RunSeries(run.file, COMMAND, cases, inputs)


def _named(case: Case) -> str:
    """Return what a case is called, with its network."""
    return f"{PurePath(case.network).name} {case_name(vars(case), OF_OURS)}"


def _names(run: OwnRun) -> dict[str, str]:
    """Return what the series of every arm are called, wherever its file lies: ``b=mynet.py:make``.

    No module of a network is called so, nor is a control (`reports.data.series.is_control`).
    """
    names = {arm: f"{arm}={PurePath(typed).name}" for arm, typed in run.networks.items()}
    if not run.whole:
        names = {arm: f"{THIS} with {_instead(run, arm)}" for arm in names} | {run.base: THIS}
    return names | {run.again: run.again}


def _instead(run: OwnRun, arm: str) -> str:
    """Return what stands in the place of the part, as in ``neck=mynet.py:bifpn``."""
    return f"{''.join(run.parts)}={PurePath(run.networks[arm]).name}"


def _networks(run: OwnRun, names: Mapping[str, str]) -> list[dict[str, Mapping[Any, Any]]]:
    """Return of every case the networks by name, as rows of `reports.data.frames.load`."""
    by_case: dict[str, dict[str, Mapping[Any, Any]]] = {
        case.result.case.case_id: {} for case in run.cases
    }
    for row in rows_of(own_runs.frame(run)):
        if row["arm"] in names:
            by_case[row["case_id"]][names[row["arm"]]] = row
    return list(by_case.values())


def _parts(run: OwnRun, case: OwnCase) -> Iterator[tuple[str, dict[str, int | None]]]:
    """Yield what is counted of every part, by the names of their series."""
    for arm, parts in case.parts.items():
        for part, facts in parts.items():
            known = ((name, facts[name]) for name in COUNTED)
            counted = {name: None if count is None else int(count) for name, count in known}
            yield part if arm == run.base else _instead(run, arm), counted


def _add_inside(run: OwnRun, arm: str, name: str, used: Cases, found: Found) -> None:
    """Add what an arm and its parts take in all calls, to every case that was measured.

    Calls behind the rounds are among them: where all rounds are disturbed, only these are known.
    """
    again = run.again if arm == run.base else ""
    for series, case, inside in zip(found, used, insides(used, arm, run.parts, again), strict=True):
        if inside is None:
            continue
        shared = [call_and_shares(one, arm, run.parts) for one in case]
        calls = logs_of(call_s for call_s, _ in shared)
        series.append(Series("latency", name, calls, inside.call_s))  # in the place of the rounds'
        for part, of_part in inside.parts.items():
            times = logs_of(call_s * shares[part] for call_s, shares in shared if shares[part])
            if times:  # it is called in this case
                of_arm = part if arm == run.base else _instead(run, arm)
                ratios = inside_logs(case, arm, part)
                series.append(Series("time", of_arm, times, of_part.time_s))
                series.append(Series("inside", of_arm, ratios, of_part.ratio))


def _add_whole(run: OwnRun, arm: str, name: str, used: Cases, found: Found) -> None:
    """Add what a network takes beside the base, and what an exchange does to the rest."""
    turns = (run.base, run.again)
    contrast = stats.Contrast((arm,), turns)
    for series, case, beside in zip(found, used, besides(used, arm, turns), strict=True):
        if case:
            rounds = [one.rounds_s for one in case if one.round_count]
            logs = stats.log_ratios(rounds, contrast)
            series.append(Series("cost", name, logs, None if beside is None else beside.ratio))
    for part in run.parts:  # the exchanged one
        changes = exchanges(used, part, arm, turns)
        for series, case, change in zip(found, used, changes, strict=True):
            if case:
                logs = residual_logs(case, part, arm, turns)
                residual = None if change is None else change.residual
                series.append(Series("residual", _instead(run, arm), logs, residual))
