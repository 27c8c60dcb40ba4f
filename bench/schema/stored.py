"""Frozen data that go to JSON and come back strictly."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from typing import Any, Self


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
