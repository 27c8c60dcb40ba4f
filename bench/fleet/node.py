"""What runs on a node: it says what the machine is, or measures a shard and tells its journal.

A shard is measured by one of `PROGRAMS` in a process of its own, and its journal lies here: whoever
asked can be gone, come back, and be told what he lacks. Every message is a mapping with one of the
keys of `MESSAGES`. Nothing here imports torch but a probe.
"""

import base64
import contextlib
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.fleet.programs import GROWS, PROGRAMS, Ended
from bench.schema import files

MESSAGES = {
    "probe": "what the machine is: `environment`, `code`, `files` and `cases`",
    "gone": "that the journal that was begun is not here; nothing is measured",
    "line": "a line of the journal, or of the file `of`",
    "file": "of the run: its path, with `data` in base64",
    "ended": "`code` of the process, what it `said` last, and the `document` with its results",
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

SAID, PRINTED = "said.txt", "printed.txt"

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
    from bench.machine.environment import code_digest, describe
    from bench.schema.errors import BenchError

    try:
        looked = PROGRAMS[request["program"]].looks(request)
    except BenchError as error:
        return {"error": str(error)}
    known = {"environment": describe(), "code": code_digest()}
    return {"probe": known | looked | {"machine": f"{platform.node()} {_boot_id()}"}}


def _boot_id() -> str:
    """Return what tells this start of this machine from all others, where the system says it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def run(request: Mapping[str, Any], go_on: GoOn, environ: Mapping[str, str]) -> Iterator[Message]:
    """Measure a shard, or what is left of it.

    Args:
        request: ``program``, of `PROGRAMS`, and its ``arguments``; ``folder`` of the shard;
            ``have``, of its files that grow, how many lines are known already.
        go_on: between two looks.
        environ: of the measurement.
    """
    # Several machines may share a disk: a series is of one of them.
    folder = Path(request["folder"]).resolve() / platform.node()
    program, words = PROGRAMS[request["program"]], request["arguments"]
    begun = _begun(folder, program.grows)
    if begun is None and request["have"]:
        yield {"gone": f"{platform.node()} has no journal of it"}
        return
    folder.mkdir(parents=True, exist_ok=True)
    resume = [f"--resume={begun.name}"] if begun is not None else []
    with contextlib.ExitStack() as opened:
        said = opened.enter_context((folder / SAID).open("w"))
        printed = opened.enter_context((folder / PRINTED).open("w"))
        called = [*program.command, *words, f"--run-dir={folder}", *resume]
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, "-c", LAUNCH, *called],
            stdin=subprocess.DEVNULL,
            stdout=printed if program.prints else said,
            stderr=said,
            env=with_this_code(environ),
            start_new_session=True,
        )
    tail, stopped = Tail(program.grows, request["have"]), False
    try:
        while process.poll() is None and not stopped:
            stopped = not go_on(POLL_S)
            yield from tail.fresh(_begun(folder, program.grows))
    finally:
        _stop(process)
    run_dir = _begun(folder, program.grows)
    yield from tail.fresh(run_dir)
    code, last, document = process.returncode, _last_words(folder / SAID), None
    if code < 0:
        last = f"killed by signal {-code}; its last words: {last}"
    if not stopped:
        told = (folder / PRINTED).read_text(errors="replace")
        document = program.document(Ended(run_dir, words, code, told, last))
    if document is not None and run_dir is not None:
        shutil.rmtree(run_dir / "scratch", ignore_errors=True)
        yield from tail.fresh(run_dir, [f"**/*{GROWS}"])
        yield from _further_files(run_dir)
    yield {"ended": {"code": code, "said": last, "document": document}}


class Tail:
    """The lines of files that grow.

    Args:
        patterns: of the files, in a folder.
        have: file -> lines that are known already.
    """

    def __init__(self, patterns: Sequence[str], have: Mapping[str, int]) -> None:
        self._patterns = patterns
        self._skip = dict(have)
        self._offsets: dict[str, int] = {}

    def fresh(self, folder: Path | None, patterns: Sequence[str] = ()) -> Iterator[Message]:
        """Yield the whole lines that came since the last call; a cut one comes once it is whole.

        Args:
            folder: of the files; `None`: there is none yet.
            patterns: of files in the place of the usual ones.
        """
        if folder is None:
            return
        of = patterns or self._patterns
        for path in (path for pattern in of for path in sorted(folder.glob(pattern))):
            name = path.relative_to(folder).as_posix()
            own = {} if name == files.JOURNAL else {"of": name}
            for line in self._of(name, path):
                yield {"line": line, **own}

    def _of(self, name: str, path: Path) -> list[str]:
        offset, skip = self._offsets.get(name, 0), self._skip.get(name, 0)
        if path.stat().st_size <= offset:  # of a self-test there are dozens that grow no more
            return []
        with path.open("rb") as stream:
            stream.seek(offset)
            fresh = stream.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        lines = whole.decode().split("\n")[:-1]
        self._offsets[name], self._skip[name] = offset + len(whole), max(0, skip - len(lines))
        return lines[skip:]


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


def _begun(folder: Path, grows: Sequence[str]) -> Path | None:
    """Return the folder of the run that was begun here; one whose journals have no line is none."""
    for path in (path for pattern in grows for path in folder.glob(f"*/{pattern}")):
        with path.open("rb") as stream:
            if stream.readline().endswith(b"\n"):
                return folder / path.relative_to(folder).parts[0]
    return None


def _further_files(run_dir: Path) -> Iterator[Message]:
    """Yield what does not grow by lines."""
    for path in sorted(run_dir.rglob("*")):
        if path.is_file() and path.suffix != GROWS:
            data = base64.b64encode(path.read_bytes()).decode()
            yield {"file": path.relative_to(run_dir).as_posix(), "data": data}


def _last_words(said: Path) -> str:
    lines = [line.strip() for line in said.read_text(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "nothing")[:500]
