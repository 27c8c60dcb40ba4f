"""What the checks of a GPU found, in a line each, from the files that their commands wrote.

Each function takes the folder of its check, and returns nothing where nothing was measured. A file
that is missing or incomplete raises what reading it raises.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import stats
from bench.lab import tensorboard_check
from bench.run import max_batch
from bench.schema import files
from bench.schema.case import Case
from bench.schema.files import CACHES, PEERS
from bench.schema.recipe import TRACED_ARMS
from bench.schema.records import Status
from bench.schema.run_folders import LATEST
from bench.selftest.document import JSON

ENVIRONMENT = "environment.json"
COSTS, COMPARED = "cost.csv", "compare.csv"
"""What `python -m reports cost` and `compare` write."""
BEFORE, AFTER = "before.json", "after.json"

PAIRS = {
    PEERS: {
        "torchvision's FPN over ours": stats.Contrast(("torchvision_fpn",), ("fpn",)),
        "mmdetection's PAFPN over PANet": stats.Contrast(("mmdet_pafpn",), ("panet",)),
    },
    CACHES: {
        "FPN, cold over warm": stats.Contrast(("fpn_cold",), ("fpn_warm",)),
        "FPN + PANet, cold over warm": stats.Contrast(("panet_cold",), ("panet_warm",)),
    },
}
"""File of a run -> what is compared in it."""


def machine(folder: Path) -> str:
    """Say what was measured on."""
    known = _json(folder / ENVIRONMENT)["environment"]
    return f"{known['accelerator'] or known['cpu']}; torch {known['libraries']['torch']}"


def noise(folder: Path) -> str:
    """Say how far the same network was from itself."""
    distances = [abs(ratio - 1) for ratio in _column(_table(folder / COSTS), "aa_ratio")]
    if not distances:
        return ""
    return f"differs from itself by up to {max(distances):.2%} in {_many(distances)}"


def cost(folder: Path) -> str:
    """Say what PANet adds, and for how much of a call the host launches work."""
    rows = _table(folder / COSTS)
    parts = []
    for scope in dict.fromkeys(row["scope"] for row in rows):
        own = [row for row in rows if row["scope"] == scope]
        added = [ratio - 1 for ratio in _column(own, "ratio")]
        if added:
            parts.append(f"{scope}: PANet adds {_span(added)}")
    shares = _column(rows, "panet_launch_share")
    if shares:
        parts.append(f"the host launches for {_span(shares)} of a call")
    counts = Counter(row["status"] for row in rows)
    return "; ".join([*parts, *(f"{count} {status}" for status, count in counts.items())])


def others(folder: Path) -> str:
    """Say how others' networks compare with ours, and cold caches with warm ones."""
    return "; ".join(
        line
        for file, pairs in PAIRS.items()
        for line in _ratios(_json(folder / LATEST / file)["cases"], pairs)
    )


def _ratios(
    cases: Sequence[Mapping[str, Any]], pairs: Mapping[str, stats.Contrast]
) -> Iterator[str]:
    measured = [case["replicates"] for case in cases if case["replicates"]]
    for pair, contrast in pairs.items():
        ratio = stats.mean_ratio([stats.log_ratios(rounds, contrast) for rounds in measured])
        if ratio is not None:
            yield f"{pair}: {ratio.value:.3f} in {_many(measured)}"


def fastest(folder: Path) -> str:
    """Say which way of running every case is fastest, and how much longer the others take."""
    said = []
    for case in _json(folder / LATEST / files.DEPLOY)["cases"]:
        if answer := case["answer"]:
            others = (f"{way} {r['value']:.3f}" for way, r in answer["over_fastest"].items())
            said.append(f"{case['case_id']}: {answer['arm']}; over it {', '.join(others)}")
    return " | ".join(said)


def traces(folder: Path) -> str:
    """Say how far TensorBoard's times are from torch's."""
    off = _json(folder / LATEST / tensorboard_check.FILE)["worst_off_ratio"]
    return f"TensorBoard's worst operator is off by {off:.2%}"


def largest_batch(folder: Path) -> str:
    """Say how many images fit."""
    largest: dict[str, dict[str, int]] = {}
    for fit in _json(max(folder.glob(f"fit-*/{max_batch.FILE}"))):
        case_id = Case.from_json(fit["case"]).case_id
        largest.setdefault(case_id, {})[fit["arm"]] = fit["largest"]
    fpn, panet = TRACED_ARMS
    return "; ".join(
        f"{case_id}: {arms[fpn]} images with FPN, {arms[panet]} with PANet"
        for case_id, arms in largest.items()
    )


def out_of_memory(folder: Path) -> str:
    """Say what ran out of memory, and how the rest compares with a run in which nothing did."""
    statuses = [case["status"] for case in _json(folder / AFTER)["panet"]["outcomes"]]
    verdicts = Counter(row["verdict"] for row in _table(folder / COMPARED))
    listed = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
    return f"{statuses.count(Status.OOM)} of {_many(statuses)} out of memory; then {listed}"


def self_test(folder: Path) -> str:
    """Say how often the gate was wrong, and what it found."""
    parts = []
    for setup in _json(max(folder.glob(f"*/{JSON}")))["setups"].values():
        newest = setup["gates"][-1]
        parts.append(f"false alarms: {_rate(newest['false_alarms'])}")
        parts += [
            f"+{each['requested']:.0%}: {_rate(each['detected'])} found"
            for each in newest["detections"]
        ]
    return "; ".join(parts)


def _json(path: Path) -> Any:  # noqa: ANN401 - JSON
    return json.loads(path.read_text())


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _column(rows: Sequence[Mapping[str, str]], name: str) -> list[float]:
    """Return the numbers of a column, where there are any."""
    return [float(row[name]) for row in rows if row[name]]


def _span(shares: Sequence[float]) -> str:
    low, high = f"{min(shares):.1%}", f"{max(shares):.1%}"
    return low if low == high else f"{low} to {high}"


def _rate(rate: Mapping[str, Any]) -> str:
    return f"{rate['count']} of {rate['total']}"


def _many(cases: Sequence[object]) -> str:
    return f"{len(cases)} case{'' if len(cases) == 1 else 's'}"
