"""Training on several devices: buckets, checks, verdicts without a process; two real ranks."""

import json
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import nn

from bench.__main__ import main
from bench.engine.launcher import ServerLauncher
from bench.engine.preloading import EXPORTING, Modules
from bench.engine.rounds import run_rounds
from bench.run.ddp import ranks as ranks_module
from bench.run.ddp.buckets import comparable_limit, filled
from bench.run.ddp.rank import RankResult, RankTask, check_gradients, in_one_process
from bench.run.ddp.ranks import Ranks, blamed
from bench.run.ddp.run import Row, cannot_run
from bench.run.ddp.table import REHEARSAL, said, table
from bench.schema.errors import BenchError
from bench.schema.recipe import ARMS
from bench.schema.records import Status
from bench.schema.tasks import Failure
from bench.stats.overlap import KINDS, overlap, slowest
from bench.workload.arms import Arm
from bench.workload.same_work import MismatchError
from tests.support.factories import case

TRAINING = case(height_px=32, width_px=32, threads=1, pass_name="training")  # noqa: S106

PATH = {f"panet.{i}.{kind}": size for i in range(6) for kind, size in (("weight", 90), ("bias", 1))}
FPN = {f"fpn.{i}": size for i, size in enumerate((90, 1, 90, 1, 40, 40, 30))}


def test_bucket_is_sent_when_it_has_reached_the_limit() -> None:
    sent = filled({"panet.a": 3, "panet.b": 4, "fpn.c": 9, "fpn.d": 2, "fpn.e": 2}, 7)
    assert [(of["bytes"], of["of"]) for of in sent] == [(7, ["panet"]), (9, ["fpn"]), (4, ["fpn"])]
    mixed = filled({"panet.a": 3, "fpn.c": 9}, 7)
    assert [(of["bytes"], of["of"]) for of in mixed] == [(12, ["panet", "fpn"])]


@pytest.mark.parametrize("most", [1, 50, 91, 200, 300, 545, 546, 547, 9999])
def test_last_buckets_of_both_arms_are_equal_at_every_size_that_is_wanted(most: int) -> None:
    both = {**PATH, **FPN}
    limit = comparable_limit(both, FPN, most)
    alone = filled(FPN, limit)
    assert limit <= most
    assert filled(both, limit)[-len(alone) :] == alone


def test_without_such_a_limit_the_last_bucket_differs_by_chance() -> None:
    assert filled({**PATH, **FPN}, 300)[-1] != filled(FPN, 300)[-1]
    with pytest.raises(MismatchError, match="do not arrive before"):
        comparable_limit({**FPN, **PATH}, FPN, 300)


class Device:
    """What computes and exchanges side by side; its clock is its own."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def takes(self, seconds: float) -> tuple[()]:
        self.now_s += seconds
        return ()


def turns(hidden: float, compute_s: float = 10.0, exchange_s: float = 4.0) -> dict[str, Any]:
    """Return the rounds of a device that hides a share of the exchange."""
    device, network = Device(), nn.Identity()
    step_s = compute_s + (1 - hidden) * exchange_s
    calls = dict(zip(KINDS, (step_s, compute_s, exchange_s), strict=True))
    arms = {
        kind: Arm(kind, network, lambda s=s: device.takes(s), lambda: None)  # type: ignore[misc]
        for kind, s in calls.items()
    }
    rounds = run_rounds(
        arms, lambda *_: list(KINDS) * 3, torch.device("cpu"), 1, clock=lambda: device.now_s
    )
    return rounds.wall_s


def test_exposed_and_hidden_follow_from_three_calls() -> None:
    replicates = [{"panet": turns(share)} for share in (0.7, 0.75, 0.8)]
    found = overlap(replicates, "panet")
    assert found.exposed_s.value == pytest.approx(1.0)
    assert found.hidden.value == pytest.approx(0.75)
    assert found.hidden.half_width == pytest.approx(0.05 * 4.303 / 3**0.5, rel=1e-3)
    assert (found.unsynced_s.value, found.exchange_s.value) == (10.0, 4.0)


def test_of_every_turn_the_slowest_rank_counts() -> None:
    first, second = {"fpn": {"step": [1.0, 5.0]}}, {"fpn": {"step": [3.0, 2.0]}}
    assert slowest([first, second]) == {"fpn": {"step": [3.0, 5.0]}}


def row(backend: str, **hidden: tuple[float, ...]) -> Row:
    shares = {"fpn": (0.9, 0.91, 0.92), "fpn_again": (0.91, 0.92, 0.9), **hidden}
    return Row(
        case=TRAINING,
        world_size=2,
        backend=backend,
        replicates=tuple({arm: turns(of[i]) for arm, of in shares.items()} for i in range(3)),
        buckets={arm: filled(FPN, 1) for arm in shares},
        difference=4e-7,
    )


def test_rehearsal_has_bytes_and_times_but_no_cost_and_no_verdict() -> None:
    text = table(row("gloo", panet=(0.1, 0.1, 0.1)))
    assert text.endswith(REHEARSAL)
    assert "0.000292 MB in 7" in text
    assert " 9e-05 fpn, 1e-06 fpn, ..., 3e-05 fpn " in text
    assert not any(word in text for word in ("exposed", "hidden", "longer"))


@pytest.mark.parametrize(
    ("hidden", "verdict"),
    [
        ({"panet": (0.91, 0.9, 0.93)}, "PANet's gradients are hidden: a step waits -"),
        ({"panet": (0.5, 0.51, 0.52)}, "PANet's gradients are not hidden: a step waits +1600.0 ms"),
        ({"panet": (0.5, 0.5, 0.5), "fpn_again": (0.8, 0.81, 0.82)}, "no verdict: FPN waits"),
    ],
)
def test_verdict_is_beside_the_noise(hidden: dict[str, Any], verdict: str) -> None:
    assert said(row("nccl", **hidden)).startswith(verdict)
    assert "exposed" in table(row("nccl", **hidden))


def test_skipped_where_there_are_fewer_devices_than_ranks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.distributed, "is_backend_available", lambda _: True)
    asked = ["ddp", "--devices", "cuda", "--world-size", "2", "--run-dir", str(tmp_path)]
    assert main(asked) == 0
    assert "skipped: 2 ranks need a GPU each; this machine has 1" in capsys.readouterr().out
    (file,) = tmp_path.glob("ddp-*/ddp.json")
    assert json.loads(file.read_text())["rows"][0]["status"] == "skipped"
    assert "not on mps" in cannot_run(case(device="mps"), 1)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--world-size", "2,0"),
        ("--bucket", "25"),
        ("--rounds", "-1"),
        ("--scopes", "heads"),
        ("--devices", "cuda:1"),
    ],
)
def test_wrong_use_is_a_line(
    wrong: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ddp", *wrong, "--run-dir", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert wrong[0] in line
    assert not list(tmp_path.iterdir())


def test_gradients_are_the_mean_over_the_joint_batch_in_order_of_arrival() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 3))
    joint = torch.randn(4, 3, 8, 8)
    user = case(network="file:network")
    found = in_one_process(network, [(joint,)], user)
    assert next(iter(found)).startswith("1.")
    assert found["0.weight"] == 4 * 27 * 4
    exact = {name: x.grad for name, x in network.named_parameters() if x.grad is not None}
    network.zero_grad()
    in_one_process(network, list(zip(torch.split(joint, 2), strict=True)), user)
    assert check_gradients("fpn", network, exact, user) < 1e-5
    network.zero_grad()
    in_one_process(network, [(joint[:2],)], user)  # as if nobody exchanged anything
    with pytest.raises(MismatchError, match="fpn: gradients differ"):
        check_gradients("fpn", network, exact, user)


def test_parameter_without_gradient_is_told_as_ddp_would_wait_for_it() -> None:
    network = nn.Conv2d(3, 4, 3)
    network.idle = nn.Parameter(torch.zeros(1))
    with pytest.raises(BenchError, match="1 parameters get no gradient, such as idle"):
        in_one_process(network, [(torch.ones(1, 3, 8, 8),)], case(network="file:network"))


LOST = Failure(Status.CRASHED, "RuntimeError: [third_party/gloo/x.cc:1] Connection closed by peer")
DIED = Failure(Status.CRASHED, "the worker died (killed by signal 9)")
FINE = RankResult({}, {}, 0.0)


@pytest.mark.parametrize(
    ("outcomes", "status", "reason"),
    [
        ({0: LOST, 1: DIED}, Status.CRASHED, f"rank 1: {DIED.reason}"),
        ({0: FINE, 1: Failure(Status.OOM, "full")}, Status.OOM, "rank 1: full"),
        ({0: LOST, 2: LOST}, Status.TIMEOUT, "no answer of rank 1; rank 0 has waited: Runtime"),
        ({0: LOST, 1: LOST, 2: LOST}, Status.TIMEOUT, "rank 0 has waited: RuntimeError"),
    ],
)
def test_failure_is_that_of_the_rank_with_which_it_began(
    outcomes: dict[int, Any], status: Status, reason: str
) -> None:
    found = blamed(outcomes, 3)
    assert found.status is status
    assert found.reason.startswith(reason)


class Fake:
    """A launcher of a rank: gives an outcome, or nothing until it is ended."""

    def __init__(self, outcome: Any) -> None:
        self.outcome, self.ended = outcome, threading.Event()

    def run(self, _task: Any, timeout_s: float) -> Any:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        if self.outcome is None:
            assert self.ended.wait(timeout_s)
        return self.outcome or DIED

    def close(self) -> None:
        self.ended.set()


def tasks(folder: Path, name: str = "store", how: str | None = None) -> list[RankTask]:
    return [
        RankTask(
            case=TRAINING,
            seed=0,
            scratch_dir=str(folder),
            images_dir=how,
            index=0,
            rank=rank,
            world_size=2,
            backend="gloo",
            store=str(folder / name),
            bucket_bytes=8 * 2**20,
            rounds=2,
            patience_s=3.0 if how else 60.0,
        )
        for rank in range(2)
    ]


def test_when_one_rank_fails_the_others_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks_module, "GRACE_S", 0.0)
    for outcome in (Failure(Status.OOM, "full"), BenchError("no server")):
        waiting = Fake(None)
        ranks = Ranks([waiting, Fake(outcome)])
        if isinstance(outcome, Failure):
            assert ranks.run(tasks(tmp_path), 60.0) == Failure(Status.OOM, "rank 1: full")
        else:
            with pytest.raises(BenchError, match="no server"):
                ranks.run(tasks(tmp_path), 60.0)
        assert waiting.ended.is_set()
        ranks.close()


@pytest.mark.process
def test_two_real_ranks_agree_with_one_process_and_one_that_hangs_is_told(tmp_path: Path) -> None:
    folders = [tmp_path / f"rank{rank}" for rank in range(2)]
    for folder in folders:
        folder.mkdir()
    modules = Modules((EXPORTING, "tests.support.misbehave"))
    ranks = Ranks([ServerLauncher(folder, modules, 1) for folder in folders])
    try:
        found = ranks.run(tasks(tmp_path), 120.0)
        assert isinstance(found, list), found
        for rank in found:
            assert rank.difference <= 1e-4
            assert set(rank.turns_s) == set(rank.buckets) == set(ARMS)
            assert {len(seconds) for of in rank.turns_s.values() for seconds in of.values()} == {2}
            fpn, panet = rank.buckets["fpn"], rank.buckets["panet"]
            assert panet[-len(fpn) :] == fpn
            assert sum(of["bytes"] for of in panet[: -len(fpn)]) == 3_540_480 * 4
            assert [of["of"] for of in panet] == [["panet"]] * 2 + [["fpn"]] * 2
        stuck = ranks.run(tasks(tmp_path, "another", "hang"), 120.0)
        assert isinstance(stuck, Failure)
        assert stuck.status is Status.TIMEOUT
        assert stuck.reason.startswith("no answer of rank 1; rank 0 has waited")
        assert not psutil.Process().children(recursive=True)
    finally:
        ranks.close()
