"""Networks that misbehave, through ``bench cost``: real processes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil

from bench.lab.faults.attempt import CONTROLS, HUNG_S, Place, Tried
from bench.machine.environment import ROOT

HEAD = '''"""A network that misbehaves."""

import ctypes, os, signal, sys, threading, time
import torch
from torch import nn


class SpeechlessError(BaseException):
    def __str__(self):
        raise ValueError("no words")


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = nn.Conv2d(3, 4, 3)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.calls >= FROM:
            return self.misbehave(x)
        return self.part(x)

    def misbehave(self, x):
        DEED
        return self.part(x)


def make(batch, height, width):
    return Network(), (torch.ones(batch, 3, height, width),)
'''

DEEDS = {
    "nothing": "pass",
    "segfault": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "SIGKILL of itself": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGSTOP of itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "SIGTERM of its server": "os.kill(os.getppid(), signal.SIGTERM)",
    "leaves with code 0": "os._exit(0)",
    "leaves with code 3": "os._exit(3)",
    "sys.exit": "sys.exit('gone')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "BaseException": "raise BaseException('odd')",
    "no words": "raise SpeechlessError",
    "words with escapes": "raise RuntimeError('\\x1b[31mred\\x07')",
    "words of 1 MB": "raise RuntimeError('x' * 1_000_000)",
    "many lines": "raise RuntimeError('a\\n' * 500)",
    "GeneratorExit": "raise GeneratorExit",
    "recursion": "return self.misbehave(x)",
    "hangs": "threading.Event().wait()",
    "spins": "\n        while True: pass",
    "forks and stays": "\n        if os.fork() == 0: os.setsid(); time.sleep(1e6)",
    "forks in a new session, often": (
        "\n        for _ in range(20):\n            if os.fork() == 0: os.setsid(); time.sleep(1e6)"
    ),
    "threads that stay": (
        "\n        threading.Thread(target=threading.Event().wait, daemon=False).start()"
    ),
    "prints 100 MB": "sys.stdout.write('x' * 100_000_000); sys.stdout.flush()",
    "prints escapes": "sys.stderr.write('\\x1b[2J' * 50); sys.stderr.flush(); os._exit(4)",
    "closes its descriptors": "os.closerange(0, 100)",
    "number of threads": "torch.set_num_threads(7)",
    "default dtype": "torch.set_default_dtype(torch.float64)",
    "seeds": "torch.manual_seed(0)",
    "grad mode": "torch.set_grad_enabled(True)",
    "environment": "os.environ.clear()",
    "current folder": "os.chdir('/')",
    "current folder is gone": "import tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "signal handlers": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "standard output is gone": "sys.stdout = None",
    "NaN": "return self.part(x) * float('nan')",
    "a view of its input": "return x[:, :1]",
    "changes its input": "x.mul_(2)",
    "None": "return None",
    "a text": "return 'text'",
    "an empty list": "return []",
    "an empty tensor": "return x[:0]",
    "other shapes in turn": "return self.part(x)[..., : 1 + self.calls % 3]",
    "complex": "return self.part(x).to(torch.complex64)",
    "out of memory": "return torch.empty(2**46)",
    "out of memory in Python": "return bytearray(2**45)",
    "meta": "return self.part(x).to('meta')",
    "sparse": "return self.part(x).to_sparse()",
    "a generator": "return (y for y in [self.part(x)])",
    "replaces a module of ours": "sys.modules['bench.engine.replicate'] = None",
    "replaces time": "time.perf_counter = lambda: 0.0",
    "a trace function": "sys.settrace(lambda *a: None)",
    "an alarm": "signal.alarm(1)",
    "low limits": "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))",
}
"""What a network does in a call."""

FROM = (1, 2, 30)
"""The call in which it begins: while it is looked at, or while it is timed."""

CODES = (0, 1, 2, 3)


def networks(place: Place, random: Random) -> Tried:
    """Measure a part of a network that misbehaves."""
    name = list(DEEDS)[place.number % len(DEEDS)]
    since = random.choice(FROM)
    (place.folder / "oddnet.py").write_text(
        HEAD.replace("FROM", str(since)).replace("DEED", DEEDS[name])
    )
    return Tried(f"{name}, from call {since}", measured(place.folder))


BRIEFLY = "import sys, tests.support.in_a_hurry; from bench.__main__ import main; sys.exit(main())"
"""The command with the fewest rounds and replicates, and one fork server."""


def measured(
    folder: Path, *more: str, beforehand: Callable[[], object] | None = None,
    meanwhile: Callable[[int], object] = lambda _: None,
) -> str:  # fmt: skip
    """Measure a part of ``oddnet.py`` in a folder; return what did not hold.

    Args:
        folder: of the try.
        more: options.
        beforehand: what the process does before it becomes the command.
        meanwhile: is called with the process's id when it has begun.
    """
    words = (
        *("-c", BRIEFLY, "cost", "oddnet:make", "--part", "part", "--threads", "1"),
        *("--resolutions", "32", "--budget", "4s", "--timeout", "15s", "--half-width", "50%"),
        *("--run-dir", str(folder / "runs"), *more),
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}
    environment["FAULTS"] = str(folder)  # by which what is left behind is found
    code = None
    with (folder / "stdout.txt").open("w") as said, (folder / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(  # noqa: S603 - our own
            [sys.executable, *words], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
            stdout=said, stderr=errors, preexec_fn=beforehand,  # noqa: PLW1509 - no threads here
        )  # fmt: skip
        try:
            meanwhile(process.pid)
            code = process.wait(HUNG_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return _judged(code, folder) or left_behind(folder)


def _judged(code: int | None, folder: Path) -> str:
    text = "".join((folder / f"{name}.txt").read_text(errors="replace") for name in STREAMS)
    lines = text.splitlines()
    last = lines[-1][:200] if lines else ""
    if code is None:
        return f"no end after {HUNG_S} s: {last}"
    if "Traceback (most recent call last)" in text:
        return f"traceback, exit code {code}: {last}"
    if code not in CODES:
        return f"exit code {code}: {last}"
    if CONTROLS.search(text):
        return "control characters in what it says"
    if len(text) > 20_000:
        return f"says {len(text)} characters: {last}"
    return ""


STREAMS = ("stdout", "stderr")


def left_behind(folder: Path) -> str:
    """Return which processes of a try are still there, and end them."""
    left = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("FAULTS") == str(folder):
                left.append(str(process.pid))
                process.kill()
        except psutil.Error:
            continue
    return f"left behind: processes {', '.join(left)}" if left else ""
