"""What the command lines of several commands have in common: the axes, and where runs are kept."""

import argparse
import contextlib
import re
import shlex
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from bench.schema import run_folders
from bench.schema.case import AXES
from bench.schema.errors import BenchError

DEFAULT_SEED = "0"
DEFAULT_TIMEOUT = "10m"
"""For one worker: several times what compiling the largest network of the presets takes."""


def output_file(option: str, name: str | None) -> Path | None:
    """Return a file that can be written, before anything is measured for it.

    Its folder is made.

    Raises:
        BenchError: it cannot be written.
    """
    if name is None:
        return None
    path = Path(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        path.open("a").close()
        if new:
            path.unlink()
    except OSError as error:
        raise BenchError(f"{option} {name}: {error.strerror}; name another file") from error
    return path


def add_axes(parser: argparse.ArgumentParser, leave_out: Collection[str] = ()) -> None:
    """Add an option for every axis but some."""
    for axis in AXES:
        if axis.option not in leave_out:
            parser.add_argument(axis.flag, dest=axis.option, metavar="LIST", help=axis.help)


def given_axes(request: argparse.Namespace) -> dict[str, str]:
    """Return the axes that were given, of those that the command has."""
    given = {axis.option: getattr(request, axis.option, None) for axis in AXES}
    return {name: text for name, text in given.items() if text is not None}


def add_run_dir(parser: argparse.ArgumentParser) -> None:
    """Add the option that says where runs are kept."""
    parser.add_argument(
        "--run-dir",
        type=Path,
        default=run_folders.RUNS_DIR,
        metavar="DIR",
        help="where runs are kept (%(default)s)",
    )


def add_resume(parser: argparse.ArgumentParser, about: str) -> None:
    """Add the option that goes on with an earlier run: the one of that id, or the newest."""
    parser.add_argument(
        "--resume", nargs="?", const=run_folders.LATEST, metavar="ID", help=f"{about} (the newest)"
    )
    parser.set_defaults(goes_on="add --resume to go on")


def add_nodes(parser: argparse.ArgumentParser, executors: str = "", hosts: str = "") -> None:
    """Add the options that say which machines measure.

    Args:
        parser: of a command.
        executors: help of the first.
        hosts: help of the second.
    """
    parser.add_argument("--executor", metavar="NAME", help=executors)
    parser.add_argument("--hosts", metavar="LIST", help=hosts)


def asked_for(typed: Sequence[str]) -> list[str]:
    """Return what was typed without what says where it is measured and kept, or gone on with."""
    parser = argparse.ArgumentParser(add_help=False)
    add_nodes(parser)
    add_run_dir(parser)
    add_resume(parser, "")
    return parser.parse_known_args(typed)[1]


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, to whoever calls us from Python."""

    def error(self, message: str) -> NoReturn:
        raise BenchError(message)


def as_typed(
    name: str,
    add_to: Callable[[Commands], None],
    words: Sequence[str],
    keywords: Mapping[str, object],
) -> argparse.Namespace:
    """Return the options of a command that is called from Python, by its own parser.

    Args:
        name: of the command.
        add_to: adds it.
        words: what it takes without a name.
        keywords: its options by their names, a value or several; of one that takes a list the
            name may be in the singular, and `None` is not given.

    Raises:
        BenchError: there is no such option, or it takes another value.
    """
    root: argparse.ArgumentParser = _Parser(prog="python -m bench")
    commands = root.add_subparsers()
    add_to(commands)
    parser = commands.choices[name]
    known = {a.dest: a for a in parser._actions if a.option_strings and a.dest != "help"}
    typed = [name, *words]
    for keyword, value in keywords.items():
        dest = keyword if keyword in known else f"{keyword}s"
        if dest not in known:
            from panet.errors import did_you_mean  # which brings torch: no help is to wait for it

            hint = did_you_mean(keyword, known, f"there are {', '.join(known)}")
            raise BenchError(f"{name}() takes no {keyword}; {hint}")
        if value is not None:
            typed += _typed(known[dest], value)
    options = parser.parse_args(typed[1:])
    options.typed = shlex.join(["python", "-m", "bench", *typed])
    return options


def _typed(action: argparse.Action, value: object) -> Iterator[str]:
    """Yield an option as it would be typed."""
    flag = action.option_strings[0]
    if action.nargs == 0:
        yield from [flag] if value else []
        return
    several = value if isinstance(value, list | tuple) else [value]
    texts = [{True: "on", False: "off"}[v] if isinstance(v, bool) else str(v) for v in several]
    repeated = isinstance(action, argparse._AppendAction)
    yield from (f"{flag}={text}" for text in (texts if repeated else [",".join(texts)]))


IN_PYTHON = {"with": "instead", "input": "inputs"}
"""Option -> keyword, where the name differs in more than its dashes."""


OPTION_AND_SPACE = r"--([a-z][a-z-]*)(?: (?=['\"0-9A-Z/]|[\w.-]+:))?"
"""The space counts where a value follows, which is the keyword's, and no other word."""


@contextlib.contextmanager
def told_in_python(readable: Callable[[str], str] = str) -> Iterator[None]:
    """Let errors name keywords in the place of options; ``readable`` changes their text before."""

    def keyword(found: re.Match[str]) -> str:
        return f"{IN_PYTHON.get(found[1], found[1]).replace('-', '_')}="

    try:
        yield
    except BenchError as error:
        raise BenchError(re.sub(OPTION_AND_SPACE, keyword, readable(str(error)))) from None
