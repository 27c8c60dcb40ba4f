"""Tensor memory of a step, as a trace has it."""

import pytest
import torch

from bench.machine.peak_memory import peak_bytes
from bench.profiling.attribution import timeline
from bench.profiling.memory_timeline import MAX_POINTS
from bench.profiling.trace import record
from bench.workload.arms import Arm
from bench.workload.networks import Neck, Outputs
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


def test_what_a_step_frees_of_the_one_before_was_there_when_it_began() -> None:
    events = [
        traces.step(0, 0, 400),
        traces.memory(10, 100, 1),
        traces.step(1, 400, 800),
        traces.memory(420, -100, 1),
        traces.memory(430, 60, 1),
        traces.memory(440, 30, 2),
        traces.memory(450, -30, 2),
    ]
    found = timeline(events, ()).memory
    assert found is not None
    assert (found.curve[0], min(nbytes for _, nbytes in found.curve)) == ((0.0, 100), 0)
    assert (found.peak_bytes, found.peak_at_s) == (100, 0.0)
    assert [nbytes for *_, nbytes in found.live] == [100]
    assert sum(found.left_bytes.values()) == 60


@pytest.mark.slow
@pytest.mark.parametrize("part", ["fpn", "panet"])
def test_peak_of_a_training_step_is_its_list_and_the_one_that_is_measured_alone(part: str) -> None:
    network = Neck((8, 16, 32, 64)).train()
    if part == "fpn":
        network.panet = None
    maps = tuple(torch.randn(1, c, 64 >> i, 64 >> i) for i, c in enumerate((8, 16, 32, 64)))

    def call() -> Outputs:
        outputs: Outputs = network(*maps)
        torch.stack([x.mean() for x in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
        return ()

    def prepare() -> None:
        network.zero_grad(set_to_none=True)

    traced = record(Arm("panet", network, call, prepare), torch.device("cpu"), 1)
    found = timeline(traced.events, ()).memory
    prepare()
    assert found is not None
    assert found.peak_bytes == sum(nbytes for *_, nbytes in found.live)
    assert found.peak_bytes == pytest.approx(peak_bytes(call, torch.device("cpu")), rel=0.01)


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
