"""The reading: records -> frames -> page.

``load`` gives a row per arm and case of result files, ``cost`` a row per case, ``rounds`` the raw
rounds; all of them are pandas frames in seconds and bytes.
"""

from reports.frames import cost, load, rounds

__all__ = ["cost", "load", "rounds"]
