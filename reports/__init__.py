"""The reading: records -> frames -> page.

``load`` gives a row per arm and case of result files, ``cost`` a row per case, ``stages`` a row per
stage of every arm and case, ``necks`` a row per neck that took turns beside FPN, ``rounds`` the raw
rounds; all of them are pandas frames in seconds and bytes. ``COLUMNS``, ``COST_COLUMNS``,
``STAGE_COLUMNS``, ``NECK_COLUMNS`` and ``ROUND_COLUMNS`` say what every column is.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_IN = {
    "reports.data.costs": ("COST_COLUMNS", "cost"),
    "reports.data.frames": ("COLUMNS", "ROUND_COLUMNS", "load", "rounds"),
    "reports.data.necks": ("NECK_COLUMNS", "necks"),
    "reports.data.stages": ("STAGE_COLUMNS", "stages"),
}

_AT = {name: module for module, names in _IN.items() for name in names}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: the command hears Ctrl-C before pandas is there."""
    if name not in _AT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_AT[name]), name)
