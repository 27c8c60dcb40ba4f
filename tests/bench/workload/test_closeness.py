"""How close maps are to eager float32, and what their levels are called."""

import math

import pytest
import torch

from bench.schema.recipe import Recipe
from bench.workload.closeness import how_close, level_names, sqnr_db, without_tf32
from tests.support.factories import case


@pytest.mark.parametrize(
    ("network", "axes", "names"),
    [
        ("panet", {}, ["n2", "n3", "n4", "n5"]),
        ("fpn", {"levels": "p3-p6"}, ["p3", "p4", "p5", "p6"]),
        ("backbone", {"scope": "model"}, ["c2", "c3", "c4", "c5"]),
        ("neck=bifpn", {}, ["n2", "n3", "n4", "n5"]),
        ("bench.run.peer_networks:TORCHVISION_FPN", {}, ["p2", "p3", "p4", "p5"]),
        ("heads", {"scope": "heads"}, [f"output {place}" for place in range(1, 5)]),
    ],
)
def test_outputs_are_called_by_their_level(
    network: str, axes: dict[str, str], names: list[str]
) -> None:
    assert level_names(case(**axes), Recipe.parse(network), 4) == names


def test_every_level_is_compared_with_its_own_largest_value() -> None:
    exact = (torch.tensor([1.0, -2.0]), torch.tensor([100.0, 0.0]))
    rough = (torch.tensor([1.0, -1.0]), torch.tensor([100.0, 0.0], dtype=torch.bfloat16))
    found = how_close(case(levels="p3-p4"), Recipe("panet"), exact, rough)
    assert found.differences == {"n3": 0.5, "n4": 0.0}
    assert found.sqnr_db == {"n3": pytest.approx(10 * math.log10(5)), "n4": None}


def test_outputs_of_another_shape_have_none_of_the_signal() -> None:
    assert sqnr_db((torch.ones(2),), (torch.ones(3),)) == [-math.inf]


def test_tf32_is_off_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with without_tf32():
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cudnn.allow_tf32
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
    finally:
        torch.set_float32_matmul_precision(before)
