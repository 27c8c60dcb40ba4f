"""The size of an image as people write it."""

from panet.backbone import MIN_SIDE_PX
from panet.errors import InputError


def parse_resolution(text: str) -> tuple[int, int]:
    """Return (height, width) in px of ``"224"`` or ``"800x1344"``.

    Raises:
        InputError: not such a text, or a side below 32 px.
    """
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() for side in sides):
        raise InputError(
            f"resolution {text!r}: give a side or HEIGHTxWIDTH, such as 224 or 320x480"
        )
    height_px, width_px = int(sides[0]), int(sides[-1])
    if min(height_px, width_px) < MIN_SIDE_PX:
        raise InputError(f"resolution {text}: both sides need at least {MIN_SIDE_PX} px")
    return height_px, width_px
