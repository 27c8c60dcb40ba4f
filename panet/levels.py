"""The levels of a pyramid that a detector wants: not the finest of c2..c5, or more behind c5."""

import re

from torch import Tensor, nn

from panet.errors import InputError

ARTICLE_LEVELS = (2, 5)
"""c2..c5, which the backbones give."""

COARSEST_LEVEL = 8
"""Stride 256, as in the largest EfficientDet; behind it hardly a pixel is left."""

EXTRA_CHANNELS = 256
"""Of every level behind c5, as in RetinaNet."""


HINT = (
    f"give the finest, of p{ARTICLE_LEVELS[0]} to p{ARTICLE_LEVELS[1]}, and a coarser one, "
    f"up to p{COARSEST_LEVEL}, such as p2-p5, p3-p5 or p3-p7"
)


class BackboneLevels(nn.Module):
    """A backbone that gives other levels than c2..c5.

    What is coarser than c5 is made of it: c6 by a 3x3 convolution of stride 2, every further level
    by a ReLU and another one. Source: Lin et al., "Focal Loss for Dense Object Detection"
    (RetinaNet), section 4. There these maps are outputs beside the pyramid; here they are inputs
    of the neck, so that all necks see the same ones.

    Args:
        body: a backbone that maps an image to c2..c5 and has their ``out_channels``.
        levels: the finest and the coarsest level, both included.

    Raises:
        InputError: see `parse_levels`.
    """

    def __init__(self, body: nn.Module, levels: tuple[int, int]) -> None:
        super().__init__()
        finest, coarsest = _checked(levels)
        of_body: tuple[int, ...] = body.out_channels  # type: ignore[assignment]  # of a backbone
        channels = dict(enumerate(of_body, ARTICLE_LEVELS[0]))
        self.body = body
        self.finest_level = finest
        self.extra_levels = tuple(range(ARTICLE_LEVELS[1] + 1, coarsest + 1))
        for level in self.extra_levels:
            conv = nn.Conv2d(channels[level - 1], EXTRA_CHANNELS, 3, stride=2, padding=1)
            first = level == self.extra_levels[0]
            self.add_module(f"extra_c{level}", conv if first else nn.Sequential(nn.ReLU(), conv))
            channels[level] = EXTRA_CHANNELS
        self.out_channels = tuple(channels[level] for level in range(finest, coarsest + 1))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Take ``(N, 3, H, W)``; return a map per level, ``(N, out_channels[i], H/2**k, W/2**k)``.

        Raises:
            InputError: see the body.
        """
        maps = list(self.body(image))
        for level in self.extra_levels:
            maps.append(self.get_submodule(f"extra_c{level}")(maps[-1]))
        first = self.finest_level - ARTICLE_LEVELS[0]
        return tuple(maps[first : first + len(self.out_channels)])

    def stages(self) -> dict[str, tuple[str, ...]]:
        """Return the layers behind each level, the body's and those behind it.

        Empty where the body does not tell its own. Finer levels than the finest are in it: the
        body makes them all the same.
        """
        of_body: dict[str, tuple[str, ...]] = getattr(self.body, "stages", dict)()
        if not of_body:
            return {}
        inner = {k: tuple(f"body.{layer}" for layer in layers) for k, layers in of_body.items()}
        return inner | {f"c{level}": (f"extra_c{level}",) for level in self.extra_levels}


def parse_levels(text: str) -> tuple[int, int]:
    """Return the finest and the coarsest level of ``"p3-p7"``.

    Raises:
        InputError: not such a text, or not two levels, the finest of p2..p5, the coarsest up to p8.
    """
    found = re.fullmatch(r"p(\d)-p(\d)", text)
    if found is None:
        raise InputError(f"levels {text!r}: {HINT}")
    return _checked((int(found[1]), int(found[2])))


def _checked(levels: tuple[int, int]) -> tuple[int, int]:
    finest, coarsest = levels
    if finest not in range(ARTICLE_LEVELS[0], ARTICLE_LEVELS[1] + 1) or not (
        finest < coarsest <= COARSEST_LEVEL
    ):
        raise InputError(f"levels p{finest}-p{coarsest}: {HINT}")
    return levels
