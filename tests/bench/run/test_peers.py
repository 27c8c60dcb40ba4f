"""Others' networks with our weights: the same work, and where it is the same network, its maps."""

from pathlib import Path

import pytest
import torch

from bench.run.extra_arms import EXTRA_ARMS
from bench.schema.records import Status
from bench.schema.tasks import CheckTask
from bench.workload.arms import build_arms
from bench.workload.check import check
from bench.workload.inputs import make_inputs
from bench.workload.same_work import MismatchError, check_same_work
from tests.support.factories import case, check_task

pytest.importorskip("torchvision")


(PEERS,) = (extra for extra in EXTRA_ARMS if extra.name == "peers")


def task(folder: Path, scope: str) -> CheckTask:
    small = case(height_px=64, width_px=64, threads=1, scope=scope)
    return check_task(folder, small, arms=PEERS.by_scope[scope])


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["neck", "model"])
def test_peers_do_the_same_work(scope: str, tmp_path: Path) -> None:
    found = check(task(tmp_path, scope))
    assert (found.status, found.reason) == (Status.OK, "")
    facts = found.facts
    assert facts["torchvision_fpn"].macs == facts["fpn"].macs
    assert facts["mmdet_pafpn"].macs == facts["panet"].macs
    assert facts["mmdet_pafpn"].params == facts["panet"].params


def test_torchvision_gives_our_maps_with_our_weights(tmp_path: Path) -> None:
    asked = task(tmp_path, "neck")
    arms = build_arms(asked, make_inputs(asked)[0], compiled=False)
    for ours, theirs in zip(arms["fpn"].call(), arms["torchvision_fpn"].call(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_pafpn_starts_a_step_from_the_sum_and_has_no_activation(tmp_path: Path) -> None:
    asked = task(tmp_path, "neck")
    arms = build_arms(asked, make_inputs(asked)[0], compiled=False)
    p, theirs, ours = (arms[name].call() for name in ("fpn", "mmdet_pafpn", "panet"))
    path = arms["panet"].network.get_submodule("panet")
    with torch.inference_mode():
        n3 = path.get_submodule("downsample_n2")(p[0]) + p[1]
        n4 = path.get_submodule("downsample_n3")(n3) + p[2]
        expected = path.get_submodule("conv_n3down_p4")(n4)
    torch.testing.assert_close(theirs[2], expected)
    assert theirs[2].min() < 0 <= ours[2].min()


def test_peer_with_other_maps_is_a_mismatch() -> None:
    maps = (torch.ones(1, 4, 8, 8), torch.ones(1, 4, 4, 4))
    other = tuple(2 * x for x in maps)
    arms = {name: PEERS.by_scope["neck"][name] for name in ("fpn", "torchvision_fpn")}
    outputs, macs = {"fpn": maps, "torchvision_fpn": other}, dict.fromkeys(arms, 10)
    with pytest.raises(MismatchError, match="torchvision_fpn and fpn differ"):
        check_same_work(case(), arms, outputs, macs)
    outputs["torchvision_fpn"], macs["torchvision_fpn"] = maps, 11
    with pytest.raises(MismatchError, match="executes 11 MACs"):
        check_same_work(case(), arms, outputs, macs)
