"""What a runtime is: how it writes a network into a file, and how it makes that a call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from bench.schema.case import Case

Maps = Sequence[Tensor]


@dataclass(frozen=True)
class Loaded:
    """A network in a runtime, ready to be called."""

    call: Callable[[], tuple[Tensor, ...]]
    """The inputs are bound already, and so is the memory of the outputs where the runtime lets us:
    only computing is timed."""
    read_back: Mapping[str, str]
    """Settings as the runtime itself reports them."""


def nothing_lacks(_case: Case) -> str | None:
    """Say that a machine that has the packages has all that is needed."""
    return None


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What executes a network from a file."""

    packages: tuple[str, ...]
    """That must be importable; they are imported when a case asks for them, and not before."""
    extra: str = ""
    """Of ours, which installs these packages."""
    file: str
    """The name of what it reads."""
    device_type: str = "cpu"
    """As torch calls it: that it is measured on."""
    dtypes: tuple[str, ...]
    """Values of ``--dtypes`` that it computes in there."""
    own_layout: bool
    """Whether it orders the memory of maps by itself, whatever comes in."""
    build: Callable[[nn.Module, Maps, Path], None]
    """Takes the eager network, what it is called with, and where the file is to be."""
    load: Callable[[Path, Maps, Case], Loaded]
    """Raises `SettingError` where the runtime reports other settings than were asked for."""
    executed: Callable[[Path, Maps, Case], Mapping[str, int]]
    """Returns the kinds of nodes that it executes, each with how many, by its own account."""
    quantise: Callable[[Path, Sequence[Maps]], None] | None = None
    """Puts integers into the file that was built, calibrated on what the network is called with on
    further photographs."""
    least_sqnr_db: float | None = None
    """Of outputs that are not those of float32 up to rounding: the least ratio of signal to noise,
    for every one of them. It tells a network that works from one that does not, and nothing of
    AP."""
    lacks: Callable[[Case], str | None] = nothing_lacks
    """Returns why this machine cannot run a case, where packages and dtype are not all."""


class SettingError(Exception):
    """A runtime runs with other settings than were asked for."""


def same_settings(name: str, asked: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise `SettingError` unless what was found is what was asked for."""
    for setting, value in asked.items():
        if found[setting] != value:
            raise SettingError(f"{name} has {setting} {found[setting]}, and not {value} as asked")
