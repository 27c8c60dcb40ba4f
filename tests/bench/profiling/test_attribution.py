"""What a trace says of stages, operators and the device."""

import pytest

from bench.profiling.attribution import Kernel, timeline
from tests.support import traces

STAGES = ("fpn p2 lateral", "fpn p2 smooth")


def test_time_of_a_stage_is_that_of_its_operators() -> None:
    found = timeline(traces.cpu_trace()[:8], STAGES)
    assert found.steps == 1
    assert found.step_s == pytest.approx(400e-6)
    lateral, smooth = (found.stages[name] for name in STAGES)
    assert lateral.forward_s == pytest.approx(80e-6)
    assert smooth.forward_s == pytest.approx(130e-6)
    assert (lateral.operators, smooth.operators) == (1, 2)
    assert found.elsewhere.forward_s == pytest.approx(20e-6)
    assert found.operators_s == pytest.approx(230e-6)
    assert found.device_s is None


def test_times_are_medians_over_the_steps() -> None:
    found = timeline(traces.cpu_trace(), STAGES)
    assert found.steps == 2
    assert found.stages["fpn p2 lateral"].forward_s == pytest.approx(120e-6)
    assert found.step_s == pytest.approx(600e-6)


def test_own_time_of_an_operator_leaves_out_what_it_calls() -> None:
    found = timeline(traces.cpu_trace()[:8], STAGES).operators
    assert found["aten::conv2d"].calls == 2
    assert found["aten::conv2d"].total_s == pytest.approx(180e-6)
    assert found["aten::conv2d"].self_s == pytest.approx(120e-6)
    assert found["aten::convolution"].self_s == pytest.approx(60e-6)
    assert next(iter(found)) == "aten::conv2d"


def test_kernels_count_for_the_operator_that_launched_them() -> None:
    found = timeline(traces.cuda_trace(), ("fpn p2 lateral", "panet n3 fuse"))
    assert found.stages["fpn p2 lateral"].device_s == pytest.approx(120e-6)
    assert found.stages["panet n3 fuse"].device_s == pytest.approx(10e-6)
    own = {name: time.self_device_s for name, time in found.operators.items()}
    assert own["aten::cudnn_convolution"] == pytest.approx(100e-6)
    assert own["aten::conv2d"] == pytest.approx(20e-6)
    assert found.device_s == pytest.approx(130e-6)


def test_overlapping_kernels_are_busy_time_once() -> None:
    events = [traces.step(0, 0, 500), *traces.launch(1, 10, (100, 200))]
    events += [traces.operator("aten::relu", 5, 30), *traces.launch(2, 20, (150, 300))]
    assert timeline(events, ()).device_s == pytest.approx(200e-6)


def test_backward_pass_belongs_to_the_stage_of_its_forward_operator() -> None:
    backward = "autograd::engine::evaluate_function: "
    events = [
        traces.step(0, 0, 500),
        traces.stage("fpn p2 lateral", 10, 60),
        traces.operator("aten::conv2d", 12, 50, sequence=7),
        traces.stage("panet n3 fuse", 60, 100),
        traces.operator("aten::relu", 65, 80, sequence=8),
        traces.operator(f"{backward}ReluBackward0", 200, 210, sequence=8),
        traces.operator(f"{backward}ConvolutionBackward0", 220, 300, sequence=7),
        traces.operator(f"{backward}torch::autograd::AccumulateGrad", 300, 304),
        traces.operator(f"{backward}MeanBackward1", 310, 320, sequence=99),
    ]
    found = timeline(events, ("fpn p2 lateral", "panet n3 fuse"))
    assert found.stages["panet n3 fuse"].backward_s == pytest.approx(10e-6)
    assert found.stages["fpn p2 lateral"].backward_s == pytest.approx(84e-6)
    assert found.elsewhere.backward_s == pytest.approx(10e-6)
    assert found.elsewhere.forward_s == 0


def test_a_trace_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="no step"):
        timeline([traces.operator("aten::relu", 0, 1)], ())


@pytest.mark.parametrize(
    ("kernel", "operator", "called"),
    [
        ("extern_kernels.convolution:1", "aten::convolution", True),
        ("extern_kernels.convolution:1", "aten::conv2d", False),
        ("cpp_fused_add_relu_3:8", "graph_0_cpp_fused_add_relu_3", True),
        ("cpp_fused_add_relu_3:8", "graph_0_cpp_fused_add_relu_31", False),
        (
            "torch.ops.mkldnn._convolution_pointwise.default:4",
            "mkldnn::_convolution_pointwise",
            True,
        ),
    ],
)
def test_a_kernel_knows_its_calls(kernel: str, operator: str, called: bool) -> None:
    assert Kernel(kernel, None).is_called(operator) is called


def test_kernels_of_a_compiler_are_told_apart_by_the_order_of_their_calls() -> None:
    events = []
    for number, at in enumerate((0, 1000)):
        events += [
            traces.step(number, at, at + 400),
            traces.operator("aten::convolution", at + 10, at + 60),
            traces.operator("graph_0_cpp_fused_add_relu_0", at + 60, at + 65),
            traces.operator("aten::convolution", at + 70, at + 170),
            traces.operator("aten::mean", at + 180, at + 190),
        ]
    kernels = [
        Kernel("extern_kernels.convolution:1", STAGES[0]),
        Kernel("cpp_fused_add_relu_0:2", None),
        Kernel("extern_kernels.convolution:3", STAGES[1]),
    ]
    found = timeline(events, STAGES, kernels)
    assert [found.stages[name].forward_s for name in STAGES] == pytest.approx([50e-6, 100e-6])
    assert found.elsewhere.forward_s == pytest.approx(15e-6)
