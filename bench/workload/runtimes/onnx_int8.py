"""ONNX Runtime in 8-bit integers: its own static quantisation, calibrated on photographs."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.schema.case import Case
from bench.workload.runtimes import integers
from bench.workload.runtimes.onnx_runtime import ONNX_RUNTIME
from bench.workload.runtimes.runtime import Loaded, Maps

INTEGER = ("QLinearConv", "ConvInteger", "QGemm")
"""Nodes that convolve, or multiply, in integers."""


class _Reader:
    """What `quantize_static` reads its samples from."""

    def __init__(self, names: Sequence[str], samples: Sequence[Maps]) -> None:
        self._feeds = self._in_turn(names, samples)

    @staticmethod
    def _in_turn(names: Sequence[str], samples: Sequence[Maps]) -> Iterator[dict[str, Any]]:
        for maps in samples:
            arrays = (x.contiguous().numpy() for x in maps)
            yield dict(zip(names, arrays, strict=True))

    def get_next(self) -> dict[str, Any] | None:
        """Return the next sample, by the names of the inputs; `None` behind the last."""
        return next(self._feeds, None)


def _quantise(file: Path, samples: Sequence[Maps]) -> None:
    """Put in the place of a network in float32 the same one in integers."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        prepared = Path(folder) / file.name
        quant_pre_process(file, prepared)
        names = [put.name for put in onnx.load(prepared, load_external_data=False).graph.input]
        quantize_static(
            prepared,
            file,
            _Reader(names, samples),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=integers.bits() < 8,
            calibrate_method=CalibrationMethod.MinMax,
        )


def _load(file: Path, maps: Maps, case: Case) -> Loaded:
    loaded = ONNX_RUNTIME.load(file, maps, case)
    said = {"precision": "int8", "weights": integers.bits_said()}
    return replace(loaded, read_back={**loaded.read_back, **said})


def _executed(file: Path, maps: Maps, case: Case) -> Mapping[str, int]:
    found = ONNX_RUNTIME.executed(file, maps, case)
    return integers.require_integers("onnxruntime-int8", found, INTEGER)


ONNX_INT8 = replace(
    ONNX_RUNTIME,
    load=_load,
    executed=_executed,
    quantise=_quantise,
    least_sqnr_db=integers.LEAST_SQNR_DB,
)
