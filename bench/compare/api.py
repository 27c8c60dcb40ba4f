"""`bench.compare`: the command of that name, called from a script or a notebook."""

from os import PathLike
from typing import Any

from bench.compare import command
from bench.compare.result import ComparisonResult
from bench.workload import arguments


def compare(
    base: str | PathLike[str],
    head: str | PathLike[str],
    **options: Any,  # noqa: ANN401 - those of the command
) -> ComparisonResult:
    """Return whether the head is slower than the base: they take turns on this machine.

    Args:
        base: a git revision, or a folder.
        head: the same; ``"."`` is what is not committed yet.
        options: of ``panet-bench compare``, by their names: ``package="mynet"``,
            ``workload="mynet.bench:make"``, ``budget="5m"``, ``resolution=320``, ...

    Returns:
        The `ComparisonResult`; as a text, and in a notebook, it is the comment for a reviewer.

    Raises:
        BenchError: a side is not there, or nothing can be measured; one line.
    """
    words = [str(base), str(head)]
    with arguments.told_in_python():
        return command.measured(arguments.as_typed("compare", command.add_to, words, options))[1]
