"""``python -m bench.lab.tensorboard_check FOLDER``: does TensorBoard read our traces right?

The plugin finds out by itself which operator launched which kernel. For every profile below the
folder its times by operator are compared with torch's own (`key_averages`): of the device where
there is one, otherwise of the host.
"""

import argparse
import gzip
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from bench.schema.errors import BenchError
from bench.schema.files import PROFILE

MOST_OFF = 0.01
"""Of an operator's time."""

COUNTED_SHARE = 0.99
"""Of the whole time: operators behind it take microseconds, which the plugin counts in whole."""

MICROSECOND_S = 1e-6

OPERATOR = re.compile(r"\w+::[\w.]+")
"""``aten::conv2d``; torch also lists kernels, which the plugin has in another view."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare; return 0 if all agree, 1 if one does not, 2 after one line about wrong use."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.lab.tensorboard_check", description=__doc__
    )
    parser.add_argument("folder", type=Path, help="a run with traces, or many")
    asked = parser.parse_args(arguments)
    try:
        rows = list(compare_all(asked.folder))
    except BenchError as error:
        sys.stderr.write(f"python -m bench.lab.tensorboard_check: {error}\n")
        return 2
    worst = max(off for *_, off in rows)
    shown = [[case_id, arm, of, f"{off:.2%}"] for case_id, arm, of, off in rows]
    headers = ["case", "arm", "times of the", "worst operator off by"]
    sys.stdout.write(tabulate(shown, headers, tablefmt="github", disable_numparse=True))
    sys.stdout.write(f"\nworst operator off by {worst:.2%}\n")
    return 0 if worst <= MOST_OFF else 1


def compare_all(folder: Path) -> Iterator[tuple[str, str, str, float]]:
    """Yield case, arm, ``device`` or ``host``, and the largest relative difference.

    Raises:
        BenchError: the plugin is not installed, or there are no profiles.
    """
    try:
        from torch_tb_profiler.profiler.data import RunProfileData
    except ImportError as error:
        raise BenchError(
            f"the plugin cannot be imported ({error}): pip install 'panet-bench[traces]'"
        ) from error
    profiles = sorted(folder.rglob(PROFILE))
    if not profiles:
        raise BenchError(f"{folder}: no {PROFILE} below it; name a run with --traces")
    for path in profiles:
        profile = json.loads(path.read_text())
        with gzip.open(path.parent / profile["trace"], "rt", encoding="utf-8") as stream:
            read = RunProfileData.from_json("worker", "span", json.load(stream))
        of = "device" if any(row["self_device_s"] for row in profile["key_averages"]) else "host"
        told = times(profile["key_averages"], of)
        plugin = {
            row.name: getattr(row, f"self_{of}_duration") * MICROSECOND_S
            for row in read.op_list_groupby_name
        }
        yield path.parent.parent.name, profile["arm"], of, worst_difference(told, plugin)


def times(rows: Sequence[Mapping[str, Any]], of: str) -> dict[str, float]:
    """Return the seconds of every operator itself, annotations and kernels left out.

    Args:
        rows: what torch says (`bench.profiling.trace.Traced.operators`).
        of: ``device`` or ``host``.
    """
    column = "self_device_s" if of == "device" else "self_s"
    return {row["name"]: row[column] for row in rows if OPERATOR.fullmatch(row["name"])}


def worst_difference(told: Mapping[str, float], plugin: Mapping[str, float]) -> float:
    """Return the largest relative difference of the operators that make up nearly all of the time.

    Args:
        told: operator -> seconds, by torch.
        plugin: the same, by the plugin; one that is missing counts as 0.
    """
    left = COUNTED_SHARE * sum(told.values())
    worst = 0.0
    for name, seconds in sorted(told.items(), key=lambda item: -item[1]):
        if left <= 0 or not seconds:
            break
        left -= seconds
        worst = max(worst, abs(plugin.get(name, 0.0) / seconds - 1))
    return worst


if __name__ == "__main__":
    sys.exit(main())
