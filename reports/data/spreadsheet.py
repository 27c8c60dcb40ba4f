"""CSV that a spreadsheet shows and does not run: names of cases and runs come from anyone's files.

Source: OWASP, "CSV Injection".
"""

import re

import pandas as pd

FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.])")
"""How a text begins that a spreadsheet takes for a formula; a number with a sign is none."""


def inert(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which no text, and no name of a column, is a formula: ``'`` is before it.

    Args:
        frame: as it is to be written with ``to_csv``.
    """
    texts = frame.select_dtypes(["object", "string", "category"])
    quoted = {str(name): texts[name].astype(object).map(_quoted) for name in texts}
    return frame.assign(**quoted).rename(columns=_quoted)


def _quoted(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value
