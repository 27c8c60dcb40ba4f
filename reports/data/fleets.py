"""A sweep of several machines: the results of every kind, and what became of the nodes."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath

from bench.schema.files import FLEET, FLEET_SCHEMA, RESULTS
from reports.data import stored
from reports.data.errors import damaged


@dataclass(frozen=True)
class FleetNode:
    """What a node of a fleet did."""

    node: str
    kind: str
    """Of machine; empty where it never said."""
    cases: int
    failures: tuple[str, ...]


@dataclass(frozen=True)
class FleetRun:
    """A fleet, as it was stored."""

    executor: str
    kinds: tuple[str, ...]
    nodes: tuple[FleetNode, ...]


def is_fleet(folder: Path) -> bool:
    """Return whether a folder is that of a fleet."""
    return (folder / FLEET).is_file()


def read(folder: Path) -> FleetRun:
    """Return what is stored of a fleet.

    Raises:
        ReportError: it is damaged.
    """
    path = folder / FLEET
    content = stored.read(path, FLEET_SCHEMA)
    with damaged(path, "measure again"):
        kinds = tuple(str(kind) for kind in content["kinds"])
        if not kinds or any(PurePath(kind).name != kind or kind == ".." for kind in kinds):
            raise ValueError("a kind is no name of a folder, or there is none")
        nodes = tuple(
            FleetNode(
                str(node["node"]),
                str(node["kind"] or ""),
                int(node["cases"]),
                tuple(map(str, node["failures"])),
            )
            for node in content["nodes"]
        )
        return FleetRun(str(content["executor"]), kinds, nodes)


def results(folder: Path) -> list[Path]:
    """Return the result file of every kind of a fleet."""
    return [folder / kind / RESULTS for kind in read(folder).kinds]


def of_files(paths: Iterable[Path]) -> dict[Path, FleetRun]:
    """Return the fleets whose results some files are, by their folders."""
    folders = dict.fromkeys(path.resolve().parent.parent for path in paths)
    return {folder: read(folder) for folder in folders if is_fleet(folder)}
