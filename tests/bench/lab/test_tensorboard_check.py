"""The plugin's times beside torch's: what counts as a difference, and wrong use."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench.lab import tensorboard_check
from bench.profiling.tensorboard_trace import for_plugin
from bench.profiling.trace_tree import MICROSECOND_S
from bench.schema.files import PROFILE
from tests.support import traces

pytest.importorskip("torch_tb_profiler", reason="an extra; make test installs it")

pytestmark = pytest.mark.filterwarnings("ignore:The copy keyword:DeprecationWarning")

KERNELS_US = {"aten::conv2d": 40, "aten::cudnn_convolution": 200, "aten::relu": 20}
"""Of `traces.cuda_trace`, in both steps."""


def row(name: str, device_us: float) -> dict[str, Any]:
    device_s = device_us * MICROSECOND_S
    return {"name": name, "calls": 2, "self_s": 0.0, "total_s": 0.0, "self_device_s": device_s}


def run(folder: Path, **device_us: float) -> Path:
    """Write a run with one profile: what torch says of the kernels, in microseconds."""
    own = folder / "a-case" / "panet"
    own.mkdir(parents=True)
    with gzip.open(own / "panet.pt.trace.json.gz", "wt") as stream:
        json.dump({"traceEvents": for_plugin(traces.cuda_trace())}, stream)
    by_torch = {**KERNELS_US, **{f"aten::{name}": value for name, value in device_us.items()}}
    rows = [row(name, value) for name, value in by_torch.items()]
    rows.append(row("ProfilerStep*", 500))  # an annotation has the time of all that is in it
    rows.append(row("void at::native::vectorized_elementwise_kernel<4>(int)", 20))
    profile = {"arm": "panet", "trace": "panet.pt.trace.json.gz", "key_averages": rows}
    (own / PROFILE).write_text(json.dumps(profile))
    return folder


def check(folder: Path) -> int:
    return command.main(["lab", "tensorboard", str(folder)])


def test_equal_times_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(run(tmp_path)) == 0
    said = capsys.readouterr().out
    assert "| a-case | panet | device" in said
    assert said.endswith("worst operator off by 0.00%\n")
    assert json.loads((tmp_path / tensorboard_check.FILE).read_text()) == {
        "worst_off_ratio": 0.0,
        "profiles": [
            {"case_id": "a-case", "arm": "panet", "device": "device", "worst_off_ratio": 0.0}
        ],
    }


def test_a_difference_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(run(tmp_path, relu=25)) == 1
    assert capsys.readouterr().out.endswith("worst operator off by 20.00%\n")


def test_what_the_plugin_misses_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(run(tmp_path, silu=50)) == 1
    assert capsys.readouterr().out.endswith("worst operator off by 100.00%\n")


def test_operators_of_a_hundredth_of_the_time_may_differ() -> None:
    by_torch = {"aten::conv2d": 1.0, "aten::relu": 0.001}
    assert tensorboard_check.worst_difference(by_torch, {"aten::conv2d": 1.0}) == 0


def test_folder_without_profiles_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(tmp_path) == 2
    assert capsys.readouterr().err == (
        f"python -m bench: {tmp_path}: no profile.json below it; name a run with --traces\n"
    )
