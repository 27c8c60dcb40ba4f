"""The reading: records -> frames -> page.

``load`` gives a row per arm and case of result files, ``cost`` a row per case, ``stages`` a row per
stage of every arm and case, ``necks`` a row per neck that took turns beside FPN, ``rounds`` the raw
rounds; all of them are pandas frames in seconds and bytes. ``COLUMNS``, ``COST_COLUMNS``,
``STAGE_COLUMNS``, ``NECK_COLUMNS`` and ``ROUND_COLUMNS`` say what every column is.
"""

from reports.data.costs import COST_COLUMNS, cost
from reports.data.frames import COLUMNS, ROUND_COLUMNS, load, rounds
from reports.data.necks import NECK_COLUMNS, necks
from reports.data.stages import STAGE_COLUMNS, stages

__all__ = [
    "COLUMNS",
    "COST_COLUMNS",
    "NECK_COLUMNS",
    "ROUND_COLUMNS",
    "STAGE_COLUMNS",
    "cost",
    "load",
    "necks",
    "rounds",
    "stages",
]
