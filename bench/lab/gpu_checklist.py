"""``python -m bench.lab.gpu_checklist FOLDER``: what to know of a GPU, most informative first.

Works through a list of checks, each made of commands of this project in processes of their own, for
at most ``--minutes`` a call; a second call with the same folder goes on where the first one
stopped. It needs no internet, sets nothing on the card, and ends with a table and one archive.
``--rehearse`` works through the same list on the CPU, in small: does all of it run?
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from bench.schema.errors import BenchError
from bench.workload import units

STATE, ARCHIVE, LOGS = "checks.jsonl", "gpu-check.tar.xz", "logs"

LEAST_S = 20.0
"""With less time left no further check is begun."""

MOST_PACKED_BYTES = 14 * 2**20
"""Of the archive. What does not fit stays behind, and is named."""

PACKED_FIRST = (STATE, ".log", "results.json", ".md", ".csv", "fit.json", "journal.jsonl", ".json")
"""Endings in the order in which files are packed; all others come after them."""

REHEARSAL = "rehearsal"
"""Folder of a rehearsal: what it found is not the card's."""

TOO_LARGE_PX = 2048
"""What 64 images of this side keep for the backward pass, some 190 GB, fits into no card of the
Hopper generation, and the images themselves into any machine."""

JOURNAL = "latest/journal.jsonl"

Command = tuple[str, ...]
"""Behind the interpreter; ``{out}`` is the folder of the check."""


@dataclass(frozen=True)
class Check:
    """One thing that wants to be known."""

    name: str
    what: str
    commands: tuple[Command, ...]
    limit_s: float
    answer: str
    """What is shown of the log: the group of this expression, everywhere it matches."""
    resumes: str = ""
    """What a call that was cut off leaves behind for ``--resume`` of the first command."""
    least_s: float = LEAST_S
    """It is not begun with less time left."""
    answers: tuple[int, ...] = (0,)
    """Exit codes that are answers, and no failure."""


@dataclass(frozen=True)
class Done:
    """How a check ended."""

    name: str
    exit_code: int | None
    """Of the first command that failed, or of the last; `None`: the time was up."""
    elapsed_s: float


def checks(*, rehearse: bool) -> tuple[Check, ...]:
    """Return the list.

    Args:
        rehearse: on the CPU, in small.
    """
    device = "cpu" if rehearse else "cuda"
    small: Command = ()
    if rehearse:
        small = (
            *("--devices=cpu", "--dtypes=float32", "--compile=off", "--backbones=cnn"),
            *("--resolutions=64", "--batch-sizes=1", "--half-width=20%", "--budget=15s"),
        )

    def bench(*words: str, small: Command = small) -> Command:
        own = ("--benchmark-json={out}/results.json", "--run-dir={out}", "--timeout=120s")
        return ("-m", "pytest", "bench", "-q", "--benchmark-quiet", *own, *words, *small)

    cost = ("-m", "reports", "cost", "{out}/latest/results.json", "--out={out}")
    training = (
        *(f"--devices={device}", "--scopes=model", "--passes=training", "--batch-sizes=64"),
        *("--half-width=5%", "--budget=60s"),
    )
    bf16 = (f"--devices={device}", "--dtypes=bfloat16", "--channels-last=on")
    return (
        Check(
            "environment",
            "device, driver, versions",
            (("-m", "bench.lab.gpu_checklist", "--describe", device),),
            60,
            r"^measured on: (.*)$",
        ),
        Check(
            "a-a",
            "the same network against itself: within 0.5 %?",
            (bench(*bf16, "--resolutions=224,640", "--half-width=0.5%", "--budget=80s"), cost),
            150,
            r"(The same network against itself differs by up to .*? here)",
            resumes=JOURNAL,
        ),
        Check(
            "sweep",
            "24 cases, each effect once",
            (bench("--preset=gpu"), cost),
            540,
            r"(PANet adds .*?\.) |(\d+ of \d+ cases are bound by launches)",
            resumes=JOURNAL,
        ),
        Check(
            "peers",
            "torchvision's FPN and mmdetection's PAFPN, and caches cold and warm",
            (bench(*bf16, "--peers", "--caches", "--budget=45s"), cost),
            240,
            r"^(.* over .*: \d\.\d.*)$",
            least_s=60 if rehearse else 200,
        ),
        Check(
            "traces",
            "stages, roofline against what this card reaches, TensorBoard",
            (
                bench(*bf16, "--scopes=model", "--backbones=resnet50", "--traces", "--budget=20s"),
                ("-m", "reports", "profile", "{out}/latest"),
                ("-m", "bench.lab.tensorboard_check", "{out}/latest"),
            ),
            180,
            r"^(worst operator off by .*)$",
            least_s=60 if rehearse else 100,
        ),
        Check(
            "largest-batch",
            "within 8 GiB, FPN and FPN + PANet",
            (
                (
                    *("-m", "bench", "fit", "--run-dir={out}", f"--devices={device}"),
                    *(("--memory=1GiB", "--resolutions=64") if rehearse else ("--memory=8GiB",)),
                ),
            ),
            180,
            r"^\| (?:neck|cnn|model)\S* *\|(.*)\|$",
        ),
        Check(
            "out-of-memory",
            "a sweep runs out of memory and goes on, as fast as before",
            (
                bench(
                    *training, "--resolutions=64", "--benchmark-json={out}/before.json", small=()
                ),
                bench(
                    *training,
                    f"--resolutions=64,{TOO_LARGE_PX}",
                    "--benchmark-json={out}/after.json",
                    small=(),
                ),
                ("-m", "reports", "compare", "{out}/before.json", "{out}/after.json"),
            ),
            240,
            r"^(.*\d oom.*|(?:regressed|improved|within_noise|undecided|missing):.*)$",
            least_s=60 if rehearse else 150,
            answers=(0, 1, 3),  # of the comparison: the two runs did not take turns
        ),
        Check(
            "self-test",
            "false alarms, and slow-downs of 1, 2 and 5 % (a trial; more with --only)",
            (
                (
                    *("-m", "bench", "selftest", "--run-dir={out}"),
                    *(("--quick",) if rehearse else ("--trials=1", "--inject=1,2,5")),
                ),
            ),
            570,
            r"^\| ((?:false alarms|\+).*)\|$",
            resumes="selftest-*/sittings.jsonl",
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Work through the checks; return 0, 1 if one failed, 2 after one line about wrong use."""
    parser = argparse.ArgumentParser(prog="python -m bench.lab.gpu_checklist", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where everything goes")
    parser.add_argument("--minutes", default="9.5", help="of this call (9.5)")
    parser.add_argument("--only", metavar="LIST", help="of the checks, in this order")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, in small")
    parser.add_argument("--describe", metavar="DEVICE", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    start_s = time.monotonic()
    try:
        if asked.describe:
            return describe(asked.describe)
        if asked.folder is None:
            raise BenchError("name the folder where everything goes")
        chosen = _chosen(checks(rehearse=asked.rehearse), asked.only)
        seconds = units.parse_duration("--minutes", f"{asked.minutes}m")
        if asked.rehearse:
            return run(asked.folder / REHEARSAL, start_s + seconds, chosen)
        _require_gpu()
        return run(asked.folder, start_s + seconds, chosen)
    except BenchError as error:
        sys.stderr.write(f"python -m bench.lab.gpu_checklist: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"python -m bench.lab.gpu_checklist: {error}; name another folder\n")
        return 2


def _chosen(known: Sequence[Check], only: str | None) -> tuple[Check, ...]:
    by_name = {check.name: check for check in known}
    names = [name.strip() for name in only.split(",")] if only else list(by_name)
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise BenchError(f"--only {', '.join(unknown)}: choose from {', '.join(by_name)}")
    return tuple(by_name[name] for name in names)


def _require_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise BenchError("no CUDA device on this machine; --rehearse tries the list on the CPU")


def run(folder: Path, end_s: float, asked: Sequence[Check]) -> int:
    """Go on with the checks until the time is up, print the table, and pack the archive.

    Args:
        folder: where everything goes.
        end_s: when the time is up, of `time.monotonic`.
        asked: in this order.
    """
    (folder / LOGS).mkdir(parents=True, exist_ok=True)
    for check in asked:
        left_s = end_s - PACKING_S - time.monotonic()
        if check.name in finished(folder) or left_s < check.least_s:
            continue
        sys.stdout.write(f"{check.name}: {check.what} ({left_s / 60:.1f} min left)\n")
        sys.stdout.flush()
        done = _run_check(check, folder.resolve(), min(left_s, check.limit_s))
        with (folder / STATE).open("a") as stream:
            stream.write(json.dumps(asdict(done)) + "\n")
    archive, left = pack(folder)
    sys.stdout.write(f"{render(folder, asked)}\nwrote {archive}\n")
    if left:
        sys.stdout.write(f"too large for it: {', '.join(map(str, left))}\n")
    ended = finished(folder)
    return int(any(not _went_well(check, ended.get(check.name)) for check in asked))


PACKING_S = 20.0
"""Kept back at the end, for the archive."""


def _went_well(check: Check, done: Done | None) -> bool:
    return done is None or done.exit_code in check.answers


def finished(folder: Path) -> dict[str, Done]:
    """Return the checks that ran to their end; one whose time was up is begun again."""
    path = folder / STATE
    lines = path.read_text().splitlines() if path.exists() else []
    ended = [Done(**json.loads(line)) for line in lines]
    return {done.name: done for done in ended if done.exit_code is not None}


def _run_check(check: Check, folder: Path, limit_s: float) -> Done:
    own = folder / check.name
    begun = bool(check.resumes) and any(own.glob(check.resumes))
    own.mkdir(exist_ok=True)
    start_s = time.monotonic()
    code: int | None = 0
    # Wide, so that no line is broken that an answer is read from.
    environment = {**os.environ, "COLUMNS": "1000"}
    with (folder / LOGS / f"{check.name}.log").open("a") as log:
        for number, command in enumerate(check.commands):
            words = [word.replace("{out}", str(own)) for word in command]
            if begun and number == 0:
                words.append("--resume")
            left_s = limit_s - (time.monotonic() - start_s)
            try:
                ended = subprocess.run(  # noqa: S603 - our own modules
                    [sys.executable, *words],
                    stdout=log,
                    stderr=log,
                    env=environment,
                    timeout=max(1.0, left_s),
                    check=False,
                )
            except subprocess.TimeoutExpired:
                code = None
                break
            # A sweep in which one case failed has a report all the same.
            code = code or ended.returncode
    return Done(check.name, code, time.monotonic() - start_s)


def render(folder: Path, asked: Sequence[Check]) -> str:
    """Return the table: what is known and what is not yet."""
    ended = finished(folder)
    rows = [
        [
            check.name,
            check.what,
            _answer(check, folder, ended.get(check.name)),
            f"{ended[check.name].elapsed_s:.0f} s" if check.name in ended else "",
        ]
        for check in asked
    ]
    headers = ["check", "asks", "answer", "took"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True)


def _answer(check: Check, folder: Path, done: Done | None) -> str:
    if done is None:
        return "to do"
    log = folder / LOGS / f"{check.name}.log"
    found = re.finditer(check.answer, log.read_text(errors="replace"), re.MULTILINE)
    texts = (next(group for group in match.groups() if group) for match in found)
    answer = "; ".join(dict.fromkeys(" ".join(text.split()) for text in texts)) or f"see {log}"
    return answer if _went_well(check, done) else f"exit code {done.exit_code}: {answer}"


def pack(folder: Path) -> tuple[Path, list[Path]]:
    """Pack what fits, the most telling files first; return the archive and what stayed behind."""
    archive, partial = folder / ARCHIVE, folder / f"{ARCHIVE}.partial"
    left: list[Path] = []
    with partial.open("wb") as stream, tarfile.open(fileobj=stream, mode="w:xz") as packed:
        for path in sorted(filter(_is_packed, _below(folder)), key=_rank):
            # Text packs to a fifth or less; what is packed already does not.
            nbytes = path.stat().st_size / (1 if path.suffix == ".gz" else 5)
            if stream.tell() + nbytes > MOST_PACKED_BYTES:
                left.append(path.relative_to(folder))
            else:
                packed.add(path, path.relative_to(folder))
    partial.replace(archive)
    return archive, left


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if not set(path.relative_to(folder).parts) & {"scratch", ARCHIVE, f"{ARCHIVE}.partial"}:
            yield path


def _is_packed(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()  # `latest` is packed under its own name


def _rank(path: Path) -> int:
    return next((i for i, end in enumerate(PACKED_FIRST) if path.name.endswith(end)), 99)


def describe(device_name: str) -> int:
    """Print the environment and what the card says of itself."""
    import torch

    from bench.machine import environment, gpu

    known = environment.describe()
    reading = gpu.read(torch.device(device_name))
    sys.stdout.write(
        json.dumps({"environment": known, "gpu": reading and asdict(reading)}, default=str) + "\n"
    )
    machine = known["accelerator"] or known["cpu"]
    sys.stdout.write(f"measured on: {machine}; torch {known['libraries']['torch']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
