"""`bench.cost` on a simulated machine: what it asks is what the command asks; what it returns."""

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from bench import BenchError, cost
from bench.__main__ import main
from bench.run.own import measuring
from bench.run.own.cost import Cost
from bench.run.own.request import Request
from bench.schema.files import COST
from bench.schema.records import Status
from bench.schema.tasks import ReplicateTask
from bench.workload.looking import LookTask
from tests.support.own_networks import Machine

FAST: dict[str, Any] = {"device": "cpu", "threads": 1}


@pytest.fixture
def ask(machine: Machine, tmp_path: Path) -> Callable[..., Cost]:
    """Return what calls `cost` for a factory of the file, on the machine."""
    assert machine.status is Status.OK

    def asked(network: Any = "make", **options: Any) -> Cost:
        if isinstance(network, str):
            network = f"{tmp_path / 'mynet.py'}:{network}"
        return cost(network, run_dir=tmp_path / "runs", **{**FAST, **options})

    return asked


class Net(nn.Module):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.body, self.neck = nn.Conv2d(3, channels, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.neck(self.body(x))  # type: ignore[no-any-return]


def test_request_is_that_of_the_command(
    ask: Callable[..., Cost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def stop(request: Request, *_: object) -> None:
        asked.append(request)
        raise BenchError("enough")

    monkeypatch.setattr(measuring, "measure", stop)
    file = tmp_path / "mynet.py"
    with pytest.raises(BenchError, match="enough"):
        ask(
            part=["neck", "body"],
            parts_of=".",
            inputs=[(1, 3, 8, 8), "2x3"],
            half_width=0.02,
            budget=90,
            timeout="5m",
            dtype=("float32", "bfloat16"),
            channels_last=True,
            passes="training",
        )
    words = ["cost", f"{file}:make", "--part", "neck", "--part", "body", "--parts-of", "."]
    words += ["--input", "1x3x8x8", "--input", "2x3", "--half-width", "2%", "--budget", "1.5m"]
    words += ["--timeout", "5m", "--dtypes", "float32,bfloat16", "--channels-last", "on"]
    words += ["--passes", "training", "--devices", "cpu", "--threads", "1"]
    assert main([*words, "--run-dir", str(tmp_path / "runs")]) == 2
    here, there = (vars(request) for request in asked)
    assert here | {"command": ""} == there | {"command": ""}
    assert here["command"].startswith(f"python -m bench cost {file}:make")


def test_numbers_of_a_part_have_names(ask: Callable[..., Cost]) -> None:
    found = ask(part="neck.bottom_up", resolution=32)
    assert (found.status, found.reason, found.said) == (Status.OK, "", True)
    assert found.inside.value == pytest.approx(0.2)
    assert found.ratio.value == pytest.approx(1.25)
    assert found.parts["neck.bottom_up"].share == found.inside
    assert found.call_s.low is not None
    assert found.call_s.low < 0.01 * 1.1 < 0.012
    assert (found.folder / COST).is_file()
    assert not (found.folder / "scratch").exists()
    frame = found.frame
    assert list(frame["part"]) == ["neck.bottom_up", "rest", "call"]
    assert math.isclose(frame["time_s"][0] + frame["time_s"][1], frame["time_s"][2])
    assert set(frame["height_px"]) == {32}
    assert str(found).startswith("`neck.bottom_up` takes 2.")
    shown = found._repr_html_()
    assert "<code>neck.bottom_up</code> takes 2." in shown
    assert shown.count("<table>") == 1
    assert 'aria-label="neck.bottom_up: 2.' in shown  # a bar of the picture


def test_children_are_told_apart_by_their_paths(ask: Callable[..., Cost]) -> None:
    found = ask(parts_of="neck", resolution=32)
    assert list(found.parts) == ["neck.lateral", "neck.bottom_up"]
    with pytest.raises(BenchError, match=r"of which part\? There are neck.lateral, neck.bottom_up"):
        _ = found.inside


@pytest.mark.slow
def test_parts_of_ours_are_drawn_as_a_pyramid(ask: Callable[..., Cost]) -> None:
    from panet import BackboneNeck

    found = ask(BackboneNeck, parts_of=["fpn", "panet"], inputs=(1, 3, 32, 32))
    shown = found._repr_html_()
    assert shown.count("<svg") == 1
    assert 'aria-label="fpn p4 top-down sum: ' in shown
    assert "fpn p4 top-down sum" in set(found.frame["stage"].dropna())


def test_another_module_in_the_place_has_its_own_numbers(ask: Callable[..., Cost]) -> None:
    found = ask(Net(), part="neck", instead=lambda: nn.Conv2d(4, 6, 1), inputs=(1, 3, 8, 8))
    assert found.residual.value == pytest.approx(1.0)
    assert found.difference_s.value == pytest.approx(0.001 * 1.1, rel=0.1)
    assert found.instead.share.value == pytest.approx(3 / 11)
    assert found.inside.value == pytest.approx(0.2)
    assert found.ratio.value == pytest.approx(1.1)
    assert set(found.frame["network"]) == {"Net", "lambda"}
    assert str(found).startswith("`lambda` in the place of `neck` takes 3.")


def test_first_of_several_networks_is_the_base(ask: Callable[..., Cost]) -> None:
    found = ask({"small": Net(4), "large": lambda: Net(8)}, inputs=(1, 3, 8, 8))
    assert list(found.networks) == ["large"]
    assert found.ratio.value == pytest.approx(1.0)
    assert list(found.frame["network"]) == ["small", "large", "small_again"]
    with pytest.raises(BenchError, match="There are none, these are whole networks"):
        _ = found.inside
    with pytest.raises(BenchError, match="residual is of another module"):
        _ = found.residual


@pytest.mark.parametrize(
    ("inputs", "seen"),
    [
        (torch.zeros(2, 3, 8, 16), (2, 8, 16)),
        ([torch.zeros(2, 3, 8, 16)], (2, 8, 16)),
        ("1x3x4x8", (1, 4, 8)),
        (torch.Size((1, 3, 4, 8)), (1, 4, 8)),
        ([[1, 3, 4, 8]], (1, 4, 8)),
    ],
)
def test_inputs_are_shapes_or_tensors(
    inputs: Any, seen: tuple[int, int, int], ask: Callable[..., Cost]
) -> None:
    found = ask(Net, part="neck", inputs=inputs)
    (case,) = found.answer.cases
    of = case.result.case
    assert (of.batch_size, of.height_px, of.width_px) == seen


@pytest.mark.parametrize("by_name", [False, True])
def test_tensors_are_what_the_network_is_called_with(
    by_name: bool, ask: Callable[..., Cost], machine: Machine
) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Identity()

        def forward(self, maps: dict[str, list[torch.Tensor]], bias: torch.Tensor) -> torch.Tensor:
            total: torch.Tensor = self.first(maps["p"][0] + bias)
            return total

    maps, bias = {"p": [torch.ones(2, 4, 8)]}, torch.ones(8)
    ask(Sum, part="first", inputs={"bias": bias, "maps": maps} if by_name else [maps, bias])
    (task,) = (task for task in machine.tasks if isinstance(task, LookTask))
    assert [Path(shape).name for shape in task.shapes] == ["inputs.pt"]


def test_contended_is_told_and_said_to_be_no_answer(
    ask: Callable[..., Cost], machine: Machine
) -> None:
    machine.busy = True
    found = ask(part="neck", resolution=32, budget="1s")
    assert (found.status, found.said) == (Status.CONTENDED, False)
    assert "busy" in found.reason


def test_case_that_does_not_run_has_no_numbers(ask: Callable[..., Cost], machine: Machine) -> None:
    machine.status = Status.OOM
    found = ask(part="neck", resolution=32)
    assert found.status is Status.OOM
    with pytest.raises(BenchError, match="nothing was measured, oom: no room"):
        _ = found.ratio


def test_several_cases_have_their_own_numbers(ask: Callable[..., Cost]) -> None:
    found = ask(part="neck", resolution=(32, 64))
    assert len(found.cases) == 2
    assert [case.inside.value for case in found.cases] == pytest.approx([0.2, 0.2])
    with pytest.raises(BenchError, match="2 cases"):
        _ = found.inside
    assert len(found.frame) == 6
    assert found._repr_html_().count("<h4>") == 2


def test_what_travels_is_not_left_behind_by_an_interrupt(
    ask: Callable[..., Cost], machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(machine, "run", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ask(Net(), part="neck", inputs=(1, 3, 8, 8))
    assert not list((tmp_path / "runs").rglob("scratch"))


def test_finished_one_is_gone_on_with_by_name_alone(
    ask: Callable[..., Cost], machine: Machine
) -> None:
    ask(part="neck", resolution=32)
    before = sum(isinstance(task, ReplicateTask) for task in machine.tasks)
    ask(part="neck", resolution=32, resume="latest")
    assert sum(isinstance(task, ReplicateTask) for task in machine.tasks) == before
    with pytest.raises(BenchError, match="resume=latest: whether lambda is what it was"):
        ask(lambda: Net(8), part="neck", inputs=(1, 3, 8, 8), resume="latest")


@pytest.mark.process
def test_importing_us_imports_nothing_else() -> None:
    code = "import bench, sys; print({'torch', 'numpy', 'pandas', 'rich'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
