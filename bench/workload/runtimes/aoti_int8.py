"""AOTInductor in 8-bit integers: torchao's static quantisation, calibrated on photographs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from bench.schema.case import Case
from bench.workload.compiler_cache import use_compiler_cache
from bench.workload.runtimes import integers
from bench.workload.runtimes.aotinductor import AOTINDUCTOR, write_package
from bench.workload.runtimes.runtime import Loaded, Maps

NAME = "aotinductor-int8"

CALLED = {
    torch.ops.aten.conv2d.default: functional.conv2d,
    torch.ops.aten.relu.default: functional.relu,
}
"""Operator of an exported network -> what the network called."""


def _build(network: nn.Module, maps: Maps, file: Path) -> None:
    with torch.no_grad():
        torch.export.save(torch.export.export(network, tuple(maps)), file)


def _quantise(file: Path, samples: Sequence[Maps]) -> None:
    """Put in the place of an exported network the package of the same one in integers."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    use_compiler_cache(file.parent / "inductor")  # an empty one: building is timed
    config = x86.get_default_x86_inductor_quantization_config(reduce_range=integers.bits() < 8)
    quantiser = x86.X86InductorQuantizer().set_global(config)
    with torch.no_grad():
        exported = torch.export.load(file).module()
        _tell_calls_apart(exported)
        observed = prepare_pt2e(exported, quantiser)
        for maps in samples:
            observed(*maps)
        write_package(torch.export.export(convert_pt2e(observed), tuple(samples[0])), file)


def _tell_calls_apart(exported: nn.Module) -> None:
    """Have every call of a function be one of its own: of a ReLU that all levels share, too.

    torchao 0.18 looks for a convolution and its ReLU, and gives up where a module has several.
    """
    for node in cast("torch.fx.GraphModule", exported).graph.nodes:
        if node.target in CALLED:
            node.meta["source_fn_stack"] = [(node.name, CALLED[node.target])]


def _load(file: Path, maps: Maps, case: Case) -> Loaded:
    loaded = AOTINDUCTOR.load(file, maps, case)
    said = {"precision": "int8", "maps": integers.bits_said()}
    return replace(loaded, read_back={**loaded.read_back, **said})


def _executed(file: Path, maps: Maps, case: Case) -> Mapping[str, int]:
    found = AOTINDUCTOR.executed(file, maps, case)
    return integers.require_integers(NAME, found, ("_qconv", "_qlinear", "onednn_q"))


AOTI_INT8 = replace(
    AOTINDUCTOR,
    packages=("torch", "torchao"),
    extra="torchao",
    dtypes=("float32",),
    own_layout=True,  # its maps of integers lie channels-last, whatever comes in
    build=_build,
    load=_load,
    executed=_executed,
    quantise=_quantise,
    least_sqnr_db=integers.LEAST_SQNR_DB,
)
