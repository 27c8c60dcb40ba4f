"""Command lines of every program, with anything in the place of every option."""

import argparse
import functools
import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NoReturn

from bench.engine import server_client
from bench.lab.faults import mutations
from bench.lab.faults.attempt import BAD_INPUT, Call, Place, Tried, problem_of
from bench.schema.case import AXES
from bench.schema.errors import BenchError

BENCH, READING, WALK = "bench.__main__", "reports.command", "panet.__main__"

SENSIBLE = (
    *("1", "2", "0", "64", "32x48", "on", "off", "cpu", "cuda", "float32", "tf32", "neck", "model"),
    *(
        "2%",
        "90%",
        "5s",
        "10m",
        "33ms",
        "8GiB",
        "4GB",
        "smoke",
        "all",
        "none",
        "HEAD",
        "HEAD~1",
        ".",
    ),
    *("panet", "mynet:make", "torchvision.models:resnet18", "1x3x32x32", "cost,latency", "fpn"),
)
"""Values that some option takes."""

MOST_CPU_S = 60.0

PYTEST_OPTIONS = ("preset", "half_width", "budget", "timeout", "seed", "images")


def commands(place: Place, random: Random) -> Tried:
    """Call a program of ours; whatever would be measured is refused at the last moment."""
    module = random.choices((BENCH, READING, WALK), (6, 5, 1))[0]
    parser = importlib.import_module(module)._parser()
    words = list(_words(parser, random, place.folder))
    # Of what it does, it may say more; and a self-test computes before it starts a process.
    call = Call(_called(module, words), lines=None, most_cpu_s=MOST_CPU_S)
    return Tried(f"{module} {words!a}", problem_of(call, place))


def pytest_options(place: Place, random: Random) -> Tried:
    """Give ``pytest bench`` anything; it is parsed, and nothing is measured."""
    from bench.run.extra_arms import EXTRA_ARMS
    from bench.run.request import forecast, parse_request

    options = [*(axis.option for axis in AXES), *PYTEST_OPTIONS]
    given = {name: _value(random) for name in options if random.random() < 0.15}
    resume = _value(random) if random.random() < 0.1 else None
    necks = _value(random) if random.random() < 0.1 else None
    extra = tuple(arms for arms in EXTRA_ARMS if random.random() < 0.1)

    def work() -> int:
        values = dict.fromkeys(options) | given | {"run_dir": str(place.folder)}
        request = parse_request(values, resume, traces=False, extra_arms=extra, neck_names=necks)
        forecast(request, len(request.plan.cases))
        return 0

    told = given | {"resume": resume, "necks": necks}
    shown = {name: text for name, text in told.items() if text is not None}
    return Tried(ascii(shown), problem_of(Call(work), place))


def _called(module: str, words: list[str]) -> Callable[[], int]:
    """Return the call of a program in which no process can be started to measure."""

    def work() -> int:
        if module == BENCH:
            server_client.Server.__init__ = refuse  # type: ignore[method-assign]
            subprocess.run = functools.partial(_run_unless_python, subprocess.run)  # type: ignore[assignment]
        program = importlib.import_module(module)
        try:
            return int(program.run(words) if module == READING else program.main(words))
        except SystemExit as leaving:
            # argparse says in as many lines as it needs how it is used, and in one what is wrong.
            return 0 if leaving.code == BAD_INPUT else int(leaving.code or 0)

    return work


REFUSED = "a process would be started here"


def refuse(*_: object, **__: object) -> NoReturn:
    """Stand in for the start of a process that measures."""
    raise BenchError(REFUSED)


def _run_unless_python(
    run: Callable[..., object], command: Sequence[str], **options: object
) -> object:
    """Stand in for `subprocess.run`: programs of the lab start Python for what they measure."""
    if command and command[0] == sys.executable:
        refuse()
    return run(command, **options)


def _words(parser: argparse.ArgumentParser, random: Random, folder: Path) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            name = random.choice([*action.choices, *action.choices, _value(random)])
            yield name
            if name in action.choices:
                yield from _words(action.choices[name], random, folder)
        elif not action.option_strings:
            yield from (_value(random) for _ in range(_how_many(action, random)))
        elif action.dest in ("run_dir", "out"):
            yield f"{action.option_strings[0]}={folder / 'out'}"
        elif action.dest != "help" and (action.required or random.random() < 0.12):
            flag = action.option_strings[0]
            yield flag if action.nargs == 0 else f"{flag}={_value(random)}"
    if random.random() < 0.05:
        yield _value(random)


def _how_many(action: argparse.Action, random: Random) -> int:
    return random.choice((0, 1, 1, 2, 3)) if action.nargs in ("*", "+") else 1


def _value(random: Random) -> str:
    """Return a word; a list of several now and then."""
    hostile = [str(value) for value in mutations.HOSTILE if not isinstance(value, list | dict)]
    words = [
        random.choice((*SENSIBLE, *SENSIBLE, *hostile)) for _ in range(random.choice((1, 1, 3)))
    ]
    text = ",".join(words)
    # What the system would not hand over: no argument has a NUL or a lone surrogate in it.
    return text.replace("\0", "").encode(errors="replace").decode()
