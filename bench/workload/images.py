"""Photographs in, normalised batches out: real pictures have the statistics that networks meet."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.schema.errors import BenchError

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field", "stereo_motorcycle")
"""Colour photographs that come inside scikit-image: nothing is downloaded."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

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
    pictures = _shipped() if folder is None else _own(Path(folder), batch_size)
    source = f"scikit-image: {', '.join(PHOTOGRAPHS)}" if folder is None else f"folder: {folder}"
    batch = [
        _normalised(
            _fit(pictures[index % len(pictures)], index // len(pictures), height_px, width_px)
        )
        for index in range(batch_size)
    ]
    return torch.stack(batch), source


def _shipped() -> list[Image.Image]:
    import skimage.data

    loaded = (getattr(skimage.data, name)() for name in PHOTOGRAPHS)
    return [Image.fromarray(x[0] if isinstance(x, tuple) else x) for x in loaded]


def _own(folder: Path, count: int) -> list[Image.Image]:
    """Return the first pictures of the folder, by name, the right way up."""
    pictures: list[Image.Image] = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if len(pictures) == count:
            break
        if not path.is_file():  # a pipe would be waited for
            continue
        try:
            pictures.append(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        except UnidentifiedImageError:
            continue  # a folder of pictures may hold other things too
        except MemoryError:
            raise
        except Exception as error:  # every format of Pillow's has errors of its own
            raise BenchError(f"--images: {path} cannot be read ({error}); remove it") from error
    if not pictures:
        raise BenchError(f"--images {folder}: no readable picture there; name a folder with some")
    return pictures


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
