"""Whether the detector learns: drawn shapes, and what it finds among others before and after.

``python -m tests.panet.learning`` trains for half a minute and prints one JSON object. A process
of its own, as training sets threads and draws from torch's generator for as long as it runs.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import box_iou
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from panet import build_neck
from panet.detector import PANetDetector
from panet.heads import PARTS
from panet.torchvision import DetectorBackbone

SIDE_PX = 64
SHAPES = ("disc", "square", "triangle")
CHANNELS = 16
ALIKE = 0.5
"""Intersection over union from which a box, and a mask, counts as found."""

PACE = 3e-3
"""The largest step of the optimiser."""

Target = dict[str, Tensor]


@dataclass(frozen=True)
class Learned:
    """What a training came to."""

    before: float
    """Share of the shapes that are found with their class, box and mask, on pictures never seen."""
    after: float
    losses: list[float]
    """Mean of all losses, per tenth of the training."""


class Body(nn.Module):
    """Five convolutions of stride 2, the last four of which give the maps."""

    widths = (16, 24, 32, 48)

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, *self.widths)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(before, behind, 3, stride=2, padding=1),
                nn.GroupNorm(8, behind),
                nn.ReLU(),
            )
            for before, behind in itertools.pairwise(widths)
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x, maps = image, []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return {str(place): found for place, found in enumerate(maps[1:])}


def small_detector(parts: str = "fusion") -> PANetDetector:
    """Return the whole network with narrow layers, for pictures of 64x64."""
    neck = build_neck(Body.widths, "torchvision", CHANNELS)
    backbone = DetectorBackbone(Body(), neck, None, LastLevelMaxPool(), CHANNELS)
    return PANetDetector(
        backbone,
        len(SHAPES) + 1,
        PARTS[parts],
        min_size=SIDE_PX,
        max_size=SIDE_PX,
        rpn_anchor_generator=AnchorGenerator(
            ((8,), (16,), (24,), (32,), (48,)), ((0.5, 1.0, 2.0),) * 5
        ),
        rpn_pre_nms_top_n_train=100,
        rpn_post_nms_top_n_train=30,
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=30,
        box_batch_size_per_image=16,
        box_detections_per_img=5,
    )


def drawn(count: int, seed: int) -> tuple[list[Tensor], list[Target]]:
    """Return pictures of one shape each, on noise, and what is in them."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(SIDE_PX), torch.arange(SIDE_PX), indexing="ij")
    images, targets = [], []
    for _ in range(count):
        label = int(torch.randint(3, (), generator=generator))
        half = int(torch.randint(8, 17, (), generator=generator))
        y, x = torch.randint(half, SIDE_PX - half, (2,), generator=generator).tolist()
        down, right = rows - y, columns - x
        inside = (
            down**2 + right**2 < half**2,
            (down.abs() < half) & (right.abs() < half),
            (down.abs() < half) & (2 * right.abs() < down + half),
        )[label]
        colour = 0.5 + 0.5 * torch.rand(3, 1, 1, generator=generator)
        noise = 0.3 * torch.rand(3, SIDE_PX, SIDE_PX, generator=generator)
        images.append(torch.where(inside, colour, noise))
        at_y, at_x = inside.nonzero().unbind(1)
        corners = [at_x.min(), at_y.min(), at_x.max() + 1, at_y.max() + 1]
        targets.append(
            {
                "boxes": torch.stack(corners)[None].float(),
                "labels": torch.tensor([label + 1]),
                "masks": inside[None].to(torch.uint8),
            }
        )
    return images, targets


def accuracy(detector: PANetDetector, images: list[Tensor], targets: list[Target]) -> float:
    """Return the share of shapes that the surest detection has with class, box and mask."""
    with torch.inference_mode():
        found = detector.eval()(images)
    hits = [_hit(one, target) for one, target in zip(found, targets, strict=True)]
    return sum(hits) / len(hits)


def _hit(found: Target, target: Target) -> bool:
    if not len(found["scores"]):
        return False
    first = int(found["scores"].argmax())
    mask, wanted = found["masks"][first, 0] > 0.5, target["masks"][0].bool()
    overlap = float((mask & wanted).sum() / (mask | wanted).sum())
    box = float(box_iou(found["boxes"][first : first + 1], target["boxes"]))
    return bool(found["labels"][first] == target["labels"][0]) and min(overlap, box) > ALIKE


def learn(steps: int, batch: int = 4) -> Learned:
    """Train on drawn pictures; measure on others before and after."""
    torch.manual_seed(0)
    detector = small_detector()
    images, targets = drawn(40, seed=1)
    unseen = drawn(30, seed=2)
    before = accuracy(detector, *unseen)
    optimiser = torch.optim.AdamW(detector.parameters(), lr=PACE, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=PACE, total_steps=steps)
    losses = []
    for chosen in _batches(len(images), batch, steps):
        detector.train()
        found = detector([images[i] for i in chosen], [targets[i] for i in chosen])
        loss = torch.stack(list(found.values())).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch's
        nn.utils.clip_grad_norm_(detector.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
    tenth = max(steps // 10, 1)
    parts = (losses[start : start + tenth] for start in range(0, steps, tenth))
    curve = [sum(part) / len(part) for part in parts]
    return Learned(before, accuracy(detector, *unseen), curve)


def _batches(count: int, batch: int, steps: int) -> Iterator[list[int]]:
    order: list[int] = []
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(count).tolist()
        chosen, order = order[:batch], order[batch:]
        yield chosen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=240, help="of four pictures (%(default)s)")
    torch.set_num_threads(1)
    json.dump(asdict(learn(parser.parse_args().steps)), sys.stdout)
