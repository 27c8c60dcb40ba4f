"""Who else builds these networks: torchvision's FPN, and the dataflow of mmdetection's PAFPN.

Both get the weights of ours and take turns with it. torchvision's FPN then gives the same maps, so
the ratio is what its way of writing it costs. The PAFPN has the multiply-accumulates of PANet, but
no ReLU, and starts every step from the sum before the convolution: its convolutions do not wait for
each other, and its maps are others. What they are is in `bench.run.peer_networks`.
"""

FILE = "peers.json"

ARMS = {
    scope: {name: name for name in ("fpn", "torchvision_fpn", "panet", "mmdet_pafpn")}
    for scope in ("model", "neck")
}
"""Scope -> arms, and what each one runs."""
