"""Imported at the start of a test's interpreters (`tests.support.environments`): see `short`.

What is installed there runs as its users run it, but its replicates are brief, and that the machine
is busy with other tests is not held against them.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

INSTEAD: Mapping[str, Mapping[str, Any]] = {
    "bench.machine.contention": {"contended": lambda *_: False, "disturbed": lambda *_: []},
    "bench.engine.scheduler": {"SPLIT_REPLICATE_S": 0.2},
    "bench.compare.measuring": {"REPLICATE_S": 0.4},
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
            vars(module).update(INSTEAD[name])

        spec.loader.exec_module = hurried  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Hurry())
