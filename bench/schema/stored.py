"""Frozen data that go to JSON and come back strictly."""

import functools
import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from typing import Any, Self, Union, get_args, get_origin, get_type_hints


class RecordError(ValueError):
    """Stored data that is not what this schema says."""


class Stored:
    """A dataclass that goes to JSON and comes back strictly.

    A field with a default may be missing in a file: an older schema did not have it.
    """

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`'s mapping; raise `RecordError` for a field too few or many."""
        known = fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass
        needed = {f.name for f in known if f.default is MISSING and f.default_factory is MISSING}
        if not isinstance(data, Mapping) or not needed <= set(data) <= {f.name for f in known}:
            stored = sorted(data) if isinstance(data, Mapping) else data
            raise RecordError(f"{cls.__name__} needs the fields {sorted(needed)}, found {stored}")
        try:
            return cls(**data)
        except (TypeError, AttributeError) as error:
            raise RecordError(f"{cls.__name__}: {error}") from error

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, numbers, strings and mappings."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # every subclass is a dataclass


EXACT = 2**53
"""Below it every whole number is a float."""

PLAIN = (float, int, str)


def check_types(record: object) -> None:
    """Raise `RecordError` where a field of a dataclass, or what is in it, is not what it says."""
    kind: Any = type(record)
    for name, hint in _hints(kind).items():
        if not _is_a(getattr(record, name), hint):
            raise RecordError(f"{kind.__name__}: {name} is not {hint}")


@functools.cache
def _hints(kind: type[object]) -> dict[str, Any]:
    return get_type_hints(kind)


def _is_a(value: object, hint: object) -> bool:
    kind: Any = get_origin(hint) or hint
    inner = get_args(hint)
    if kind in (Union, types.UnionType):
        return any(_is_a(value, each) for each in inner)
    if kind is float:  # JSON writes a whole one without its point
        return isinstance(value, float) or (isinstance(value, int) and abs(value) < EXACT)
    if not isinstance(value, kind):
        return False
    if is_dataclass(kind):
        check_types(value)
    if isinstance(value, Mapping):
        return all(_is_a(k, inner[0]) and _is_a(v, inner[1]) for k, v in value.items())
    if isinstance(value, list | tuple):
        plain = inner[0] in PLAIN and set(map(type, value)) <= {inner[0]}  # rounds are many
        return plain or all(_is_a(each, inner[0]) for each in value)
    return True
