"""Options: what is asked for is parsed once, and refused with one sentence."""

import pytest
import torch

from bench.run.request import parse_request
from bench.schema.case import AXES
from bench.schema.errors import BenchError
from bench.workload import axes, presets, units
from panet.backbone import build_backbone

NOT_GIVEN: dict[str, str | None] = dict.fromkeys(
    [
        *(axis.option for axis in AXES),
        "preset",
        "half_width",
        "budget",
        "timeout",
        "seed",
        "images",
        "run_dir",
    ]
)


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("scopes", "head", "--scopes 'head': choose from neck, model, heads"),
        ("batch_sizes", "1,0", "--batch-sizes '0': give a whole number of 1 or more"),
        ("batch_sizes", "", "--batch-sizes ''"),
        ("resolutions", "31", "--resolutions: resolution 31: both sides need at least 32 px"),
        ("resolutions", "800*1344", "give a side or HEIGHTxWIDTH"),
        ("devices", "gpu", "--devices 'gpu': choose from auto, cpu, cuda"),
        ("channels_last", "yes", "--channels-last 'yes': choose from off, on"),
        ("compile", "fast", "--compile 'fast': choose from off, default"),
        ("dtypes", "int8", "--dtypes 'int8': choose from float32"),
        ("passes", "backward", "--passes 'backward': choose from inference, training"),
        ("threads", "all", "--threads 'all': give a whole number"),
        ("levels", "p3", "--levels: levels 'p3': give the finest, of p2 to p5"),
        ("levels", "p3-p5,p1-p5", "--levels: levels p1-p5: give the finest, of p2 to p5"),
        ("backbones", "resnet51", "unknown backbone 'resnet51'; did you mean"),
        ("preset", "fulll", "--preset 'fulll': did you mean full?"),
        ("preset", "x", "--preset 'x': choose from smoke, default, cells, gpu, paper, full"),
        ("half_width", "120%", "--half-width '120%': give a share such as 2%"),
        ("half_width", "narrow", "--half-width 'narrow'"),
        ("budget", "soon", "--budget 'soon': give a duration such as 90s"),
        ("budget", "0m", "--budget '0m'"),
        ("timeout", "-1s", "--timeout '-1s'"),
        ("seed", "x", "--seed 'x'"),
        ("images", "/no/such/folder", "no readable picture there; name a folder with some"),
    ],
)
def test_wrong_option_is_refused_with_a_sentence(name: str, text: str, sentence: str) -> None:
    with pytest.raises(BenchError) as caught:
        parse_request({**NOT_GIVEN, name: text}, None, traces=False)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [{"images": "long" * 2000}, {"run_dir": "long" * 2000}])
def test_name_that_no_file_can_have_is_a_line(given: dict[str, str]) -> None:
    with pytest.raises(BenchError, match="File name too long; name another"):
        parse_request({**NOT_GIVEN, **given}, "latest", traces=False)


def test_single_options_override_the_preset() -> None:
    values = {**NOT_GIVEN, "preset": "default", "batch_sizes": "3", "half_width": "0.5%"}
    request = parse_request(values, None, traces=False)
    assert {case.batch_size for case in request.plan.cases} == {3}
    assert request.half_width == 0.005
    assert request.plan.budget_s == 258


def test_single_options_without_a_preset_are_the_whole_grid() -> None:
    request = parse_request(
        {**NOT_GIVEN, "batch_sizes": "1,2", "devices": "cpu"}, None, traces=False
    )
    assert [case.batch_size for case in request.plan.cases] == [1, 2]
    assert request.half_width == 0.02


def test_default_preset_covers_what_make_bench_promises() -> None:
    cases = axes.sweep(presets.PRESETS["default"], {"devices": "cpu"})
    assert len(cases) >= 12
    assert {case.scope for case in cases} == {"neck", "model"}
    assert {case.backbone for case in cases} == {"cnn", "resnet50"}
    assert len({case.batch_size for case in cases}) > 1
    assert {case.channels_last for case in cases} == {False, True}
    assert {case.compile_mode for case in cases} == {"off", "default"}
    assert max(case.height_px for case in cases if case.scope == "model") == 320
    assert max(case.height_px for case in cases if case.scope == "neck") == 640


def test_a_case_of_two_blocks_is_measured_once() -> None:
    preset = presets.Preset(blocks=({}, {}, {"batch_sizes": "1,2"}), half_width="1%", budget="1m")
    assert len(axes.sweep(preset, {"devices": "cpu"})) == 2


def test_resolution_keeps_height_before_width() -> None:
    preset = presets.PRESETS["smoke"]
    (case, *_) = axes.sweep(preset, {"resolutions": "800x1344"})
    assert (case.height_px, case.width_px) == (800, 1344)


def test_auto_device_is_one_of_this_machine() -> None:
    assert axes.parse_device("auto") in {"cpu", "cuda:0", "xpu:0", "mps"}
    assert axes.parse_device("cuda") == "cuda:0"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("500ms", 0.5)]
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration("--budget", text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("8g", 8 * 2**30), ("512 mib", 512 * 2**20), ("8GB", 8 * 10**9)],
)
def test_sizes_are_binary_unless_they_say_otherwise(text: str, size: int) -> None:
    assert units.parse_bytes("--memory", text) == size


@pytest.mark.parametrize("text", ["", "8", "0GiB", "lots", "-1G"])
def test_a_wrong_size_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BenchError, match="give a size such as 8GiB"):
        units.parse_bytes("--memory", text)


def test_backbones_of_the_presets_are_known_and_can_be_built() -> None:
    of_presets = {
        case.backbone for preset in presets.PRESETS.values() for case in axes.sweep(preset, {})
    }
    assert of_presets == set(presets.BACKBONES)
    with torch.device("meta"):
        assert all(build_backbone(name).out_channels for name in presets.BACKBONES)
