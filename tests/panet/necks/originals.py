"""The originals' necks, one formula per tensor, on weights with *their* names, which they draw.

Nothing is shared with `panet`. Maps go in and come out fine to coarse. Where the originals scale by
a factor these resize to a size, which is the same where every map is half of the one before; a
3x3 convolution of stride 2 rounds up, and what is too large then is cropped.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as f


class Weights(dict[str, Tensor]):
    """Weights by name; one that is not there yet is drawn at its first use."""

    def __init__(self) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(0)

    def draw(self, name: str, *shape: int, low: float = -1.0, high: float = 1.0) -> Tensor:
        if name not in self:
            drawn = torch.rand(*shape, generator=self._generator, dtype=torch.float64)
            self[name] = low + (high - low) * drawn
        return self[name]

    def conv(self, name: str, x: Tensor, out: int, kernel: int = 1, **options: Any) -> Tensor:
        inputs = x.shape[1] // options.get("groups", 1)
        bound = (kernel * kernel * inputs) ** -0.5
        weight = self.draw(f"{name}.weight", out, inputs, kernel, kernel, low=-bound, high=bound)
        return f.conv2d(x, weight, padding=kernel // 2, **options)

    def bias(self, name: str, x: Tensor) -> Tensor:
        return x + self.draw(f"{name}.bias", x.shape[1])[:, None, None]

    def norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        one = (x.shape[1],)
        mean, variance = (
            self.draw(f"{name}.running_mean", *one, low=-0.3, high=0.3),
            self.draw(f"{name}.running_var", *one, low=0.2, high=0.6),
        )
        self.setdefault(f"{name}.num_batches_tracked", torch.tensor(0))
        gain, shift = self.draw(f"{name}.weight", *one, low=0.5), self.draw(f"{name}.bias", *one)
        scale = gain / (variance + eps).sqrt()
        return x * scale[:, None, None] + (shift - mean * scale)[:, None, None]

    def linear(self, name: str, x: Tensor, out: int) -> Tensor:
        bound = x.shape[-1] ** -0.5
        weight = self.draw(f"{name}.weight", out, x.shape[-1], low=-bound, high=bound)
        return x @ weight.T + self.draw(f"{name}.bias", out)

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        width = x.shape[-1]
        return scaled * self.draw(f"{name}.weight", width) + self.draw(f"{name}.bias", width)


def silu(x: Tensor) -> Tensor:
    return x * x.sigmoid()


def up(x: Tensor, like: Tensor) -> Tensor:
    return f.interpolate(x, size=like.shape[-2:], mode="nearest")


def cropped(x: Tensor, like: Tensor) -> Tensor:
    return x[..., : like.shape[-2], : like.shape[-1]]


def effdet(w: Weights, c3: Tensor, c4: Tensor, c5: Tensor, *, out: int) -> list[Tensor]:
    """rwightman/efficientdet-pytorch 0.4.1, `BiFpn` of ``efficientdet_d0`` with two cells."""

    def project(name: str, x: Tensor) -> Tensor:
        return w.norm(f"{name}.bn", w.conv(f"{name}.conv", x, out), 1e-3)

    def half(x: Tensor) -> Tensor:
        padded = f.pad(x, (1, 1, 1, 1), value=-torch.inf)
        return f.max_pool2d(padded, kernel_size=3, stride=2)

    def node(name: str, *x: Tensor) -> Tensor:
        edges = w.draw(f"{name}.combine.edge_weights", len(x)).relu()
        total = sum(edge * each for edge, each in zip(edges, x, strict=True))
        fused = silu(total / (edges.sum() + 1e-4))
        conv = f"{name}.after_combine.conv"
        spatial = w.conv(f"{conv}.conv_dw", fused, out, 3, groups=out)
        return w.norm(f"{conv}.bn", w.conv(f"{conv}.conv_pw", spatial, out), 1e-3)

    def own(number: int, place: int, x: Tensor) -> Tensor:
        return project(f"cell.0.fnode.{number}.combine.resample.{place}.conv", x)

    p6 = half(project("resample.3.conv", c5))
    p7 = half(p6)
    t6 = node("cell.0.fnode.0", p6, up(p7, p6))
    t5 = node("cell.0.fnode.1", own(1, 2, c5), up(t6, c5))
    t4 = node("cell.0.fnode.2", own(2, 1, c4), up(t5, c4))
    n3 = node("cell.0.fnode.3", own(3, 0, c3), up(t4, c3))
    n4 = node("cell.0.fnode.4", own(4, 1, c4), t4, cropped(half(n3), c4))
    n5 = node("cell.0.fnode.5", own(5, 2, c5), t5, cropped(half(n4), c5))
    n6 = node("cell.0.fnode.6", p6, t6, half(n5))
    n7 = node("cell.0.fnode.7", p7, half(n6))
    u6 = node("cell.1.fnode.0", n6, up(n7, n6))
    u5 = node("cell.1.fnode.1", n5, up(u6, n5))
    u4 = node("cell.1.fnode.2", n4, up(u5, n4))
    o3 = node("cell.1.fnode.3", n3, up(u4, n3))
    o4 = node("cell.1.fnode.4", n4, u4, cropped(half(o3), n4))
    o5 = node("cell.1.fnode.5", n5, u5, cropped(half(o4), n5))
    o6 = node("cell.1.fnode.6", n6, u6, half(o5))
    return [o3, o4, o5, o6, node("cell.1.fnode.7", n7, half(o6))]


def yolox(w: Weights, c3: Tensor, c4: Tensor, c5: Tensor, *, out: int) -> list[Tensor]:
    """Megvii-BaseDetection/YOLOX 0.3.0, `YOLOPAFPN` and the stems of `YOLOXHead`, depth 2/3."""

    def conv(name: str, x: Tensor, channels: int, kernel: int = 1, stride: int = 1) -> Tensor:
        made = w.conv(f"{name}.conv", x, channels, kernel, stride=stride)
        return silu(w.norm(f"{name}.bn", made, 1e-3))

    def csp(name: str, x: Tensor, channels: int) -> Tensor:
        inside = conv(f"{name}.conv1", x, channels // 2)
        for number in (0, 1):
            narrow = conv(f"{name}.m.{number}.conv1", inside, channels // 2)
            inside = conv(f"{name}.m.{number}.conv2", narrow, channels // 2, 3)
        beside = conv(f"{name}.conv2", x, channels // 2)
        return conv(f"{name}.conv3", torch.cat((inside, beside), 1), channels)

    d3, d4, d5 = (x.shape[1] for x in (c3, c4, c5))
    l5 = conv("backbone.lateral_conv0", c5, d4)
    p4 = csp("backbone.C3_p4", torch.cat((up(l5, c4), c4), 1), d4)
    l4 = conv("backbone.reduce_conv1", p4, d3)
    p3 = csp("backbone.C3_p3", torch.cat((up(l4, c3), c3), 1), d3)
    h4 = cropped(conv("backbone.bu_conv2", p3, d3, 3, 2), c4)
    n4 = csp("backbone.C3_n3", torch.cat((h4, l4), 1), d4)
    h5 = cropped(conv("backbone.bu_conv1", n4, d4, 3, 2), c5)
    n5 = csp("backbone.C3_n4", torch.cat((h5, l5), 1), d5)
    return [conv(f"head.stems.{i}", x, out) for i, x in enumerate((p3, n4, n5))]


def rt_detr(
    w: Weights, c3: Tensor, c4: Tensor, c5: Tensor, *, out: int, aifi: bool
) -> list[Tensor]:
    """Transformers 5, `RTDetrModel.encoder_input_proj` and `RTDetrHybridEncoder`."""

    def conv(name: str, x: Tensor, kernel: int = 1, stride: int = 1) -> Tensor:
        return w.norm(f"{name}.norm", w.conv(f"{name}.conv", x, out, kernel, stride=stride))

    def csp(name: str, x: Tensor) -> Tensor:
        inside = silu(conv(f"{name}.conv1", x))
        for number in (0, 1, 2):
            block = f"{name}.bottlenecks.{number}"
            inside = silu(conv(f"{block}.conv1", inside, 3) + conv(f"{block}.conv2", inside))
        return inside + silu(conv(f"{name}.conv2", x))

    def project(place: int, x: Tensor) -> Tensor:
        made = w.conv(f"encoder_input_proj.{place}.0", x, out)
        return w.norm(f"encoder_input_proj.{place}.1", made)

    s3, s4, s5 = project(0, c3), project(1, c4), project(2, c5)
    f5 = attention(w, "encoder.aifi.0.layers.0", s5) if aifi else s5
    l5 = silu(conv("encoder.lateral_convs.0", f5))
    p4 = csp("encoder.fpn_blocks.0", torch.cat((up(l5, s4), s4), 1))
    l4 = silu(conv("encoder.lateral_convs.1", p4))
    p3 = csp("encoder.fpn_blocks.1", torch.cat((up(l4, s3), s3), 1))
    h4 = cropped(silu(conv("encoder.downsample_convs.0", p3, 3, 2)), s4)
    n4 = csp("encoder.pan_blocks.0", torch.cat((h4, l4), 1))
    h5 = cropped(silu(conv("encoder.downsample_convs.1", n4, 3, 2)), s5)
    return [p3, n4, csp("encoder.pan_blocks.1", torch.cat((h5, l5), 1))]


def attention(w: Weights, name: str, x: Tensor, heads: int = 8) -> Tensor:
    """Self-attention with sines of row and column added to queries and keys; two linear layers."""
    batch, width, rows, columns = x.shape
    place = torch.zeros(rows, columns, width, dtype=x.dtype)
    quarter = width // 4
    for i in range(quarter):
        speed = 10_000 ** (-i / quarter)
        for row in range(rows):
            place[row, :, i] = torch.tensor(row * speed, dtype=x.dtype).sin()
            place[row, :, quarter + i] = torch.tensor(row * speed, dtype=x.dtype).cos()
        for column in range(columns):
            place[:, column, 2 * quarter + i] = torch.tensor(column * speed, dtype=x.dtype).sin()
            place[:, column, 3 * quarter + i] = torch.tensor(column * speed, dtype=x.dtype).cos()
    tokens = x.permute(0, 2, 3, 1).reshape(batch, rows * columns, width)
    placed = tokens + place.reshape(rows * columns, width)
    by_head = (batch, rows * columns, heads, width // heads)
    q, k, v = (
        w.linear(f"{name}.self_attn.{kind}_proj", of, width).reshape(by_head)
        for kind, of in (("q", placed), ("k", placed), ("v", tokens))
    )
    scores = torch.einsum("nqhd,nkhd->nhqk", q, k) / (width // heads) ** 0.5
    mixed = torch.einsum("nhqk,nkhd->nqhd", scores.softmax(-1), v).flatten(2)
    tokens = tokens + w.linear(f"{name}.self_attn.o_proj", mixed, width)
    tokens = w.layer_norm(f"{name}.self_attn_layer_norm", tokens)
    hidden = f.gelu(w.linear(f"{name}.mlp.fc1", tokens, 4 * width))
    tokens = tokens + w.linear(f"{name}.mlp.fc2", hidden, width)
    tokens = w.layer_norm(f"{name}.final_layer_norm", tokens)
    return tokens.reshape(batch, rows, columns, width).permute(0, 3, 1, 2)


def mmdetection(w: Weights, c3: Tensor, c4: Tensor, c5: Tensor, *, out: int) -> list[Tensor]:
    """Mmdet 3.3.0, `NASFPN` with ``norm_cfg=dict(type="BN")`` and two stacks."""

    def conv(name: str, x: Tensor) -> Tensor:
        return w.norm(f"{name}.bn", w.conv(f"{name}.conv", x, out))

    def merged(name: str, x: Tensor) -> Tensor:
        made = w.conv(f"{name}.out_conv.conv", x.relu(), out, 3)
        return w.norm(f"{name}.out_conv.bn", w.bias(f"{name}.out_conv.conv", made))

    def pool(x: Tensor, like: Tensor, side: int) -> Tensor:
        tails = [-size % side for size in x.shape[-2:]]
        full = f.pad(x, (0, tails[1], 0, tails[0]), value=-torch.inf)
        rows, columns = (size // side for size in full.shape[-2:])
        fields = full.reshape(*x.shape[:2], rows, side, columns, side)
        return cropped(fields.amax((-3, -1)), like)

    def gp(x: Tensor, own: Tensor) -> Tensor:
        return own + own.mean((2, 3), keepdim=True).sigmoid() * x

    p3, p4, p5 = (conv(f"lateral_convs.{i}", x) for i, x in enumerate((c3, c4, c5)))
    p6 = f.max_pool2d(conv("extra_downsamples.0.0", p5), 2, ceil_mode=True)
    p7 = f.max_pool2d(conv("extra_downsamples.1.0", p6), 2, ceil_mode=True)
    for s in ("fpn_stages.0", "fpn_stages.1"):
        a4 = merged(f"{s}.gp_64_4", gp(up(p6, p4), p4))
        b4 = merged(f"{s}.sum_44_4", a4 + p4)
        o3 = merged(f"{s}.sum_43_3", up(b4, p3) + p3)
        o4 = merged(f"{s}.sum_34_4", pool(o3, b4, 2) + b4)
        o5 = merged(f"{s}.sum_55_5", p5 + gp(pool(o4, p5, 2), pool(o3, p5, 4)))
        o7 = merged(f"{s}.sum_77_7", p7 + gp(pool(o5, p7, 4), pool(b4, p7, 8)))
        o6 = merged(f"{s}.gp_75_6", gp(up(o7, p6), pool(o5, p6, 2)))
        p3, p4, p5, p6, p7 = o3, o4, o5, o6, o7
    return [p3, p4, p5, p6, p7]
