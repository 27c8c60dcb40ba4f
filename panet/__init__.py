"""The thing measured: backbone, FPN and PANet's bottom-up path, as in the article.

    image -> CNN -> c2..c5 -> FPN -> p2..p5 -> PANet -> n2..n5

>>> import torch
>>> from panet import BackboneNeck
>>> n2, n3, n4, n5 = BackboneNeck()(torch.randn(1, 3, 224, 224))
>>> n5.shape
torch.Size([1, 256, 7, 7])
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from panet.backbone import CNN, TimmBackbone
    from panet.errors import InputError
    from panet.fpn import FPN
    from panet.model import BackboneNeck
    from panet.neck import build_neck
    from panet.optimized import optimize
    from panet.panet import PANet

__all__ = [
    "CNN",
    "FPN",
    "BackboneNeck",
    "InputError",
    "PANet",
    "TimmBackbone",
    "build_neck",
    "optimize",
]

_AT = {
    "CNN": "backbone",
    "FPN": "fpn",
    "BackboneNeck": "model",
    "InputError": "errors",
    "PANet": "panet",
    "TimmBackbone": "backbone",
    "build_neck": "neck",
    "optimize": "optimized",
}


def __getattr__(name: str) -> object:
    """Import what is asked for only then: a command is heard while torch is still imported."""
    if name not in _AT:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_AT[name]}"), name)
