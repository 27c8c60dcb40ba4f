"""TensorRT without a GPU: what is asked of its module, in the place of which stands a recorder."""

import json
import sys
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bench.workload.runtimes import tensor_rt
from bench.workload.runtimes.runtime import Loaded, SettingError
from bench.workload.runtimes.tensor_rt import TENSORRT
from tests.support.factories import case

MAPS = (torch.rand(1, 3, 4, 4).to(memory_format=torch.channels_last), torch.rand(1, 2, 2, 2))

SHAPES = {"c2": (1, 3, 4, 4), "c3": (1, 2, 2, 2), "p2": (1, 5, 4, 4), "p3": (1, 5, 2, 2)}
"""Name of a tensor -> shape; maps in, then maps out."""


class Mode(IntEnum):
    INPUT = 0
    OUTPUT = 1


class Flag(IntEnum):
    TF32 = 6
    STRONGLY_TYPED = 1


class Logger:
    ERROR = 2

    def __init__(self, _: int) -> None:
        pass


class Recorder:
    """In the place of the module: a builder, a parser, an engine and what runs it."""

    __version__ = "11.4"
    TensorIOMode = Mode
    BuilderFlag = NetworkDefinitionCreationFlag = Flag
    ProfilingVerbosity = SimpleNamespace(DETAILED="detailed")
    LayerInformationFormat = SimpleNamespace(JSON="json")
    Logger = Logger

    def __init__(self) -> None:
        self.cleared: list[Flag] = []
        self.typed = 0
        self.problems: list[str] = []
        self.plan: bytes | None = b"plan"
        self.reads = self.runs = True
        self.dtype = "FLOAT"
        self.addresses: dict[str, int] = {}
        self.streams: list[int] = []

    def Builder(self, _: Any) -> Any:  # noqa: N802 - TensorRT's names
        def network(flags: int) -> str:
            self.typed = flags
            return "network"

        config = SimpleNamespace(clear_flag=self.cleared.append)
        return SimpleNamespace(
            create_network=network,
            create_builder_config=lambda: config,
            build_serialized_network=lambda _network, of: self.plan if of is config else None,
        )

    def OnnxParser(self, _network: str, _: Any) -> Any:  # noqa: N802
        errors = [SimpleNamespace(desc=lambda said=said: said) for said in self.problems]
        return SimpleNamespace(
            parse=lambda model: model == b"onnx" and not errors,
            num_errors=len(errors),
            get_error=lambda i: errors[i],
        )

    def Runtime(self, _: Any) -> Any:  # noqa: N802
        return SimpleNamespace(
            deserialize_cuda_engine=lambda plan: self._engine() if self.reads and plan else None
        )

    def _engine(self) -> Any:
        names = list(SHAPES)
        layers = {"Layers": [{"LayerType": "conv"}, {"LayerType": "conv"}, {"LayerType": "resize"}]}
        return SimpleNamespace(
            num_io_tensors=len(names),
            num_layers=3,
            get_tensor_name=names.__getitem__,
            get_tensor_mode=lambda name: Mode.INPUT if name[0] == "c" else Mode.OUTPUT,
            get_tensor_shape=SHAPES.__getitem__,
            get_tensor_dtype=lambda _: SimpleNamespace(name=self.dtype),
            create_execution_context=lambda: SimpleNamespace(
                set_tensor_address=self.addresses.__setitem__, execute_async_v3=self._execute
            ),
            create_engine_inspector=lambda: SimpleNamespace(
                get_engine_information=lambda _: json.dumps(layers)
            ),
        )

    def _execute(self, stream: int) -> bool:
        self.streams.append(stream)
        return self.runs


class Stream:
    """Of CUDA; keeps for whom it waits."""

    cuda_stream = 7

    def __init__(self, *_: Any) -> None:
        self.waits: list[Any] = []

    def wait_stream(self, other: Any) -> None:
        self.waits.append(other)


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    found = Recorder()
    monkeypatch.setitem(sys.modules, "tensorrt", found)

    def build(_network: Any, _maps: Any, file: Path) -> None:
        file.write_bytes(b"onnx")

    monkeypatch.setattr(tensor_rt, "ONNX_RUNTIME", SimpleNamespace(build=build))
    return found


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Loaded, Stream]]:
    """Return what loads a plan, and the stream of its caller."""
    caller = Stream()
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: caller)
    plan = tmp_path / TENSORRT.file
    plan.write_bytes(b"plan")
    return lambda **axes: (TENSORRT.load(plan, MAPS, case(device="cuda", **axes)), caller)


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_what_torch_allows(
    allowed: bool, module: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", allowed)
    TENSORRT.build(torch.nn.Identity(), MAPS, tmp_path / TENSORRT.file)
    assert (tmp_path / TENSORRT.file).read_bytes() == b"plan"
    assert module.cleared == ([] if allowed else [Flag.TF32])
    assert module.typed == 1 << Flag.STRONGLY_TYPED


def test_what_cannot_be_built_says_why(module: Recorder, tmp_path: Path) -> None:
    module.plan = None
    with pytest.raises(ValueError, match="built no engine"):
        TENSORRT.build(torch.nn.Identity(), MAPS, tmp_path / TENSORRT.file)
    module.problems = ["no such operator", "nor this one"]
    with pytest.raises(ValueError, match=r"^no such operator; nor this one$"):
        TENSORRT.build(torch.nn.Identity(), MAPS, tmp_path / TENSORRT.file)


def test_maps_are_bound_once_and_contiguous(
    module: Recorder, load: Callable[..., tuple[Loaded, Stream]]
) -> None:
    loaded, caller = load()
    assert loaded.read_back == {"version": "11.4", "dtypes": "float32", "layers": "3"}
    p2, p3 = loaded.call()
    assert [p2.shape, p3.shape] == [SHAPES["p2"], SHAPES["p3"]]
    assert module.addresses["c3"] == MAPS[1].data_ptr()
    assert module.addresses["c2"] != MAPS[0].data_ptr()  # of the copy in its own order
    assert [module.addresses["p2"], module.addresses["p3"]] == [p2.data_ptr(), p3.data_ptr()]
    assert module.streams == [Stream.cuda_stream]
    (own,) = caller.waits
    assert own.waits == [caller]
    assert loaded.call()[0] is p2


def test_engine_in_another_dtype_is_refused(
    module: Recorder, load: Callable[..., tuple[Loaded, Stream]]
) -> None:
    module.dtype = "HALF"
    with pytest.raises(SettingError, match="dtypes float16, and not float32"):
        load(dtype="tf32")
    assert load(dtype="float16")[0].call()[0].dtype == torch.float16


def test_call_that_does_not_run_is_an_error(
    module: Recorder, load: Callable[..., tuple[Loaded, Stream]]
) -> None:
    module.runs = False
    loaded, _ = load()
    with pytest.raises(RuntimeError, match="did not run"):
        loaded.call()
    module.reads = False
    with pytest.raises(ValueError, match="cannot read its engine"):
        load()


def test_layers_are_counted_by_kind(tmp_path: Path) -> None:
    plan = tmp_path / TENSORRT.file
    plan.write_bytes(b"plan")
    assert TENSORRT.executed(plan, MAPS, case()) == {"conv": 2, "resize": 1}
