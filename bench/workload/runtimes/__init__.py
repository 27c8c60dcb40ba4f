"""What executes a network that was written into a file: the table, and what each cannot do.

torch itself needs no entry: it runs the network as it is, or compiled (``--compile``). A runtime
reads a file, which is written once per case and network and then loaded by every process.
"""

import importlib.util

import torch

from bench.schema.case import Case
from bench.workload.runtimes.aoti_int8 import AOTI_INT8
from bench.workload.runtimes.aotinductor import AOTINDUCTOR
from bench.workload.runtimes.onnx_int8 import ONNX_INT8
from bench.workload.runtimes.onnx_runtime import ONNX_RUNTIME
from bench.workload.runtimes.open_vino import OPENVINO
from bench.workload.runtimes.runtime import Runtime
from bench.workload.runtimes.tensor_rt import TENSORRT

RUNTIMES: dict[str, Runtime] = {
    "aotinductor": AOTINDUCTOR,
    "aotinductor-int8": AOTI_INT8,
    "onnxruntime": ONNX_RUNTIME,
    "onnxruntime-int8": ONNX_INT8,
    "openvino": OPENVINO,
    "tensorrt": TENSORRT,
}
"""Value of the axis ``--runtimes`` -> how it is used."""

DEVICES = {"cpu": "the CPU", "cuda": "NVIDIA GPUs"}


def cannot_run(case: Case) -> str | None:
    """Return why the runtime of a case cannot run it here, or `None`."""
    name, runtime = case.runtime, RUNTIMES[case.runtime]
    missing = [p for p in runtime.packages if importlib.util.find_spec(p) is None]
    reasons = {
        f"{name} does not train": case.pass_name != "inference",
        f"{name} compiles by itself: leave --compile off": case.compile_mode != "off",
        f"{name} is measured on {DEVICES[runtime.device_type]} alone": (
            torch.device(case.device).type != runtime.device_type
        ),
        f"{name} is measured on our own networks alone": case.scope == "own",
        f"{name} has a memory layout of its own: leave --channels-last off": (
            runtime.own_layout and case.channels_last
        ),
        f"{name} computes in {', '.join(runtime.dtypes)} on {DEVICES[runtime.device_type]}, "
        f"not in {case.dtype}": case.dtype not in runtime.dtypes,
        f"{name} needs {', '.join(missing)}: pip install 'panet-bench[{runtime.extra}]'": missing,
    }
    return next((why for why, so in reasons.items() if so), None) or runtime.lacks(case)
