"""Does TensorBoard read our traces right?

The plugin finds out by itself which operator launched which kernel. For every profile below the
folder its times by operator are compared with torch's own (`key_averages`): of the device where
there is one, otherwise of the host.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.profiling.trace_tree import MICROSECOND_S
from bench.schema.errors import BenchError
from bench.schema.files import PROFILE

FILE = "tensorboard.json"

MOST_OFF = 0.01
"""Of an operator's time."""

COUNTED_SHARE = 0.99
"""Of the whole time: operators behind it take microseconds, which the plugin counts in whole."""

OPERATOR = re.compile(r"\w+::[\w.]+")
"""``aten::conv2d``; torch also lists kernels, which the plugin has in another view."""


@dataclass(frozen=True)
class Agreement:
    """How well plugin and torch agree on one profile."""

    case_id: str
    arm: str
    device: str
    """Whose times were compared: ``device`` or ``host``."""
    worst_off_ratio: float
    """Of the operators that count, relative to torch's time."""


def check(folder: Path) -> list[Agreement]:
    """Compare all profiles below a folder, and keep the answer in `FILE` there.

    Raises:
        BenchError: the plugin is not installed, or there are no profiles.
    """
    profiles = list(_compared(folder))
    stored = {
        "worst_off_ratio": worst_off(profiles),
        "profiles": [asdict(profile) for profile in profiles],
    }
    (folder / FILE).write_text(json.dumps(stored, indent=1))
    return profiles


def worst_off(profiles: Sequence[Agreement]) -> float:
    """Return the largest relative difference of all."""
    return max(profile.worst_off_ratio for profile in profiles)


def render(profiles: Sequence[Agreement]) -> str:
    """Return the table, and the answer in a line."""
    rows = [
        [each.case_id, each.arm, each.device, f"{each.worst_off_ratio:.2%}"] for each in profiles
    ]
    headers = ["case", "arm", "times of the", "worst operator off by"]
    table = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    return f"{table}\nworst operator off by {worst_off(profiles):.2%}"


def _compared(folder: Path) -> Iterator[Agreement]:
    try:
        from torch_tb_profiler.profiler.data import RunProfileData
    except ImportError as error:
        raise BenchError(
            f"the plugin cannot be imported ({error}): pip install 'panet-bench[traces]'"
        ) from error
    paths = sorted(folder.rglob(PROFILE))
    if not paths:
        raise BenchError(f"{folder}: no {PROFILE} below it; name a run with --traces")
    for path in paths:
        profile = json.loads(path.read_text())
        with gzip.open(path.parent / profile["trace"], "rt", encoding="utf-8") as stream:
            read = RunProfileData.from_json("worker", "span", json.load(stream))
        rows = profile["key_averages"]
        device = "device" if any(row["self_device_s"] for row in rows) else "host"
        by_plugin = {
            row.name: getattr(row, f"self_{device}_duration") * MICROSECOND_S
            for row in read.op_list_groupby_name
        }
        off = worst_difference(times(rows, device), by_plugin)
        yield Agreement(path.parent.parent.name, profile["arm"], device, off)


def times(rows: Sequence[Mapping[str, Any]], device: str) -> dict[str, float]:
    """Return the seconds of every operator itself, annotations and kernels left out.

    Args:
        rows: what torch says (`bench.profiling.trace.Traced.operators`).
        device: ``device`` or ``host``.
    """
    column = "self_device_s" if device == "device" else "self_s"
    return {row["name"]: row[column] for row in rows if OPERATOR.fullmatch(row["name"])}


def worst_difference(by_torch: Mapping[str, float], by_plugin: Mapping[str, float]) -> float:
    """Return the largest relative difference of the operators that make up nearly all of the time.

    Args:
        by_torch: operator -> seconds.
        by_plugin: the same; one that is missing counts as 0.
    """
    left = COUNTED_SHARE * sum(by_torch.values())
    worst = 0.0
    for name, seconds in sorted(by_torch.items(), key=lambda item: -item[1]):
        if left <= 0 or not seconds:
            break
        left -= seconds
        worst = max(worst, abs(by_plugin.get(name, 0.0) / seconds - 1))
    return worst
