"""What a spreadsheet would run is a text in our CSV, and everything else is as it was."""

import pandas as pd
import pytest

from reports.data.spreadsheet import inert

FORMULAS = ["=cmd|'/c calc'!A1", "@SUM(A1)", "+A1", "-A1", "\t=A1"]


@pytest.mark.parametrize("kind", ["object", "string", "category"])
def test_formula_is_quoted_wherever_it_stands(kind: str) -> None:
    texts = [*FORMULAS, "neck b1", "+6.7 %", "-3", None]
    frame = pd.DataFrame({"=case": pd.Series(texts, dtype=kind), "ms": 1.5})
    lines = inert(frame).to_csv(index=False).splitlines()
    shown = [*(f"'{formula}" for formula in FORMULAS), "neck b1", "+6.7 %", "-3", ""]
    assert lines == ["'=case,ms", *(f"{text},1.5" for text in shown)]


def test_numbers_times_and_absent_values_are_written_as_before() -> None:
    frame = pd.DataFrame(
        {
            "count": pd.array([1, None], dtype="Int64"),
            "on": pd.array([True, None], dtype="boolean"),
            "date": [pd.Timestamp("2026-11-28T21:06:07Z"), pd.NaT],
            "ratio": [-0.5, float("nan")],
        }
    )
    assert inert(frame).to_csv(index=False) == frame.to_csv(index=False)
