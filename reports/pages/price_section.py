"""The price list of the paper's parts, and the detector as a stack with the milliseconds on it."""

from collections.abc import Iterator, Sequence
from html import escape

import pandas as pd

from bench.schema.case import case_name
from bench.schema.text import figure
from reports.analysis.names import Row
from reports.analysis.readable import plus_minus
from reports.data.prices import PLACE
from reports.data.rows import rows_of
from reports.pages.drawing import COLORS
from reports.pages.page import Block, Section, Table

TITLE = "What the paper's parts cost, and what they bring"

NOTE = (
    "The AP is the authors', of their training of 2018 (table 3 of the paper: ResNet-50, COCO), "
    "not ours; the milliseconds are ours. A part's price is the difference of two networks that "
    "took turns, with and without it: heads on fixed boxes, no proposals, no suppression."
)

HEADS = (
    *("part", "mask AP", "of table 3", "box AP", "M parameters", "GMACs"),
    *("ms eager", "ms compiled", "peak MiB", "ms per point of mask AP"),
)

ORDER = ("backbone", "fpn", "panet", "box", "mask")
"""Parts of the stages, from image to mask."""

TITLES = {"backbone": "backbone", "fpn": "FPN", "panet": "(b) bottom-up path"}
"""Part of the stages -> what a whole part is called in the stack."""

LETTERS = {"pooling": "(c) ", "layers per level": "(c) ", "fusion": "(e) "}
"""Of a branch, the steps that the paper has changed."""

PART_COLORS = {**COLORS, "box": "#009e73", "mask": "#cc79a7"}
"""Of Okabe and Ito, as the others."""

NAME, BAR, ROW, MARGIN = 230, 330, 26, 12
"""Pixels: width of the names and of the longest bar, height of a row, margin."""

STYLE = """
.stack { --ink: #1b1b1b; --soft: #5b5b5b; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { .stack { --ink: #e8e8e8; --soft: #a8a8a8; } }
.stack text { font: 15px system-ui, sans-serif; fill: var(--ink); }
.stack .soft { fill: var(--soft); font-size: 13px; }
.stack .ms { font-variant-numeric: tabular-nums; }
"""


def section(table: pd.DataFrame, spans: pd.DataFrame, cases: pd.DataFrame) -> Section:
    """Return a block per place and number of boxes; empty without any heads.

    Args:
        table: of `reports.data.prices.prices`.
        spans: of `reports.data.stages.stages`, of FPN + PANet.
        cases: of `reports.data.costs.cost`.
    """
    blocks = [
        Block(
            _title(rows.iloc[0].to_dict()),
            NOTE,
            _stack(rows.iloc[0].to_dict(), spans, cases),
            [Table(HEADS, [_cells(row) for row in rows_of(rows)])],
        )
        for _, rows in table.groupby(["run_id", "case_id"], sort=False)
    ]
    return Section("prices", TITLE, list(sentences(table)), [], blocks)


def sentences(table: pd.DataFrame) -> Iterator[str]:
    """Yield for every place what each part costs per point of mask AP, the dearest first."""
    for _, rows in table.groupby(["run_id", "case_id"], sort=False):
        known = rows[rows["eager_s"].notna()]
        if not len(known):
            continue
        dearest = known.assign(per_point_s=known["eager_s"] / known["mask_ap"])
        listed = ", ".join(
            f"{row['part']} {figure(row['per_point_s'] * 1e3)} ms"
            for row in rows_of(dearest.sort_values("per_point_s", ascending=False))
        )
        yield f"{_title(rows.iloc[0].to_dict())}, per point of the paper's mask AP: {listed}."


def _title(row: Row) -> str:
    return case_name({**row, "scope": "detector", "compile_mode": "off"})


def _cells(row: Row) -> list[str]:
    return [
        f"({row['letter']}) {row['part']}",
        f"+{row['mask_ap']:.1f}",
        str(row["table_rows"]),
        "" if pd.isna(row["box_ap"]) else f"+{row['box_ap']:.1f}",
        _scaled(row["params"], 1e6),
        _scaled(row["macs"], 1e9),
        plus_minus(row, "eager_s", 1e3, 1),
        plus_minus(row, "compiled_s", 1e3, 1),
        _scaled(row["peak_bytes"], 2**20),
        _scaled(row["eager_s"], 1e-3 * row["mask_ap"]),
    ]


def _scaled(value: float, by: float) -> str:
    return "" if pd.isna(value) else figure(value / by)


def _stack(place: Row, spans: pd.DataFrame, cases: pd.DataFrame) -> str:
    """Return the detector from image to mask, of the split calls of the cases of a place."""
    alike = cases[(cases["run_id"] == place["run_id"]) & (cases["compile_mode"] == "off")]
    for name in PLACE:
        alike = alike[alike[name] == place[name]]
    steps: dict[str, list[tuple[str, float]]] = {}
    for scope, parts in (
        ("model", ("backbone",)),
        ("neck", ("fpn", "panet")),
        ("heads", ("box", "mask")),
    ):
        of_scope = alike[alike["scope"] == scope]
        if scope == "heads":
            of_scope = of_scope[of_scope["boxes"] == place["boxes"]]
        for case_id in of_scope["case_id"].head(1):
            of_case = spans[(spans["run_id"] == place["run_id"]) & (spans["case_id"] == case_id)]
            for part in parts:
                steps[part] = _steps(part, of_case)
    rows = [(part, *step) for part in ORDER for step in steps.get(part, ())]
    return svg(rows, _title(place)) if rows else ""


def _steps(part: str, spans: pd.DataFrame) -> list[tuple[str, float]]:
    """Return the rows of a part: a branch step by step, all else as a whole."""
    own = spans[(spans["stage"] == part) | spans["stage"].str.startswith(f"{part} ")]
    if not len(own):
        return []
    if part in TITLES:
        return [(TITLES[part], float(own["time_s"].sum()))]
    found = ((str(row["stage"]), float(row["time_s"])) for row in rows_of(own))
    return [(f"{LETTERS.get(name.partition(' ')[2], '')}{name}", time_s) for name, time_s in found]


def svg(rows: Sequence[tuple[str, str, float]], heading: str) -> str:
    """Return the stack: a row per part or step, its bar as long as its time.

    Args:
        rows: part, name and seconds, from image to mask.
        heading: what the call is.
    """
    most = max(time_s for *_, time_s in rows)
    width, bottom = 2 * MARGIN + NAME + BAR + 80, 60 + ROW * (len(rows) + 1)
    height = bottom + 52
    body = [
        _row(60 + ROW * place, part, name, time_s, time_s / most)
        for place, (part, name, time_s) in enumerate(rows, start=1)
    ]
    ends = ((56, "image"), (bottom + 18, "classes, boxes, masks"))
    body += [f'<text x="{MARGIN}" y="{y}" class="soft">{what}</text>' for y, what in ends]
    whole_ms = sum(time_s for *_, time_s in rows) * 1e3
    return (
        f'<svg class="stack" xmlns="http://www.w3.org/2000/svg" role="img" '
        f'viewBox="0 0 {width} {height}" style="max-width: {width}px" '
        f'aria-label="{escape(heading)}">\n<style>{STYLE}</style>\n'
        f'<text x="{MARGIN}" y="24">{escape(heading)}</text>\n' + "\n".join(body) + "\n"
        f'<text x="{MARGIN}" y="{height - 12}" class="soft">ms of each eager call, '
        f"{whole_ms:.0f} in all; without proposals and suppression</text>\n</svg>\n"
    )


def _row(y: int, part: str, name: str, time_s: float, share: float) -> str:
    color, length = PART_COLORS[part], max(2.0, share * BAR)
    return (
        f'<text x="{MARGIN}" y="{y + 17}">{escape(name)}</text>'
        f'<rect x="{MARGIN + NAME}" y="{y + 3}" width="{length:.1f}" height="{ROW - 6}" rx="3" '
        f'fill="{color}" fill-opacity="0.6"/>'
        f'<text x="{MARGIN + NAME + length + 8:.1f}" y="{y + 17}" class="ms">'
        f"{time_s * 1e3:.1f}</text>"
    )
