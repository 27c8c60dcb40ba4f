"""The licences of docs/dependencies.md: what the installed packages say of themselves.

A package is asked in the version that constraints.txt pins; of one that is not installed, or in
another version, the page keeps what it says.
"""

import re
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import cast

PAGE = Path(__file__).parent / "dependencies.md"
PINS = Path(__file__).parents[1] / "constraints.txt"

BEGIN, END = "<!-- licences -->", "<!-- /licences -->"
"""Around the table of what is brought along."""

LONGEST_NAME = 40
"""Letters of the name of a licence; beyond is its text."""

UNKNOWN, NONE = "not looked up", "says none"

SPELLINGS = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "BSD-3": "BSD-3-Clause",
    "FreeBSD": "BSD-2-Clause",
    "GNU LGPL v3+": "LGPL-3.0-or-later",
    "LGPLv3": "LGPL-3.0",
    "OSI Approved :: Apache Software License": "Apache-2.0",
    "GNU General Public License (GPL)": "GPL",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "LicenseRef-NVIDIA-Proprietary": "NVIDIA's own",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "NVIDIA Proprietary Software": "NVIDIA's own",
    "Python Software Foundation License": "PSF-2.0",
}
"""How packages without an expression of SPDX name a licence -> SPDX's name, or BSD alone."""

IN_ITS_FILE = {"tensorrt": "NVIDIA's own", "torchao": "BSD-3-Clause"}
"""Read in the licence of a package whose metadata name none."""


def page() -> str:
    """Return the page of dependencies as it stands, with its licences made anew."""
    return with_licences(PAGE.read_text(), pinned())


def with_licences(text: str, pins: Mapping[str, str]) -> str:
    """Return a page with the licences of its reasons, and the table of what has none of its own."""
    before, begin, rest = text.partition(BEGIN)
    table, end, behind = rest.partition(END)
    lines = [_row(line, pins) for line in before.splitlines(keepends=True)]
    reasons = {name for line in lines for name in _named(line, pins)}
    known = _standing(table) | {name: said for name in pins if (said := licence(name, pins))}
    others: dict[str, list[str]] = {}
    for name in sorted(pins.keys() - reasons):
        others.setdefault(known.get(name, UNKNOWN), []).append(name)
    rows = sorted(others.items(), key=lambda row: (-len(row[1]), row[0]))
    made = "".join(f"| {said} | {', '.join(names)} |\n" for said, names in rows)
    head = "| licence | brought along |\n| --- | --- |\n"
    return f"{''.join(lines)}{begin}\n\n{head}{made}\n{end}{behind}"


def pinned() -> dict[str, str]:
    """Return the pins of constraints.txt, normalised name -> version."""
    pins = (line.split("==") for line in PINS.read_text().split())
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}


def licence(name: str, pins: Mapping[str, str]) -> str | None:
    """Return a package's licence, or None if it is not installed in its pinned version."""
    try:
        told = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    if told.version != pins[name]:
        return None
    return IN_ITS_FILE.get(name) or named_licence(told.metadata)


def named_licence(told: metadata.PackageMetadata) -> str:
    """Return the licence that a package's metadata name.

    That is the expression of SPDX; in older metadata the field ``License``, where it is a name and
    no text, and what the classifiers say, with a stroke where they disagree.
    """
    expression, field = (_field(told, name) for name in ("License-Expression", "License"))
    if expression:
        return SPELLINGS.get(expression, expression)
    classifiers = [line for line in told.get_all("Classifier") or () if "License :: " in line]
    said = [line.rpartition(" :: ")[2] for line in classifiers]
    if len(field) <= LONGEST_NAME and "\n" not in field:
        said.insert(0, field)
    names = dict.fromkeys(SPELLINGS.get(name, name) for name in said if name)
    exact = [a for a in names if not any(b != a and b.startswith(a) for b in names)]
    return " / ".join(exact) or NONE


def _field(told: metadata.PackageMetadata, name: str) -> str:
    return next((str(value).strip() for value in told.get_all(name) or ()), "")


def _named(line: str, pins: Mapping[str, str]) -> list[str]:
    """Return the packages of a row: pins in its first cell, outside of parentheses."""
    if not line.startswith("| "):
        return []
    first = re.sub(r"\(.*?\)", "", line.split(" | ", maxsplit=1)[0])
    return [name for name in re.findall(r"[\w-]+", first) if name in pins]


def _row(line: str, pins: Mapping[str, str]) -> str:
    """Return a row of the table of reasons with its second cell made anew, if all is known."""
    names = _named(line, pins)
    said = {name: licence(name, pins) for name in names}
    if not names or None in said.values():
        return line
    first, _, reason = line.split(" | ", 2)
    return f"{first} | {_together(cast('dict[str, str]', said))} | {reason}"


def _together(said: Mapping[str, str]) -> str:
    """Return the licences of a row; whose each is where they differ."""
    of: dict[str, list[str]] = {}
    for name, one in said.items():
        of.setdefault(one, []).append(name)
    if len(of) == 1:
        return next(iter(of))
    return "; ".join(f"{', '.join(names)}: {one}" for one, names in of.items())


def _standing(table: str) -> dict[str, str]:
    """Return what the table of what is brought along says, package -> licence."""
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {name: said for said, names in rows[2:] for name in names.split(", ")}
