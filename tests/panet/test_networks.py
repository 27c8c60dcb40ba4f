"""The four networks are the article's: weights, outputs, counts."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from panet import CNN, FPN, BackboneNeck, PANet
from tests.panet import reference

ARTICLE_SIZE = (1, 3, 224, 224)


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def params(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.slow
def test_outputs_equal_the_formulas_of_the_article_bit_for_bit() -> None:
    torch.manual_seed(0)
    network = BackboneNeck().eval()
    weights = network.state_dict()
    with torch.inference_mode():
        c = reference.cnn(weights, image(*ARTICLE_SIZE))
        p = reference.fpn(weights, *c)
        n = reference.panet(weights, *p)
        ours = network(image(*ARTICLE_SIZE))
        assert all(
            torch.equal(a, b) for a, b in zip(network.cnn(image(*ARTICLE_SIZE)), c, strict=True)
        )
        assert all(torch.equal(a, b) for a, b in zip(network.fpn(*c), p, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(ours, n, strict=True))


def test_state_dict_has_the_names_of_the_article() -> None:
    layers = [f"cnn.conv{i}" for i in range(1, 6)]
    layers += [f"fpn.lateral_c{i}" for i in range(2, 6)] + [f"fpn.smooth_m{i}" for i in range(2, 5)]
    layers += [f"panet.downsample_n{i}" for i in range(2, 5)]
    layers += [f"panet.conv_n{i}down_p{i + 1}" for i in range(2, 5)]
    expected = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    assert set(BackboneNeck().state_dict()) == expected


@pytest.mark.parametrize(
    ("network", "count"),
    [(CNN(), 24_925_696), (FPN(), 2_754_304), (PANet(), 3_540_480), (BackboneNeck(), 31_220_480)],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else str(value),
)
def test_parameters_are_counted_exactly(network: nn.Module, count: int) -> None:
    assert params(network) == count


def test_flops_are_those_of_torchs_counter_at_the_articles_size() -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        BackboneNeck()(torch.empty(ARTICLE_SIZE))
    flops = {name: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    assert flops["BackboneNeck.cnn"] == 26_069_041_152
    assert flops["BackboneNeck.fpn"] == 5_626_134_528
    assert flops["BackboneNeck.panet"] == 2_427_715_584


def test_initialisation_reaches_every_convolution() -> None:
    torch.manual_seed(0)
    for name, weight in BackboneNeck().named_parameters():
        assert weight.std() > 0, f"{name} is constant"
        assert weight.abs().max() <= 1, f"{name} is not initialised"


def test_one_seed_gives_the_same_fpn_with_and_without_the_bottom_up_path() -> None:
    torch.manual_seed(3)
    with_path = BackboneNeck().state_dict()
    torch.manual_seed(3)
    without_path = BackboneNeck(neck="fpn").state_dict()
    assert {name for name in with_path if not name.startswith("panet.")} == set(without_path)
    assert all(torch.equal(with_path[name], weight) for name, weight in without_path.items())


def test_levels_and_channels_are_free_and_name_the_layers() -> None:
    fpn = FPN(in_channels=(4, 6, 8), out_channels=5, finest_level=3)
    panet = PANet(channels=5, levels=3, finest_level=3)
    p = fpn(image(1, 4, 16, 16), image(1, 6, 8, 8), image(1, 8, 4, 4))
    assert [tuple(n.shape) for n in panet(*p)] == [(1, 5, 16, 16), (1, 5, 8, 8), (1, 5, 4, 4)]
    assert "smooth_m4.weight" in fpn.state_dict()
    assert "conv_n4down_p5.weight" in panet.state_dict()


def test_module_backbone_is_taken_as_it_is() -> None:
    class Tiny(nn.Module):
        out_channels = (3, 3)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x[..., ::4, ::4], x[..., ::8, ::8]

    n = BackboneNeck(Tiny(), out_channels=7)(image(1, 3, 32, 32))
    assert [tuple(x.shape) for x in n] == [(1, 7, 8, 8), (1, 7, 4, 4)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "convnext_atto", "vgg11", "mobilenetv3_small_050"])
@pytest.mark.parametrize("size", [(64, 64), (65, 97)])
def test_timm_backbones_give_four_levels(name: str, size: tuple[int, int]) -> None:
    pytest.importorskip("timm", reason="timm is an extra; make test installs it")
    with torch.device("meta"):
        network = BackboneNeck(name).eval()
        c = network.cnn(torch.empty(2, 3, *size))
        n = network(torch.empty(2, 3, *size))
    assert [x.shape[-2:] for x in n] == [x.shape[-2:] for x in c]
    assert [x.shape[1] for x in n] == [256] * 4


def test_swin_hands_its_maps_over_with_channels_first() -> None:
    pytest.importorskip("timm", reason="timm is an extra; make test installs it")
    with torch.device("meta"):
        network = BackboneNeck("swin_tiny_patch4_window7_224")
        assert [x.shape[1] for x in network.cnn(torch.empty(1, 3, 224, 224))] == [96, 192, 384, 768]
