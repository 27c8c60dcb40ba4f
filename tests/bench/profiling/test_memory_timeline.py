"""Tensor memory of a step, as a trace has it."""

import pytest

from bench.profiling.attribution import timeline
from bench.profiling.memory_timeline import MAX_POINTS
from tests.support import traces

STAGES = ("fpn p2 lateral", "fpn p2 smooth")


def test_memory_names_what_fills_the_peak() -> None:
    events = [
        *traces.cpu_trace()[:8],
        traces.memory(25, 100, 1),
        traces.memory(35, 50, 2),
        traces.memory(95, -50, 2),
        traces.memory(125, 80, 3),
        traces.memory(300, -100, 1),
    ]
    found = timeline(events, STAGES).memory
    assert found is not None
    assert found.peak_bytes == 180
    assert found.peak_at_s == pytest.approx(125e-6)
    assert found.live == (
        ("fpn p2 lateral", "aten::conv2d", 100),
        ("fpn p2 smooth", "aten::conv2d", 80),
    )
    assert found.left_bytes == {"fpn p2 smooth": 80}
    assert found.curve[0] == (0.0, 0)
    assert found.curve[-1][1] == 80


def test_memory_of_an_accelerator_hides_that_of_the_host() -> None:
    events = [*traces.cuda_trace((0.0,)), traces.memory(22, 10, 1), traces.memory(23, 64, 2, 1)]
    found = timeline(events, ()).memory
    assert found is not None
    assert found.peak_bytes == 64


def test_long_curves_are_thinned_and_keep_their_peak() -> None:
    allocations = [traces.memory(1 + i / 100, 1, i) for i in range(3000)]
    releases = [traces.memory(40 + i / 100, -1, i) for i in range(3000)]
    found = timeline([traces.step(0, 0, 400), *allocations, *releases], ()).memory
    assert found is not None
    assert len(found.curve) <= MAX_POINTS + 2
    assert max(nbytes for _, nbytes in found.curve) == found.peak_bytes == 3000
