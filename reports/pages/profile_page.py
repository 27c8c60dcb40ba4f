"""The page of a profile: one HTML file that needs no internet, and its numbers as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.schema import text
from bench.schema.case import case_name
from bench.schema.records import Status
from reports.analysis import profile_words
from reports.analysis.names import MIB, arm_name
from reports.analysis.readable import plus_minus
from reports.data import profile_frames, profiles
from reports.data.errors import ReportError
from reports.data.parts import parts
from reports.data.profiles import Profiles
from reports.data.rows import rows_of
from reports.data.spreadsheet import inert
from reports.pages import drawing, page
from reports.pages import profile_plots as plots
from reports.pages.page import Block, Section, Table

PAGE = "profile.html"
CSV = "profile-{}.csv"

TOP_OPERATORS, TOP_TENSORS = 10, 8


def write(profiled: Profiles, folder: Path) -> tuple[list[Section], list[Path]]:
    """Write page and frames; return what is said of every case, and the files.

    Raises:
        ReportError: a profile is damaged, or the folder cannot be written.
    """
    made, tables = sections(profiled)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(_render(profiled, made), encoding="utf-8")
        for name, frame in tables.items():
            inert(frame).to_csv(folder / CSV.format(name), index=False)
    except OSError as error:
        raise ReportError(f"{folder}: {error.strerror}; name another with --out") from error
    return made, [folder / PAGE, *(folder / CSV.format(name) for name in tables)]


def sections(
    profiled: Profiles, *, drawn: bool = True
) -> tuple[list[Section], dict[str, pd.DataFrame]]:
    """Return what there is to say of every case, and the frames that it rests on.

    A damaged profile costs what is said of its case, and no more.

    Args:
        profiled: the run.
        drawn: whether drawings and tables are wanted, or words alone.

    Raises:
        ReportError: all are damaged.
    """
    damaged, made = list(profiled.damaged), []
    tables: dict[str, list[pd.DataFrame]] = {}
    for case_id in profiled.cases:
        try:
            section, frames = _of_case(profiled.of_case(case_id), case_id, drawn=drawn)
        except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
            damaged.append(
                f"{case_id}: damaged profile ({type(error).__name__}: {error}); measure again"
            )
            continue
        made.append(section)
        for name, frame in frames.items():
            tables.setdefault(name, [frame.head(0)])  # of cases that have none, too
            tables[name] += [frame] if len(frame) else []
    if not made:
        raise ReportError(f"run {profiled.file.run['run_id']}: {damaged[0]}")
    if damaged:
        made.append(Section("damaged", "What could not be read", [], damaged, []))
    return made, {name: pd.concat(frames) for name, frames in tables.items()}


def _of_case(
    profiled: Profiles, case_id: str, *, drawn: bool
) -> tuple[Section, dict[str, pd.DataFrame]]:
    stages = profile_frames.stages(profiled)
    tables = {
        "stages": stages,
        "differences": profile_frames.differences(stages),
        "operators": profile_frames.operators(profiled),
        "parts": parts(profiled),
    }
    if profiled.networks != profiles.ARMS:  # what PANet adds to FPN is no question there
        del tables["differences"]
    frames = {**tables, "summary": profile_frames.summary(profiled)}
    blocks = list(_blocks(profiled, frames, case_id)) if drawn else []
    return _section(profiled, frames, case_id, blocks), tables


def _render(profiled: Profiles, sections: list[Section]) -> str:
    title = f"Where the time goes: run {profiled.file.run['run_id']}"
    machine = text.machine(profiled.file.run["environment"])
    answer, folded = _answers(sections), len(sections) > FEW
    if len(answer) == 1:  # it is not said twice
        sections = [
            replace(each, sentences=[said for said in each.sentences if said not in answer])
            for each in sections
        ]
    return page.render(title, machine, [READING], sections, answer=answer, folded=folded)


def _answers(sections: list[Section]) -> list[str]:
    """Return the first sentence of the first cases; of several, each with its case."""
    said = [each for each in sections if each.sentences][:FEW]
    if len(said) == 1:
        return said[0].sentences[:1]
    return [f"{each.name.partition(': ')[0]}: {each.sentences[0]}" for each in said]


FEW = 2
"""Cases that are read from top to bottom; of more only the first is open."""


READING = (
    "The time of a stage is what it took in the timed calls. Where those are not split (training "
    "compiled, NCHW compiled, an accelerator), it is its share of the profile times the measured "
    "latency. A ReLU counts for the convolution in front of it."
)


def _blocks(
    profiled: Profiles, frames: Mapping[str, pd.DataFrame], case_id: str
) -> Iterator[Block]:
    profile = profiled.arms.get((case_id, profiled.networks[-1]))
    ceilings = profiled.ceilings.get(profile["ceilings"]) if profile else None
    yield from _stage_blocks(frames["stages"], ceilings, profiled.networks)
    yield from _part_blocks(frames["parts"], _why_no_parts(profiled))
    yield from _memory_blocks(profiled, case_id)
    yield from _operator_blocks(frames["operators"], frames["summary"])


def _section(
    profiled: Profiles, frames: Mapping[str, pd.DataFrame], case_id: str, blocks: list[Block]
) -> Section:
    row = profiled.table.iloc[0].to_dict()
    memory = {arm: _memory(profiled, case_id, arm) for arm in profiled.networks}
    missing = [
        f"{arm_name(arm)} has no profile"
        for arm in profiled.networks
        if profiled.arms and (case_id, arm) not in profiled.arms
    ]
    return Section(
        case_id,
        case_name(row) if row["status"] == Status.OK else f"{case_name(row)}: {row['status']}",
        profile_words.sentences(frames["stages"], frames["summary"], memory),
        [
            *missing,
            *profile_words.warnings(frames["stages"], frames["summary"], frames["parts"]),
        ],
        blocks,
    )


def _memory(profiled: Profiles, case_id: str, arm: str) -> Mapping[str, Any] | None:
    profile = profiled.arms.get((case_id, arm))
    memory: Mapping[str, Any] | None = profile["timeline"]["memory"] if profile else None
    return memory


def _why_no_parts(profiled: Profiles) -> str:
    return next((extra.reason for extra in profiled.parts), "")


def _stage_blocks(
    stages: pd.DataFrame, ceilings: Mapping[str, Any] | None, networks: Sequence[str]
) -> Iterator[Block]:
    if not len(stages) or not stages["time_s"].notna().any():
        return
    yield Block(
        "Time per stage",
        figure=drawing.html(plots.stage_bars(stages)),
        tables=[_stages(stages, networks)],
    )
    if ceilings is not None:
        note = (
            f"Ceilings of this machine, measured on {ceilings['measured']}: matrix products "
            f"{ceilings['gemm_flops_per_s'] / 1e9:.0f}, convolutions "
            f"{ceilings['convolution_flops_per_s'] / 1e9:.0f} GFLOP/s; copy "
            f"{ceilings['copy_bytes_per_s'] / 1e9:.1f}, triad "
            f"{ceilings['triad_bytes_per_s'] / 1e9:.1f} GB/s."
        )
        yield Block(
            "Distance from the machine's limit",
            note,
            drawing.html(plots.roofline(stages, ceilings, networks[-1])),
        )


STAGE_COLUMNS = (
    "share", "MACs M", "MiB", "FLOP/byte", "GFLOP/s", "GB/s", "of ceiling", "limit",
)  # fmt: skip


def _stages(stages: pd.DataFrame, networks: Sequence[str]) -> Table:
    """Return the stages of the last network, with their milliseconds in the others beside it."""
    *others, last = networks
    beside = [stages[stages["arm"] == arm].set_index("stage")["time_s"] for arm in others]
    rows = [
        [
            str(row["stage"]),
            str(row["weights"]),
            *(_number(times.get(row["stage"]), 1e3, 3) for times in beside),
            _number(row["time_s"], 1e3, 3),
            _number(row["share"], 100, 1, " %"),
            _number(row["macs"], 1e-6, 1),
            _number(row["bytes"], 1 / MIB, 2),
            _number(row["intensity"], 1, 1),
            _number(row["flops_per_s"] if row["macs"] else None, 1e-9, 0),
            _number(row["bytes_per_s"], 1e-9, 2),
            _number(row["ceiling_share"], 100, 0, " %"),
            "-" if pd.isna(row["bound_by"]) else str(row["bound_by"]),
        ]
        for row in rows_of(stages[stages["arm"] == last])
    ]
    caption = "MiB: what has to move at least; weights: names in state_dict"
    timed = ["FPN ms", "+PANet ms"] if tuple(networks) == profiles.ARMS else _headed(networks)
    return Table(("stage", "weights", *timed, *STAGE_COLUMNS), rows, caption)


def _headed(networks: Sequence[str]) -> list[str]:
    return ["ms"] if len(networks) == 1 else [f"{network} ms" for network in networks]


def _part_blocks(parts: pd.DataFrame, why_not: str) -> Iterator[Block]:
    if not len(parts):
        if why_not:
            yield Block("Do the parts add up?", f"They were not measured: {why_not}.")
        return
    rows = [
        [
            str(row["part"]),
            plus_minus(row, "alone_s", 1e3, 2, "-"),
            plus_minus(row, "adds_s", 1e3, 2, "-"),
            _number(row["profile_s"], 1e3, 2),
        ]
        for row in rows_of(parts)
    ]
    by_part = {row["part"]: row for row in rows_of(parts)}
    note = (
        f"Each part alone, on stored maps, and as what it adds to those in front of it, taking "
        f"turns ({by_part['all']['replicates']} replicates; 95 % intervals). "
        f"{profile_words.residual(by_part['all'], by_part['residual'])}"
    )
    columns = ("part", "alone ms", "adds ms", "in the profile ms")
    yield Block("Do the parts add up?", note, tables=[Table(columns, rows)])


def _memory_blocks(profiled: Profiles, case_id: str) -> Iterator[Block]:
    memory = {arm: _memory(profiled, case_id, arm) for arm in profiled.networks}
    known = {arm: m for arm, m in memory.items() if m is not None}
    if not known:
        return
    tables = []
    for arm, m in known.items():
        rows = [
            [stage, operator, _number(nbytes, 1 / MIB, 2)]
            for stage, operator, nbytes in m["live"][:TOP_TENSORS]
        ]
        rest = sum(nbytes for _, _, nbytes in m["live"][TOP_TENSORS:])
        if rest:
            rows.append(["the rest", f"{len(m['live']) - TOP_TENSORS}", _number(rest, 1 / MIB, 2)])
        caption = f"{arm_name(arm)}: {m['peak_bytes'] / MIB:.2f} MiB at the peak"
        tables.append(Table(("allocated in", "by", "MiB"), rows, caption))
    figure = plots.memory_curves({arm: m["curve"] for arm, m in known.items()})
    note = "Tensors of one call, weights and inputs apart; oneDNN's scratch space is not seen."
    yield Block("Memory over time, and what fills the peak", note, drawing.html(figure), tables)


def _operator_blocks(operators: pd.DataFrame, summary: pd.DataFrame) -> Iterator[Block]:
    if not len(operators):
        return
    tables = []
    believed = set(summary.loc[summary["disturbed"] == "", "arm"])
    for arm, rows in operators[operators["arm"].isin(believed)].groupby("arm", sort=False):
        shown = [
            [
                str(row["operator"]),
                _number(row["calls"], 1, 1),
                _number(row["self_s"], 1e3, 3),
                _number(row["share"], 100, 1, " %"),
            ]
            for row in rows_of(rows.head(TOP_OPERATORS))
        ]
        columns = ("operator", "calls", "own ms (profile)", "share")
        tables.append(Table(columns, shown, arm_name(arm)))
    if tables:
        yield Block("Operators", tables=tables)


def _number(value: Any, factor: float, digits: int, unit: str = "") -> str:  # noqa: ANN401 - of a frame
    return "-" if value is None or pd.isna(value) else f"{value * factor:.{digits}f}{unit}"
