"""Runtimes read a file: what each cannot do, what is written and read back, what is refused."""

import importlib.util
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from bench.engine.replicate import replicate
from bench.schema.case import AXES, TORCH, Case
from bench.schema.recipe import ARMS, Recipe
from bench.schema.records import Status
from bench.schema.text import decibels
from bench.workload import check as checks
from bench.workload import runtimes
from bench.workload.check import check
from bench.workload.compiler_cache import CompileError
from bench.workload.exported import BUILT, WEIGHTS
from bench.workload.inputs import CALIBRATED_ON, make_inputs
from bench.workload.runtimes import RUNTIMES, aoti_int8, aotinductor, integers, onnx_int8, open_vino
from bench.workload.runtimes.runtime import Loaded, Maps, Runtime, SettingError, same_settings
from bench.workload.same_work import MismatchError
from tests.support.factories import case, check_task, replicate_task

SMALL = {"height_px": 64, "width_px": 64, "threads": 1}

SMALLEST = {"height_px": 32, "width_px": 32, "threads": 1}

FPN = {"fpn": Recipe("fpn")}


def _build(network: nn.Module, _maps: Maps, file: Path) -> None:
    torch.save(network, file)


def _load(file: Path, maps: Maps, case: Case) -> Loaded:
    network = torch.load(file, weights_only=False)
    return Loaded(lambda: network(*maps), {"threads": str(case.threads)})


PICKLE = Runtime(
    packages=("pickle",),
    file="network.pt",
    dtypes=("float32",),
    own_layout=True,
    build=_build,
    load=_load,
    executed=lambda *_: {"convolution": 7},
)
"""A runtime without a package of its own: torch, from a file."""


@pytest.fixture
def pickled(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Case]:
    """Put `PICKLE`, or what is changed of it, in a runtime's place; return cases of it."""

    def of(**changes: Any) -> Case:
        monkeypatch.setitem(RUNTIMES, "openvino", replace(PICKLE, **changes))
        return case(**SMALLEST, runtime="openvino")

    return of


def test_every_runtime_of_the_axis_is_in_the_table() -> None:
    (axis,) = (axis for axis in AXES if axis.option == "runtimes")
    assert set(axis.choices) == {TORCH, *RUNTIMES}


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"pass_name": "training"}, "onnxruntime does not train"),
        ({"compile_mode": "default"}, "onnxruntime compiles by itself: leave --compile off"),
        ({"device": "cuda:0"}, "onnxruntime is measured on the CPU alone"),
        ({"scope": "own", "network": "m:f"}, "onnxruntime is measured on our own networks alone"),
        (
            {"channels_last": True},
            "onnxruntime has a memory layout of its own: leave --channels-last off",
        ),
        ({"dtype": "bfloat16"}, "onnxruntime computes in float32 on the CPU, not in bfloat16"),
        ({"runtime": "tensorrt"}, "tensorrt is measured on NVIDIA GPUs alone"),
    ],
)
def test_what_a_runtime_cannot_do_is_said(axes: dict[str, Any], reason: str) -> None:
    assert runtimes.cannot_run(case(**{"runtime": "onnxruntime", **axes})) == reason


def test_a_runtime_that_is_not_installed_is_skipped_naming_its_extra(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    found = check(check_task(tmp_path, pickled(packages=("not_there",), extra="openvino")))
    assert found.status == Status.SKIPPED
    assert found.reason == "openvino needs not_there: pip install 'panet-bench[openvino]'"


def test_an_exported_case_has_the_facts_of_its_file(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    of = pickled()
    found = check(check_task(tmp_path, of))
    assert found.status == Status.OK, found.reason
    assert set(found.facts) == set(ARMS)
    fpn, panet = found.facts["fpn"], found.facts["panet"]
    assert fpn.read_back == {"threads": "1", "executes": "7 convolution"}
    assert fpn.level_differences == dict.fromkeys(("p2", "p3", "p4", "p5"), 0.0)
    assert panet.level_sqnr_db == dict.fromkeys(("n2", "n3", "n4", "n5"))
    assert not fpn.quantised
    assert None not in (fpn.build_s, fpn.load_s, fpn.first_s, fpn.compile_s)
    assert fpn.compile_s == fpn.build_s + fpn.load_s + fpn.first_s  # type: ignore[operator]
    assert fpn.file_bytes is not None
    assert 0 < panet.params * 4 - fpn.params * 4 < panet.file_bytes  # type: ignore[operator]
    assert (panet.macs > fpn.macs, panet.peak_bytes) == (True, None)


@pytest.mark.slow
def test_a_replicate_reads_what_the_check_has_written(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    of = pickled()
    check(check_task(tmp_path, of))
    written = {path: path.read_bytes() for path in tmp_path.rglob(BUILT)}
    assert len(written) == 2  # fpn_again is fpn
    found = replicate(replicate_task(tmp_path, of, rounds=2))
    assert set(found["compile_s"]) == set(ARMS)
    assert found["spans_s"] == {}
    assert {path: path.read_bytes() for path in tmp_path.rglob(BUILT)} == written


@pytest.mark.slow
@pytest.mark.parametrize("of", [case(**SMALL), case(**SMALL, channels_last=True)], ids=str)
def test_start_of_an_eager_arm_is_reading_its_weights_and_its_first_call(
    of: Case, tmp_path: Path
) -> None:
    usual = replicate(replicate_task(tmp_path, of, rounds=1, arms=FPN))
    assert (usual["compile_s"], usual["resident_bytes"]) == (None, {})
    found = replicate(replicate_task(tmp_path, of, rounds=1, arms=FPN, start_up=True))
    (file,) = tmp_path.rglob(WEIGHTS)
    assert {name.partition(".")[0] for name in torch.load(file)} == {"fpn"}
    assert found["compile_s"]["fpn"] > 0
    assert set(found["resident_bytes"]) == {"fpn"}


def test_a_runtime_that_computes_something_else_is_found(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    def wrong(file: Path, maps: Maps, case: Case) -> Loaded:
        right = _load(file, maps, case)
        return replace(right, call=lambda: tuple(x * 1.1 for x in right.call()))

    with pytest.raises(MismatchError, match=r"openvino fpn differs from eager by 1.0e-01"):
        check(check_task(tmp_path, pickled(load=wrong)))


def test_a_runtime_with_other_settings_is_found(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    def half(*_: Any) -> Loaded:
        raise SettingError("it has threads 1, and not 2 as asked")

    with pytest.raises(MismatchError, match="threads 1, and not 2 as asked"):
        check(check_task(tmp_path, pickled(load=half)))


def test_a_network_that_cannot_be_exported_is_its_failure(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    def fails(*_: Any) -> None:
        raise TypeError("no such operator")

    with pytest.raises(CompileError, match="TypeError: no such operator"):
        check(check_task(tmp_path, pickled(build=fails)))


@pytest.mark.slow
def test_integers_are_calibrated_on_other_photographs_of_the_same_size(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    seen: list[Maps] = []
    of = pickled(quantise=lambda _, samples: seen.extend(samples))
    found = check(check_task(tmp_path, of, arms=FPN))
    assert found.facts["fpn"].quantised
    timed, _ = make_inputs(check_task(tmp_path, of))
    assert len(seen) == CALIBRATED_ON
    for maps in seen:
        assert [x.shape for x in maps] == [x.shape for x in timed]
        assert not any(torch.equal(x, y) for x, y in zip(maps, timed, strict=True))
    part = {"panet_alone": Recipe("panet_alone")}
    check(check_task(tmp_path, of, arms=part))
    assert {x.shape[1] for maps in seen[CALIBRATED_ON:] for x in maps} == {256}


def rough(share: float) -> Callable[[Path, Maps, Case], Loaded]:
    """Return how a network is loaded whose outputs are off by a share of them."""

    def load(file: Path, maps: Maps, case: Case) -> Loaded:
        right = _load(file, maps, case)
        return replace(right, call=lambda: tuple(x * (1 - share) for x in right.call()))

    return load


def test_outputs_of_integers_are_held_to_their_noise(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    least: dict[str, Any] = {"least_sqnr_db": 20.0}
    found = check(check_task(tmp_path, pickled(load=rough(0.09), **least), arms=FPN))
    assert decibels(found.facts["fpn"].level_sqnr_db.values()) == "20.9 dB"
    assert [*found.facts["fpn"].level_differences.values()] == [pytest.approx(0.09)] * 4
    with pytest.raises(MismatchError, match=r"has 19\.2 dB of signal to noise .* than 20 dB"):
        check(check_task(tmp_path, pickled(load=rough(0.11), **least), arms=FPN))


@pytest.mark.slow
def test_outputs_of_half_precision_are_compared_with_float32(
    pickled: Callable[..., Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those in the dtype of the case are the same to the bit, which says nothing of rounding."""
    of = replace(pickled(dtypes=("bfloat16",)), dtype="bfloat16")
    found = check(check_task(tmp_path, of, arms=FPN)).facts["fpn"]
    assert list(found.level_differences) == ["p2", "p3", "p4", "p5"]
    assert all(1e-4 < off < 5e-2 for off in found.level_differences.values())

    def no_room(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(checks, "_eager_float32", no_room)
    found = check(check_task(tmp_path, of, arms=FPN)).facts["fpn"]
    assert found.level_differences == {}


def test_runtime_that_computes_with_other_nodes_is_found(
    pickled: Callable[..., Case], tmp_path: Path
) -> None:
    def executed(*_: Any) -> Any:
        raise SettingError("it computes nothing in integers")

    with pytest.raises(MismatchError, match="fpn: it computes nothing in integers"):
        check(check_task(tmp_path, pickled(executed=executed), arms=FPN))


@pytest.mark.parametrize(
    ("flags", "bits"),
    [("fma avx2", 7), ("avx512f avx512_vnni", 8), ("avx2 avx_vnni", 8), (None, 8)],
)
def test_weights_have_seven_bits_where_eight_would_saturate(
    flags: str | None, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integers, "cpu_flags", lambda: flags)
    assert integers.bits() == bits
    assert integers.bits_said().startswith(f"{bits} bits")


@pytest.mark.parametrize(
    ("name", "place", "under", "floats", "integer"),
    [
        ("onnxruntime-int8", onnx_int8, "ONNX_RUNTIME", "Conv (NCHWc)", "QLinearConv"),
        ("aotinductor-int8", aoti_int8, "AOTINDUCTOR", "convolution", "_qconv_pointwise_tensor"),
    ],
)
def test_graph_without_integers_is_refused(
    name: str,
    place: ModuleType,
    under: str,
    floats: str,
    integer: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    nodes = {floats: 7, "QuantizeLinear": 4}
    monkeypatch.setattr(place, under, replace(PICKLE, executed=lambda *_: nodes))
    with pytest.raises(SettingError, match=f"{name} computes nothing in integers"):
        RUNTIMES[name].executed(tmp_path, (), case())
    nodes[integer] = 1
    assert RUNTIMES[name].executed(tmp_path, (), case()) == nodes


def test_settings_are_held_to_what_was_asked_for() -> None:
    same_settings("it", {"threads": "2"}, {"threads": "2", "version": "1"})
    with pytest.raises(SettingError, match="it has threads 1, and not 2 as asked"):
        same_settings("it", {"threads": "2"}, {"threads": "1"})


@pytest.mark.parametrize(("source", "threads"), [("", None), (" num_threads(3)", "3")])
def test_threads_that_were_compiled_in_are_found(source: str, threads: str | None) -> None:
    found = aotinductor._threads(f"#pragma omp parallel{source}\n{{")
    assert found == (threads or str(torch.get_num_threads()))


def test_openvino_s_converter_tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with open_vino._nobody_told():
        assert os.environ["CI"] == "true"
    assert "CI" not in os.environ
    monkeypatch.setenv("CI", "no")
    with open_vino._nobody_told():
        assert os.environ["CI"] == "true"
    assert os.environ["CI"] == "no"


def real(name: str) -> Any:
    missing = [p for p in RUNTIMES[name].packages if importlib.util.find_spec(p) is None]
    marks = [pytest.mark.skipif(bool(missing), reason=f"{missing} not installed")]
    if RUNTIMES[name].device_type == "cuda":
        marks.append(pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))
    if name.startswith("aotinductor"):
        marks.append(pytest.mark.process)  # the compiler
    return pytest.param(name, marks=marks)


@pytest.mark.filterwarnings("ignore")  # what exporters warn of is not ours
@pytest.mark.parametrize("name", [real(name) for name in RUNTIMES])
def test_a_real_runtime_does_the_same_work(name: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    device = RUNTIMES[name].device_type
    found = check(check_task(tmp_path, case(**SMALL, runtime=name, device=device), arms=FPN))
    assert found.status == Status.OK, found.reason
    says = found.facts["fpn"].read_back
    assert device != "cpu" or says["threads"] == "1"
    convolutions = [n for n in says["executes"].split(", ") if "conv" in n.lower()]
    assert sum(int(n.split()[0]) for n in convolutions) >= 7
    if name == "aotinductor":
        assert any("mkldnn__convolution" in n for n in convolutions), "no weights are packed"
