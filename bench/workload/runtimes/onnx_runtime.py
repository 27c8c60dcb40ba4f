"""ONNX Runtime on the CPU: threads set and asleep between calls, inputs and outputs bound once."""

import importlib.metadata
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from bench.schema.case import Case
from bench.workload.runtimes.runtime import Loaded, Maps, Runtime, same_settings

SPINNING, STOP = "session.intra_op.allow_spinning", "session.force_spinning_stop"
"""Its threads spin behind a call and slow down whatever else runs, 29 to 50 times
(microsoft/onnxruntime#13808), unless they are told not to (onnxruntime.ai, thread management)."""


def _build(network: nn.Module, maps: Maps, file: Path) -> None:
    torch.onnx.export(
        network,
        tuple(maps),
        file,
        dynamo=True,
        external_data=False,  # one file
        verbose=False,
    )


def _options(case: Case) -> Any:  # noqa: ANN401 - it has no types
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = case.threads  # its own choice is the machine's cores, not ours
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors
    options.add_session_config_entry(SPINNING, "0")
    options.add_session_config_entry(STOP, "1")
    return options


def _session(file: Path, options: Any) -> Any:  # noqa: ANN401
    import onnxruntime

    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _load(file: Path, maps: Maps, case: Case) -> Loaded:
    session = _session(file, _options(case))
    read_back = _read_back(session)
    asked = {"threads": str(case.threads), "spinning": "0", "providers": "CPUExecutionProvider"}
    same_settings("onnxruntime", asked, read_back)
    # It takes bare pointers, and would read a channels-last map as another map.
    inputs = [x.contiguous() for x in maps]
    outputs = tuple(torch.empty(put.shape) for put in session.get_outputs())
    binding = session.io_binding()
    for put, x in zip(session.get_inputs(), inputs, strict=True):
        binding.bind_input(**_bound(put.name, x))
    for put, x in zip(session.get_outputs(), outputs, strict=True):
        binding.bind_output(**_bound(put.name, x))

    def call(_kept: object = inputs) -> tuple[Tensor, ...]:
        session.run_with_iobinding(binding)
        return outputs

    return Loaded(call, read_back)


def _bound(name: str, x: Tensor) -> dict[str, Any]:
    import numpy as np

    return {
        "name": name,
        "device_type": "cpu",
        "device_id": 0,
        "element_type": np.float32,
        "shape": tuple(x.shape),
        "buffer_ptr": x.data_ptr(),
    }


def _read_back(session: Any) -> dict[str, str]:  # noqa: ANN401
    options = session.get_session_options()
    return {
        "version": importlib.metadata.version("onnxruntime"),
        "threads": str(options.intra_op_num_threads),
        "spinning": options.get_session_config_entry(SPINNING),
        "optimisation": options.graph_optimization_level.name.removeprefix("ORT_").lower(),
        "providers": ", ".join(session.get_providers()),
    }


def _executed(file: Path, _maps: Maps, case: Case) -> Mapping[str, int]:
    """Let it write the graph that it has made of the file, and count that one's nodes."""
    import onnx

    options = _options(case)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        _session(file, options)
        graph = onnx.load(options.optimized_model_filepath).graph
    own = {"com.microsoft.nchwc": " (NCHWc)"}
    return Counter(f"{node.op_type}{own.get(node.domain, '')}" for node in graph.node)


ONNX_RUNTIME = Runtime(
    packages=("onnxruntime", "onnx", "onnxscript"),
    extra="onnxruntime",
    file="network.onnx",
    dtypes=("float32",),  # on a CPU it has no arithmetic in bfloat16 (onnxruntime#28768)
    own_layout=True,
    build=_build,
    load=_load,
    executed=_executed,
)
