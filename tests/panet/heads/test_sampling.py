"""RoIAlign by sums of rows is torchvision's, forward and backward."""

import pytest
import torch
from torch import Tensor

torchvision = pytest.importorskip("torchvision", reason="an extra; make test installs it")

from panet.heads.sampling import roi_align  # noqa: E402 - needs torchvision

BOXES = torch.tensor(
    [
        [0, 3.0, 5.0, 60.0, 47.0],
        [1, 0.0, 0.0, 63.9, 95.9],
        [1, 62.0, 90.0, 64.0, 96.0],  # up to the edges
        [0, 10.2, 20.7, 10.4, 20.8],  # less than a cell
        [1, -40.0, -9.0, 90.0, 130.0],  # some points are outside
    ]
)


def of_both(x: Tensor, boxes: Tensor, side: int, ratio: int) -> tuple[Tensor, Tensor]:
    arguments = (boxes, side, 0.125, ratio)
    return roi_align(x, *arguments), torchvision.ops.roi_align(x, *arguments)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(("side", "ratio"), [(7, 2), (14, 2), (2, 1), (1, 3)])
def test_grids_are_torchvision_s(side: int, ratio: int, layout: torch.memory_format) -> None:
    x = torch.randn(2, 8, 12, 8).to(memory_format=layout)
    ours, theirs = of_both(x, BOXES, side, ratio)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (12, 2)])
def test_maps_of_a_line_and_of_a_cell(height: int, width: int) -> None:
    ours, theirs = of_both(torch.randn(2, 3, height, width), BOXES, 7, 2)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


def test_gradients_are_torchvision_s() -> None:
    x, weights = torch.randn(2, 8, 12, 8, dtype=torch.float64), torch.randn(5, 8, 7, 7).double()
    found = []
    for grids_of in (roi_align, torchvision.ops.roi_align):
        of = x.clone().requires_grad_()
        (grids_of(of, BOXES.double(), 7, 0.125, 2) * weights).sum().backward()
        assert of.grad is not None
        found.append(of.grad)
    torch.testing.assert_close(found[0], found[1])


def test_no_box_no_grid() -> None:
    assert roi_align(torch.randn(2, 8, 12, 8), BOXES[:0], 7, 0.125, 2).shape == (0, 8, 7, 7)


def test_grids_lie_as_they_are_read() -> None:
    x = torch.randn(2, 8, 12, 8).to(memory_format=torch.channels_last)
    assert roi_align(x, BOXES, 7, 0.125, 2).is_contiguous(memory_format=torch.channels_last)
