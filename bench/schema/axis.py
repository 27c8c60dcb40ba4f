"""One dimension of the grid, and all that is made of it: an entry of the table in `Case`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One dimension of the grid."""

    option: str
    """Its name as an option that takes a list, such as ``batch_sizes``."""
    default: str
    columns: Mapping[str, str]
    """Field -> what its column means, with unit. Several fields are one value of the axis."""
    kind: str
    """Of the columns, as pandas names it."""
    id_place: int
    """In the id of a case, which is never renumbered."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """Item of the list -> value, where there are few."""
    parse: str = ""
    """``module:function`` that takes one item otherwise; raises `BenchError`."""
    about: str = ""
    """For the help; the choices, if it is not given."""
    as_text: Callable[[Any], str] = str
    """From a value to the item of the list that stands for it."""
    as_tag: Callable[[Any], str] | None = None
    """From a value to its part of the id; empty: none. The text, if it is not given."""
    as_label: Callable[[Any], str] | None = None
    """From a value to the word for it in a case's name; empty where it is the usual one. The tag,
    if it is not given."""

    @property
    def help(self) -> str:
        """What the list takes."""
        return self.about or ", ".join(self.choices)

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return "--" + self.option.replace("_", "-")

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of `Case` that hold its value."""
        return tuple(self.columns)

    def value(self, row: Mapping[Any, Any]) -> Any:  # noqa: ANN401 - the axis decides
        """Return the value in a row: a mapping with the fields of a case."""
        values = tuple(row[name] for name in self.columns)
        return values if len(values) > 1 else values[0]

    def text(self, row: Mapping[Any, Any]) -> str:
        """Return the item of the option's list that selects just the value in a row."""
        return self.as_text(self.value(row))

    def tag(self, row: Mapping[Any, Any]) -> str:
        """Return the part of the id."""
        return (self.as_tag or self.as_text)(self.value(row))

    def label(self, row: Mapping[Any, Any]) -> str:
        """Return the word in a case's name; empty where the value is the usual one."""
        return (self.as_label or self.as_tag or self.as_text)(self.value(row))
