"""Photographs in, normalised batches out: real pictures have the statistics that networks meet."""

import random
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.schema.errors import BenchError

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "stereo_motorcycle")
"""Colour photographs that come inside scikit-image: nothing is downloaded."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

PROGRAMS = frozenset({"EPS", "WMF"})
"""PostScript, which Pillow hands to Ghostscript, and what Windows draws."""

ROOM = 4
"""How much longer than needed a side of a picture is kept: every lap takes another part of it."""

MIN_CROP_RATIO = 0.6
"""A picture that is used again is cut to this share of its sides or more: no two are the same."""


def load_batch(
    batch_size: int, height_px: int, width_px: int, folder: str | None
) -> tuple[torch.Tensor, str]:
    """Return a normalised batch ``(N, 3, H, W)`` of different pictures, and where they come from.

    Args:
        batch_size: number of pictures.
        height_px: height of every picture.
        width_px: width of every picture.
        folder: the user's own pictures; `None` for scikit-image's photographs.

    Raises:
        BenchError: the folder has no readable picture.
    """
    pictures = (
        _shipped() if folder is None else _own(Path(folder), batch_size, max(height_px, width_px))
    )
    source = f"scikit-image: {', '.join(PHOTOGRAPHS)}" if folder is None else f"folder: {folder}"
    batch = [
        _normalised(
            _fit(pictures[index % len(pictures)], index // len(pictures), height_px, width_px)
        )
        for index in range(batch_size)
    ]
    return torch.stack(batch), source


@cache
def _shipped() -> list[Image.Image]:
    import skimage.data

    loaded = (getattr(skimage.data, name)() for name in PHOTOGRAPHS)
    return [Image.fromarray(x[0] if isinstance(x, tuple) else x) for x in loaded]


def _own(folder: Path, count: int, needed_px: int) -> list[Image.Image]:
    """Return the first pictures of the folder, by name, the right way up.

    Args:
        folder: theirs.
        count: how many at most.
        needed_px: the longer side of what they are cut to; far larger ones are reduced, or a batch
            of them would fill the memory.
    """
    pictures: list[Image.Image] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if len(pictures) == count:
            break
        if not path.is_file():  # a pipe would be waited for
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is damaged an error tells
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path, formats=_formats()) as opened:
                    pictures.append(_upright(opened, ROOM * needed_px))
        except UnidentifiedImageError:
            continue  # a folder of pictures may hold other things too
        except MemoryError:
            raise
        except Exception as error:  # every format of Pillow's has errors of its own
            raise BenchError(f"--images: {path} cannot be read ({error}); remove it") from error
    if not pictures:
        raise BenchError(f"--images {folder}: no readable picture there; name a folder with some")
    return pictures


def _upright(opened: Image.Image, most_px: int) -> Image.Image:
    """Return a picture in colours and the right way up, its sides at most this long."""
    ImageOps.exif_transpose(opened, in_place=True)
    picture = opened if opened.mode == "RGB" else opened.convert("RGB")
    picture.thumbnail((most_px, most_px))
    picture.load()
    return picture


def _formats() -> list[str]:
    """Return the formats that are pictures: others are programs, or are drawn by a program."""
    Image.init()
    return [name for name in Image.ID if name not in PROGRAMS]


def _fit(picture: Image.Image, lap: int, height_px: int, width_px: int) -> Image.Image:
    """Cover the size from the middle; on later laps from a crop, every second one mirrored."""
    if lap:
        choose = random.Random(lap)  # noqa: S311 - not for secrets
        width, height = (round(s * choose.uniform(MIN_CROP_RATIO, 1)) for s in picture.size)
        left = choose.randint(0, picture.size[0] - width)
        top = choose.randint(0, picture.size[1] - height)
        picture = picture.crop((left, top, left + width, top + height))
    if lap % 2:
        picture = ImageOps.mirror(picture)
    return ImageOps.fit(picture, (width_px, height_px), Image.Resampling.BICUBIC)


def _normalised(picture: Image.Image) -> torch.Tensor:
    pixels = np.asarray(picture, dtype=np.float32) / 255
    normalised = (pixels - _row(IMAGENET_MEAN)) / _row(IMAGENET_STD)
    return torch.from_numpy(normalised).permute(2, 0, 1).contiguous()


def _row(values: Sequence[float]) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)
