"""``python -m panet``: the shape walk of the network, stage by stage."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, NoReturn

from panet.errors import InputError

if TYPE_CHECKING:
    from panet.walk import Part, ShapeWalk, Stage

BAD_INPUT = 2

INTERRUPTED = 130
"""As a shell has it: 128, and the number of the signal."""


def main(argv: Sequence[str] | None = None) -> int:
    """Print the walk and return 0; on bad input print one line and return 2."""
    try:
        arguments = _parser().parse_args(argv)
        walk = _walk(arguments)
    except InputError as error:
        print(f"python -m panet: {_in_a_line(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("stopped; run it again", file=sys.stderr)
        return INTERRUPTED
    print(json.dumps(asdict(walk), indent=2) if arguments.json else "\n".join(_lines(walk)))
    return 0


def _walk(arguments: argparse.Namespace) -> "ShapeWalk":
    import torch  # takes seconds

    from panet.backbone import build_backbone
    from panet.levels import parse_levels
    from panet.model import BackboneNeck
    from panet.resolution import parse_resolution
    from panet.walk import shape_walk

    height_px, width_px = parse_resolution(arguments.resolution)
    if arguments.batch_size < 1:
        raise InputError(f"--batch-size {arguments.batch_size}: give a number of 1 or more")
    # The meta device has sizes and no data: the walk of a large image costs nothing.
    with torch.device("meta"):
        levels = parse_levels(arguments.levels)
        model = BackboneNeck(build_backbone(arguments.backbone, levels=levels))
        image = torch.empty(arguments.batch_size, 3, height_px, width_px)
        return shape_walk(model.eval(), image)


def _in_a_line(told: str) -> str:
    """Return a text in which what would control a terminal is written out."""
    return "".join(
        letter if letter.isprintable() else ascii(letter)[1:-1]
        for letter in " ".join(told.split("\n"))
    )


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m panet", description="Shape walk of the network.")
    about = "224 (the default), or HEIGHTxWIDTH such as 320x480"
    parser.add_argument("--resolution", default="224", metavar="SIZE", help=about)
    about = "images per call (%(default)s)"
    parser.add_argument("--batch-size", type=int, default=1, metavar="N", help=about)
    about = "cnn (the article's, and the default), or a name of timm"
    parser.add_argument("--backbone", default="cnn", metavar="NAME", help=about)
    about = "p2-p5 (the article's, and the default), p3-p5, p3-p7, or others from p2 to p8"
    parser.add_argument("--levels", default="p2-p5", metavar="LEVELS", help=about)
    parser.add_argument("--json", action="store_true", help="print the walk as JSON")
    return parser


def _lines(walk: "ShapeWalk") -> Iterator[str]:
    yield f"{'stage':<16}{'size':<26}{'params':>12}{'MACs':>17}"
    group = ""
    for stage in walk.stages:
        if stage.name[0] != group and stage.name[0] in "cpn":
            yield ""
        group = stage.name[0]
        yield _row(stage, str(list(stage.shape)))
    yield ""
    for part in walk.parts:
        yield _row(part, "")


def _row(row: "Stage | Part", size: str) -> str:
    params = "" if row.params is None else f"{row.params:,}"
    macs = "" if row.macs is None else f"{row.macs:,}"
    return f"{row.name:<16}{size:<26}{params:>12}{macs:>17}".rstrip()


if __name__ == "__main__":
    sys.exit(main())
