"""The sweep in TensorBoard's own dashboards, which need no internet.

HParams shows every axis as a hyper-parameter, and cost, latency and memory as metrics: its table,
parallel coordinates and scatter plots are made for sweeps. Text has the cost table, Images the
drawings. Only tensorboard's own message formats are used: neither torch nor TensorFlow.
"""

import importlib.util
import io
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.schema.case import FIELDS
from reports.analysis.readable import readable
from reports.data.rows import case_names, rows_of

FOLDER = "dashboards"

METRICS: dict[str, tuple[str, str, float]] = {
    "cost/ratio": ("ratio", "FPN + PANet over FPN", 1.0),
    "cost/adds_ms": ("difference_s", "what PANet adds, ms", 1e3),
    "cost/half_width": ("half_width_ratio", "half-width of the ratio, relative", 1.0),
    "noise/aa_ratio": ("aa_ratio", "FPN over itself", 1.0),
    "latency/fpn_ms": ("fpn_s", "FPN, ms", 1e3),
    "latency/panet_ms": ("panet_s", "FPN + PANet, ms", 1e3),
    "throughput/panet_images_per_s": ("panet_images_per_s", "images/s with PANet", 1.0),
    "memory/adds_mib": ("peak_difference_bytes", "what PANet adds to the peak, MiB", 1 / 2**20),
    "work/macs_ratio": ("macs_ratio", "multiply-accumulates, over FPN", 1.0),
}
"""Tag -> column of the cost table, what it says, and the factor to the unit that is shown."""

Summary = Any
"""tensorboard ships no types."""


def write(table: pd.DataFrame, run_dir: Path, heading: str) -> list[Path]:
    """Write the cost table for TensorBoard into the run's folder; return its folder.

    Args:
        table: of `reports.data.costs.cost`.
        run_dir: what ``tensorboard --logdir`` is given.
        heading: above the table.

    Returns:
        Nothing where tensorboard is not installed (it is an extra).
    """
    try:
        from tensorboard.plugins.hparams import summary_v2 as hparams
        from tensorboard.plugins.scalar import summary_v2 as scalar
        from tensorboard.plugins.text import summary_v2 as text
    except ImportError:
        return []
    folder = run_dir / FOLDER
    for old in folder.rglob("events.*"):
        old.unlink()
    axes = {axis: sorted({_plain(value) for value in table[axis]}) for axis in FIELDS}
    config = hparams.hparams_config_pb(
        [hparams.HParam(axis, hparams.Discrete(values)) for axis, values in axes.items()],
        [hparams.Metric(tag, display_name=says) for tag, (_, says, _) in METRICS.items()],
    )
    markdown = readable(table).to_markdown(index=False, disable_numparse=True)
    images = [_image(name, draw(table)) for name, draw in _drawings(table)]
    _write(folder, [config, text.text_pb("cost", f"{heading}\n\n{markdown}"), *images])
    several = len(set(table["run_id"])) > 1
    for row in rows_of(table):
        name = f"{row['run_id']}-{row['case_id']}" if several else str(row["case_id"])
        summaries = [hparams.hparams_pb({axis: _plain(row[axis]) for axis in FIELDS}, name)]
        summaries += [scalar.scalar_pb(tag, value) for tag, value in _metrics(row)]
        _write(folder / name, summaries)
    return [folder]


def _metrics(row: Mapping[Any, Any]) -> Iterator[tuple[str, float]]:
    for tag, (column, _, factor) in METRICS.items():
        value = row.get(column)
        if value is not None and not pd.isna(value):
            yield tag, float(value) * factor


def _write(folder: Path, summaries: list[Summary]) -> None:
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for summary in summaries:
        writer.add_event(event_pb2.Event(wall_time=time.time(), step=0, summary=summary))
    writer.close()


def _drawings(table: pd.DataFrame) -> Iterator[tuple[str, Callable[[pd.DataFrame], bytes]]]:
    drawable = importlib.util.find_spec("matplotlib") is not None
    if drawable and "ratio" in table and table["ratio"].notna().any():
        yield "cost per case", _draw_costs


def _draw_costs(table: pd.DataFrame) -> bytes:
    """Draw every case's ratio with its interval, and A/A below it, as PNG."""
    from matplotlib.figure import Figure

    rows = table[table["ratio"].notna()].iloc[::-1]
    figure = Figure(figsize=(9, 1.2 + 0.32 * len(rows)), layout="constrained")
    axes = figure.subplots()
    places = list(range(len(rows)))
    for column, color, name in (
        ("aa_ratio", "#999999", "A/A: FPN over itself"),
        ("ratio", "#d55e00", "FPN + PANet over FPN"),
    ):
        value = rows[column].astype(float)
        low = rows[f"{column}_low"].astype(float).fillna(value)
        high = rows[f"{column}_high"].astype(float).fillna(value)
        ends = np.array([value - low, high - value])
        axes.errorbar(value.to_numpy(), places, xerr=ends, fmt="o", color=color, label=name)
    axes.axvline(1.0, color="#999999", linewidth=0.8)
    axes.set_yticks(places, case_names(rows))
    axes.set_xlabel("ratio, 95 % interval")
    axes.legend(loc="lower right")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()


def _image(tag: str, png: bytes) -> Summary:
    from PIL import Image
    from tensorboard.compat.proto import summary_pb2

    width, height = Image.open(io.BytesIO(png)).size
    image = summary_pb2.Summary.Image(
        height=height, width=width, colorspace=4, encoded_image_string=png
    )
    return summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, image=image)])


def _plain(value: Any) -> Any:  # noqa: ANN401 - of a frame
    """Return a value of a frame as one of Python's own."""
    return value.item() if hasattr(value, "item") else value
