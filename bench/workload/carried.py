"""Objects that no other process could import: they travel in a file, by cloudpickle.

A function of a notebook or of a script, a lambda, a closure, a module with its weights. The file
tells the process that reads it where its author's imports are found, too; it is read behind
`bench.workload.users.factory_name`, like a file of Python.
"""

import functools
import os
import pickle
import sys
import sysconfig
import warnings
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from bench.machine.environment import ROOT
from bench.schema.errors import BenchError

OBJECT, INPUT = ".pkl", ".pt"
"""How the names of files end that hold an object, or what a network is called with."""

INSTALLED = ("site-packages", "dist-packages")
"""How folders are called in which packages are installed."""


def home_of(obj: object) -> str:
    """Return ``module:function``, by which a fresh process finds an object; empty: it does not."""
    module, name = str(getattr(obj, "__module__", "")), getattr(obj, "__qualname__", "")
    if module == "__main__" or not name.isidentifier():
        return ""
    if getattr(sys.modules.get(module), name, None) is not obj or not _importable(module):
        return ""
    folder = _folder(_head(module))
    return f"{module}:{name}" if folder is None or folder not in _own_paths() else ""


def name_of(obj: object) -> str:
    """Return what an object is called in sentences: a function by its name."""
    inner = getattr(obj, "func", obj)  # of a partial
    name = getattr(inner, "__name__", type(obj).__name__)
    return name if name.isidentifier() else name.strip("<>")  # a lambda's is in angle brackets


def write(obj: object, path: Path) -> None:
    """Write an object into a file; `load` reads it, in another process.

    Raises:
        BenchError: cloudpickle is missing, or the object holds what cannot travel, such as a lock.
    """
    try:
        import cloudpickle
    except ImportError as error:
        raise BenchError(
            f"{name_of(obj)} is in no module that can be imported, and travels by cloudpickle: pip "
            "install cloudpickle, or put it into a file and name it 'file.py:function'"
        ) from error
    alone = _not_importable(obj)
    for module in alone:
        cloudpickle.register_pickle_by_value(module)
    try:
        body = cloudpickle.dumps(obj)
    except Exception as error:  # whatever its parts raise
        raise BenchError(
            f"{name_of(obj)} cannot travel into a fresh process: {type(error).__name__}: {error}; "
            "put it into a file and name it 'file.py:function'"
        ) from error
    finally:
        for module in alone:
            cloudpickle.unregister_pickle_by_value(module)
    paths = [str(folder) for folder in _own_paths()]
    path.write_bytes(pickle.dumps((paths, _place(obj), body)))


@functools.cache
def load(path: Path) -> object:
    """Return the object of a file, the same one however often it is asked for."""
    paths, _, body = _read(path)
    sys.path.extend(folder for folder in paths if folder not in sys.path)  # behind ours
    return pickle.loads(body)  # noqa: S301 - the user's own


def place_of(path: Path) -> tuple[str, str] | None:
    """Return folder and name of the package or module that an object's code stays in, if any."""
    return _read(path)[1]


def place_of_module(name: str) -> tuple[str, str] | None:
    """Return folder and name of the package or module that a module is in; `None` of built-in ones.

    Args:
        name: of a module that is imported.
    """
    folder = _folder(_head(name))
    return None if folder is None else (str(folder), name.partition(".")[0])


def write_input(value: object, path: Path) -> None:
    """Write what a network is called with: a tensor, or a nest of tensors."""
    torch.save(value, path)


def load_input(path: Path) -> Any:  # noqa: ANN401 - a tensor, or a nest of tensors
    """Return the tensors of a file.

    Raises:
        BenchError: it is no file of `torch.save`'s, or has other things than tensors in it.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # what torch says of a file that it refuses
            return torch.load(path, weights_only=True)
    except Exception as error:  # whatever is in the file
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise BenchError(
            f"--input {path}: {reason}; give a file of torch.save with tensors, lists and dicts "
            "alone"
        ) from error


def _read(path: Path) -> tuple[list[str], tuple[str, str] | None, bytes]:
    found: tuple[list[str], tuple[str, str] | None, bytes] = pickle.loads(path.read_bytes())  # noqa: S301
    return found


def _head(module: str) -> ModuleType:
    return sys.modules[module.partition(".")[0]]


def _not_importable(obj: object) -> list[ModuleType]:
    """Return the modules whose code travels as well; that of ``__main__`` does anyway."""
    inner = getattr(obj, "func", obj)
    names = {str(getattr(inner, "__module__", "")), type(inner).__module__} - {"__main__", ""}
    return [sys.modules[name] for name in names if name in sys.modules and not _importable(name)]


def _place(obj: object) -> tuple[str, str] | None:
    name = str(getattr(getattr(obj, "func", obj), "__module__", ""))
    if name in ("", "__main__") or name not in sys.modules or not _importable(name):
        return None
    return place_of_module(name)


def _importable(module: str) -> bool:
    """Whether a module, which is here, would be found again by its name."""
    head = sys.modules.get(module.partition(".")[0])
    spec = getattr(head, "__spec__", None)
    if head is None or spec is None:
        return False
    return any(found.origin == spec.origin for found in _specs(head.__name__))


def _specs(name: str) -> Iterator[ModuleSpec]:
    """Yield what the finders say; `importlib.util.find_spec` would answer from `sys.modules`."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            yield spec


def _folder(module: ModuleType) -> Path | None:
    """Return the folder that is on the path for a module; `None` of what Python has in itself."""
    file = getattr(module, "__file__", None)
    package = next(iter(getattr(module, "__path__", ())), None)
    if package is not None:
        return Path(package).resolve().parent
    return Path(file).resolve().parent if file else None


def _own_paths() -> list[Path]:
    """Return the folders of the path that a fresh process has not: a script's, or added ones."""
    given = dict.fromkeys(Path(place or ".").resolve() for place in sys.path)
    return [place for place in given if not _everybody_s(place) and place.is_dir()]


def _everybody_s(place: Path) -> bool:
    named = {Path(path).resolve() for path in os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    if place in named | {ROOT, Path.cwd()} or place.name in INSTALLED:
        return True
    return place.is_relative_to(Path(sysconfig.get_path("stdlib")).resolve())
