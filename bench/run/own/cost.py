"""What `bench.cost` returns: the numbers by name, a frame, and what a notebook shows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bench.run.own import frame, html, sentences
from bench.run.own.request import Kind
from bench.run.own.result import Answer, CaseAnswer
from bench.schema.errors import BenchError
from bench.schema.records import Status
from bench.stats.beside import Beside
from bench.stats.intervals import Estimate
from bench.stats.parts import PartTime

if TYPE_CHECKING:
    import pandas as pd

Found = TypeVar("Found")


@dataclass(frozen=True, repr=False)
class Cost:
    """The cost of parts, of another module in a place, or of whole networks.

    Every number is an `Estimate`: ``value``, and ``low`` and ``high`` of its 95 % interval, in
    seconds or a ratio. Where several cases were asked for, each of `cases` has its own.
    """

    answer: Answer
    folder: Path
    """Of the run, with every round in ``cost.json``."""

    @property
    def cases(self) -> "tuple[Cost, ...]":
        """Every case by itself."""
        return tuple(
            replace(self, answer=replace(self.answer, cases=(case,))) for case in self.answer.cases
        )

    @property
    def status(self) -> Status:
        """How the case ended: what is not ``ok`` has a `reason`; ``contended`` is no answer."""
        return self._case.result.status

    @property
    def reason(self) -> str:
        """Why the status is not ``ok``."""
        return self._case.result.reason

    @property
    def said(self) -> bool:
        """Whether there is an answer that can be trusted, in every case."""
        return all(case.said for case in self.answer.cases)

    @property
    def parts(self) -> dict[str, PartTime]:
        """Path of a part -> ``time_s``, ``share``, ``ratio``, ``aa_ratio``, as the network is."""
        return self._parts(self.answer.request.base)

    @property
    def instead(self) -> PartTime:
        """The same of the module in the place of the part."""
        (part,) = self._parts(self._other(Kind.EXCHANGE, "instead")).values()
        return part

    @property
    def networks(self) -> Mapping[str, Beside]:
        """Name of a network -> ``call_s``, ``ratio``, ``difference_s`` beside the first."""
        besides = self._measured.besides
        return {arm: besides[arm] for arm in self.answer.request.others if arm in besides}

    @property
    def inside(self) -> Estimate:
        """The part's share of the call, 0 to 1, with the network as it is."""
        return self._part.share

    @property
    def ratio(self) -> Estimate:
        """What costs more, over what it is compared with.

        Of a part the call over the call without it, read inside the call; of another module in its
        place, or another network, the whole call over that of the first.
        """
        if self.answer.request.kind is Kind.PARTS:
            return _known(self._part.ratio, "ratio")
        return self._beside.ratio

    @property
    def difference_s(self) -> Estimate:
        """Seconds per call: of the exchanged parts inside the calls, or of whole networks."""
        exchange = self._measured.exchange
        return self._beside.difference_s if exchange is None else exchange.difference_s

    @property
    def residual(self) -> Estimate:
        """The rest of the call beside the new module, over the rest beside the old one."""
        self._other(Kind.EXCHANGE, "residual")
        return _known(self._measured.exchange, "residual").residual

    @property
    def call_s(self) -> Estimate:
        """Seconds of the whole call, as the first network is."""
        inside = self._measured.insides.get(self.answer.request.base)
        return inside.call_s if inside else _known(self._measured.base_s, "call_s")

    @property
    def frame(self) -> "pd.DataFrame":
        """A row per case, network and part, as `bench.run.own.frame.frame` says."""
        return frame.frame(self.answer)

    def __str__(self) -> str:
        """Return what the command prints."""
        return sentences.render(self.answer)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return html.render(self.answer)

    @property
    def _case(self) -> CaseAnswer:
        if len(self.answer.cases) != 1:
            raise BenchError(f"{len(self.answer.cases)} cases: ask each of .cases, or the .frame")
        return self.answer.cases[0]

    @property
    def _measured(self) -> CaseAnswer:
        case = self._case
        if not case.answered:
            raise BenchError(f"nothing was measured, {case.result.status}: {case.result.reason}")
        return case

    @property
    def _part(self) -> PartTime:
        parts = self.parts
        if len(parts) != 1:
            names = ", ".join(parts) or "none, these are whole networks"
            raise BenchError(f"of which part? There are {names}: ask .parts['...']")
        (part,) = parts.values()
        return part

    @property
    def _beside(self) -> Beside:
        networks = self.networks
        if len(networks) != 1:
            names = ", ".join(networks) or "none that was measured beside it"
            raise BenchError(f"of which network? There are {names}: ask .networks['...']")
        (beside,) = networks.values()
        return beside

    def _parts(self, arm: str) -> dict[str, PartTime]:
        inside = self._measured.insides.get(arm)
        return dict(inside.parts) if inside else {}

    def _other(self, kind: Kind, name: str) -> str:
        if self.answer.request.kind is not kind:
            raise BenchError(f"{name} is of another module in the place of a part: cost(instead=)")
        (arm,) = self.answer.request.others
        return arm


def _known(found: Found | None, name: str) -> Found:
    if found is None:
        raise BenchError(f"{name}: no round of both was undisturbed")
    return found
