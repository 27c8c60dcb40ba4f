"""What ``--energy`` stores: blocks of calls back to back, and what the device's counter said."""

from dataclasses import dataclass, field
from typing import Any

from bench.schema.stored import Stored, check_types


def _says(meaning: str) -> Any:  # noqa: ANN401 - a field of any type
    return field(metadata={"says": meaning})


@dataclass(frozen=True)
class Block(Stored):
    """Calls of one arm for some seconds, or nothing at all; `None` is not known."""

    arm: str = _says("fpn or panet; empty: nothing ran, which tells the idle power")
    images: int = _says("in all calls of the block")
    elapsed_s: float = _says("seconds of the block")
    joules: float = _says("by the counter; nothing is subtracted")
    contended: bool = _says("whether something disturbed it: then its process does not count")
    power_limit_w: float | None = _says("watts that the device may take")
    clock_hz: float | None = _says("behind the block; of a processor the mean of its cores")
    temperature_c: float | None = _says("degrees Celsius behind the block")


@dataclass(frozen=True)
class EnergyReplicate(Stored):
    """The blocks of one fresh process: idle, ABBA, idle."""

    method: str
    """Whose counter it was: of `bench.machine.energy`."""
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        """Read what JSON holds."""
        read = (b if isinstance(b, Block) else Block.from_json(b) for b in self.blocks)
        object.__setattr__(self, "blocks", tuple(read))
        check_types(self)

    @property
    def contended(self) -> bool:
        """Whether any block was disturbed: they are compared with each other."""
        return any(block.contended for block in self.blocks)

    def of(self, arm: str) -> list[Block]:
        """Return both blocks of an arm, or both without any."""
        return [block for block in self.blocks if block.arm == arm]


@dataclass(frozen=True)
class CaseEnergy(Stored):
    """What became of a case."""

    case_id: str
    status: str
    reason: str
    replicates: tuple[EnergyReplicate, ...]

    def __post_init__(self) -> None:
        """Read what JSON holds."""
        kind = EnergyReplicate
        read = (r if isinstance(r, kind) else kind.from_json(r) for r in self.replicates)
        object.__setattr__(self, "replicates", tuple(read))

    @property
    def used(self) -> list[EnergyReplicate]:
        """The replicates that count."""
        return [replicate for replicate in self.replicates if not replicate.contended]
