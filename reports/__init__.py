"""The reading: records -> frames -> page.

``load`` gives a row per arm and case of result files, ``cost`` a row per case, ``rounds`` the raw
rounds; all of them are pandas frames in seconds and bytes. ``COLUMNS`` and ``COST_COLUMNS`` say
what every column is.
"""

from reports.data.costs import COST_COLUMNS, cost
from reports.data.frames import COLUMNS, load, rounds

__all__ = ["COLUMNS", "COST_COLUMNS", "cost", "load", "rounds"]
