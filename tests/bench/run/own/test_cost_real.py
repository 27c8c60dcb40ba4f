"""`bench cost` of a real network in real processes, with as few of them as an interval takes."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bench import cost
from bench.__main__ import main
from bench.profiling import ceilings
from bench.schema.files import COST, PROFILE
from reports.__main__ import main as reports
from tests.support.profiles import MACHINE
from tests.support.short import shorten

pytestmark = pytest.mark.process

NETWORK = """
    import torch
    from torch import nn
    from layers import Neck  # beside this file

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Conv2d(3, 8, 3, padding=1)
            self.neck = Neck()

        def forward(self, images):
            return {"maps": self.neck(x=self.body(images[0]))}

    def make(batch, height, width):
        return Net(), [[torch.randn(batch, 3, height, width)]]
"""

LAYERS = """
    from torch import nn

    class Neck(nn.Module):
        def __init__(self):
            super().__init__()
            self.small, self.large = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 9, padding=4)

        def forward(self, x):
            return self.large(self.small(x))
"""


def by_command(folder: Path, passes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask for the profile as well, whose stages are the parts."""
    monkeypatch.setattr(ceilings, "known", lambda *_: MACHINE)
    factory = f"{folder / 'net.py'}:make"
    options = ["--parts-of", "neck", "--half-width", "99%", "--passes", passes, "--threads", "1"]
    where = ["--resolutions", "64", "--devices", "cpu", "--run-dir", str(folder / "runs")]
    assert main(["cost", factory, *options, *where, "--traces"]) == 0
    (written,) = (folder / "runs").glob(f"*/traces/*/network/{PROFILE}")
    profile = json.loads(written.read_text())
    macs = {stage["name"]: stage["macs"] for stage in profile["stages"]}
    assert macs == {"neck.small": 64 * 64 * 8 * 8, "neck.large": 64 * 64 * 8 * 8 * 81}
    assert all(profile["timeline"]["stages"][name]["forward_s"] > 0 for name in macs)
    assert reports(["profile", str(written.parents[3])]) == 0
    assert (written.parents[3] / "profile.html").exists()


def in_python(folder: Path, passes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask with a function that no process can import, of a module that is beside a script."""
    monkeypatch.syspath_prepend(folder)
    from net import make  # type: ignore[import-not-found]  # just written

    def anywhere(b: int, h: int, w: int) -> object:
        return make(b, h, w)

    options: dict[str, Any] = {"passes": passes, "threads": 1, "resolution": 64, "device": "cpu"}
    found = cost(anywhere, parts_of="neck", half_width=0.99, run_dir=folder / "runs", **options)
    assert str(found).startswith("`neck.large` takes ")
    assert 0.5 < found.parts["neck.large"].share.value < 1


@pytest.mark.parametrize(("asked", "passes"), [("command", "inference"), ("python", "training")])
def test_larger_part_is_the_larger_one_and_all_add_up(
    asked: str, passes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    for name, code in {"net.py": NETWORK, "layers.py": LAYERS}.items():
        (tmp_path / name).write_text(textwrap.dedent(code))
    {"command": by_command, "python": in_python}[asked](tmp_path, passes, monkeypatch)
    ((written),) = (tmp_path / "runs").glob(f"cost-*/{COST}")
    (case,) = json.loads(written.read_text())["cases"]
    assert case["status"] == "ok"
    for replicate in case["replicates"]:
        for arm, spans_s in replicate["spans_s"].items():
            assert {"neck.small", "neck.large", "other"} == set(spans_s)
            calls = zip(*spans_s.values(), strict=True)
            within = zip(map(sum, calls), replicate["rounds_s"][arm], strict=True)
            assert all(0 < spans <= call_s for spans, call_s in within)
    assert not list(written.parent.glob("scratch"))
