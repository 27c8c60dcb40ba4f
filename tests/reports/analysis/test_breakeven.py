"""What fits within a limit: between measured points, and never beyond them."""

from typing import Any

import pandas as pd
import pytest

from bench.schema.case import FIELDS
from reports.analysis import breakeven
from reports.data.rows import rows_of
from tests.support.factories import case


def table(**columns: Any) -> pd.DataFrame:
    """Four batch sizes whose FPN takes 10 ms an image, FPN + PANet 15."""
    axes: dict[str, Any] = dict.fromkeys(FIELDS, "x") | {"height_px": 100, "width_px": 200}
    rows = [
        {
            "run_id": "r",
            "case_id": f"b{size}",
            **axes,
            "batch_size": size,
            "ratio": 1.5,
            "fpn_s": 0.01 * size,
            "fpn_s_low": 0.009 * size,
            "fpn_s_high": 0.011 * size,
            "panet_s": 0.015 * size,
            **columns,
        }
        for size in (1, 2, 4, 8)
    ]
    return breakeven.with_pixels(pd.DataFrame(rows))


def test_largest_batch_within_a_latency() -> None:
    ((_, rows),) = breakeven.groups(table(), "batch_size")
    fpn, panet = breakeven.largest(rows, "batch_size", "s", 0.033)
    assert [fpn.value, panet.value] == pytest.approx([3.3, 2.2])
    assert [fpn.low, fpn.high] == pytest.approx([3.0, 0.033 / 0.009])
    assert panet.low is None
    assert not fpn.beyond


def test_beyond_the_measured_range_there_is_no_answer() -> None:
    ((_, rows),) = breakeven.groups(table(), "batch_size")
    fpn, _ = breakeven.largest(rows, "batch_size", "s", 1.0)
    assert (fpn.value, fpn.beyond) == (8, True)
    fpn, _ = breakeven.largest(rows, "batch_size", "s", 0.001)
    assert (fpn.value, fpn.beyond) == (None, False)


def test_cases_that_differ_in_nothing_else_are_no_group() -> None:
    assert list(breakeven.groups(table(), "pixels")) == []


def resolutions() -> pd.DataFrame:
    """A line: 2 ms and 100 ms a megapixel; PANet takes a tenth more."""
    rows = table().to_dict("records")
    sides = (100, 200, 400, 800)
    for row, side in zip(rows, sides, strict=True):
        fpn_s = 0.002 + 0.1 * side * side / 1e6
        row.update(case_id=f"{side}", batch_size=1, height_px=side, width_px=side, fpn_s=fpn_s)
        row.update(panet_s=1.1 * fpn_s, difference_s=0.1 * fpn_s)
        row.update(difference_s_low=0.08 * fpn_s, difference_s_high=0.12 * fpn_s)
    return breakeven.with_pixels(pd.DataFrame(rows))


def test_line_gives_the_fixed_cost_and_the_cost_per_megapixel() -> None:
    ((_, rows),) = breakeven.groups(resolutions(), "pixels")
    found = breakeven.line(rows, "fpn")
    assert found is not None
    assert [found.fixed_s, found.per_megapixel_s] == pytest.approx([0.002, 0.1])


def test_two_points_make_no_line() -> None:
    ((_, rows),) = breakeven.groups(resolutions().head(2), "pixels")
    assert breakeven.line(rows, "fpn") is None


def test_negative_fixed_cost_is_not_told_as_one() -> None:
    rows = resolutions()
    rows["fpn_s"] = 0.1 * rows["pixels"] / 1e6 - 0.0005
    ((_, rows),) = breakeven.groups(rows, "pixels")
    line = breakeven.line(rows, "fpn")
    assert line is not None
    assert line.fixed_s < 0
    assert "ms a call" not in str(line)
    assert "no fixed cost that can be told from 0" in str(line)


def test_price_of_panet_is_a_share_of_a_deeper_backbone() -> None:
    rows = [
        {**case(scope="model", backbone=name).to_json(), "run_id": "r", "case_id": name}
        | {"fpn_s": s, "fpn_s_low": s * 0.99, "fpn_s_high": s * 1.01}
        | {"difference_s": 0.02, "difference_s_low": 0.019, "difference_s_high": 0.021}
        | {"ratio_low": 1.1}
        for name, s in (("resnet50", 0.1), ("resnet18", 0.05), ("resnet101", 0.18))
    ]
    found = list(breakeven.deeper(pd.DataFrame(rows)))
    assert [(row["backbone"], dearer) for row, dearer, _ in found] == [
        ("resnet18", "resnet50"),
        ("resnet50", "resnet101"),
    ]
    value, low, high = found[1][2]
    assert value == pytest.approx(0.25)
    assert low == pytest.approx(0.019 / (0.18 * 1.01 - 0.099))
    assert high == pytest.approx(0.021 / (0.18 * 0.99 - 0.101))


def test_price_that_may_be_none_has_its_worst_ends() -> None:
    rows = [
        {**case(scope="model", backbone=name).to_json(), "run_id": "r", "case_id": name}
        | {"fpn_s": s, "fpn_s_low": s - 0.02, "fpn_s_high": s + 0.02, "ratio_low": 0.9}
        | {"difference_s": 0.02, "difference_s_low": -0.005, "difference_s_high": 0.045}
        for name, s in (("resnet50", 0.1), ("resnet101", 0.15))
    ]
    ((_, _, (_, low, high)),) = breakeven.deeper(pd.DataFrame(rows))
    assert (low, high) == pytest.approx((-0.5, 4.5))


def test_bound_beyond_the_measured_range_is_open() -> None:
    rows = table(fpn_s_low=0.001)
    (found, _) = breakeven.largest(rows, "batch_size", "s", 0.05)
    assert found.value == pytest.approx(5.0)
    assert found.high is None


def test_backbones_that_cost_the_same_are_not_compared() -> None:
    rows = [
        {**case(scope="model", backbone=name).to_json(), "run_id": "r", "case_id": name}
        | {"fpn_s": 0.1, "fpn_s_low": 0.09, "fpn_s_high": 0.11, "ratio_low": 1.1}
        | {"difference_s": 0.02, "difference_s_low": 0.019, "difference_s_high": 0.021}
        for name in ("resnet18", "resnet50")
    ]
    assert not list(breakeven.deeper(pd.DataFrame(rows)))


def test_price_of_panet_buys_a_larger_image() -> None:
    ((_, rows),) = breakeven.groups(resolutions(), "pixels")
    by_case = {row["case_id"]: row for row in rows_of(rows)}
    found = breakeven.equal_resolution(rows, by_case["400"])
    assert found is not None
    value, low, high = found
    assert 0.04 < low < value < high < 0.08
    assert breakeven.equal_resolution(rows, by_case["800"]) is None
