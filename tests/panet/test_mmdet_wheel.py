"""mmdetection's neck as it is released, from the index, in an environment of its own."""

import subprocess
from pathlib import Path

import pytest
import torch

from panet import build_neck
from panet.convert import from_original, to_original
from tests.panet.originals import CHANNELS, OUT
from tests.support import mmdet_pafpn
from tests.support.environments import environment, new_python

PACKAGES = ("mmdet==3.3.0", "mmengine==0.10.7", "mmcv-lite==2.2.0")
NEEDED = ("addict", "platformdirs", "termcolor", "yapf")
"""What mmengine imports and we have not."""


@pytest.mark.install
def test_behaviour_is_the_released_neck_s_bit_for_bit(tmp_path: Path) -> None:
    python = new_python(tmp_path / "venv")
    install = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES, *NEEDED]
    installed = subprocess.run(
        install, env=environment(python), capture_output=True, text=True, check=False
    )
    if installed.returncode:
        pytest.skip(f"mmdet cannot be installed here: {installed.stderr[-300:]}")
    command = [str(python), mmdet_pafpn.__file__, "out.pt", "16x24", "19x30", "25x13"]
    threads = environment(python, OMP_NUM_THREADS=str(torch.get_num_threads()))  # sums in one order
    subprocess.run(command, env=threads, cwd=tmp_path, check=True, capture_output=True)
    theirs = torch.load(tmp_path / "out.pt")
    ours = build_neck(CHANNELS, "mmdetection", OUT, extra_levels=1).eval()
    ours.load_state_dict(from_original(theirs["weights"], "mmdetection"))
    assert len(theirs["runs"]) == 3
    for c, expected in theirs["runs"]:
        with torch.inference_mode():
            assert all(torch.equal(a, b) for a, b in zip(ours(*c), expected, strict=True))
    back = to_original(ours.state_dict(), "mmdetection")
    assert back.keys() == theirs["weights"].keys()
