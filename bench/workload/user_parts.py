"""Which modules of a user's network are its parts, and why some cannot be."""

import difflib
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from bench.schema.errors import BenchError

LOOKS = 3
"""Calls in which it is counted how often a part is called."""

NEAR = 3
"""Names that are proposed in the place of a wrong one."""


def chosen(
    network: nn.Module, parts: Sequence[str], parts_of: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the paths of the parts that were asked for, and of the children.

    Args:
        network: that they are in.
        parts: paths of modules.
        parts_of: paths of modules whose children are meant; empty: of the network.

    Raises:
        BenchError: there is no such module, no mark can stand around it, or it is inside another.
    """
    for path in (*parts, *(path or "." for path in parts_of)):
        _refuse_module(network, path, "the network")  # which may not even tell its modules
    children = []
    for path in parts_of:
        whole = _found(network, path) if path else network
        names = list(_children(whole))
        if not names:
            raise BenchError(f"--parts-of {path}: it has no modules inside; --part {path} is all")
        children += [f"{path}.{name}" if path else name for name in names]
    asked = list(dict.fromkeys(parts))
    children = [path for path in dict.fromkeys(children) if path not in asked]
    children = [path for path in children if not _held_twice(network, path, children)]
    modules = {path: _found(network, path) for path in asked + children}
    for path, module in modules.items():
        _refuse_unmarkable(network, path)
        for other, inner in modules.items():
            if other != path and inner is module:
                raise BenchError(f"{path} and {other} are one and the same module: leave one out")
            if other != path and any(inner is below for below in module.modules()):
                raise BenchError(f"{other} is inside {path}: ask for one of them at a time")
    return asked, children


def _children(whole: nn.Module) -> Iterator[str]:
    """Yield the names of its modules; theirs where one only holds others."""
    for name, child in whole.named_children():
        if type(child).forward is nn.Module.forward:
            yield from (f"{name}.{inner}" for inner in _children(child))
        else:
            yield name


def _held_twice(network: nn.Module, path: str, children: Sequence[str]) -> bool:
    """Whether a child is inside another as well, or is one that comes before: it has its row."""
    module = network.get_submodule(path)
    earlier = children[: children.index(path)]
    for other in children:
        there = network.get_submodule(other)
        if there is module:
            if other in earlier:
                return True
        elif any(module is below for below in there.modules()):
            return True
    return False


def _found(network: nn.Module, path: str) -> nn.Module:
    try:
        if path:
            return network.get_submodule(path)
    except AttributeError:
        pass
    known = [name for name, _ in network.named_modules() if name]
    last = path.rpartition(".")[2]
    near = [name for name in known if last and name.rpartition(".")[2] == last]
    near = list(dict.fromkeys([*near, *difflib.get_close_matches(path, known, n=NEAR)]))[:NEAR]
    top = [name for name, _ in network.named_children()]
    hint = f"did you mean {' or '.join(near)}?" if near else f"at the top are {', '.join(top)}"
    raise BenchError(f"no module {path!r} in {type(network).__name__}; {hint}")


def _refuse_unmarkable(network: nn.Module, path: str) -> None:
    """Raise `BenchError` where a module is called by something that is not Python."""
    names = path.split(".")
    for end in range(len(names) + 1):
        above = ".".join(names[:end])
        _refuse_module(network.get_submodule(above), path, above or "the network")


def _refuse_module(module: nn.Module, path: str, where: str) -> None:
    if isinstance(module, torch.jit.ScriptModule):
        raise BenchError(
            f"{path}: {where} is scripted, and no mark can stand in it: make it without "
            "torch.jit.script, or compare whole networks: cost a=... b=..."
        )
    compiled = isinstance(module, torch._dynamo.eval_frame.OptimizedModule)
    if compiled or getattr(module, "_compiled_call_impl", None) is not None:
        raise BenchError(
            f"{path}: {where} is compiled, and one graph has no inside to mark: make it "
            "without torch.compile, or compare whole networks: cost a=... b=..."
        )


def not_called(path: str, module: nn.Module) -> str:
    """Say that a part is never called, and what could be asked for instead."""
    holds = not isinstance(module, nn.Sequential) and any(True for _ in module.children())
    hint = f"; what it holds may be: --parts-of {path}" if holds else ""
    return (
        f"{path} ({type(module).__name__}) is never called in {LOOKS} calls of the network with "
        f"these inputs{hint}"
    )
