"""The plugin's own parser on what is written for it: right device times, steps and modules."""

import copy
from typing import Any

import pytest

from bench.profiling.tensorboard_trace import MODULE, for_plugin
from tests.support import traces

data = pytest.importorskip("torch_tb_profiler.profiler.data", reason="an extra; make test has it")
module_op = pytest.importorskip("torch_tb_profiler.profiler.module_op")

# The plugin's own; pandas tells that it will end with pandas 4.
pytestmark = pytest.mark.filterwarnings("ignore:The copy keyword:DeprecationWarning")


def parsed(events: list[traces.Event]) -> Any:
    return data.RunProfileData.from_json("worker", "span", {"traceEvents": events})


def device_times(events: list[traces.Event]) -> dict[str, float]:
    found = parsed(events).op_list_groupby_name
    return {operator.name: operator.self_device_duration for operator in found}


def test_operators_have_the_time_of_the_kernels_that_they_launched() -> None:
    times = device_times(for_plugin(traces.cuda_trace()))
    assert times == {
        "aten::conv2d": 2 * 20,
        "aten::cudnn_convolution": 2 * 100,
        "aten::relu": 2 * 10,
    }


def test_as_written_by_torch_they_have_none() -> None:
    """Otherwise the whole module would be for nothing."""
    assert set(device_times(traces.cuda_trace()).values()) == {0}


def test_the_device_has_no_steps_of_its_own() -> None:
    found = parsed(for_plugin(traces.cuda_trace()))
    assert len(found.steps_names) == 2
    kernels_us = [costs.costs[0] for costs in found.steps_costs]
    assert kernels_us == [130, 130]


def test_kernels_name_their_operator() -> None:
    found = parsed(for_plugin(traces.cuda_trace((0.0,)))).kernel_list_groupby_name_op
    assert {kernel.name: kernel.op_name for kernel in found} == {
        "kernel_1": "aten::cudnn_convolution",
        "kernel_2": "aten::conv2d",
        "kernel_3": "aten::relu",
    }


def test_annotated_calls_become_the_module_view() -> None:
    events = [
        *traces.cpu_trace()[:8],
        traces.stage(f"{MODULE}fpn", 5, 315),
        traces.stage(f"{MODULE}fpn.lateral_c2", 15, 105),
        traces.stage(f"{MODULE}fpn.smooth_m2", 115, 225),
    ]
    found = parsed(for_plugin(events))
    (fpn,) = module_op.aggegate_module_view(found.tid2tree, found.events)
    assert fpn.name == "fpn"
    assert [child.name for child in fpn.children] == ["fpn.lateral_c2", "fpn.smooth_m2"]
    assert fpn.host_duration == 310
    assert [child.operators for child in fpn.children] == [1, 1]


def test_what_torch_wrote_is_not_changed() -> None:
    events = traces.cuda_trace()
    before = copy.deepcopy(events)
    for_plugin(events)
    assert events == before
