"""What was asked of somebody's networks: which of them, of which parts, in which cases."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.recipe import Arms, Recipe
from bench.workload import axes, presets
from bench.workload.users import factory_name, input_names, own_cases

NETWORK, AGAIN, EXCHANGED = "network", "network_again", "exchanged"
"""Arms where parts are asked for: the network, the same again (A/A), and with another module."""

SIZES = ("batch_sizes", "resolutions")
"""Axes that say what a factory is called with."""


class Kind(StrEnum):
    """What is asked."""

    PARTS = "parts"
    EXCHANGE = "exchange"
    NETWORKS = "networks"


@dataclass(frozen=True)
class Request:
    """A question about somebody's networks."""

    kind: Kind
    arms: Arms
    """What takes turns; the first is the base, and one of them is the base again."""
    typed: Mapping[str, str]
    """Arm -> its network as it was typed."""
    cases: tuple[Case, ...]
    parts: tuple[str, ...]
    parts_of: tuple[str, ...]
    """Modules whose children are parts; an empty path is the network itself."""
    shapes: tuple[str, ...]
    """Of the inputs, or a file of them; none: the factory gives them."""
    sized: bool
    """Whether sizes were given, which the factory is to take."""
    half_width: float
    """Of the ratios, relative: when a case has been measured enough."""
    budget_s: float
    timeout_s: float
    traces: bool
    """Whether the networks are profiled behind the timing."""
    command: str
    """That was typed, and repeats it."""

    @property
    def base(self) -> str:
        """The arm that the others are compared with."""
        return next(iter(self.arms))

    @property
    def again(self) -> str:
        """The arm that runs the base once more."""
        return next(a for a, r in self.arms.items() if r == self.arms[self.base] and a != self.base)

    def again_of(self, arm: str) -> str:
        """Return the A/A arm of an arm; only the base has one."""
        return self.again if arm == self.base else ""

    @property
    def others(self) -> tuple[str, ...]:
        """The arms that are compared with the base."""
        return tuple(arm for arm in self.arms if arm not in (self.base, self.again))


def own_request(
    networks: Sequence[str],
    *,
    parts: Sequence[str],
    parts_of: Sequence[str],
    instead: str | None,
    shapes: Sequence[str],
    given: Mapping[str, str],
    half_width: float,
    budget_s: float,
    timeout_s: float,
    traces: bool,
    command: str,
) -> Request:
    """Return the request.

    Args:
        networks: a factory, or several as ``name=factory``.
        parts: paths of modules.
        parts_of: paths of modules whose children are meant; ``.`` is the network.
        instead: factory of the module that takes the place of the only part.
        shapes: of the inputs, or a file of them.
        given: axes that were given.
        half_width: relative, of the ratios.
        budget_s: at most, for the turns.
        timeout_s: of one process.
        traces: whether the networks are profiled as well.
        command: that was typed.

    Raises:
        BenchError: what is asked for is not one question, or is not named as it should be.
    """
    shapes = input_names(shapes)
    _refuse_two_sizes(shapes, given)
    kind, arms, typed = _question(networks, parts, parts_of, instead)
    factory = arms[next(iter(arms))].factory
    return Request(
        kind=kind,
        arms={a: replace(r, factory="") if r.factory == factory else r for a, r in arms.items()},
        typed=typed,
        cases=_cases(kind, factory, given),
        parts=tuple(dict.fromkeys(parts)),
        parts_of=tuple("" if path == "." else path for path in parts_of),
        shapes=tuple(shapes),
        sized=any(axis in given for axis in SIZES),
        half_width=half_width,
        budget_s=budget_s,
        timeout_s=timeout_s,
        traces=traces,
        command=command,
    )


def _refuse_two_sizes(shapes: Sequence[str], given: Mapping[str, str]) -> None:
    if shapes and (both := [axis for axis in SIZES if axis in given]):
        option = "--" + both[0].replace("_", "-")
        raise BenchError(f"{option} and --input: the input says it; leave {option} out")


def _cases(kind: Kind, factory: str, given: Mapping[str, str]) -> tuple[Case, ...]:
    """Return what was given of the axes, of a network whose calls can be split where they must."""
    cases = own_cases(axes.sweep(presets.GRID, given), factory)
    if kind is not Kind.NETWORKS and any(case.compile_mode != "off" for case in cases):
        raise BenchError(
            "--compile: one compiled graph has no inside to mark; compare whole networks: "
            "cost a=mynet:with_part b=mynet:without_it --compile default"
        )
    return cases


def _question(
    networks: Sequence[str], parts: Sequence[str], parts_of: Sequence[str], instead: str | None
) -> tuple[Kind, Arms, Mapping[str, str]]:
    """Return what is asked, what takes turns for it, and how each of these was typed."""
    named = [re.fullmatch(r"([\w.-]+)=(.+)", text) for text in networks]
    if not any(named):
        return _one_network(networks, parts, parts_of, instead)
    arms, typed = _networks(networks, named)
    if parts or parts_of or instead:
        raise BenchError(
            "--part, --parts-of and --with look into one network: give it without a name"
        )
    return Kind.NETWORKS, arms, typed


def _one_network(
    networks: Sequence[str], parts: Sequence[str], parts_of: Sequence[str], instead: str | None
) -> tuple[Kind, Arms, Mapping[str, str]]:
    if len(networks) > 1:
        raise BenchError(
            f"{len(networks)} networks: name each, the base first: "
            f"{' '.join(f'{name}={text}' for name, text in zip('ab', networks, strict=False))}"
        )
    (text,) = networks
    if not parts and not parts_of:
        raise BenchError(
            f"what of {text}? Name parts: --part PATH, or --parts-of PATH (. is the network)"
        )
    recipe = Recipe("own", factory=factory_name(text, "cost"))
    arms = {NETWORK: recipe, AGAIN: recipe}
    typed = {NETWORK: text, AGAIN: text}
    if instead is None:
        return Kind.PARTS, arms, typed
    if len(parts) != 1 or parts_of:
        raise BenchError("--with takes the place of one part: give one --part")
    exchange = f"{parts[0]}={factory_name(instead, '--with')}"
    arms[EXCHANGED] = replace(recipe, exchange=exchange)
    return Kind.EXCHANGE, arms, {**typed, EXCHANGED: instead}


def _networks(
    networks: Sequence[str], named: Sequence[re.Match[str] | None]
) -> tuple[Arms, Mapping[str, str]]:
    unnamed = [text for text, match in zip(networks, named, strict=True) if match is None]
    if unnamed:
        raise BenchError(f"{unnamed[0]}: the others have names; name it, too: name={unnamed[0]}")
    typed = [(match[1], match[2]) for match in named if match is not None]
    names = [name for name, _ in typed]
    if len(typed) < 2:
        raise BenchError(f"{networks[0]}: name another network that is compared with it")
    again = f"{names[0]}_again"
    for name in names:
        if names.count(name) > 1 or name == again:
            raise BenchError(f"{name} is the name of two networks; give each its own")
    arms = {n: Recipe("own_unsplit", factory=factory_name(text, "cost")) for n, text in typed}
    arms[again] = arms[names[0]]
    for name, recipe in list(arms.items())[1:-1]:
        if recipe == arms[names[0]]:
            raise BenchError(
                f"{name} is the same network as {names[0]}: the A/A arm is that anyway"
            )
    return arms, {**dict(typed), again: typed[0][1]}
