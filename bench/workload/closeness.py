"""How close what runs a network otherwise comes to eager float32, level by level."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from bench.schema.case import Case
from bench.schema.recipe import Recipe
from bench.workload.networks import Outputs, network_of
from bench.workload.same_work import difference
from panet.levels import parse_levels


@dataclass(frozen=True)
class Closeness:
    """Of every output of an arm, by the name of its level."""

    differences: dict[str, float]
    """Largest difference, relative to the largest value of the level."""
    sqnr_db: dict[str, float | None]
    """Ratio of signal to noise; `None` without any difference, when it has no limit."""


def how_close(case: Case, recipe: Recipe, exact: Outputs, maps: Outputs) -> Closeness:
    """Return how close maps are to those of the same network in eager float32.

    Args:
        case: names the levels.
        recipe: of the arm.
        exact: in eager float32, fine to coarse.
        maps: of the same shapes, in any dtype.
    """
    names = level_names(case, recipe, len(exact))
    off = [difference((x,), (y,)) for x, y in zip(exact, maps, strict=True)]
    found_db = [db if math.isfinite(db) else None for db in sqnr_db(exact, maps)]
    return Closeness(dict(zip(names, off, strict=True)), dict(zip(names, found_db, strict=True)))


def level_names(case: Case, recipe: Recipe, count: int) -> Sequence[str]:
    """Return ``n2``, ``n3``, ... for the outputs of an arm, fine to coarse."""
    letter = network_of(recipe).level
    if case.scope not in ("model", "neck") or not letter:
        return [f"output {place}" for place in range(1, count + 1)]
    finest, _ = parse_levels(case.levels)
    return [f"{letter}{level}" for level in range(finest, finest + count)]


def sqnr_db(exact: Outputs, rough: Outputs) -> list[float]:
    """Return the ratio of signal to noise of every output, in decibels: 10 log10(|x|^2 / |x-y|^2).

    Without any difference it has no limit; outputs of another shape have none of the signal.
    """
    if [x.shape for x in exact] != [y.shape for y in rough]:
        return [-math.inf]
    return [_sqnr_db(x.double(), y.double()) for x, y in zip(exact, rough, strict=True)]


def _sqnr_db(exact: torch.Tensor, rough: torch.Tensor) -> float:
    noise = float((exact - rough).square().sum())
    return 10 * math.log10(float(exact.square().sum()) / noise) if noise else math.inf


@contextlib.contextmanager
def without_tf32() -> Iterator[None]:
    """Let float32 be float32 in a case that has TF32 switched on."""
    precision = torch.get_float32_matmul_precision()
    convolutions = torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = convolutions
