"""Where marks stand, and that the spans between them add up to the call."""

import copy
import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.schema.records import OTHER
from bench.workload import marks as marks_module
from bench.workload.graph_marks import GraphMarks
from bench.workload.marks import Marks
from bench.workload.networks import Neck
from bench.workload.splitting import can_split
from bench.workload.stages import stages
from panet import BackboneNeck
from tests.support.factories import case

CPU = torch.device("cpu")
IMAGE = torch.randn(1, 3, 64, 64)
CHANNELS = (8, 16, 32, 64)
MAPS = tuple(torch.randn(1, c, 64 >> i, 64 >> i) for i, c in enumerate(CHANNELS))


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the clock by one that counts how often it is read."""
    count = iter(range(10_000))
    monkeypatch.setattr(marks_module, "wall_s", lambda: float(next(count)))


def spans_of(network: nn.Module, *inputs: Tensor, training: bool = False) -> dict[str, float]:
    marks = Marks(network, CPU, training=training)
    marks.begin()
    outputs = network(*inputs)
    if training:
        torch.stack([x.mean() for x in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    marks.end()
    marks.keep()
    return {stage: seconds for stage, (seconds,) in marks.spans_s().items()}


@pytest.mark.usefixtures("ticks")
def test_a_reading_is_shared_by_both_neighbours() -> None:
    spans = spans_of(Neck(CHANNELS).eval(), *MAPS)
    assert set(spans) == {OTHER, *(stage.name for stage in stages(Neck(CHANNELS)))}
    # A part's own beginning goes to its first stage, and what is between parts to neither.
    twice = {"fpn p5 lateral", "panet n3 downsample"}
    assert {stage for stage, seconds in spans.items() if seconds == 2} == twice
    assert spans[OTHER] == 3
    assert all(s == 1 for name, s in spans.items() if name not in {OTHER, *twice})


@pytest.mark.slow
@pytest.mark.usefixtures("ticks")
@pytest.mark.parametrize("backbone", ["cnn", "resnet18", "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize("training", [False, True])
def test_spans_add_up_to_the_call(backbone: str, training: bool) -> None:
    network = BackboneNeck(backbone)
    image = torch.randn(1, 3, 224, 224) if "224" in backbone else IMAGE
    marks = Marks(network, CPU, training=training)
    marks.begin()
    (start,) = (at for _, at in marks._log)
    outputs = network(image)
    if training:
        torch.stack([x.mean() for x in outputs]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    marks.end()
    end = marks._log[-1][1]
    marks.keep()
    assert sum(seconds for (seconds,) in marks.spans_s().values()) == end - start


def test_marks_change_nothing_that_is_computed() -> None:
    plain = BackboneNeck("cnn").eval()
    marked = copy.deepcopy(plain)
    Marks(marked, CPU, training=False)
    with torch.inference_mode():
        assert all(map(torch.equal, plain(IMAGE), marked(IMAGE)))
    assert list(marked.state_dict()) == list(plain.state_dict())


def test_backward_pass_of_a_part_is_the_part_s() -> None:
    """The path's gradients are the slow ones here; in FPN's own backward pass they are not."""
    network = Neck(CHANNELS).train()
    marks = Marks(network, CPU, training=True)
    marks.begin()
    torch.stack([x.mean() for x in network(*MAPS)]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    marks.end()
    order = [marks._names[abs(place)] for place, _ in marks._log]
    forward_end = max(i for i, place in enumerate(order) if place == OTHER and i < len(order) - 1)
    backward = [name for name in order[forward_end + 1 : -1] if name != OTHER]
    parts = [name.split()[0] for name in backward]
    assert parts == sorted(parts, reverse=True)  # all of the path, and then all of FPN
    assert backward[0] == "panet n5 fuse"
    assert {*backward} == {*order} - {OTHER}


@pytest.mark.slow
def test_gradients_are_the_same_with_marks() -> None:
    plain = Neck(CHANNELS).train()
    marked = copy.deepcopy(plain)
    Marks(marked, CPU, training=True)
    for network in (plain, marked):
        torch.stack([x.mean() for x in network(*MAPS)]).sum().backward()  # type: ignore[no-untyped-call]  # torch's
    gradients = zip(plain.parameters(), marked.parameters(), strict=True)
    assert all(
        torch.equal(a.grad, b.grad)
        for a, b in gradients
        if a.grad is not None and b.grad is not None
    )


def test_calls_before_the_clock_are_forgotten() -> None:
    network = Neck(CHANNELS).eval()
    marks = Marks(network, CPU, training=False)
    network(*MAPS)
    marks.begin()
    network(*MAPS)
    marks.end()
    marks.keep()
    assert {len(seconds) for seconds in marks.spans_s().values()} == {1}
    assert marks.spans_s() == {}


class Own(nn.Module):
    """A network of somebody else's: a module that is called twice, one inside another."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.twice = nn.Sequential(nn.Linear(4, 4), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.twice(self.twice(self.first(x)))
        return out


@pytest.mark.usefixtures("ticks")
def test_stages_of_somebody_else_s_network_are_its_modules_with_weights() -> None:
    spans = spans_of(Own(), torch.ones(2, 4))
    assert list(spans) == [OTHER, "first", "twice.0"]
    assert spans["twice.0"] == 2


def test_events_are_read_when_the_device_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an accelerator the parts are marked, by events that are subtracted afterwards."""

    class Timer:
        available = True

        def __init__(self, _: torch.device) -> None:
            self._events: Iterator[int] = iter(range(100))

        def mark(self) -> int:
            return next(self._events)

        @staticmethod
        def between_s(start: int, end: int) -> float:
            return float(end - start)

    monkeypatch.setattr(marks_module, "DeviceTimer", Timer)
    spans = spans_of(Neck(CHANNELS).eval(), *MAPS)
    assert spans == {OTHER: 3.0, "fpn": 1.0, "panet": 1.0}


@pytest.mark.process
def test_mark_inside_a_compiled_graph_leaves_its_kernels_as_they_are() -> None:
    """Inductor starts a C++ compiler; torch's own helper gives the code that it made."""
    from torch._inductor.utils import run_and_get_code

    plain = BackboneNeck("cnn").eval().to(memory_format=torch.channels_last)
    image = IMAGE.contiguous(memory_format=torch.channels_last)
    marked = copy.deepcopy(plain)
    marks = GraphMarks(marked)
    kernels, outputs = [], []
    with torch.inference_mode():
        for network in (plain, marked):
            marks.begin()
            maps, code = run_and_get_code(torch.compile(network, dynamic=False), image)
            outputs.append(maps)
            called = re.findall(r"(cpp_fused\w+|extern_kernels\.\w+)\(", "".join(code))
            kernels.append(sorted(re.sub(r"_\d+$", "", name) for name in called))
        marks.end()
        marks.keep()
    assert kernels[0] == kernels[1]
    assert all(map(torch.equal, *outputs))
    assert list(marks.spans_s()) == ["backbone", "fpn", "panet"]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({}, True),
        ({"pass_name": "training"}, True),
        ({"compile_mode": "default", "channels_last": True}, True),
        ({"compile_mode": "default"}, False),
        ({"compile_mode": "default", "channels_last": True, "pass_name": "training"}, False),
        ({"compile_mode": "default", "channels_last": True, "device": "cuda"}, False),
        ({"compile_mode": "default", "channels_last": True, "scope": "own"}, False),
    ],
)
def test_what_can_be_split(axes: dict[str, Any], expected: bool) -> None:
    assert can_split(case(**axes)) is expected


class Twice(nn.Module):
    """Calls its neck twice, by keyword, and gives a mapping on."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 4, 3, padding=1)
        self.neck = nn.ModuleDict({"lateral": nn.Conv2d(4, 4, 1)})
        self.neck.forward = lambda x: {"p2": self.neck["lateral"](x)}
        self.head = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.neck(x=self.body(x))["p2"]
        head: Tensor = self.head(self.neck(x=maps)["p2"])
        return head


def marked_spans(
    *paths: str, training: bool = False, device: torch.device = CPU
) -> tuple[dict[str, float], list[str]]:
    """Return the spans of one call, by the number of readings, and the order of the marks."""
    network = Twice()
    marks = Marks(network, device, training=training, around_modules=paths)
    marks.begin()
    outputs = network(IMAGE)
    if training:
        outputs.mean().backward()
    marks.end()
    order = [marks._names[abs(place)] for place, _ in marks._log]
    marks.keep()
    return {stage: seconds for stage, (seconds,) in marks.spans_s().items()}, order


@pytest.mark.usefixtures("ticks")
def test_modules_that_are_named_are_the_stages_and_the_rest_is_other() -> None:
    spans, order = marked_spans("neck", "head")
    assert order == [OTHER, "neck", OTHER, "neck", OTHER, "head", OTHER, OTHER]
    assert spans == {OTHER: 4, "neck": 2, "head": 1}


@pytest.mark.usefixtures("ticks")
def test_backward_pass_of_a_named_module_is_its_own() -> None:
    spans, order = marked_spans("neck", training=True)
    forward, backward = [OTHER, "neck", OTHER, "neck", OTHER], ["neck", "neck", OTHER, OTHER]
    assert order == forward + backward  # the loss and the head's gradients are in the rest
    assert sum(spans.values()) == len(order) - 1


class Stream:
    """Of a card: its events pass a second apart, and none is read before all calls are done."""

    def __init__(self) -> None:
        self.passed, self.read = 0, 0

    def event(self, device: torch.device, *, enable_timing: bool) -> "Event":
        assert (device.type, enable_timing) == ("cuda", True)
        return Event(self)


class Event:
    """Stands in for `torch.Event`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._at = -1

    def record(self) -> None:
        assert not self._stream.read, "the host waited for the card within a call"
        self._at = self._stream.passed
        self._stream.passed += 1

    def elapsed_time(self, end: "Event") -> float:
        self._stream.read += 1
        return 1e3 * (end._at - self._at)


@pytest.mark.parametrize("training", [False, True])
def test_named_modules_are_marked_by_events_on_a_card(
    training: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is called twice, and backward, is split as on a CPU, without a look at its clock."""
    count = iter(range(1000))
    monkeypatch.setattr(marks_module, "wall_s", lambda: float(next(count)))
    paths = ("neck", "head")
    on_cpu = marked_spans(*paths, training=training)
    seen, stream = next(count), Stream()
    monkeypatch.setattr(torch, "Event", stream.event)
    on_card, order = marked_spans(*paths, training=training, device=torch.device("cuda"))
    assert (on_card, order) == on_cpu
    assert stream.passed == len(order)  # one between two neighbours, none for what is inside
    assert next(count) == seen + 1


def test_named_modules_change_nothing_that_is_computed() -> None:
    plain = Twice().eval()
    marked = copy.deepcopy(plain)
    Marks(marked, CPU, training=False, around_modules=("neck.lateral", "head"))
    assert torch.equal(plain(IMAGE), marked(IMAGE))
