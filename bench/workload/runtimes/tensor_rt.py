"""TensorRT on NVIDIA GPUs, through ONNX: the dtype of the graph, TF32 only where it was asked for.

Written for TensorRT 10.12 and newer, with networks that are strongly typed: it computes in the
dtypes of the graph and chooses no other (docs.nvidia.com, "Strongly Typed Networks").
"""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.schema.case import Case
from bench.workload.inputs import torch_dtype
from bench.workload.runtimes.onnx_runtime import ONNX_RUNTIME
from bench.workload.runtimes.runtime import Loaded, Maps, Runtime, same_settings

DTYPES = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16"}
"""Its names -> torch's."""


def _build(network: nn.Module, maps: Maps, file: Path) -> None:
    import tensorrt

    exported = file.with_name("exported.onnx")  # another stem: it is not read again
    ONNX_RUNTIME.build(network, maps, exported)
    builder = tensorrt.Builder(_logger())
    typed = 1 << int(tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    definition = builder.create_network(typed)
    parser = tensorrt.OnnxParser(definition, _logger())
    if not parser.parse(exported.read_bytes()):
        raise ValueError("; ".join(parser.get_error(i).desc() for i in range(parser.num_errors)))
    config = builder.create_builder_config()
    config.profiling_verbosity = tensorrt.ProfilingVerbosity.DETAILED  # `_executed` reads it
    if not torch.backends.cudnn.allow_tf32:  # as the worker has set it; here the default is on
        config.clear_flag(tensorrt.BuilderFlag.TF32)
    plan = builder.build_serialized_network(definition, config)
    if plan is None:
        raise ValueError("TensorRT built no engine; its log says why")
    file.write_bytes(plan)


def _logger() -> Any:  # noqa: ANN401 - it has no types
    import tensorrt

    return tensorrt.Logger(tensorrt.Logger.ERROR)


def _engine(file: Path) -> Any:  # noqa: ANN401
    import tensorrt

    engine = tensorrt.Runtime(_logger()).deserialize_cuda_engine(file.read_bytes())
    if engine is None:
        raise ValueError("TensorRT cannot read its engine; its log says why")
    return engine


def _load(file: Path, maps: Maps, case: Case) -> Loaded:
    import tensorrt

    engine = _engine(file)
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [n for n in names if engine.get_tensor_mode(n) == tensorrt.TensorIOMode.INPUT]
    results = [name for name in names if name not in inputs]
    read_back = {
        "version": tensorrt.__version__,
        "dtypes": ", ".join(sorted({_dtype(engine, name) for name in names})),
        "layers": str(engine.num_layers),
    }
    same_settings("tensorrt", {"dtypes": _name(torch_dtype(case.dtype))}, read_back)
    context = engine.create_execution_context()
    # It takes bare pointers, and would read a channels-last map as another map.
    bound = [x.contiguous() for x in maps]
    device, dtype = bound[0].device, torch_dtype(case.dtype)
    outputs = tuple(
        torch.empty(tuple(engine.get_tensor_shape(name)), dtype=dtype, device=device)
        for name in results
    )
    for name, x in zip([*inputs, *results], [*bound, *outputs], strict=True):
        context.set_tensor_address(name, x.data_ptr())
    # On the default stream it synchronises in every call.
    own = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def call(_kept: object = bound) -> tuple[Tensor, ...]:
        caller = torch.cuda.current_stream(device)
        own.wait_stream(caller)
        if not context.execute_async_v3(own.cuda_stream):
            raise RuntimeError("TensorRT did not run; its log says why")
        caller.wait_stream(own)
        return outputs

    return Loaded(call, read_back)


def _dtype(engine: Any, name: str) -> str:  # noqa: ANN401
    found = str(engine.get_tensor_dtype(name).name)
    return DTYPES.get(found, found)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _executed(file: Path, _maps: Maps, _case: Case) -> Mapping[str, int]:
    """Count the layers of the engine by their kind, as its own inspector lists them."""
    import tensorrt

    inspector = _engine(file).create_engine_inspector()
    told = inspector.get_engine_information(tensorrt.LayerInformationFormat.JSON)
    return Counter(layer["LayerType"] for layer in json.loads(told)["Layers"])


TENSORRT = Runtime(
    packages=("tensorrt", "onnx", "onnxscript"),
    extra="tensorrt",
    file="network.plan",
    device_type="cuda",
    dtypes=("float32", "tf32", "float16", "bfloat16"),
    own_layout=True,
    build=_build,
    load=_load,
    executed=_executed,
)
