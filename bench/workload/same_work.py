"""Is it the same work that is compared, and did it run? Judged from one eager call of every arm."""

import math
from collections.abc import Mapping
from dataclasses import replace

import torch

from bench.schema.case import Case
from bench.schema.recipe import Arms, Recipe
from bench.workload.networks import Outputs, network_of

TOLERANCE = {"float32": 1e-3, "tf32": 1e-2, "float16": 2e-2, "bfloat16": 5e-2}
"""Largest difference between compiled and eager outputs, relative to the largest output: a few
hundred roundings of the dtype in the depth of a backbone, and far below any wrong layer."""


class MismatchError(Exception):
    """The arms do not do the work that they are compared for."""


def first_of_its_kind(arms: Arms) -> dict[str, str]:
    """Return for every arm the first one that runs the same network."""
    names = list(arms)
    return {arm: next(x for x in names if arms[x] == arms[arm]) for arm in names}


def check_same_work(
    case: Case, arms: Arms, outputs: Mapping[str, Outputs], macs: Mapping[str, int]
) -> None:
    """Raise `MismatchError` unless the arms share what they should and differ where they should.

    Args:
        case: whose layout the outputs must have.
        arms: which network each arm runs.
        outputs: of every arm, fine to coarse.
        macs: of the operators that every arm executed.
    """
    arms = {arm: replace(recipe, caches="") for arm, recipe in arms.items()}
    for arm, found in outputs.items():
        _check_maps(case, arm, arms[arm], found)
    for arm, first in first_of_its_kind(arms).items():
        if difference(outputs[first], outputs[arm]) > tolerance(case) or macs[first] != macs[arm]:
            raise MismatchError(f"{first} and {arm} differ: they are to be the same network")
    first_of = {recipe: arm for arm, recipe in reversed(list(arms.items()))}
    for recipe, arm in first_of.items():
        like = first_of.get(replace(Recipe.parse(network_of(recipe).like), side=recipe.side))
        if like is not None and like != arm:
            _check_like(case, recipe, arm, like, outputs, macs)
    fpn, panet = first_of.get(Recipe("fpn")), first_of.get(Recipe("panet"))
    if fpn is not None and panet is not None:
        if case.scope == "heads":
            part = "what the paper adds"
            _check_heads(case, outputs[fpn], outputs[panet])
        else:
            part = "the bottom-up path"
            _check_bottom_up(case, outputs[fpn], outputs[panet])
        if macs[panet] <= macs[fpn]:
            raise MismatchError(f"executed MACs {dict(macs)}: {part} did not run")


def _check_like(
    case: Case,
    recipe: Recipe,
    arm: str,
    like: str,
    outputs: Mapping[str, Outputs],
    macs: Mapping[str, int],
) -> None:
    """Raise `MismatchError` unless an arm does as much of another one's work as it says."""
    entry = network_of(recipe)
    shapes = {each: [tuple(x.shape) for x in outputs[each]] for each in (arm, like)}
    if shapes[arm] != shapes[like]:
        raise MismatchError(f"{arm} gives maps of {shapes[arm]}, {like} of {shapes[like]}")
    if entry.same_macs and macs[arm] != macs[like]:
        raise MismatchError(f"{arm} executes {macs[arm]} MACs, {like} {macs[like]}")
    if entry.same_outputs and difference(outputs[like], outputs[arm]) > tolerance(case):
        raise MismatchError(f"{arm} and {like} differ: they are to give the same maps")


def _check_maps(case: Case, arm: str, recipe: Recipe, maps: Outputs) -> None:
    if not maps:
        raise MismatchError(f"{arm} returns no tensor")
    if not all(torch.isfinite(x).all() for x in maps):
        raise MismatchError(f"{arm} gives values that are not finite")
    # What a side loses it pays for in its time, and a user's network decides for itself.
    if not recipe.side and case.scope != "own":
        check_layout(case, arm, maps)


def _check_bottom_up(case: Case, p: Outputs, n: Outputs) -> None:
    if difference(p[:1], n[:1]) > tolerance(case):
        raise MismatchError("the finest maps of fpn and panet differ: they are to share the FPN")
    coarser = zip(p[1:], n[1:], strict=True)
    if any(torch.equal(fine, fused) or fused.min() < 0 for fine, fused in coarser):
        raise MismatchError(
            "a coarser map of panet is that of fpn, or negative: the bottom-up path did not run"
        )


def _check_heads(case: Case, plain: Outputs, whole: Outputs) -> None:
    """Raise `MismatchError` unless both give as much, and each of it is another."""
    if [x.shape for x in plain] != [x.shape for x in whole]:
        raise MismatchError("heads with and without the paper's parts give other shapes")
    pairs = zip(plain, whole, strict=True)
    if any(difference((x,), (y,)) <= tolerance(case) for x, y in pairs):
        raise MismatchError("heads with and without the paper's parts give the same")


def check_layout(case: Case, arm: str, maps: Outputs) -> None:
    """Raise `MismatchError` if channels-last was lost on the way."""
    if case.channels_last and not all(
        x.is_contiguous(memory_format=torch.channels_last) for x in maps if x.ndim == 4
    ):
        raise MismatchError(f"{arm} lost channels-last on the way")


def difference(a: Outputs, b: Outputs) -> float:
    """Return the largest absolute difference, relative to the largest absolute value of ``a``.

    Outputs of other shapes differ without limit.
    """
    if [x.shape for x in a] != [y.shape for y in b]:
        return math.inf
    return max(
        (
            float((x.float() - y.float()).abs().max() / x.float().abs().max().clamp_min(1e-30))
            for x, y in zip(a, b, strict=True)
            if x.numel()  # a detector may have found nothing
        ),
        default=0.0,
    )


def tolerance(case: Case) -> float:
    """Return what rounding may change in the dtype of the case."""
    return TOLERANCE[case.dtype.removeprefix("amp-")]
