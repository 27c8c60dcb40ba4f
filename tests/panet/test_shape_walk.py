"""``python -m panet`` prints the stages of the article in its order."""

import json
import subprocess
import sys

import pytest
import torch

from panet import BackboneNeck
from panet.__main__ import main
from panet.resolution import parse_resolution
from panet.walk import shape_walk

WALK_AT_224 = [
    ("original", [1, 3, 224, 224]),
    ("after conv1", [1, 64, 224, 224]),
    ("after pool", [1, 64, 112, 112]),
    ("after conv2", [1, 256, 112, 112]),
    ("after pool (c2)", [1, 256, 56, 56]),
    ("after conv3", [1, 512, 56, 56]),
    ("after pool (c3)", [1, 512, 28, 28]),
    ("after conv4", [1, 1024, 28, 28]),
    ("after pool (c4)", [1, 1024, 14, 14]),
    ("after conv5", [1, 2048, 14, 14]),
    ("after pool (c5)", [1, 2048, 7, 7]),
    ("c2", [1, 256, 56, 56]),
    ("c3", [1, 512, 28, 28]),
    ("c4", [1, 1024, 14, 14]),
    ("c5", [1, 2048, 7, 7]),
    ("p2", [1, 256, 56, 56]),
    ("p3", [1, 256, 28, 28]),
    ("p4", [1, 256, 14, 14]),
    ("p5", [1, 256, 7, 7]),
    ("n2", [1, 256, 56, 56]),
    ("n3", [1, 256, 28, 28]),
    ("n4", [1, 256, 14, 14]),
    ("n5", [1, 256, 7, 7]),
]


def test_walk_has_every_stage_of_the_article_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--json"]) == 0
    walk = json.loads(capsys.readouterr().out)
    assert [(stage["name"], stage["shape"]) for stage in walk["stages"]] == WALK_AT_224


def test_stages_add_up_to_their_parts(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json"])
    walk = json.loads(capsys.readouterr().out)
    parts = {part["name"]: part for part in walk["parts"]}
    for unit in ("params", "macs"):
        stages = sum(stage[unit] or 0 for stage in walk["stages"])
        assert stages == parts["total"][unit]
        assert sum(parts[part][unit] for part in ("backbone", "fpn", "panet")) == stages
    assert parts["total"]["params"] == 31_220_480
    assert parts["panet"]["macs"] == 1_213_857_792


def test_printed_walk_shows_sizes_and_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--resolution", "320x480", "--batch-size", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split(maxsplit=1) == ["original", "[2, 3, 320, 480]"]
    assert any(line.startswith("n5") and "[2, 256, 10, 15]" in line for line in lines)


def test_walk_leaves_no_hook_behind() -> None:
    network = BackboneNeck()
    shape_walk(network, torch.randn(1, 3, 32, 32))
    assert not any(module._forward_hooks for module in network.modules())


def test_fpn_alone_has_no_bottom_up_stages() -> None:
    walk = shape_walk(BackboneNeck(neck="fpn"), torch.randn(1, 3, 32, 32))
    assert [stage.name for stage in walk.stages][-4:] == ["p2", "p3", "p4", "p5"]
    assert [part.name for part in walk.parts] == ["backbone", "fpn", "total"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--resolution", "wide"], "resolution 'wide': give a side or HEIGHTxWIDTH"),
        (["--resolution", "320x"], "resolution '320x'"),
        (["--resolution", "16"], "both sides need at least 32 px"),
        (["--batch-size", "0"], "give a number of 1 or more"),
        (["--backbone", "resnet51"], "did you mean"),
        (["\x1b[31mred"], "unrecognized arguments: \\x1b[31mred; see python -m panet --help"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1


def test_stopped_while_torch_is_imported_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("panet.__main__._walk", interrupt)
    assert main([]) == 130
    assert capsys.readouterr().err == "stopped; run it again\n"


@pytest.mark.process
def test_nothing_heavy_is_imported_before_a_command_listens() -> None:
    code = "import sys, panet.__main__; print('torch' in sys.modules, panet.FPN.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False FPN\n"


def test_resolution_is_height_by_width() -> None:
    assert parse_resolution("800x1344") == (800, 1344)
