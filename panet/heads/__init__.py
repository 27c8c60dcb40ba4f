"""The rest of the paper: adaptive feature pooling, box branch, mask branch, fully-connected fusion.

    n2..n5 and proposals -> RoIAlign on every level -> one layer per level -> fusion -> classes,
                                                                              boxes, masks

Source: Liu et al., "Path Aggregation Network for Instance Segmentation", sections 3.3 and 3.4 and
figure 2, parts (c), (d) and (e); one file per part. What the authors' code does otherwise is an
option, and a table in docs/heads.md.

>>> import torch
>>> from panet.heads import Heads, PARTS
>>> heads = Heads(PARTS["fusion"])
>>> n = [torch.randn(1, 256, 64 // 2**i, 64 // 2**i) for i in range(4)]
>>> boxes = torch.tensor([[0, 16.0, 16.0, 200.0, 120.0]])
>>> [tuple(x.shape) for x in heads(n, boxes, boxes)]
[(1, 81), (1, 324), (1, 81, 28, 28)]
"""

from panet.heads.box import BoxOutputs, ConvolutionBoxHead, TwoLayerBoxHead
from panet.heads.branches import PARTS, Heads, Parts
from panet.heads.fusion import FullyConnectedFusion
from panet.heads.mask import MaskHead, MaskOutputs
from panet.heads.pooling import AdaptiveFeaturePooling, OneLevelPooling, levels_of

__all__ = [
    "PARTS",
    "AdaptiveFeaturePooling",
    "BoxOutputs",
    "ConvolutionBoxHead",
    "FullyConnectedFusion",
    "Heads",
    "MaskHead",
    "MaskOutputs",
    "OneLevelPooling",
    "Parts",
    "TwoLayerBoxHead",
    "levels_of",
]
