"""What ``pytest bench`` was asked for, on its way to other machines.

The options go as they were typed: ``auto`` is the cores and the accelerator of the machine that
measures.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.run import necks
from bench.run.extra_arms import EXTRA_ARMS
from bench.run.request import Request, parse_request
from bench.schema.stored import Stored

NOT_SENT = frozenset({"run_dir", "budget", "only"})
"""Every shard has its own."""


@dataclass(frozen=True)
class Asked(Stored):
    """The options of a run, as texts."""

    values: dict[str, str | None]
    """As `parse_request` takes them; `None` where not given."""
    traces: bool = False
    extra: tuple[str, ...] = ()
    """Names of further arms."""
    neck_names: str | None = None

    def request(self, resume: str | None = None, *, deploys: bool = False) -> Request:
        """Return the request on this machine.

        Args:
            resume: id of a run to go on with.
            deploys: whether the ways of running a case take turns as well; no fleet can.

        Raises:
            BenchError: as `parse_request`.
        """
        return parse_request(
            self.values,
            resume,
            traces=self.traces,
            extra_arms=tuple(extra for extra in EXTRA_ARMS if extra.name in self.extra),
            neck_names=self.neck_names,
            deploys=deploys,
        )

    def pictures(self) -> str:
        """Return a digest of the names and sizes of the files in ``--images``; empty without."""
        folder = self.values.get("images")
        if folder is None:
            return ""
        files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
        about = [(path.relative_to(folder).as_posix(), path.stat().st_size) for path in files]
        return hashlib.sha256(repr(about).encode()).hexdigest()[:16]

    def command_line(self, only: Sequence[str], budget_s: float) -> list[str]:
        """Return the arguments of ``pytest bench`` that measure some of the cases.

        Args:
            only: their ids.
            budget_s: for all of them.
        """
        given: Mapping[str, Any] = {
            **{name: text for name, text in self.values.items() if name not in NOT_SENT},
            necks.NAME: self.neck_names,
            "budget": f"{budget_s:.3f}s",
            "only": ",".join(only),
        }
        flags = [name for name in ("traces",) if self.traces]
        return [
            *(f"--{name.replace('_', '-')}={text}" for name, text in given.items() if text),
            *(f"--{name}" for name in (*flags, *self.extra)),
        ]
