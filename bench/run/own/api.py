"""`bench.cost`: the command of that name, called from a script, a notebook or a test.

What is given becomes the words of the command line, and goes the same way: one parser, one request,
one measuring. Objects that a fresh process cannot import travel in a file (`carried`).
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from torch import nn

from bench.run.own import command
from bench.run.own.cost import Cost
from bench.run.own.run import SCRATCH, run
from bench.schema import run_folders
from bench.schema.errors import BenchError
from bench.workload import arguments, carried
from bench.workload.users import tensors_in

Network: TypeAlias = str | nn.Module | Callable[..., Any]
"""A name as the command takes it, a module, a class of one, or a function that makes it."""


def cost(
    networks: Network | Mapping[str, Network],
    *,
    part: str | Sequence[str] | None = None,
    parts_of: str | Sequence[str] | None = None,
    instead: Network | None = None,
    inputs: Any = None,  # noqa: ANN401 - shapes, tensors, or nests of them
    **options: Any,  # noqa: ANN401 - those of the command
) -> Cost:
    """Return what a part costs inside a network, or a network beside another.

    Everything is measured in fresh processes, which run no line of the script or notebook that
    calls this: ``if __name__ == "__main__"`` is not needed.

    Args:
        networks: what makes the network, as ``panet-bench cost`` takes it by name: a function of
            (batch, height, width) or without arguments, a class, or a module as it is; it gives a
            module, or a module and its inputs. Or several of these by name, the base first.
        part: path of a module in it, or of several.
        parts_of: path of a module whose children are meant, or of several; ``"."`` is the network.
        instead: what makes the module that takes the place of the part.
        inputs: a shape such as ``(1, 3, 800, 1344)``, or several; or what the network is called
            with: a tensor, a sequence of arguments, or a mapping of keyword arguments (any nest of
            tensors each). Left out where the factory gives them.
        options: of ``panet-bench cost``, by their names: ``half_width="2%"``, ``budget="5m"``,
            ``threads=1``, ``dtype="bfloat16"``, ``passes="training"``, ``compile="default"``, ...
            Several values of an axis are several cases.

    Returns:
        The `Cost`.

    Raises:
        BenchError: what is asked for is not there, cannot be marked, or does not run; one line.
    """
    runs_dir = Path(options.get("run_dir") or run_folders.RUNS_DIR)
    resumed = options.get("resume")
    folder = run_folders.new_or_known(runs_dir, "cost", resumed)
    names = _Names(folder / SCRATCH, resumed)
    with arguments.told_in_python(names.readable), _tidied(folder, resumed):
        words = [*_words(networks, names)]
        keywords = {"part": part, "parts_of": parts_of, **options}
        keywords["instead"] = None if instead is None else names.of(instead)
        keywords["input"] = [*_inputs(inputs, names.folder)] or None
        asked = command.asked(arguments.as_typed("cost", command.add_to, words, keywords))
        typed = {arm: names.readable(text) for arm, text in asked.typed.items()}
        request = replace(asked, typed=typed, command=names.readable(asked.command))
        return Cost(run(request, folder, Console(stderr=True)), folder)


@contextlib.contextmanager
def _tidied(folder: Path, resumed: str | None) -> Iterator[None]:
    """Leave nothing of what travelled behind, whatever stops it: nobody can go on with that."""
    try:
        yield
    finally:
        if resumed is None:
            run_folders.tidy(folder, SCRATCH)


class _Names:
    """Names by which the command finds what it is given here.

    Args:
        folder: of the files of what travels.
        resumed: the run that is gone on with.
    """

    def __init__(self, folder: Path, resumed: str | None) -> None:
        self.folder = folder
        self._resumed = resumed
        self._written: dict[str, str] = {}

    def of(self, network: Network) -> str:
        """Return the name of a network, or of the file that it travels in."""
        if isinstance(network, str):
            return network
        if not callable(network):
            raise BenchError(
                f"{network!r} makes no network: give a function, a class, a module, or "
                "'module:function'"
            )
        if home := carried.home_of(network):
            return home
        name = carried.name_of(network)
        if self._resumed:
            raise BenchError(
                f"--resume {self._resumed}: whether {name} is what it was nobody can say; put it "
                "into a file and name it 'file.py:function'"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{name}-{len(self._written)}{carried.OBJECT}"
        carried.write(network, path)
        text = f"{path.resolve()}:{name}"
        self._written[text] = name
        return text

    def readable(self, text: str) -> str:
        """Return a text with the names of what travelled in the place of its files."""
        for file, name in self._written.items():
            text = text.replace(file, name)
        return text


def _words(networks: Network | Mapping[str, Network], names: _Names) -> Iterator[str]:
    if isinstance(networks, Mapping):
        for name, network in networks.items():
            if not re.fullmatch(r"[\w.-]+", str(name)):
                raise BenchError(f"{name!r} as the name of a network: give letters, digits, . - _")
            yield f"{name}={names.of(network)}"
    else:
        yield names.of(networks)


def _inputs(inputs: Any, folder: Path) -> Iterator[str]:  # noqa: ANN401
    """Yield what the option takes: a shape per argument, or a file with all of them."""
    if inputs is None:
        return
    several = isinstance(inputs, tuple | list) and not _is_shape(inputs)
    values = inputs if several else [inputs]
    if all(isinstance(value, str) or _is_shape(value) for value in values):
        yield from (v if isinstance(v, str) else "x".join(map(str, v)) for v in values)
        return
    wrong = [value for value in values if not tensors_in(value)]
    if len(wrong) == len(values) or any(map(_is_shape, wrong)):
        raise BenchError(
            f"inputs: {wrong[0]!r} is neither a shape such as (1, 3, 800, 1344) nor a tensor, as "
            "all of them are one or the other"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"inputs{carried.INPUT}"
    carried.write_input(inputs, path)
    yield str(path)


def _is_shape(value: Any) -> bool:  # noqa: ANN401
    several = isinstance(value, tuple | list) and len(value) > 0
    return several and all(
        isinstance(size, Integral) and not isinstance(size, bool) for size in value
    )
