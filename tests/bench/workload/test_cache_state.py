"""Caches cold and warm: what runs before the clock, and that the networks stay the same."""

from pathlib import Path

import pytest
import torch

from bench.schema.records import Status
from bench.workload import cache_state
from bench.workload.arms import build_arms
from bench.workload.check import check
from bench.workload.inputs import make_inputs
from tests.support.factories import case, check_task, recipes

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", ["prepare"]),
        (cache_state.COLD, ["prepare", "sweep"]),
        (cache_state.WARM, ["prepare", "call", "prepare"]),
    ],
)
def test_what_runs_before_the_clock(asked: str, expected: list[str]) -> None:
    ran: list[str] = []

    class Heard(cache_state.Sweeper):
        def __call__(self) -> None:
            ran.append("sweep")

    prepare = cache_state.prepared(
        asked, lambda: ran.append("prepare"), lambda: ran.append("call"), Heard(CPU)
    )
    prepare()
    assert ran == expected


def test_sweep_writes_every_byte_anew() -> None:
    sweep = cache_state.Sweeper(CPU, nbytes=64)
    sweep()
    sweep()
    assert sweep._memory.nbytes == 64
    assert (sweep._memory == 2).all()


@pytest.mark.slow
def test_networks_are_the_same_whatever_the_caches(tmp_path: Path) -> None:
    small = case(height_px=64, width_px=64, threads=1)
    names = [f"{network}_{caches}" for network in ("fpn", "panet") for caches in ("cold", "warm")]
    texts = {name: name.replace("_", "~") for name in names}
    task = check_task(tmp_path, small, arms=recipes(**texts))
    found = check(task)
    assert (found.status, found.reason) == (Status.OK, "")
    arms = build_arms(task, make_inputs(task)[0], compiled=False)
    for cold, warm in (("fpn_cold", "fpn_warm"), ("panet_cold", "panet_warm")):
        assert found.facts[cold].macs == found.facts[warm].macs
        for x, y in zip(arms[cold].call(), arms[warm].call(), strict=True):
            torch.testing.assert_close(x, y)
