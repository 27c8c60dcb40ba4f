"""The table of the tools: its arithmetic, and every tool once for real on a tiny cell."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from rich.console import Console

from bench import __main__ as command
from bench.engine.plan import REPLICATE_S, Design
from bench.lab import other_tools, other_tools_cells
from bench.lab.other_tools import (
    OURS,
    TOOLS,
    USUAL,
    Scheme,
    ToolRun,
    false_alarms,
    render,
    run_tool,
    worst_spread,
)
from bench.workload import axes, presets


def usual(name_s: float, other_s: float = 1.0, cost: float = 1.5) -> ToolRun:
    return ToolRun("pytest-benchmark", 20.0, {"a": cost}, {"x": name_s, "y": other_s}, None)


def ours(aa_ratio: float, cost: float = 1.5) -> ToolRun:
    return ToolRun("ours", 200.0, {"a": cost}, None, {"a": aa_ratio, "b": 1.0})


def test_usual_tools_compare_every_ordered_pair_of_runs() -> None:
    assert false_alarms([usual(1.0), usual(1.04)]) == (0, 2)
    assert false_alarms([usual(1.0), usual(1.06)]) == (1, 2)
    assert false_alarms([usual(1.0, 1.1), usual(1.1, 1.0)]) == (2, 2)


def test_ours_compares_within_a_run() -> None:
    assert false_alarms([ours(1.01), ours(0.9), ours(1.06)]) == (1, 3)


def test_spread_of_the_cost_is_that_of_the_worst_case() -> None:
    assert worst_spread([usual(1.0, cost=1.4), usual(1.0, cost=1.6)]) == pytest.approx(1.6 / 1.4)


def test_table_has_a_row_per_tool_that_ran() -> None:
    table = render([usual(1.0), usual(1.2, cost=2.0), ours(1.02)])
    assert "| pytest-benchmark | 2 " in table
    assert "| 1 of 2 " in table
    assert "| ours " in table
    assert "pyperf" not in table


def test_each_choice_of_ours_is_switched_off_by_itself() -> None:
    plain = OURS["ours"].design.__dict__
    for name, scheme in OURS.items():
        changed = {key for key, value in scheme.design.__dict__.items() if value != plain[key]}
        assert len(changed) == (name != "ours"), name
    one = OURS["ours without replicates"]
    assert one.replicates * one.design.replicate_s == OURS["ours"].replicates * REPLICATE_S


@pytest.mark.process
@pytest.mark.parametrize("tool", [*USUAL, "ours"])
def test_tool_times_both_necks_for_real(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "PANET_BENCH_CELLS",
        json.dumps({"resolutions": "32", "batch_sizes": "1", "channels_last": "off"}),
    )
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # other tests run beside it
    one = ("--processes", "1", "--loops", "1", "--warmups", "0", "--values", "1")
    monkeypatch.setattr(other_tools, "PYPERF", one)
    short = Scheme(Design(replicate_s=0.1, one_server=True), replicates=1)
    monkeypatch.setitem(other_tools.OURS, "ours", short)
    (tmp_path / "scratch").mkdir()
    run = run_tool(tool, tmp_path, Console(quiet=True))
    (cell,) = other_tools_cells.cells()
    assert set(run.costs) == {cell.case_id}
    assert run.costs[cell.case_id] > 0
    assert run.wall_s > 0
    assert (run.identical is None) == (tool in USUAL)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--tools", "stopwatch"], f"choose from {', '.join(TOOLS)}"),
        (["--rounds", "none"], "--rounds 'none': give a whole number"),
        (["--resume", "x"], "--resume x: "),
    ],
)
def test_wrong_option_is_one_line_and_exit_code_2(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["lab", "other-tools", "--run-dir", str(tmp_path), *arguments]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_page_has_the_machine_and_the_table(tmp_path: Path) -> None:
    (tmp_path / other_tools.RUNS).write_text(json.dumps(asdict(ours(1.02))) + "\n")
    page = other_tools.write_page(tmp_path)
    assert "; torch " in page.splitlines()[0]
    assert "| ours " in page
    assert (tmp_path / other_tools.PAGE).read_text() == page


def test_cells_are_those_of_the_preset() -> None:
    assert other_tools_cells.cells() == axes.sweep(presets.PRESETS["cells"], {})
