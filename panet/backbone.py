"""Backbones, image -> c2..c5: the article's CNN, and whatever timm has with the right strides."""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from panet.errors import InputError, did_you_mean
from panet.levels import ARTICLE_LEVELS, BackboneLevels

REDUCTIONS = (4, 8, 16, 32)
"""Strides of c2..c5: level k has stride 2**k (FPN paper, section 3)."""

MIN_SIDE_PX = REDUCTIONS[-1]
"""Below it c5 would have no pixel."""


class CNN(nn.Module):
    """The article's backbone: five times 3x3 convolution, ReLU, 3x3 max pooling with stride 2."""

    out_channels = (256, 512, 1024, 2048)

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(64, 256, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(256, 512, kernel_size=3, padding=1)
        self.conv4 = nn.Conv2d(512, 1024, kernel_size=3, padding=1)
        self.conv5 = nn.Conv2d(1024, 2048, kernel_size=3, padding=1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Take ``(N, 3, H, W)``; return c2..c5, ``(N, 256 .. 2048, H/4 .. H/32, W/4 .. W/32)``.

        Raises:
            InputError: not an RGB batch, or a side below 32 px.
        """
        check_image(image)
        c1 = self.maxpool(self.relu(self.conv1(image)))
        c2 = self.maxpool(self.relu(self.conv2(c1)))
        c3 = self.maxpool(self.relu(self.conv3(c2)))
        c4 = self.maxpool(self.relu(self.conv4(c3)))
        c5 = self.maxpool(self.relu(self.conv5(c4)))
        return c2, c3, c4, c5

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind each level: ``{"c1": ("conv1", "relu", "maxpool"), ...}``."""
        return {f"c{level}": (f"conv{level}", "relu", "maxpool") for level in range(1, 6)}


class TimmBackbone(nn.Module):
    """A timm backbone that returns its maps of reduction 4, 8, 16 and 32.

    Args:
        name: a name of `timm.list_models()`.
        pretrained: load timm's weights (needs network access, once).

    Raises:
        InputError: timm is missing, or the name is unknown, or it has no maps of those reductions.
    """

    def __init__(self, name: str, pretrained: bool = False) -> None:
        super().__init__()
        indices = _pyramid_indices(name)
        self.body = _create(name, out_indices=indices, pretrained=pretrained)
        info = self.body.feature_info
        self.out_channels: tuple[int, ...] = tuple(info.channels())
        # Swin and its kin hand out channels last, as shape (N, H, W, C).
        self.permute_maps = str(getattr(self.body, "output_fmt", "")).endswith("NHWC")
        self.name = name

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Take ``(N, 3, H, W)``; return c2..c5, ``(N, out_channels[i], H/4 .. H/32, W/4 .. W/32)``.

        Raises:
            InputError: not an RGB batch, a side below 32 px, or a size this backbone cannot take.
        """
        check_image(image)
        try:
            maps = self.body(image)
        except AssertionError as error:  # how timm refuses a size that a backbone was not built for
            size = f"{image.shape[-2]}x{image.shape[-1]}"
            raise InputError(f"{self.name} cannot take an image of {size}: {error}") from error
        return tuple(c.permute(0, 3, 1, 2) if self.permute_maps else c for c in maps)

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind each level, ``{"c1": ("body.conv1", ...), "c2": ...}``.

        ``c1`` is what comes before the first map of the pyramid. Empty where timm's name of a map's
        module is none of the layers that are called one after the other.
        """
        info = self.body.feature_info
        ends = [
            _dotted(name) for name in dict.fromkeys([info.get("module", 0), *info.get("module")])
        ]
        groups: list[list[str]] = [[]]
        for path in _called_in_order(self.body, ends):
            groups[-1].append(f"body.{path}")
            if _dotted(path.removeprefix("model.")) == ends[len(groups) - 1]:
                groups.append([])
                if len(groups) > len(ends):
                    first = len(REDUCTIONS) + 2 - len(ends)
                    return {f"c{first + i}": tuple(g) for i, g in enumerate(groups[:-1])}
        return {}


def build_backbone(
    name: str, pretrained: bool = False, levels: tuple[int, int] = ARTICLE_LEVELS
) -> CNN | TimmBackbone | BackboneLevels:
    """Return the article's `CNN` for ``"cnn"``, a `TimmBackbone` for any other name.

    With other levels than c2..c5 (finest and coarsest, both included) it is in a `BackboneLevels`,
    and has the same weights as without: those of the further levels are drawn last.

    Raises:
        InputError: see `TimmBackbone` and `BackboneLevels`; also where pretrained weights of
            ``"cnn"`` are asked for.
    """
    if name == "cnn" and pretrained:
        raise InputError("the article's cnn has no pretrained weights; name a timm backbone")
    body = CNN() if name == "cnn" else TimmBackbone(name, pretrained)
    return body if levels == ARTICLE_LEVELS else BackboneLevels(body, levels)


def check_image(image: Tensor) -> None:
    """Raise `InputError` unless ``image`` is ``(N, 3, H, W)`` with both sides of 32 px or more."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise InputError(f"image has shape {list(image.shape)}, expected [batch, 3, height, width]")
    if min(image.shape[-2:]) < MIN_SIDE_PX:
        size = f"{image.shape[-2]}x{image.shape[-1]}"
        raise InputError(f"image of {size} is too small; both sides need at least {MIN_SIDE_PX} px")


@functools.cache
def _pyramid_indices(name: str) -> tuple[int, ...]:
    """Return the positions of the maps with reductions 4, 8, 16, 32; the last one of each."""
    with torch.device("meta"):  # only to read the reductions: nothing is allocated or drawn
        reductions = list(_create(name).feature_info.reduction())
    missing = [r for r in REDUCTIONS if r not in reductions]
    if missing:
        raise InputError(
            f"backbone {name} has maps of reduction {reductions}, none of {missing}; "
            "choose one with 4, 8, 16 and 32, such as resnet50"
        )
    last = {reduction: index for index, reduction in enumerate(reductions)}
    return tuple(last[reduction] for reduction in REDUCTIONS)


def _called_in_order(body: nn.Module, ends: Sequence[str]) -> Iterator[str]:
    """Yield the layers of a timm feature extractor, taken apart where a map ends inside them."""
    for name, child in body.named_children():
        if name == "model":  # timm's wrapper of what it does not rebuild as a list of layers
            yield from (f"{name}.{path}" for path in _called_in_order(child, ends))
        elif any(end.startswith(f"{_dotted(name)}.") for end in ends):
            yield from (f"{name}.{inner}" for inner, _ in child.named_children())
        else:
            yield name


def _dotted(name: str) -> str:
    """Return a name as timm tells it and as it registers it (``features_0``) in one form."""
    return name.replace("_", ".")


def _create(name: str, **options: Any) -> Any:  # noqa: ANN401 - timm is not typed
    try:
        import timm
    except ImportError as error:
        raise InputError(
            f"backbone {name} needs timm: pip install 'panet-bench[backbones]' (or use cnn)"
        ) from error
    if not timm.is_model(name):
        known = ["cnn", *timm.list_models()]
        hint = did_you_mean(name, known, "timm.list_models() has the names", most=3)
        raise InputError(f"unknown backbone {name!r}; {hint}")
    try:
        return timm.create_model(name, features_only=True, **options)
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        if options.get("pretrained"):
            raise InputError(f"weights of {name} could not be loaded: {error}") from error
        raise InputError(f"backbone {name} gives no feature maps: {error}") from error
