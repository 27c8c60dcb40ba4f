"""Imported by every Python that finds it: a node says what it is, without the seconds of torch."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.fleet import node
from bench.fleet.programs import COMMAND, PROGRAMS


def probe(request: Mapping[str, Any]) -> node.Message:  # noqa: ARG001 - as it is called
    """Return what this machine has said before."""
    known: node.Message = json.loads(Path(os.environ["QUICK_MACHINE"]).read_text())
    return known


node.probe = probe
PROGRAMS[COMMAND] = replace(PROGRAMS[COMMAND], command=("-m", "tests.support.quick_command"))
