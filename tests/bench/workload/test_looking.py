"""What is seen in a user's network before it is measured, and what is refused there."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe
from bench.workload.looking import Look, LookTask, look
from bench.workload.users import input_names, size_of, takes_sizes
from tests.support.factories import case

NETWORK = """
    import warnings
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(3, 4, 3, padding=1)
            self.neck = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
            self.nothing = nn.Identity()
            self.never = nn.Linear(2, 2)
            self.held = nn.ModuleList([nn.Conv2d(4, 4, 1)])
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            x = self.neck(self.neck(self.body(x)))
            if self.calls % 2:
                x = self.held[0](x)
            return {"out": [self.nothing(x)], "text": "no tensor"}

    class Caller(nn.Module):
        def __init__(self, others):
            super().__init__()
            self.others = [others[0]]  # in a list, and so no module of its own

        def forward(self, x):
            return self.others[0](x)

    class Nested(Net):
        def __init__(self):
            super().__init__()
            self.neck[1] = Caller(self.held)

    class Shared(Net):
        def __init__(self):
            super().__init__()
            self.alias = self.body

    def sized(batch, height, width):
        return Net(), [torch.zeros(batch, 3, height, width)]

    class HeldTwice(Net):
        def __init__(self):
            super().__init__()
            self.neck.append(self.held[0])

    class Named(Net):
        def forward(self, ids, scale=2.0, image=None, *, flag=False):
            return super().forward(image * scale * ids.float().mean())

    def named(): return Named(), {"image": torch.zeros(1, 3, 8, 16), "ids": torch.ones(1, 5).long()}
    def misnamed(): return Named(), {"pixels": torch.zeros(1, 3, 8, 16)}
    def only_named(): return Named(), {"ids": torch.zeros(1, 5), "flag": torch.zeros(1)}

    def scripted():
        net = Net()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says that it is deprecated
            net.nothing = torch.jit.script(net.nothing)
        return net

    def compiled():
        net = Net()
        net.neck = torch.compile(net.neck)
        return net

    def broken(): raise RuntimeError("no weights here")
    def two(a, b): return Net()
    number = 7
"""


def look_at(folder: Path, factory: str, *parts: str, training: bool = False, **values: Any) -> Look:
    file = folder / "mynet.py"
    file.write_text(textwrap.dedent(NETWORK))
    network = f"{file}:{factory}"
    axes = {"height_px": 8, "width_px": 16, "pass_name": "training" if training else "inference"}
    of = case(scope="own", backbone="", network=network, **axes)
    fields: dict[str, Any] = {
        "arms": {"network": Recipe("own")},
        "shapes": ("1x3x8x16",),
        "marked": parts,
    }
    task = LookTask(case=of, seed=0, scratch_dir=str(folder), **(fields | values))
    return LookTask.result(task, look(task).to_json())


def test_parts_are_counted_wherever_they_are_called(tmp_path: Path) -> None:
    seen = look_at(tmp_path, "Net", "nothing", "neck", "held.0", "body")
    assert list(seen.parts) == ["body", "neck", "held.0", "nothing"]  # as they are called
    neck, held = seen.parts["neck"], seen.parts["held.0"]
    assert (neck.kind, neck.params, neck.macs) == ("Sequential", 20, 2 * 16 * 8 * 16)
    assert (neck.fewest_calls, neck.most_calls) == (2, 2)
    assert (held.fewest_calls, held.most_calls) == (0, 1)
    assert neck.peak_bytes is not None
    assert neck.peak_bytes >= 4 * 8 * 16 * 4
    assert [path for path, facts in seen.parts.items() if facts.does_nothing] == ["nothing"]
    assert seen.outputs == ((1, 4, 8, 16),)
    assert seen.size == (1, 8, 16)
    assert seen.code == ((str(tmp_path), "mynet"),)


def test_children_that_are_never_called_are_told_and_left_out(tmp_path: Path) -> None:
    seen = look_at(tmp_path, "Net", parts_of=("",))
    assert list(seen.parts) == ["body", "neck", "held.0", "nothing"]  # a list is never called
    assert seen.never_called == ("never",)


def test_child_that_is_in_another_s_row_has_none_of_its_own(tmp_path: Path) -> None:
    seen = look_at(tmp_path, "Shared", parts_of=("",))
    assert "body" in seen.parts
    assert "alias" not in (*seen.parts, *seen.never_called)
    held = look_at(tmp_path, "HeldTwice", parts_of=("",))
    assert [path for path in held.parts if path.startswith(("neck", "held"))] == ["neck"]


def test_factory_that_takes_sizes_is_told_them(tmp_path: Path) -> None:
    seen = look_at(tmp_path, "sized", "neck", shapes=())
    assert seen.outputs == ((1, 4, 8, 16),)
    assert seen.size is None


def test_inputs_may_be_named_as_the_network_s_forward_names_them(tmp_path: Path) -> None:
    seen = look_at(tmp_path, "named", "neck", shapes=())
    assert seen.outputs == ((1, 4, 8, 16),)


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        ("misnamed", "Named takes other inputs: .*'ids'"),
        ("only_named", "Named takes flag by keyword only; give a module that calls it"),
    ],
)
def test_names_that_it_does_not_take_are_told(factory: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=said):
        look_at(tmp_path, factory, "neck", shapes=())


def test_training_is_counted_in_its_forward_pass(tmp_path: Path) -> None:
    seen = look_at(tmp_path, "Net", "neck", training=True)
    assert seen.parts["neck"].macs == 2 * 16 * 8 * 16
    assert seen.parts["neck"].most_calls == 2
    assert seen.parts["neck"].peak_bytes is None


@pytest.mark.parametrize(
    ("factory", "parts", "said"),
    [
        ("Net", ("nek",), "no module 'nek' in Net; did you mean neck"),
        ("Net", ("a.b.1",), "did you mean neck.1"),
        ("Net", ("zzz",), "at the top are body, neck"),
        ("Net", ("neck", "neck.0"), "neck.0 is inside neck"),
        ("Net", ("never",), "never .Linear. is never called in 3 calls"),
        ("Net", ("held",), "--parts-of held"),
        ("Shared", ("body", "alias"), "one and the same module"),
        ("Nested", ("neck.1", "held.0"), "held.0 is called inside neck.1"),
        ("scripted", ("nothing",), "nothing is scripted, and no mark"),
        ("compiled", ("neck",), "neck is compiled, and one graph"),
        ("absent", ("neck",), "has no function 'absent'"),
        ("number", ("neck",), "has no function 'number'"),
        ("two", ("neck",), r"\(batch, height, width\) or without arguments"),
    ],
)
def test_what_cannot_be_marked_is_refused_in_one_line(
    factory: str, parts: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match=said) as told:
        look_at(tmp_path, factory, *parts)
    assert "\n" not in str(told.value)


def test_module_without_inputs_asks_for_them(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--input 1x3x"):
        look_at(tmp_path, "Net", "neck", shapes=())


def test_part_that_is_exchanged_is_another_one(tmp_path: Path) -> None:
    exchange = f"neck={tmp_path / 'mynet.py'}:wide"
    with pytest.raises(BenchError, match="no function 'wide'"):
        look_at(tmp_path, "Net", "neck", arms={"with": Recipe("own", exchange=exchange)})
    exchange = "neck=torch.nn:Identity"
    seen = look_at(tmp_path, "Net", "neck", arms={"with": Recipe("own", exchange=exchange)})
    assert seen.parts["neck"].kind == "Identity"
    assert seen.parts["neck"].does_nothing


def sized(batch: int, height: int, width: int) -> int:
    return batch * height * width


def sized_or_not(b: int = 1, h: int = 2, w: int = 3) -> int:
    return b * h * w


def of_layers(channels: int = 1, levels: int = 2, depth: int = 3) -> int:
    return channels * levels * depth


def test_sizes_are_given_to_whoever_asks_for_them() -> None:
    asking: list[Callable[..., object]] = [
        sized,
        sized_or_not,
        of_layers,
        lambda: None,
        torch.nn.Identity,
        dict,
    ]
    assert [takes_sizes(factory) for factory in asking] == [True, True, *[False] * 4]


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((2, 3, 8, 16), (2, 8, 16)),
        ((3, 8, 16), (1, 8, 16)),
        ((4, 128), (4, 1, 128)),
        ((7,), (1, 1, 7)),
        ((), (1, 1, 1)),
    ],
)
def test_size_is_read_from_the_first_input(
    shape: tuple[int, ...], size: tuple[int, int, int]
) -> None:
    assert size_of(([torch.zeros(shape)], "a text")) == size


@pytest.mark.parametrize("text", ["", "x", "1x", "1x0", "3,4", "1x-3", "1x3x8.5", "²x2"])
def test_shape_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BenchError, match="give the shape of a tensor"):
        input_names([text])
