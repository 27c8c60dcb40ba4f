"""A frame as rows: `pandas.DataFrame.to_dict` takes two to three times as long for a wide one."""

from typing import Any

import pandas as pd
from pandas.api.extensions import ExtensionDtype

from bench.schema.case import FIELDS, case_name


def rows_of(table: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the rows of a frame: column -> value, in Python's own types; `pandas.NA` is `None`."""
    names = list(table.columns)
    columns = (_values(column) for _, column in table.items())
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def case_names(table: pd.DataFrame) -> list[str]:
    """Return what the case of every row is called, of a frame that has the fields of cases."""
    return [case_name(row) for row in rows_of(table[list(FIELDS)])]


def _values(column: "pd.Series[Any]") -> list[Any]:
    """Return the values of a column; of few categories each is looked up once."""
    array = column.array
    if not isinstance(array, pd.Categorical):
        values = column.tolist()
        nullable = isinstance(column.dtype, ExtensionDtype)
        return [None if each is pd.NA else each for each in values] if nullable else values
    known = [*array.categories.tolist(), float("nan")]  # a code of -1 is none
    return [known[code] for code in array.codes.tolist()]
