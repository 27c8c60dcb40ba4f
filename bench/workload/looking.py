"""A look into a user's network before it is measured: its parts, and what is counted there.

A few calls in a process of its own: what the parts are, whether marks can stand around them, how
often they are called, and their multiply-accumulates, parameters and memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from bench.schema.errors import BenchError
from bench.schema.stored import Stored
from bench.schema.tasks import Task
from bench.workload import carried
from bench.workload.arms import Arm, build_arms
from bench.workload.capability import unsupported
from bench.workload.counting import Flops
from bench.workload.inputs import make_inputs
from bench.workload.part_tally import LEFT, PartFacts, Tally
from bench.workload.stages import stages
from bench.workload.user_parts import LOOKS, chosen, not_called
from bench.workload.users import size_of, told_sizes


@dataclass(frozen=True)
class Look(Stored):
    """What was seen."""

    unsupported: str
    """Why the case does not run on this machine; empty: it does."""
    parts: dict[str, PartFacts] = field(default_factory=dict)
    """By their paths, in the order in which they are called first."""
    never_called: tuple[str, ...] = ()
    """Of the children that were asked for."""
    outputs: tuple[tuple[int, ...], ...] = ()
    """Shapes of the network's."""
    size: tuple[int, int, int] | None = None
    """Batch, height and width of the inputs, where the factory was not told them."""
    code: tuple[tuple[str, str], ...] = ()
    """Folder and name of the packages or modules that the user's code is in."""

    def __post_init__(self) -> None:
        """Build what JSON has as mappings and lists."""
        built = {
            path: facts if isinstance(facts, PartFacts) else PartFacts.from_json(facts)
            for path, facts in self.parts.items()
        }
        object.__setattr__(self, "parts", built)
        object.__setattr__(self, "never_called", tuple(self.never_called))
        object.__setattr__(self, "outputs", tuple(map(tuple, self.outputs)))
        object.__setattr__(self, "code", tuple(map(tuple, self.code)))
        object.__setattr__(self, "size", self.size and tuple(self.size))


@dataclass(frozen=True, kw_only=True)
class LookTask(Task[Look]):
    """Look into the network of the only arm; its parts are ``marked``."""

    handler: ClassVar[str] = "bench.workload.looking:look_task"

    parts_of: tuple[str, ...] = ()
    """Modules whose children are parts, too."""

    def result(self, data: Any) -> Look:  # noqa: ANN401
        """Return the look."""
        return Look.from_json(data)


def look_task(task: LookTask) -> dict[str, Any]:
    """Look in a process of its own."""
    return look(task).to_json()


def look(task: LookTask) -> Look:
    """Look into a network.

    Raises:
        BenchError: there is no such part, or none that can be measured so.
    """
    reason = unsupported(task.case)
    if reason is not None:
        return Look(reason)
    inputs, _ = make_inputs(task)
    (arm,) = build_arms(task, inputs, compiled=False).values()
    (recipe,) = task.arms.values()
    asked, children = chosen(arm.network, task.marked, task.parts_of)
    met: list[str] = []
    tallies = {p: Tally(p, arm.network.get_submodule(p), met) for p in asked + children}
    shapes = _called(arm, tallies)
    for path in asked:
        if not tallies[path].most_calls:
            raise BenchError(not_called(path, arm.network.get_submodule(path)))
    if task.case.pass_name == "inference":
        _find_peaks(arm, tallies, torch.device(task.case.device))
    stage_of = {s.layers[0]: s.name for s in stages(arm.network) if s.part and len(s.layers) == 1}
    facts = {path: tallies[path].facts() for path in dict.fromkeys(met) if path != LEFT}
    factories = (recipe.factory or task.case.network, recipe.exchange.partition("=")[2])
    return Look(
        "",
        {path: replace(of, stage=stage_of.get(path, "")) for path, of in facts.items()},
        tuple(path for path in children if not tallies[path].most_calls),
        shapes,
        None if told_sizes(task) and not task.shapes else size_of(inputs),
        tuple(place for name in factories if name and (place := _place_of(name))),
    )


def _called(arm: Arm, tallies: Mapping[str, Tally]) -> tuple[tuple[int, ...], ...]:
    """Call the network some times, and count; return the shapes of its outputs."""
    shapes: tuple[tuple[int, ...], ...] = ()
    for number in range(LOOKS):
        arm.prepare()
        torch.manual_seed(number)  # a layer that is dropped at random is there in some of them
        with Flops(display=False) as flops:
            for tally in tallies.values():
                tally.counted_by(flops)
            shapes = tuple(tuple(x.shape) for x in arm.call())
        for tally in tallies.values():
            tally.end()
    return shapes


def _find_peaks(arm: Arm, tallies: Mapping[str, Tally], device: torch.device) -> None:
    for tally in tallies.values():
        tally.weighed_on(device)
    arm.prepare()
    arm.call()


def _place_of(factory: str) -> tuple[str, str] | None:
    """Return the folder and the name of the package or module that a factory is in, if any."""
    module_name = factory.rpartition(":")[0]
    if module_name.endswith(carried.OBJECT):
        return carried.place_of(Path(module_name))
    if module_name.endswith(".py"):
        return str(Path(module_name).parent), Path(module_name).stem
    return carried.place_of_module(module_name)
