"""What an arm runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Recipe:
    """One network, of whose code it is, and what is done to it; a text only in JSON."""

    network: str
    """Of `bench.workload.networks`, or ``module:name`` where a later room has another one."""
    side: str = ""
    """Of a comparison; empty: this checkout's code."""
    slowdown: str = ""
    """For networks that take one (`bench.selftest.slowdown`)."""
    caches: str = ""
    """What it finds there (`bench.workload.cache_state`); empty: what the arm before it left."""
    factory: str = ""
    """Of a user's network, ``module:function``; empty: the case's. Of ``neck`` a name of
    `panet.necks`, of ``heads`` one of `panet.heads.PARTS`."""
    exchange: str = ""
    """``part=module:function``: what stands in the place of a part of it; empty: nothing."""
    way: str = ""
    """How it is run (`bench.schema.ways`); empty: as the case says."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``network=factory,exchange@side+slowdown~caches!way``; only the first must be there.

        Factory, exchange and way are quoted as in a URL: they may be paths of files.
        """
        text, _, way = text.partition("!")
        whole, _, caches = text.partition("~")
        whole, _, slowdown = whole.partition("+")
        whole, _, side = whole.partition("@")
        whole, _, exchange = whole.partition(",")
        network, _, factory = whole.partition("=")
        ours = (network, side, slowdown, caches)
        return cls(*ours, unquote(factory), unquote(exchange), unquote(way))

    def __str__(self) -> str:
        marks = (
            ("=", _quoted(self.factory)),
            (",", _quoted(self.exchange)),
            ("@", self.side),
            ("+", self.slowdown),
            ("~", self.caches),
            ("!", _quoted(self.way)),
        )
        return self.network + "".join(mark + part for mark, part in marks if part)


def _quoted(text: str) -> str:
    """Return a text without any of the marks between the fields, and fit for a file name."""
    return quote(text, safe="").replace("~", "%7E")


Arms = Mapping[str, Recipe]
"""What takes turns: the name of an arm -> what it runs."""

COST_ARMS: Arms = {"fpn": Recipe("fpn"), "panet": Recipe("panet"), "fpn_again": Recipe("fpn")}
"""Compared within a case: FPN, FPN + bottom-up path, and FPN again (the A/A arm)."""

ARMS = tuple(COST_ARMS)

NECK_BASE, NECK_AGAIN = "fpn", "fpn_again"
"""What other necks are compared with, and the same once more (A/A)."""

TRACED_ARMS = ("fpn", "panet")
"""What a profile shows; the A/A arm would show ``fpn`` once more."""


def texts(arms: Arms) -> dict[str, str]:
    """Return arms as JSON holds them."""
    return {arm: str(recipe) for arm, recipe in arms.items()}
