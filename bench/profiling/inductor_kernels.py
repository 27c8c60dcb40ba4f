"""Which stage a compiled kernel comes from, as far as inductor says.

Inductor keeps, on request, the nodes of its graph that went into every kernel, in the order in
which it calls them, and a pass at the end of its optimisations sees which module every node comes
from. Both are switched on in the profiling process alone. A kernel of nodes from several stages
belongs to none of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

from bench.profiling.attribution import Kernel
from bench.workload.stages import Stage, stages

CONFIG = {
    "trace.provenance_tracking_to_timeline": True,
    "cpp.enable_kernel_profile": True,  # kernels of the CPU have names in the trace
    "fx_graph_cache": False,  # what comes from a cache has no provenance
}


@dataclass
class Provenance:
    """What a compilation says of its kernels."""

    graphs: list[dict[str, str | None]] = field(default_factory=list)
    """Per graph: node -> stage."""
    kernels: tuple[Kernel, ...] = ()
    """In the order in which they are called."""


@contextmanager
def recorded(network: nn.Module) -> Iterator[Provenance]:
    """Record where the kernels come from that are compiled within.

    Empty where this version of torch keeps no such record.

    Args:
        network: eager; its stages are what kernels are attributed to.
    """
    from torch._inductor import config, debug

    provenance = Provenance()
    stage_of = _stage_of_module(stages(network))

    def note(graph: fx.Graph) -> None:
        provenance.graphs.append(_stages_of_nodes(graph, stage_of))

    with ExitStack() as stack:
        try:
            stack.enter_context(config.patch({**CONFIG, "post_grad_custom_post_pass": note}))
            regions_of = debug.get_kernel_information_jsons()
        except AttributeError:  # a torch that does not keep it yet
            yield provenance
            return
        regions_of.clear()
        yield provenance
        # One entry per graph, in the order in which they were compiled.
        regions: Sequence[Mapping[str, Any]] = list(regions_of.values())
        provenance.kernels = tuple(
            Kernel(name, _common(_own_nodes(name, info["post_grad_nodes"]), nodes))
            for region, nodes in zip(regions, provenance.graphs, strict=False)
            for name, info in region.items()
        )


def _stage_of_module(of_network: Sequence[Stage]) -> dict[str, str]:
    """Return the stage of every module that is used in one stage alone."""
    users: dict[str, set[str]] = {}
    for stage in of_network:
        for layer in stage.layers:
            users.setdefault(layer, set()).add(stage.name)
    return {layer: names.pop() for layer, names in users.items() if len(names) == 1}


def _stages_of_nodes(graph: fx.Graph, stage_of: Mapping[str, str]) -> dict[str, str | None]:
    """Return the stage of every node: of its module, or of what it is computed from."""
    of_node: dict[str, str | None] = {}
    for node in graph.nodes:
        modules = node.meta.get("nn_module_stack") or node.meta.get("fwd_nn_module_stack") or {}
        paths = [_path(str(entry[0])) for entry in modules.values()]
        own = next((stage_of[path] for path in reversed(paths) if path in stage_of), None)
        if own is None and paths:  # a ReLU that all stages share, behind a convolution
            before = (of_node.get(source.name) for source in node.all_input_nodes)
            own = next((stage for stage in before if stage is not None), None)
        of_node[node.name] = own
    return of_node


def _path(source: str) -> str:
    """Return the name in `state_dict` of dynamo's ``L['self'].fpn.lateral_c5``."""
    return source.removeprefix("L['self']").lstrip(".")


def _own_nodes(kernel: str, nodes: Sequence[str]) -> Sequence[str]:
    """Return the nodes that a kernel is there for: a library's, not those of its inputs' layout."""
    if not kernel.startswith("extern_kernels."):
        return nodes
    operator = kernel.removeprefix("extern_kernels.").partition(":")[0]
    return [node for node in nodes if node.startswith(operator)] or nodes


def _common(nodes: Sequence[str], stage_of_node: Mapping[str, str | None]) -> str | None:
    stages_of_kernel = {stage_of_node.get(node) for node in nodes}
    return stages_of_kernel.pop() if len(stages_of_kernel) == 1 else None
