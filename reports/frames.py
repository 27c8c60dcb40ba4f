"""Result files -> pandas frames. The only place that builds frames.

`load` gives one row per arm and case; `cost` one row per case, with FPN beside FPN + PANet. Times
are in seconds, memory in bytes; a value that is not known is missing, never 0.
"""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from bench import stats
from bench.records import SCHEMA, SCHEMA_HISTORY, Case, RecordError
from reports.errors import ReportError

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


NOT_REPLAYED = "measured, but its tests did not run: go on with --resume"
"""What a run that was stopped between measuring and writing says of a case."""


def read_document(path: Path) -> dict[str, Any]:
    """Return one result file.

    Raises:
        ReportError: it cannot be read, or is no result file of this schema.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"{path}: {error.strerror}; name a results.json of a run") from error
    except ValueError as error:
        raise ReportError(f"{path}: damaged JSON ({error}); measure again") from error
    if not isinstance(document, dict) or not isinstance(document.get("panet"), dict):
        raise ReportError(f"{path}: not written by `pytest bench`: it has no key 'panet'")
    schema = document["panet"].get("schema")
    if schema not in SCHEMA_HISTORY:
        raise ReportError(f"{path}: schema {schema!r}, this version reads up to {SCHEMA}")
    missing = {"run_id", "half_width", "environment", "outcomes"} - set(document["panet"])
    if missing:
        raise ReportError(f"{path}: damaged, it has no {', '.join(sorted(missing))}; measure again")
    return document


def load(paths: Iterable[Path]) -> pd.DataFrame:
    """Return one row per arm and case of the files, cases without rounds included.

    Columns: ``run_id``, the axes of the case, ``case_id``, ``arm``, ``status``, ``reason``,
    ``latency_s``, ``images_per_s``, ``params``, ``macs``, ``flops``, ``peak_bytes``, ``compile_s``
    (cold), ``warm_compile_s`` (median), ``graphs``, ``graph_breaks``, ``operators``, and
    ``replicates_s``, the rounds of every replicate.

    Raises:
        ReportError: a file cannot be read.
    """
    rows = [row for path in paths for row in _rows(path)]
    if not rows:
        raise ReportError("no case in the files; measure some with `pytest bench`")
    return pd.DataFrame(rows).convert_dtypes()


def cost(frame: pd.DataFrame, half_width: float) -> pd.DataFrame:
    """Return one row per run and case: FPN, FPN + PANet, their difference and ratio, and A/A.

    The statistics are computed from the rounds, not read from the file.

    Args:
        frame: of `load`.
        half_width: what was asked for, relative; decides ``replicates_needed``.
    """
    rows = []
    for (run_id, case_id), arms in frame.groupby(["run_id", "case_id"], sort=False):
        by_arm = {row["arm"]: row for row in arms.to_dict("records")}
        first = arms.iloc[0]
        row = {"run_id": run_id, "case_id": case_id, **{axis: first[axis] for axis in AXES}}
        row |= {"status": first["status"], "reason": first["reason"]}
        measured = _measured(by_arm, half_width)
        if not measured and not row["reason"]:
            row["reason"] = f"only {', '.join(by_arm)} in the file: measure whole cases"
        rows.append(row | measured)
    table = pd.DataFrame(rows)
    return table.sort_values(["run_id", *AXES], kind="stable").reset_index(drop=True)


def _measured(by_arm: Mapping[str, Mapping[Any, Any]], half_width: float) -> dict[str, Any]:
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
        **columns("ratio", found.ratio),
        **columns("difference_s", found.difference_s),
        **columns("aa_ratio", found.aa_ratio),
        "half_width_ratio": found.half_width_ratio,
        "detectable_ratio": found.detectable_ratio,
        "outliers": len(found.outliers),
        "replicates": found.replicates,
        "replicates_needed": found.replicates_needed,
        "rounds": found.rounds,
        "macs_ratio": panet["macs"] / fpn["macs"],
        "peak_difference_bytes": panet["peak_bytes"] - fpn["peak_bytes"],
    }


def rounds(paths: Iterable[Path]) -> pd.DataFrame:
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
    long["replicate"] = long.groupby(keys, sort=False).cumcount()
    long = long.explode("replicates_s").rename(columns={"replicates_s": "time_s"})
    long["round"] = long.groupby([*keys, "replicate"], sort=False).cumcount()
    long = long.astype({"time_s": "float64"}).reset_index(drop=True)
    return long[[*keys, "replicate", "round", "time_s"]]


def aligned(by_arm: Mapping[str, Mapping[Any, Any]]) -> list[stats.Rounds]:
    """Return the rounds of a case, all its arms, replicate by replicate.

    Args:
        by_arm: arm -> its row of `load`.
    """
    per_arm = {arm: row["replicates_s"] for arm, row in by_arm.items()}
    count = len(next(iter(per_arm.values())))
    return [{arm: replicates[i] for arm, replicates in per_arm.items()} for i in range(count)]


def columns(name: str, estimate: stats.Estimate) -> dict[str, float | None]:
    """Return an estimate as the columns ``name``, ``name_low`` and ``name_high``."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _rows(path: Path) -> list[dict[str, Any]]:
    document = read_document(path)
    run_id = str(document["panet"]["run_id"])
    try:
        rows = [_arm_row(run_id, entry) for entry in document["benchmarks"]]
        measured = {row["case_id"] for row in rows}
        return rows + [
            _case_row(run_id, {**entry, "reason": entry["reason"] or NOT_REPLAYED}, case)
            for entry in document["panet"]["outcomes"]
            if entry["case_id"] not in measured
            for case in [Case.from_json(entry["case"])]
        ]
    except (KeyError, TypeError, ValueError, RecordError) as error:
        kind = type(error).__name__
        raise ReportError(
            f"{path}: damaged result file ({kind}: {error}); measure again"
        ) from error


def _arm_row(run_id: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    info = entry["extra_info"]
    case = Case.from_json(info["case"])
    replicates_s = _split(entry["stats"]["data"], info["replicates"])
    latency = stats.latency_s([{info["arm"]: rounds} for rounds in replicates_s], info["arm"])
    facts = (
        *("params", "macs", "flops", "peak_bytes", "compile_s"),
        *("graphs", "graph_breaks", "operators"),
    )
    return {
        **_case_row(run_id, info, case),
        "arm": info["arm"],
        **(columns("latency_s", latency) if latency else {}),
        "images_per_s": latency and case.batch_size / latency.value,
        **{fact: info.get(fact) for fact in facts},
        "warm_compile_s": _median(info.get("warm_compile_s")),
        "replicates_s": replicates_s,
    }


def _case_row(run_id: str, entry: Mapping[str, Any], case: Case) -> dict[str, Any]:
    return {
        "run_id": run_id,
        **case.to_json(),
        "case_id": case.case_id,
        "status": entry["status"],
        "reason": entry["reason"],
        "arm": None,
    }


def _median(values: Sequence[float] | None) -> float | None:
    return statistics.median(values) if values else None


def _split(rounds: Sequence[float], counts: Sequence[int]) -> list[list[float]]:
    """Cut the rounds of an arm into its replicates."""
    bounds = list(accumulate(counts, initial=0))
    if bounds[-1] != len(rounds):
        raise RecordError(f"{len(rounds)} rounds do not divide into replicates of {list(counts)}")
    return [list(rounds[start:end]) for start, end in pairwise(bounds)]
