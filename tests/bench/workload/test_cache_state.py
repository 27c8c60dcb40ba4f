"""Caches cold and warm: what runs before the clock, and that the networks stay the same."""

from pathlib import Path

import pytest
import torch

from bench.schema.records import Status
from bench.schema.tasks import Task
from bench.workload import cache_state
from bench.workload.arms import Recipe, build_arms, make_inputs, parse_recipe
from bench.workload.same_work import check
from tests.support.factories import case

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


def test_a_recipe_names_its_caches() -> None:
    assert parse_recipe("panet~cold") == Recipe("panet", "", "", "cold")
    assert parse_recipe("panet@head+copy:96~warm") == Recipe("panet", "head", "copy:96", "warm")


def test_networks_are_the_same_whatever_the_caches(tmp_path: Path) -> None:
    small = case(height_px=64, width_px=64, threads=1)
    task = Task("check", small, 0, str(tmp_path), None, arms=cache_state.ARMS["neck"])
    found = check(task)
    assert (found.status, found.reason) == (Status.OK, "")
    arms = build_arms(task, make_inputs(task)[0], compiled=False)
    for cold, warm in (("fpn_cold", "fpn_warm"), ("panet_cold", "panet_warm")):
        assert found.facts[cold].macs == found.facts[warm].macs
        for x, y in zip(arms[cold].call(), arms[warm].call(), strict=True):
            torch.testing.assert_close(x, y)
