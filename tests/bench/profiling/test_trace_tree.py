"""The tree of a trace: who called whom, and who launched what."""

import pytest

from bench.profiling.trace_tree import innermost, launchers, operators
from tests.support import traces

NESTED = [
    traces.operator("aten::conv2d", 0, 100, sequence=3),
    traces.operator("aten::convolution", 10, 60),
    traces.operator("aten::empty", 20, 30),
    traces.operator("aten::relu", 110, 120),
]


def test_operators_have_what_they_called_below_them() -> None:
    convolution, relu = operators(NESTED)
    assert [node.name for node in convolution.walk()] == [
        *("aten::conv2d", "aten::convolution", "aten::empty")
    ]
    assert list(relu.walk()) == [relu]
    *_, empty = convolution.walk()
    assert empty.outermost is convolution
    assert convolution.sequence == 3
    assert convolution.total_s == pytest.approx(100e-6)
    assert convolution.self_s == pytest.approx(50e-6)


def test_what_torch_compile_puts_around_its_kernels_is_no_operator() -> None:
    around = traces.operator("Torch-Compiled Region: 0/0", 0, 200)
    assert [root.name for root in operators([around, *NESTED])] == ["aten::conv2d", "aten::relu"]


def test_innermost_operator_of_a_moment_is_the_one_that_runs_then() -> None:
    roots = operators(NESTED)
    names = {at: innermost(roots, at * 1e-6) for at in (5, 25, 50, 105)}
    assert {at: node and node.name for at, node in names.items()} == {
        5: "aten::conv2d",
        25: "aten::empty",
        50: "aten::convolution",
        105: None,
    }


def test_kernels_count_for_the_operator_that_launched_them() -> None:
    events = [*NESTED, *traces.launch(1, 15, (300, 400)), *traces.launch(2, 115, (400, 450))]
    roots = operators(events)
    assert {number: node.name for number, node in launchers(events, roots).items()} == {
        1: "aten::convolution",
        2: "aten::relu",
    }
    assert [root.total_device_s for root in roots] == pytest.approx([100e-6, 50e-6])
    assert roots[0].device_s == 0
