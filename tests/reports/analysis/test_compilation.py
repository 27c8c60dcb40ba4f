"""What compiling costs, in images."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reports.analysis import compilation
from reports.data import frames
from reports.pages import cost_sections
from tests.support.factories import case, facts, finding, replicate, result, rounds
from tests.support.result_files import measured, result_file


def compiled(factor: float, **axes: Any) -> Any:
    """A compiled case that takes ``factor`` times as long as `measured`'s."""
    taken = {arm: [x * factor for x in xs] for arm, xs in rounds(1.5).items()}
    first = dict.fromkeys(taken, 0.5)
    replicates = tuple(replicate(i, rounds_s=taken, compile_s=first) for i in range(5))
    known = facts(compile_s=10.0, graphs=1, graph_breaks=0)
    arms = {"fpn": known, "panet": known, "fpn_again": known}
    return result(
        case=case(compile_mode="default", **axes),
        replicates=replicates,
        finding=finding(facts=arms),
    )


def table(tmp_path: Path, *results: Any) -> Any:
    return compilation.table(frames.load([result_file(tmp_path, results)]))


def test_break_even_is_the_compile_over_what_a_call_saves(tmp_path: Path) -> None:
    found = table(tmp_path, measured(1.5, batch_size=4), compiled(0.5, batch_size=4))
    row = found[found["arm"] == "fpn"].iloc[0]
    # 12.5 ms against 6.25 ms a call of 4 images.
    assert row["break_even_images"] == 1600 * 4
    assert (row["cold_s"], row["warm_s"], row["graphs"], row["graph_breaks"]) == (10.0, 0.5, 1, 0)


def test_no_faster_than_eager_never_pays(tmp_path: Path) -> None:
    found = table(tmp_path, measured(1.5), compiled(1.2))
    assert found["break_even_images"].isna().all()
    assert all("never pays" in text for text in compilation.sentences(found))


def test_without_an_eager_case_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    found = table(tmp_path, measured(1.5, batch_size=2), compiled(0.5))
    assert found["eager_s"].isna().all()
    assert all("pays" not in text for text in compilation.sentences(found))


@pytest.mark.parametrize("results", [[measured(1.5)]])
def test_eager_runs_say_nothing(results: list[Any], tmp_path: Path) -> None:
    assert list(compilation.sentences(table(tmp_path, *results))) == []


def test_how_close_every_level_is_to_eager_float32_is_a_line_per_network(tmp_path: Path) -> None:
    def known(letter: str, off: float) -> Any:
        return facts(
            compile_s=10.0,
            level_differences={f"{letter}2": off, f"{letter}3": 0.0},
            level_sqnr_db={f"{letter}2": 120.4, f"{letter}3": None},
        )

    of = {"fpn": known("p", 1e-6), "panet": known("n", 2e-6), "fpn_again": known("p", 1e-6)}
    path = result_file(tmp_path, [replace(compiled(0.5), finding=finding(facts=of)), measured(1.5)])
    (block,) = cost_sections.compiling(frames.load([path])).blocks
    (shown,) = block.tables
    assert shown.columns == ("case", "network", "p2 / n2", "p3 / n3")
    name = "neck cnn b1 224 nchw compiled"
    assert shown.rows == [
        [name, "FPN", "1.0e-06 (120 dB)", "none"],
        [name, "FPN + PANet", "2.0e-06 (120 dB)", "none"],
    ]
    assert not cost_sections.compiling(frames.load([result_file(tmp_path, [compiled(0.5)])])).blocks
