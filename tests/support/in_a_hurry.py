"""Imported at the start of a test's interpreters (`tests.support.environments`): see `short`.

What is installed there runs as its users run it, but its replicates are few and brief, all from one
server, and that the machine is busy with other tests is not held against them.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

Names = Mapping[str, Any]


def _brief_plan(module: Names) -> Names:
    design = sys.modules["bench.engine.plan"].Design(replicate_s=0.1, one_server=True)
    return {"Plan": partial(module["Plan"], design=design)}


def _brief_gate(module: Names) -> Names:
    looks = {"screen_looks": (3,), "confirm_looks": (4,), "overall_looks": ()}
    return {"GATE": replace(module["GATE"], **looks)}


def _brief_comparison(module: Names) -> Names:
    return {
        "REPLICATE_S": 0.1,
        "Design": partial(module["Design"], one_server=True),
        **_one_server(module),
    }


def _one_server(module: Names) -> Names:
    """Let timed workers come from the server of the checks."""
    same = {"_timing_server": lambda launcher, _server_id: launcher._helping()}
    return {"ServerLauncher": type("OneServer", (module["ServerLauncher"],), same)}


INSTEAD: Mapping[str, Callable[[Names], Names]] = {
    "bench.machine.contention": lambda _: {
        "contended": lambda *_: False,
        "disturbed": lambda *_: [],
    },
    "bench.engine.scheduler": lambda _: {"SPLIT_REPLICATE_S": 0.2},
    "bench.run.request": _brief_plan,
    "bench.engine.opened": _one_server,
    "bench.compare.command": _brief_gate,
    "bench.compare.measuring": _brief_comparison,
}
"""Module -> what its names hold once it is imported."""


class Hurry(MetaPathFinder):
    """Finds these modules as everybody does, and changes them when they have been executed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in INSTEAD or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        try:
            spec = find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def hurried(module: ModuleType) -> None:
            execute(module)
            vars(module).update(INSTEAD[name](vars(module)))

        spec.loader.exec_module = hurried  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Hurry())
