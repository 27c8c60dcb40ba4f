"""What runs on a node: it says what the machine is, or measures a shard and tells its journal.

The shard is measured by `pytest bench` in a process of its own, and its journal lies here: whoever
asked can be gone, come back, and be told what he lacks. Every message is a mapping with one of the
keys of `MESSAGES`. Nothing here imports torch but a probe.
"""

import base64
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.schema import files

MESSAGES = {
    "probe": "what the machine is: `environment`, `code` and `cases`",
    "gone": "that the journal that was begun is not here; nothing is measured",
    "line": "a line of the journal",
    "file": "of the run: its path, with `data` in base64",
    "ended": "`code` of the process, what it `said` last, and the `document` around its results",
    "error": "in a line, why nothing could be done",
}

POLL_S = 1.0
"""Between two looks at the journal, which gets a line per process: a look takes microseconds."""

BEAT_S, SILENCE_S = 15.0, 60.0
"""Whoever asked sends an empty line so often, and is gone when none came for so long."""

LEAVE_S = 20.0
"""For a measurement that is told to stop."""

LAUNCH = f"""
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, {int(signal.SIGTERM)})
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Lets a process have PR_SET_PDEATHSIG: a measurement that nobody hears of would only disturb."""

RESULTS_THERE = frozenset({0, 1, 5})
"""pytest's codes behind which there are results: fine, a case failed, nothing could be measured."""

NOT_SHIPPED = frozenset({files.RESULTS, files.JOURNAL})
"""What the journal's copy has already."""

Message = dict[str, Any]
GoOn = Callable[[float], bool]
"""Waits so many seconds; returns whether to go on."""


def serve(
    request: Mapping[str, Any], go_on: GoOn, environ: Mapping[str, str] = os.environ
) -> Iterator[Message]:
    """Do what is asked, and tell.

    Args:
        request: ``do`` is ``probe`` or ``run``; see `run`.
        go_on: between two looks.
        environ: of the measurement.
    """
    try:
        if request["do"] == "probe":
            yield probe(request)
        else:
            yield from run(request, go_on, environ)
    except Exception as error:  # noqa: BLE001 - whoever asked sits elsewhere
        yield {"error": f"{type(error).__name__}: {error}"}


def probe(request: Mapping[str, Any]) -> Message:
    """Return what this machine is, and what its cases are."""
    from bench.fleet.asked import Asked
    from bench.machine.environment import code_digest, describe
    from bench.schema.errors import BenchError

    asked = Asked.from_json(request["asked"])
    try:
        cases = asked.request().plan.cases
    except BenchError as error:
        return {"error": str(error)}
    known = {"environment": describe(), "code": code_digest(), "pictures": asked.pictures()}
    known["machine"] = f"{platform.node()} {_boot_id()}"
    return {"probe": known | {"cases": [case.to_json() for case in cases]}}


def _boot_id() -> str:
    """Return what tells this start of this machine from all others, where the system says it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def run(request: Mapping[str, Any], go_on: GoOn, environ: Mapping[str, str]) -> Iterator[Message]:
    """Measure a shard, or what is left of it.

    Args:
        request: ``arguments`` of ``pytest bench``; ``folder`` of the shard; ``have``, how many
            lines of its journal are known already.
        go_on: between two looks.
        environ: of the measurement.
    """
    # Several machines may share a disk: a series is of one of them.
    folder = Path(request["folder"]).resolve() / platform.node()
    begun = _begun(folder)
    if begun is None and request["have"]:
        yield {"gone": f"{platform.node()} has no journal of it"}
        return
    folder.mkdir(parents=True, exist_ok=True)
    resume = [f"--resume={begun.name}"] if begun is not None else []
    said = folder / "said.txt"
    with said.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [*_pytest(), *request["arguments"], f"--run-dir={folder}", *resume],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=with_this_code(environ),
            start_new_session=True,
        )
    tail, stopped = Tail(files.JOURNAL, skip=int(request["have"])), False
    try:
        while process.poll() is None and not stopped:
            stopped = not go_on(POLL_S)
            yield from tail.fresh(_begun(folder))
    finally:
        _stop(process)
    run_dir = _begun(folder)
    yield from tail.fresh(run_dir)
    document = None
    if run_dir is not None and not stopped and process.returncode in RESULTS_THERE:
        yield from _further_files(run_dir)
        document = _around_results(run_dir)
    ended = {"code": process.returncode, "said": _last_words(said), "document": document}
    yield {"ended": ended}


class Tail:
    """The lines of a file that grows.

    Args:
        name: of the file, in a folder.
        skip: lines that are known already.
    """

    def __init__(self, name: str, skip: int = 0) -> None:
        self._name = name
        self._skip = skip
        self._offset = 0

    def fresh(self, folder: Path | None) -> Iterator[Message]:
        """Yield the whole lines that came since the last call; a cut one comes once it is whole."""
        if folder is None:
            return
        with (folder / self._name).open("rb") as stream:
            stream.seek(self._offset)
            fresh = stream.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = whole.decode().splitlines()
        self._skip, skipped = max(0, self._skip - len(lines)), self._skip
        for line in lines[skipped:]:
            yield {"line": line}


def _pytest() -> list[str]:
    package = Path(__file__).resolve().parents[1]
    quiet = ("--quiet", "-p", "no:cacheprovider")
    return [sys.executable, "-c", LAUNCH, "-m", "pytest", str(package), *quiet]


def with_this_code(environ: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which Python finds this very package."""
    paths = [str(Path(__file__).resolve().parents[2]), environ.get("PYTHONPATH", "")]
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _begun(folder: Path) -> Path | None:
    """Return the folder of the run that was begun here; one whose journal has no line is none."""
    for journal in folder.glob(f"*/{files.JOURNAL}"):
        with journal.open("rb") as stream:
            if stream.readline().endswith(b"\n"):
                return journal.parent
    return None


def _further_files(run_dir: Path) -> Iterator[Message]:
    """Yield what the journal does not say."""
    shutil.rmtree(run_dir / "scratch", ignore_errors=True)
    for path in sorted(run_dir.rglob("*")):
        if path.is_file() and path.name not in NOT_SHIPPED:
            data = base64.b64encode(path.read_bytes()).decode()
            yield {"file": path.relative_to(run_dir).as_posix(), "data": data}


def _around_results(run_dir: Path) -> dict[str, Any] | None:
    """Return what stands around the results, and remove these: nobody is to count them twice."""
    results = run_dir / files.RESULTS
    if not results.exists():
        return None
    document = json.loads(results.read_bytes())
    results.unlink()
    around = {name: what for name, what in document.items() if name not in ("benchmarks", "panet")}
    told = document["panet"]
    outcomes = {each["case_id"]: (each["status"], each["reason"]) for each in told["outcomes"]}
    return around | {"hints": told.get("hints", []), "outcomes": outcomes}


def _last_words(said: Path) -> str:
    lines = [line.strip() for line in said.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "nothing")[:500]
