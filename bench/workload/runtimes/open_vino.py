"""OpenVINO on the CPU: in the precision that was asked for, on all threads, nothing copied."""

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.schema.case import Case
from bench.workload.runtimes.runtime import Loaded, Maps, Runtime, same_settings

PRECISIONS = {"float32": "f32", "amp-bfloat16": "bf16", "amp-float16": "f16"}
"""Dtype -> hint. Without one it computes in bfloat16 wherever the CPU can
(docs.openvino.ai, CPU device)."""

CAPABILITIES = {"amp-bfloat16": "BF16", "amp-float16": "FP16"}
"""Dtype -> what the device must say that it is capable of."""


def _build(network: nn.Module, maps: Maps, file: Path) -> None:
    import openvino

    with torch.no_grad():
        program = torch.export.export(network, tuple(maps))
    with _nobody_told():
        model = openvino.convert_model(program)
    model.reshape({i: list(x.shape) for i, x in enumerate(maps)})  # or sizes are left open
    openvino.save_model(model, file, compress_to_fp16=False)  # its default halves the weights


@contextlib.contextmanager
def _nobody_told() -> Iterator[None]:
    """Keep the converter from sending statistics of use: it asks nobody, and leaves CI alone."""
    before = os.environ.get("CI")
    os.environ["CI"] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ["CI"]
        else:
            os.environ["CI"] = before


def _compiled(file: Path, case: Case) -> Any:  # noqa: ANN401 - it has no types
    import openvino

    config = {
        "INFERENCE_PRECISION_HINT": PRECISIONS[case.dtype],
        "INFERENCE_NUM_THREADS": case.threads,
        "NUM_STREAMS": 1,
        # Left alone it may use half of a virtual machine's threads, and pins them.
        "ENABLE_HYPER_THREADING": True,
        "ENABLE_CPU_PINNING": False,
    }
    return openvino.Core().compile_model(file, "CPU", config)


def _load(file: Path, maps: Maps, case: Case) -> Loaded:
    import openvino

    compiled = _compiled(file, case)
    read_back = _read_back(compiled)
    asked = {
        "threads": str(case.threads),
        "streams": "1",
        "pinning": "False",
        "precision": PRECISIONS[case.dtype],
    }
    same_settings("openvino", asked, read_back)
    inputs = [x.contiguous() for x in maps]
    outputs = tuple(torch.empty(list(put.shape)) for put in compiled.outputs)
    request = compiled.create_infer_request()
    for i, x in enumerate(inputs):
        request.set_input_tensor(i, openvino.Tensor(x.numpy(), shared_memory=True))
    for i, x in enumerate(outputs):
        request.set_output_tensor(i, openvino.Tensor(x.numpy(), shared_memory=True))

    def call(_kept: object = inputs) -> tuple[Tensor, ...]:
        request.infer(share_outputs=True)  # or it copies what it has written into ours
        return outputs

    return Loaded(call, read_back)


def _read_back(compiled: Any) -> dict[str, str]:  # noqa: ANN401
    import openvino

    found = compiled.get_property
    return {
        "version": openvino.get_version(),
        "threads": str(found("INFERENCE_NUM_THREADS")),
        "streams": str(found("NUM_STREAMS")),
        "precision": found("INFERENCE_PRECISION_HINT").get_type_name(),
        "pinning": str(found("ENABLE_CPU_PINNING")),
        "hyper_threading": str(found("ENABLE_HYPER_THREADING")),
        "devices": ", ".join(found("EXECUTION_DEVICES")),
    }


def _executed(file: Path, _maps: Maps, case: Case) -> Mapping[str, int]:
    """Count what its own graph of execution lists."""
    ops = _compiled(file, case).get_runtime_model().get_ops()
    return Counter(
        f"{info['layerType'].value} ({info['primitiveType'].value})"
        for info in (op.get_rt_info() for op in ops)
        if info["layerType"].value not in ("Const", "Input", "Output")
    )


def _lacks(case: Case) -> str | None:
    import openvino

    able = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    needed = CAPABILITIES.get(case.dtype)
    if needed is not None and needed not in able:
        return f"openvino does not compute in {case.dtype} on this CPU: it has {', '.join(able)}"
    return None


OPENVINO = Runtime(
    packages=("openvino",),
    extra="openvino",
    file="network.xml",
    dtypes=tuple(PRECISIONS),
    own_layout=True,
    build=_build,
    load=_load,
    executed=_executed,
    lacks=_lacks,
)
