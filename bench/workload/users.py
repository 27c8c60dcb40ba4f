"""A user's network: found by its factory, made, and what it is called with.

The factory gives a module, or a module and its inputs: a tensor, a sequence of arguments, or a
mapping of keyword arguments. It is a function of (batch, height, width) or without arguments, or a
class whose instances are made without any.
"""

import importlib
import importlib.util
import inspect
import os
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.schema.case import Case
from bench.schema.errors import BenchError
from bench.schema.tasks import Task
from bench.workload import carried, code_loader, plugins

Inputs = tuple[Any, ...]
"""Positional arguments of a network: tensors, or nests of them."""

MODULE = "panet_bench_users"
"""The module of a file that is loaded as it stands; the sum of its path is behind it."""


def tensors_in(tree: object) -> tuple[Tensor, ...]:
    """Return the tensors of a nest (a pytree), in their order."""
    return tuple(x for x in tree_leaves(tree) if isinstance(x, Tensor))


def factory_name(text: str, option: str) -> str:
    """Return the name of a factory, ``module:factory`` or ``/path/of/file.py:factory``.

    Args:
        text: as it was typed; or the name of a network that another package offers.
        option: that it was typed for, for the message.

    Raises:
        BenchError: it is not named so, or there is no such file.
    """
    offered = text if ":" in text else plugins.factory_of(text)
    module, _, factory = offered.rpartition(":")
    if is_file(module) and not Path(module).is_file():
        raise BenchError(f"{option} {text}: there is no file {module}")
    is_module = all(part.isidentifier() for part in module.split("."))
    if not factory.isidentifier() or not (is_module or is_file(module)):
        alike = "" if ":" in text else plugins.like(text)
        raise BenchError(
            f"{option} {text!r}: give module:factory, such as mynet.bench:make, or file.py:factory"
            f"{alike}"
        )
    if is_file(module):
        module = str(Path(module).resolve())
    return f"{module}:{factory}"


def is_file(module: str) -> bool:
    """Whether a factory is in a file by its path, of Python's or of an object that travels."""
    return module.endswith((".py", carried.OBJECT))


def own_cases(cases: Sequence[Case], factory: str) -> tuple[Case, ...]:
    """Return the cases with a user's network in the place of ours, each once.

    Args:
        cases: as the axes give them; scope, backbone and levels are those of our networks.
        factory: as `factory_name` returns it.
    """
    own = (
        replace(case, scope="own", backbone="", levels=Case.levels, network=factory)
        for case in cases
    )
    return tuple({case.case_id: case for case in own}.values())


def side_of(task: Task[Any], side: str) -> code_loader.Side:
    """Return the packages of a side of a comparison."""
    return code_loader.Side(task.package, Path(task.sides[side]), side)


def users_network(task: Task[Any], side: str, factory: str = "") -> tuple[nn.Module, Inputs]:
    """Return what a user's factory makes: a network, and what it is called with.

    Args:
        task: whose case names the factory, batch and resolution.
        side: of a comparison; empty: the code as it stands.
        factory: another one than the case's.

    Raises:
        BenchError: there is no such factory, or it gives something else.
    """
    name = factory or task.case.network
    told = f"--workload {name}" if side else name
    made: Any = _made(_factory(name, task, side), name, task)
    pair = isinstance(made, tuple | list) and len(made) == 2
    network, inputs = made if pair else (made, ())
    if task.shapes:
        inputs = given_inputs(task.shapes, task.seed)
    elif isinstance(network, nn.Module) and not pair and not side:
        raise BenchError(f"{told}: it gives no inputs; say what it is called with: --input 1x3x...")
    if isinstance(inputs, Mapping) and isinstance(network, nn.Module):
        inputs = _by_position(network, inputs, told)
    inputs = (inputs,) if isinstance(inputs, Tensor) else inputs
    sequence = isinstance(inputs, tuple | list)
    if not isinstance(network, nn.Module) or not sequence or not tensors_in(inputs):
        raise BenchError(f"{told}: return a module and the tensors that it is called with")
    return network, tuple(inputs)


def _by_position(network: nn.Module, named: Mapping[str, Any], told: str) -> Inputs:
    """Return keyword arguments of a network as positional ones, defaults between them included."""
    try:
        bound = inspect.signature(network.forward).bind(**named)
    except TypeError as error:
        raise BenchError(f"{told}: {type(network).__name__} takes other inputs: {error}") from error
    bound.apply_defaults()
    if by_name := [name for name in bound.kwargs if name in named]:
        raise BenchError(
            f"{told}: {type(network).__name__} takes {', '.join(by_name)} by keyword only; "
            "give a module that calls it with them"
        )
    return bound.args


def users_module(name: str) -> nn.Module:
    """Return the module that a factory without arguments makes, with weights of its own.

    Raises:
        BenchError: there is no such factory, or it gives something else.
    """
    torch.manual_seed(0)  # whatever was drawn before, it is the same module in every process
    made = _called(_factory(name, None, ""), name, ())
    if not isinstance(made, nn.Module):
        raise BenchError(f"{name}: it gives a {type(made).__name__}; give the module, and no more")
    return made


def given_inputs(names: tuple[str, ...], seed: int) -> Any:  # noqa: ANN401 - as a factory's
    """Return inputs of a file, or normally distributed ones; `input_name` has read their names."""
    if names[0].endswith(carried.INPUT):
        return carried.load_input(Path(names[0]))
    drawn = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(_sizes(name), generator=drawn) for name in names)


def input_names(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of inputs: ``1x3x800x1344`` of each, or ``/path/of/file.pt`` of all.

    Raises:
        BenchError: one is no shape, or there is no such file.
    """
    for text in texts:
        if not text.endswith(carried.INPUT):
            _sizes(text)
        elif len(texts) > 1:
            raise BenchError(f"--input {text}: all inputs are in the file; leave the others out")
        elif not Path(text).is_file():
            raise BenchError(f"--input {text}: there is no such file")
        else:
            return (str(Path(text).resolve()),)
    return tuple(texts)


def _sizes(text: str) -> tuple[int, ...]:
    sizes = text.split("x")
    if not all(size.isascii() and size.isdigit() and int(size) for size in sizes):
        raise BenchError(f"--input {text!r}: give the shape of a tensor, such as 1x3x800x1344")
    return tuple(map(int, sizes))


def takes_sizes(factory: Callable[..., object]) -> bool:
    """Return whether a factory is called with (batch, height, width), otherwise with nothing.

    It is if it needs three arguments, or takes three that are called so.
    """
    if isinstance(factory, type):
        return False
    try:
        known = inspect.signature(factory).parameters.values()
    except ValueError:  # of a function that is not Python's
        return False
    positional = [p for p in known if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p for p in positional if p.default is p.empty]
    named = [p.name[:1] for p in positional[:3]] == ["b", "h", "w"]
    return len(needed) == 3 or (named and len(needed) < 3)


def told_sizes(task: Task[Any]) -> bool:
    """Return whether the factory of the case makes what its batch and resolution say."""
    return takes_sizes(_factory(task.case.network, task, ""))


def size_of(inputs: Inputs) -> tuple[int, int, int]:
    """Return batch, height and width of the first input; 1 for what it has not."""
    shape = tuple(tensors_in(inputs)[0].shape)
    batch = shape[0] if len(shape) == 2 or len(shape) >= 4 else 1
    height, width = (1, 1, *(shape if len(shape) > 2 else shape[-1:]))[-2:]
    return max(1, batch), max(1, height), max(1, width)


def _factory(name: str, task: Task[Any] | None, side: str) -> Callable[..., Any]:
    module_name, _, function = name.rpartition(":")
    if module_name.endswith(carried.OBJECT):
        return _carried(Path(module_name), function)
    file = module_name.endswith(".py")
    if side and task is not None:
        load: Any = code_loader.load_file if file else code_loader.load_module
        module = load(Path(module_name) if file else module_name, side_of(task, side))
    else:
        module = _standing_file(Path(module_name)) if file else _standing_module(module_name)
    factory = getattr(module, function, None)
    if not callable(factory):
        told = f"--workload {name}" if side else name
        raise BenchError(f"{told}: {module_name} has no function {function!r}")
    return factory  # type: ignore[no-any-return]  # a user's


def _carried(path: Path, name: str) -> Callable[..., Any]:
    with code_loader.importing(name):
        made: Any = carried.load(path)
    return (lambda: made) if isinstance(made, nn.Module) else made


def _standing_module(name: str) -> object:
    """Return a module as it stands: of the folder one stands in, or installed."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    head = name.partition(".")[0]
    if head not in sys.modules and importlib.util.find_spec(head) is None:
        raise BenchError(
            f"{name}: there is no module {head} in {here}, and none is installed; go to its "
            "folder, or name the file: FILE.py:factory"
        )
    with code_loader.importing(name):
        return importlib.import_module(name)


def _standing_file(path: Path) -> object:
    """Return the module of a file, which may import what lies beside it."""
    alias = f"{MODULE}_{zlib.crc32(os.fsencode(path)):x}"
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    return code_loader.from_file(alias, path, None, path.name)


def _made(factory: Callable[..., Any], name: str, task: Task[Any]) -> object:
    case = task.case
    torch.manual_seed(task.seed)
    sizes = (case.batch_size, case.height_px, case.width_px)
    return _called(factory, name, sizes if takes_sizes(factory) else ())


def _called(factory: Callable[..., Any], name: str, arguments: tuple[int, ...]) -> object:
    try:
        inspect.signature(factory).bind(*arguments)
    except ValueError:  # not Python's: it is called, and will say
        pass
    except TypeError as error:
        raise BenchError(
            f"{name}: it is called with (batch, height, width) or without arguments: {error}"
        ) from error
    return factory(*arguments)
