"""Result files -> pandas frames. The only place that builds frames.

`load` gives one row per arm and case; `cost` one row per case, with FPN beside FPN + PANet. Times
are in seconds, memory in bytes; a value that is not known is missing, never 0.

>>> frame = load(["reports/reference/results.json"])
>>> sorted(frame["arm"].unique())
['fpn', 'fpn_again', 'panet']
>>> table = cost(frame)
>>> necks = table[table["scope"] == "neck"]
>>> bool((necks["ratio_low"] > 1).all())  # PANet is never free
True
>>> rounds(["reports/reference/results.json"]).columns.tolist()
['run_id', 'case_id', 'arm', 'replicate', 'round', 'time_s']
"""

import contextlib
import gc
import math
import os
import statistics
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from bench import stats
from bench.schema.case import Case
from bench.schema.records import SCHEMA, SCHEMA_HISTORY, Status
from bench.schema.stored import RecordError
from reports.data.errors import ReportError

AXES = (
    "scope",
    "backbone",
    "device",
    "dtype",
    "pass_name",
    "threads",
    "compile_mode",
    "batch_size",
    "height_px",
    "width_px",
    "channels_last",
)
"""In the order in which tables are sorted: what differs least often first."""


COLUMNS = {
    "run_id": ("string", "the run"),
    "scope": ("category", "neck: feature maps in; model: image in"),
    "backbone": ("category", "cnn, or a name of timm"),
    "batch_size": ("Int64", "images per call"),
    "height_px": ("Int64", "height of the image, in pixels"),
    "width_px": ("Int64", "width of the image, in pixels"),
    "device": ("category", "as torch names it"),
    "dtype": ("category", "of weights and maps, or of autocast (amp-...)"),
    "channels_last": ("boolean", "memory layout: NHWC, otherwise NCHW"),
    "compile_mode": ("category", "of torch.compile; off: eager"),
    "pass_name": ("category", "inference or training"),
    "threads": ("Int64", "of torch, within an operator"),
    "case_id": ("string", "all axes in one name"),
    "status": ("string", "ok, too_wide, contended, skipped, oom, timeout, ..."),
    "reason": ("string", "of every status but ok"),
    "arm": ("category", "fpn, panet (FPN + PANet) or fpn_again; missing: nothing was measured"),
    "latency_s": ("Float64", "seconds of a call: median over rounds, mean over processes"),
    "latency_s_low": ("Float64", "lower end of its 95 % interval, seconds"),
    "latency_s_high": ("Float64", "upper end, seconds"),
    "images_per_s": ("Float64", "images per second"),
    "params": ("Int64", "number of parameters"),
    "macs": ("Int64", "multiply-accumulates of the forward pass of one call"),
    "flops": ("Int64", "twice that"),
    "peak_bytes": ("Int64", "bytes of tensor memory at the peak, without weights and inputs"),
    "compile_s": ("Float64", "seconds of the first compilation, with empty caches"),
    "graphs": ("Int64", "number of graphs that the compiler made"),
    "graph_breaks": ("Int64", "number of times that it gave up in between"),
    "operators": ("Int64", "number of operators that one eager call executes"),
    "warm_compile_s": ("Float64", "seconds of a compilation from full caches, median"),
    "device_s": ("Float64", "seconds of a call by the device's own events, median"),
    "launch_share": ("Float64", "share of a call in which the host still launches work, median"),
    "replicates_s": ("object", "the rounds, in seconds: a list per process"),
}
"""Of `load`: name -> type, and meaning with unit. Missing values are `pandas.NA`."""

COST_COLUMNS = {
    **{name: COLUMNS[name] for name in ("run_id", "case_id", *AXES, "status", "reason")},
    **{
        f"{arm}_{name}": (kind, f"{label}: {meaning}")
        for arm, label in (("fpn", "FPN"), ("panet", "FPN + PANet"))
        for name, kind, meaning in (
            ("s", "float64", "seconds of a call"),
            ("s_low", "float64", "lower end of its 95 % interval, seconds"),
            ("s_high", "float64", "upper end, seconds"),
            ("peak_bytes", "Int64", "bytes of tensor memory at the peak"),
            ("images_per_s", "float64", "images per second"),
            ("launch_share", "float64", "share of a call in which the host still launches work"),
        )
    },
    **{
        f"{name}{end}": ("float64", f"{meaning}{of_the_end}")
        for name, meaning in (
            ("ratio", "FPN + PANet over FPN, within rounds"),
            ("difference_s", "seconds that PANet adds, within rounds"),
            ("aa_ratio", "the same FPN network over itself: noise"),
        )
        for end, of_the_end in (("", ""), ("_low", ": 95 %, from"), ("_high", ": 95 %, to"))
    },
    "half_width_ratio": ("float64", "half of the ratio's interval, relative"),
    "detectable_ratio": ("float64", "smallest relative change that two such runs tell apart"),
    "outliers": ("Int64", "processes far from the others, which count as they"),
    "replicates": ("Int64", "processes that count"),
    "replicates_needed": ("Int64", "for the half-width that was asked for"),
    "rounds": ("Int64", "rounds that count"),
    "macs_ratio": ("float64", "multiply-accumulates, FPN + PANet over FPN"),
    "peak_difference_bytes": ("Int64", "bytes that PANet adds to the peak"),
}
"""Of `cost`: name -> type, and meaning with unit. Missing values are NaN or `pandas.NA`."""

NOT_REPLAYED = "measured, but its tests did not run: go on with --resume"
"""What a run that was stopped between measuring and writing says of a case."""


@dataclass(frozen=True)
class ResultFile:
    """A result file of `pytest bench`, checked for what every reader needs."""

    path: Path
    document: Mapping[str, Any]

    @property
    def run(self) -> Mapping[str, Any]:
        """What the file says of the run as a whole."""
        run: Mapping[str, Any] = self.document["panet"]
        return run


def parse(path: Path) -> dict[str, Any]:
    """Return a JSON file of pytest-benchmark, ours or not.

    Raises:
        ReportError: it cannot be read, or is nothing of the kind.
    """
    try:
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; name a results.json of a run") from error
    except ValueError as error:
        raise ReportError(f"{path}: damaged JSON ({error}); measure again") from error
    if not isinstance(document, dict) or not isinstance(document.get("benchmarks"), list):
        raise ReportError(f"{path}: no result file of pytest-benchmark; leave it out")
    return document


def read(path: Path) -> ResultFile:
    """Return one result file.

    Raises:
        ReportError: it cannot be read, or is no result file of this schema.
    """
    return checked(path, parse(path))


def checked(path: Path, document: Mapping[str, Any]) -> ResultFile:
    """Return a parsed file as one of `pytest bench`.

    Raises:
        ReportError: it is none, or of another schema.
    """
    if not isinstance(document.get("panet"), dict):
        raise ReportError(f"{path}: not written by `pytest bench`: it has no key 'panet'")
    schema = document["panet"].get("schema")
    if not isinstance(schema, int) or schema not in SCHEMA_HISTORY:
        raise ReportError(f"{path}: schema {schema!r}, this version reads up to {SCHEMA}")
    run = document["panet"]
    missing = [name for name, kind in NEEDED.items() if not isinstance(run.get(name), kind)]
    if not missing and not isinstance(run["environment"].get("libraries", {}), dict):
        missing.append("libraries")
    if missing:
        raise ReportError(f"{path}: damaged, it has no {', '.join(missing)}; measure again")
    return ResultFile(path, document)


NEEDED = {"run_id": str, "half_width": float, "environment": dict, "outcomes": list}
"""What every reader asks a run for."""


def load(paths: Iterable[str | os.PathLike[str]]) -> pd.DataFrame:
    """Return one row per arm and case of the files, cases without rounds included.

    Args:
        paths: of result files of `pytest bench`.

    Returns:
        A frame with the columns `COLUMNS`.

    Raises:
        ReportError: a file cannot be read.
    """
    with no_garbage():
        return frame_of([read(Path(path)) for path in paths])


def frame_of(files: Iterable[ResultFile]) -> pd.DataFrame:
    """Return what `load` returns, of files that were read already.

    Raises:
        ReportError: a file is damaged.
    """
    with no_garbage():
        return _frame_of([row for file in files for row in _rows(file)])


@contextlib.contextmanager
def no_garbage() -> Iterator[None]:
    """Let the collector wait: it would walk again and again through a million lists of rounds."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _frame_of(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    if not rows:
        raise ReportError("no case in the files; measure some with `pytest bench`")
    latencies = stats.latencies_s([row["replicates_s"] or () for row in rows])
    for row, latency in zip(rows, latencies, strict=True):
        if latency is not None:
            images_per_s = row["batch_size"] / latency.value
            row.update(columns("latency_s", latency), images_per_s=images_per_s)
    try:
        return _typed(rows, COLUMNS)
    except (TypeError, ValueError) as error:
        raise ReportError(f"a result file is damaged ({error}); leave it out") from error


def _typed(rows: Sequence[Mapping[str, Any]], types: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Return rows as a frame with these columns, all of them, in their order."""
    return pd.DataFrame(
        {
            name: pd.Series([row.get(name) for row in rows], dtype=kind)
            for name, (kind, _) in types.items()
        }
    )


DEFAULT_HALF_WIDTH = 0.02


def cost(frame: pd.DataFrame, half_width: float = DEFAULT_HALF_WIDTH) -> pd.DataFrame:
    """Return one row per run and case: FPN, FPN + PANet, their difference and ratio, and A/A.

    The statistics are computed from the rounds, not read from the file.

    Args:
        frame: of `load`.
        half_width: what was asked for, relative; decides ``replicates_needed``.

    Returns:
        A frame with the columns `COST_COLUMNS`.
    """
    by_case: dict[tuple[str, str], dict[Hashable, dict[Hashable, Any]]] = {}
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        by_case.setdefault((row["run_id"], row["case_id"]), {})[row["arm"]] = row
    rows = [_cost_row(by_arm, half_width) for by_arm in by_case.values()]
    table = _typed(rows, COST_COLUMNS)
    return table.sort_values(["run_id", *AXES], kind="stable").reset_index(drop=True)


def _cost_row(
    by_arm: Mapping[Hashable, Mapping[Hashable, Any]], half_width: float
) -> dict[str, Any]:
    first = next(iter(by_arm.values()))
    row = {name: first[name] for name in ("run_id", "case_id", *AXES, "status", "reason")}
    measured = _measured(by_arm, half_width)
    if not measured and not row["reason"]:
        row["reason"] = f"only {', '.join(map(str, by_arm))} in the file: measure whole cases"
    return row | measured


def _measured(
    by_arm: Mapping[Hashable, Mapping[Hashable, Any]], half_width: float
) -> dict[str, Any]:
    if not {"fpn", "panet", "fpn_again"} <= set(by_arm):
        return {}
    found = stats.cost(aligned(by_arm), half_width)
    if found is None:
        return {}
    fpn, panet = by_arm["fpn"], by_arm["panet"]
    return {
        **{
            f"{arm}_s{bound}": row[f"latency_s{bound}"]
            for arm, row in (("fpn", fpn), ("panet", panet))
            for bound in ("", "_low", "_high")
        },
        "fpn_peak_bytes": fpn["peak_bytes"],
        "panet_peak_bytes": panet["peak_bytes"],
        "fpn_images_per_s": fpn["images_per_s"],
        "panet_images_per_s": panet["images_per_s"],
        "fpn_launch_share": fpn["launch_share"],
        "panet_launch_share": panet["launch_share"],
        **columns("ratio", found.ratio),
        **columns("difference_s", found.difference_s),
        **columns("aa_ratio", found.aa_ratio),
        "half_width_ratio": found.half_width_ratio,
        "detectable_ratio": found.detectable_ratio,
        "outliers": len(found.outliers),
        "replicates": found.replicates,
        "replicates_needed": found.replicates_needed,
        "rounds": found.rounds,
        **_arithmetic(fpn, panet),
    }


def _arithmetic(fpn: Mapping[Hashable, Any], panet: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return what is counted, not timed, as far as both arms know it."""
    found: dict[str, Any] = {}
    if fpn["macs"] and panet["macs"]:
        found["macs_ratio"] = panet["macs"] / fpn["macs"]
    if fpn["peak_bytes"] is not None and panet["peak_bytes"] is not None:
        found["peak_difference_bytes"] = panet["peak_bytes"] - fpn["peak_bytes"]
    return found


def rounds(paths: Iterable[str | os.PathLike[str]]) -> pd.DataFrame:
    """Return the raw rounds, one row per run, case, arm, replicate and round.

    Columns: ``run_id``, ``case_id``, ``arm``, ``replicate`` and ``round`` (from 0), ``time_s``.

    Raises:
        ReportError: a file cannot be read.
    """
    return rounds_of(load(paths))


def rounds_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the raw rounds of a frame of `load`."""
    measured = frame[frame["arm"].notna()]
    keys = ["run_id", "case_id", "arm"]
    long = measured[[*keys, "replicates_s"]].explode("replicates_s").reset_index(drop=True)
    long["replicate"] = long.groupby(keys, sort=False, observed=True).cumcount()
    long = long.explode("replicates_s").rename(columns={"replicates_s": "time_s"})
    by_process = long.groupby([*keys, "replicate"], sort=False, observed=True)
    long["round"] = by_process.cumcount()
    long = long.astype({"time_s": "float64"}).reset_index(drop=True)
    return long[[*keys, "replicate", "round", "time_s"]]


def aligned(by_arm: Mapping[Any, Mapping[Any, Any]]) -> list[stats.Rounds]:
    """Return the rounds of a case, all its arms, replicate by replicate.

    Args:
        by_arm: arm -> its row of `load`.

    Raises:
        ReportError: the arms have not the same rounds.
    """
    per_arm = {arm: row["replicates_s"] for arm, row in by_arm.items()}
    if len({tuple(map(len, replicates)) for replicates in per_arm.values()}) > 1:
        raise ReportError(
            "damaged result file: the arms of a case have unequal rounds; leave it out"
        )
    count = len(next(iter(per_arm.values())))
    return [{arm: replicates[i] for arm, replicates in per_arm.items()} for i in range(count)]


def columns(name: str, estimate: stats.Estimate) -> dict[str, float | None]:
    """Return an estimate as the columns ``name``, ``name_low`` and ``name_high``."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _rows(file: ResultFile) -> list[dict[str, Any]]:
    named = _Cases(str(file.run["run_id"]))
    try:
        rows = [_arm_row(named, entry) for entry in file.document["benchmarks"]]
        measured = {row["case_id"] for row in rows}
        return rows + [
            row
            for entry in file.run["outcomes"]
            if (row := _outcome_row(named, entry))["case_id"] not in measured
        ]
    except (KeyError, TypeError, ValueError, AttributeError, RecordError) as error:
        kind = type(error).__name__
        raise ReportError(
            f"{file.path}: damaged result file ({kind}: {error}); measure again"
        ) from error


class _Cases:
    """The columns of every case of a run: its arms have them in common."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._known: dict[str, tuple[Mapping[str, Any], dict[str, Any]]] = {}

    def columns(self, case_id: str, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of a case, by the axes that are stored of it."""
        known = self._known.get(case_id)
        if known is not None and known[0] == stored:
            return known[1]
        case = Case.from_json(stored)
        found = {"run_id": self._run_id, **case.to_json(), "case_id": case.case_id}
        self._known[case_id] = (stored, found)
        return found


FACTS = (
    *("params", "macs", "flops", "peak_bytes", "compile_s"),
    *("graphs", "graph_breaks", "operators"),
)


def _arm_row(named: _Cases, entry: Mapping[str, Any]) -> dict[str, Any]:
    info = entry["extra_info"]
    row = _case_row(named, info)
    for fact in FACTS:
        row[fact] = info.get(fact)
    row["arm"] = info["arm"]
    row["warm_compile_s"] = _median(info.get("warm_compile_s"))
    row["device_s"] = _median(info.get("device_rounds_s"))
    launch_s = _median(info.get("launch_rounds_s"))
    if launch_s is not None:  # of a device that works on after the call came back
        row["launch_share"] = launch_s / statistics.median(entry["stats"]["data"])
    row["replicates_s"] = _split(entry["stats"]["data"], info["replicates"])
    return row


def _case_row(named: _Cases, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **named.columns(entry["case_id"], entry["case"]),
        "status": str(Status(entry["status"])),  # older files have other words
        "reason": entry["reason"],
        "arm": None,
        "replicates_s": None,
    }


def _outcome_row(named: _Cases, entry: Mapping[str, Any]) -> dict[str, Any]:
    return _case_row(named, {**entry, "reason": entry["reason"] or NOT_REPLAYED})


def _median(values: Sequence[float] | None) -> float | None:
    return statistics.median(values) if values else None


def _split(rounds: list[float], counts: Sequence[int]) -> list[list[float]]:
    """Cut the rounds of an arm into its replicates."""
    bounds = list(accumulate(counts, initial=0))
    if not (rounds and min(rounds) > 0 and math.isfinite(sum(rounds))):
        raise RecordError("a round has no positive duration")
    if bounds[-1] != len(rounds):
        raise RecordError(f"{len(rounds)} rounds do not divide into replicates of {list(counts)}")
    return [rounds[start:end] for start, end in pairwise(bounds)]
