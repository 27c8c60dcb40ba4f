"""Git histories that are not as one expects: what a comparison says of them before it measures."""

import functools
import importlib
from random import Random

from bench.engine import server_client
from bench.lab.faults import command_lines
from bench.lab.faults.attempt import Call, Place, Tried, problem_of
from bench.lab.faults.repositories import SHAPES


def histories(place: Place, random: Random) -> Tried:
    """Compare two revisions of an odd repository; no process that would measure is started."""
    name = list(SHAPES)[place.number % len(SHAPES)]
    base, head, right = SHAPES[name](place.folder / "repository")
    chosen = random.choice(("compare", "compare", "bisect"))
    words = (
        *(chosen, base, head, "--package", "mynet", "--workload", "mynet:make"),
        *("--repository", str(place.folder / "repository"), "--budget", "1s", "--threads", "1"),
        *("--compile", "off", "--run-dir", str(place.folder / "runs")),
    )
    problem = problem_of(Call(functools.partial(_compare, words), (2, 3), lines=None), place)
    said = (place.folder / "stderr.txt").read_text(errors="replace")
    if not problem and chosen == "compare" and right not in said:
        problem = f"says {said.strip()[-200:]!r}, and not {right!r}"
    return Tried(f"{chosen} {name}", problem)


def _compare(words: tuple[str, ...]) -> int:
    server_client.Server.__init__ = command_lines.refuse  # type: ignore[method-assign]
    return int(importlib.import_module(command_lines.BENCH).main(words))
