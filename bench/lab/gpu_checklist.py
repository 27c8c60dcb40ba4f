"""Works through a list of checks of a GPU, for at most so many minutes a call.

Each check is some commands of this project in processes of their own; a further call with the same
folder goes on where the last one stopped. It needs no internet, sets nothing on the card, and ends
with a table and one archive.
"""

import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from tabulate import tabulate

from bench.lab.gpu_answers import ENVIRONMENT
from bench.lab.gpu_checks import Check, Command
from bench.schema import json_lines

STATE, ARCHIVE, LOGS = "checks.jsonl", "gpu-check.tar.xz", "logs"

PACKED_FIRST = (STATE, ".log", "results.json", ".md", ".csv", "fit.json", "journal.jsonl", ".json")
"""Endings in the order in which files are packed; all others come after them."""

PACKING_S = 20.0
"""Kept back at the end, for the archive."""


@dataclass(frozen=True)
class Done:
    """How a check ended."""

    name: str
    exit_code: int | None
    """Of the first command that failed, or of the last; `None`: the time was up."""
    elapsed_s: float


@dataclass(frozen=True)
class Packed:
    """The archive, and what did not fit into it."""

    archive: Path
    left_out: tuple[Path, ...]


def run(folder: Path, end_s: float, checks: Sequence[Check], console: Console) -> bool:
    """Go on with the checks until the time is up.

    Args:
        folder: where everything goes.
        end_s: when the time is up, of `time.monotonic`.
        checks: in this order.
        console: shows what runs.

    Returns:
        Whether none failed so far.
    """
    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    for check in checks:
        left_s = end_s - PACKING_S - time.monotonic()
        if check.name in finished(folder) or left_s < check.least_s:
            continue
        console.print(
            f"{check.name}: {check.question} ({left_s / 60:.1f} min left)",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        done = _run_check(check, folder.resolve(), min(left_s, check.limit_s))
        json_lines.add(folder / STATE, asdict(done))
    ended = finished(folder)
    return all(_went_well(check, ended.get(check.name)) for check in checks)


def finished(folder: Path) -> dict[str, Done]:
    """Return the checks that ran to their end; one whose time was up is begun again."""
    ended = [Done(**done) for done in json_lines.read(folder / STATE)]
    return {done.name: done for done in ended if done.exit_code is not None}


def _went_well(check: Check, done: Done | None) -> bool:
    return done is None or done.exit_code in check.answer_codes


def _run_check(check: Check, folder: Path, limit_s: float) -> Done:
    own = folder / check.name
    begun = bool(check.resumes) and any(own.glob(check.resumes))
    own.mkdir(exist_ok=True)
    start_s = time.monotonic()
    exit_code = 0
    for number, command in enumerate(check.commands):
        resume = ("--resume",) if begun and number == 0 else ()
        left_s = limit_s - (time.monotonic() - start_s)
        log = folder / LOGS / f"{check.name}.log"
        ended = _run_command((*command, *resume), own, log, max(1.0, left_s))
        if ended is None:
            return Done(check.name, None, time.monotonic() - start_s)
        # A sweep in which one case failed has a report all the same.
        exit_code = exit_code or ended
    return Done(check.name, exit_code, time.monotonic() - start_s)


def _run_command(command: Command, folder: Path, log: Path, timeout_s: float) -> int | None:
    """Return its exit code; `None` if the time was up."""
    words = [word.replace("{out}", str(folder)) for word in command]
    with log.open("a") as stream:
        try:
            ended = subprocess.run(  # noqa: S603 - our own modules
                [sys.executable, *words],
                stdout=stream,
                stderr=stream,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None
    return ended.returncode


def render(folder: Path, checks: Sequence[Check]) -> str:
    """Return the table: what is known and what is not yet."""
    ended = finished(folder)
    rows = [
        [
            check.name,
            check.question,
            _answer(check, folder, ended.get(check.name)),
            f"{ended[check.name].elapsed_s:.0f} s" if check.name in ended else "",
        ]
        for check in checks
    ]
    headers = ["check", "question", "answer", "took"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _answer(check: Check, folder: Path, done: Done | None) -> str:
    if done is None:
        return "to do"
    log = folder / LOGS / f"{check.name}.log"
    try:
        answer = check.answer(folder / check.name) or f"nothing was measured; see {log}"
    except (OSError, KeyError, ValueError) as error:
        answer = f"no answer ({type(error).__name__}: {error}); see {log}"
    return answer if _went_well(check, done) else f"exit code {done.exit_code}: {answer}"


def pack(folder: Path, most_bytes: int) -> Packed:
    """Pack what fits, the most telling files first.

    Args:
        folder: where everything is.
        most_bytes: of the archive.
    """
    archive, partial = folder / ARCHIVE, folder / f"{ARCHIVE}.partial"
    left_out: list[Path] = []
    with partial.open("wb") as stream, tarfile.open(fileobj=stream, mode="w:xz") as packed:
        for path in sorted(filter(_is_packed, _below(folder)), key=_rank):
            # Text packs to a fifth or less; what is packed already does not.
            nbytes = path.stat().st_size / (1 if path.suffix == ".gz" else 5)
            if stream.tell() + nbytes > most_bytes:
                left_out.append(path.relative_to(folder))
            else:
                packed.add(path, path.relative_to(folder))
    partial.replace(archive)
    return Packed(archive, tuple(left_out))


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if not set(path.relative_to(folder).parts) & {"scratch", ARCHIVE, f"{ARCHIVE}.partial"}:
            yield path


def _is_packed(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()  # `latest` is packed under its own name


def _rank(path: Path) -> int:
    return next((i for i, end in enumerate(PACKED_FIRST) if path.name.endswith(end)), 99)


def describe(device_name: str, folder: Path) -> None:
    """Write the environment and what the card says of itself."""
    import torch

    from bench.machine import environment, gpu

    reading = gpu.read(torch.device(device_name))
    document = {"environment": environment.describe(), "gpu": reading and asdict(reading)}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ENVIRONMENT).write_text(json.dumps(document, default=list, indent=1))
