"""A program: mmdetection's own PAFPN with drawn weights; writes weights, inputs and outputs.

Only the neck's two files run, and what they import. The packages around them would want mmcv's
compiled operators and OpenCV, neither of which a neck calls: ``mmdet`` is entered without its
``__init__`` files, and OpenCV is a stand-in.
"""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import torch


def pafpn() -> type[torch.nn.Module]:
    """Return the class."""
    sys.modules["cv2"] = MagicMock()
    spec = importlib.util.find_spec("mmdet")
    assert spec is not None
    assert spec.origin is not None
    for name in ("mmdet", "mmdet.models", "mmdet.models.necks", "mmdet.utils"):
        package = ModuleType(name)
        package.__path__ = [str(Path(spec.origin).parent.joinpath(*name.split(".")[1:]))]
        sys.modules[name] = package
    types = importlib.import_module("mmdet.utils.typing_utils")
    sys.modules["mmdet.utils"].__dict__.update(vars(types))
    found: type[torch.nn.Module] = importlib.import_module("mmdet.models.necks.pafpn").PAFPN
    return found


def main() -> None:
    """Take the file to write, and the sizes of the finest maps."""
    target, *sizes = sys.argv[1:]
    torch.manual_seed(11)
    channels, out = [32, 64, 96, 128], 64
    neck = pafpn()(channels, out, num_outs=5).eval()
    neck.init_weights()  # type: ignore[operator]  # theirs
    for name, parameter in neck.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    runs = []
    for size in sizes:
        height, width = map(int, size.split("x"))
        c = []
        for count in channels:
            c.append(torch.randn(2, count, height, width))
            height, width = -(-height // 2), -(-width // 2)
        with torch.inference_mode():
            runs.append((c, list(neck(c))))
    torch.save({"weights": neck.state_dict(), "runs": runs}, target)


if __name__ == "__main__":
    main()
