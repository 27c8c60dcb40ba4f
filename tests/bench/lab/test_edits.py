"""Edits of our own networks are made of lines that are there: a change of `panet` is told at once.

That each edited file also runs is tried where processes may be started
(`tests/bench/compare/test_run_real.py`).
"""

import ast
from pathlib import Path

import pytest

import panet
from bench.lab.edits import HARMLESS, SLOWER, Edit

SOURCES = Path(panet.__file__).parent


@pytest.mark.parametrize("edit", [*SLOWER, *HARMLESS], ids=lambda edit: edit.name)
def test_edit_fits_todays_source(edit: Edit) -> None:
    source = (SOURCES / edit.file).read_text()
    edited = edit.apply(source)
    assert edited != source
    ast.parse(edited)
