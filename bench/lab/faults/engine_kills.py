"""An engine that is killed again and again while it writes: simulated replicates, real processes.

It takes hundredths of what a real run takes, so it is killed far more often; `runs` has real ones.
"""

import functools
import os
import signal
import time
from pathlib import Path
from random import Random

from bench.engine.plan import CaseState
from bench.engine.scheduler import Engine
from bench.lab.faults import simulated
from bench.lab.faults.attempt import BAD_INPUT, Call, Place, Tried, started, wait
from bench.lab.faults.runs import cut_last_line
from bench.schema import journal
from bench.schema.files import JOURNAL

EACH = 10
"""Kills, before it may end."""

CASES, REPLICATES = 3, 150

MOST_DELAY_S = 0.25
"""About what it takes to the end."""

CUT_SHARE = 0.3


def kills(place: Place, random: Random) -> Tried:
    """Kill it at random moments, and let it go on."""
    folder, told = place.folder / "run", []
    call = Call(functools.partial(_measure, folder), (0, BAD_INPUT))
    for _ in range(EACH):
        before = _intact(folder)
        pid = started(call, place)
        delay_s = random.uniform(0, MOST_DELAY_S)
        told.append(f"{delay_s * 1e3:.0f} ms")
        time.sleep(delay_s)
        os.kill(pid, signal.SIGKILL)
        wait(pid, place)
        if not _intact(folder).startswith(before):
            return Tried(", ".join(told), "what was in the journal is another now")
        if random.random() < CUT_SHARE:
            told.append(cut_last_line(folder / JOURNAL, random))
    outcome = wait(started(call, place), place)
    problem = f"at last: {outcome.errors[-200:]}" if outcome.exit_code else _unlike(folder)
    return Tried(", ".join(told), problem)


def _measure(folder: Path) -> int:
    if (folder / JOURNAL).exists() and not _intact(folder):
        (folder / JOURNAL).unlink()  # cut before its first line: nothing to go on with
    plan = simulated.plan(CASES, 60.0, folder)
    log = journal.Journal.open(folder, {"cases": [case.case_id for case in plan.cases]})
    engine = Engine(plan, simulated.Simulated(), log, time.monotonic, _Deaf(), log.entries)
    engine.check()
    engine.take_turns(_missing)
    log.close()
    return 0


def _missing(state: CaseState) -> int:
    return REPLICATES - len(state.replicates)


class _Deaf:
    def update(self, *_: object) -> None:
        """Hear nothing."""


def _intact(folder: Path) -> bytes:
    """Return the whole lines of the journal; raise `BenchError` where one is damaged."""
    path = folder / JOURNAL
    content = path.read_bytes() if path.exists() else b""
    return content[: journal.read(folder).intact_bytes] if b"\n" in content else b""


def _unlike(folder: Path) -> str:
    """Return what is there twice, or not, or is not what was measured."""
    entries = journal.read(folder)
    for case in simulated.plan(CASES, 60.0, folder).cases:
        there = entries.replicates.get(case.case_id, [])
        if [replicate.index for replicate in there] != list(range(REPLICATES)):
            return f"replicates {[replicate.index for replicate in there]}"
        for replicate in there:
            expected = simulated.replicate(replicate.index, replicate.server)
            if replicate.to_json() != expected.to_json():
                return f"replicate {replicate.index} is not what was measured"
    return ""
