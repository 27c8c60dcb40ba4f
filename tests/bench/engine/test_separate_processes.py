"""Arms in processes of their own: one task for all of them, one result from all of them."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.engine import replicate as engine_replicate
from bench.engine import separate_processes
from bench.engine.launcher import ServerLauncher
from bench.engine.preloading import Modules
from bench.engine.separate_processes import ApartLauncher
from bench.engine.turn_board import Board
from bench.schema.errors import BenchError
from bench.schema.recipe import Recipe
from bench.schema.records import Finding, LeftOut, Replicate, Status
from bench.schema.tasks import Failure, Task
from tests.support.factories import (
    CALM,
    case,
    check_task,
    facts,
    finding,
    recipes,
    replicate,
    replicate_task,
)
from tests.support.machines import simulate_calls

ARMS = recipes(base="panet@base", head="panet@head")


class Fake:
    """A launcher that keeps its tasks and gives what it was told."""

    def __init__(self, outcome: object) -> None:
        self.outcome, self.closed = outcome, False
        self.tasks: list[Any] = []

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        self.tasks.append(task)
        return self.outcome

    def close(self) -> None:
        self.closed = True


def part(arm: str, waited_s: float = 0.0, others: int | None = None) -> Replicate:
    load = replace(CALM, waited_s=waited_s, gpu_foreign_processes=others)
    return replicate(rounds_s={arm: [1.0, 2.0, 3.0]}, load=load)


def test_replicate_is_put_together_from_all_processes(tmp_path: Path) -> None:
    fakes = {arm: Fake(part(arm)) for arm in ARMS}
    found = ApartLauncher(fakes, tmp_path).run(replicate_task(tmp_path, arms=ARMS), 1.0)
    assert isinstance(found, Replicate)
    assert found.rounds_s == {"base": [1.0, 2.0, 3.0], "head": [1.0, 2.0, 3.0]}
    assert not found.contended
    (asked,) = fakes["head"].tasks
    assert (asked.own, set(asked.arms)) == (("head",), set(ARMS))
    assert {Path(path).is_fifo() for path in asked.inboxes.values()} == {True}
    assert Path(asked.board).is_file()


class Simulated:
    """Runs a replicate's part without a process, on a machine that `simulate_calls` makes."""

    def run(self, task: Any, timeout_s: float) -> Any:
        return Replicate.from_json(engine_replicate.replicate(task))

    def close(self) -> None: ...


SEVEN = tuple(f"way{number}" for number in range(7))


def taken(folder: Path, rounds: int) -> Replicate:
    launcher = ApartLauncher({arm: Simulated() for arm in SEVEN}, folder)
    arms = dict.fromkeys(SEVEN, Recipe("panet"))
    found = launcher.run(replicate_task(folder, arms=arms, rounds=rounds), 1.0)
    launcher.close()
    assert isinstance(found, Replicate)
    return found


def test_replicate_goes_on_until_enough_rounds_are_undisturbed_in_all_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process after the other waits a little: no round of the first seven counts but two."""
    simulate_calls(
        monkeypatch, lambda arm, count: SEVEN.index(arm) == count and count not in (1, 4)
    )
    found = taken(tmp_path, rounds=3)
    assert {len(calls) for calls in found.rounds_s.values()} == {8}
    assert found.disturbed == (0, 2, 3, 5, 6)
    assert not found.contended


def test_processes_do_not_go_on_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate_calls(monkeypatch, lambda arm, _: arm == SEVEN[3])
    found = taken(tmp_path, rounds=3)
    assert len(found.disturbed) == found.round_count == 3 * engine_replicate.STRETCH
    assert found.contended


def test_what_each_process_has_grown_by_and_used_is_kept(tmp_path: Path) -> None:
    known = {"base": (7, 0.0), "head": (9, 0.5)}
    fakes = {
        arm: Fake(replace(part(arm), resident_bytes={arm: grown}, waiting_cpu={arm: used}))
        for arm, (grown, used) in known.items()
    }
    found = ApartLauncher(fakes, tmp_path).run(replicate_task(tmp_path, arms=ARMS), 1.0)
    assert isinstance(found, Replicate)
    assert found.resident_bytes == {"base": 7, "head": 9}
    assert found.waiting_cpu == {"base": 0.0, "head": 0.5}


def test_round_in_which_one_process_waited_is_disturbed(tmp_path: Path) -> None:
    waits = {"base": (0,), "head": (2,)}
    fakes = {arm: Fake(replace(part(arm), disturbed=waits[arm])) for arm in ARMS}
    found = ApartLauncher(fakes, tmp_path).run(replicate_task(tmp_path, arms=ARMS), 1.0)
    assert isinstance(found, Replicate)
    assert found.disturbed == (0, 2)
    assert found.undisturbed.rounds_s == {"base": [2.0], "head": [2.0]}
    assert found.contended


@pytest.mark.parametrize(("others", "foreign"), [(None, None), (0, 0), (1, 0), (2, 1)])
def test_the_other_side_is_not_foreign_on_a_gpu(
    tmp_path: Path, others: int | None, foreign: int | None
) -> None:
    fakes = {arm: Fake(part(arm, others=others)) for arm in ARMS}
    found = ApartLauncher(fakes, tmp_path).run(replicate_task(tmp_path, arms=ARMS), 1.0)
    assert isinstance(found, Replicate)
    assert found.load.gpu_foreign_processes == foreign
    assert found.contended is bool(foreign)


def test_failure_of_one_ends_all_and_names_it(tmp_path: Path) -> None:
    fakes = {"base": Fake(part("base")), "head": Fake(Failure(Status.CRASHED, "no luck"))}
    found = ApartLauncher(fakes, tmp_path).run(replicate_task(tmp_path, arms=ARMS), 1.0)
    assert found == Failure(Status.CRASHED, "head: no luck")
    assert all(fake.closed for fake in fakes.values())


def test_check_adds_up_rounds_and_facts(tmp_path: Path) -> None:
    fakes = {arm: Fake(replace(finding(), facts={arm: facts()}, round_s=0.5)) for arm in ARMS}
    found = ApartLauncher(fakes, tmp_path).run(check_task(tmp_path, arms=ARMS), 1.0)
    assert isinstance(found, Finding)
    assert (set(found.facts), found.round_s) == (set(ARMS), 1.0)
    assert [dict(fake.tasks[0].arms) for fake in fakes.values()] == [
        {arm: ARMS[arm]} for arm in ARMS
    ]


DEPLOYED = recipes(eager="panet", inductor="fpn", openvino="fpn_alone", again="panet")


def deployed(folder: Path, **outcomes: object) -> Any:
    fakes = {
        arm: Fake(outcomes.get(arm, replace(finding(), facts={arm: facts()}))) for arm in DEPLOYED
    }
    launcher = ApartLauncher(fakes, folder, leaves_out=True)
    return launcher.run(check_task(folder, arms=DEPLOYED), 1.0)


def test_arm_that_fails_its_check_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    other = replace(finding(), status=Status.MISMATCH, reason="threads 1")
    found = deployed(tmp_path, inductor=Failure(Status.CRASHED, "no luck"), openvino=other)
    assert (found.status, set(found.facts)) == (Status.OK, {"eager", "again"})
    assert found.left_out == {
        "inductor": LeftOut("crashed", "no luck"),
        "openvino": LeftOut("mismatch", "threads 1"),
    }


@pytest.mark.parametrize("arm", ["eager", "again"])
def test_without_the_base_there_is_no_answer(arm: str, tmp_path: Path) -> None:
    failure = Failure(Status.CRASHED, "no luck")
    assert deployed(tmp_path, **{arm: failure}) == failure


def test_arm_that_somebody_has_killed_is_not_left_out(tmp_path: Path) -> None:
    killed = Failure(Status.CRASHED, "killed", from_outside=True)
    assert deployed(tmp_path, inductor=killed) == killed


@pytest.mark.parametrize("outcome", [Failure(Status.CRASHED, "x"), None])
def test_check_that_fails_on_one_side_is_the_answer(
    tmp_path: Path, outcome: Failure | None
) -> None:
    bad = outcome or replace(finding(), status=Status.OOM, reason="too large")
    fakes = {"base": Fake(bad), "head": Fake(finding())}
    assert ApartLauncher(fakes, tmp_path).run(check_task(tmp_path, arms=ARMS), 1.0) == bad


def apart(folder: Path, fakes: Any) -> Any:
    launcher = ApartLauncher(fakes, folder, leaves_out=True)
    return launcher.run(replicate_task(folder, arms=DEPLOYED), 0.0)


@pytest.mark.parametrize(
    ("arm", "of", "reason"),
    [
        ("openvino", ("openvino",), "no luck"),
        ("again", (), "again: no luck"),
        ("eager", (), "eager: no luck"),
    ],
)
def test_failure_in_a_replicate_is_its_arm_s_alone_but_for_the_base(
    arm: str, of: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    fakes = {name: Fake(part(name)) for name in DEPLOYED}
    fakes[arm].outcome = Failure(Status.CRASHED, "no luck", from_outside=True)
    found = apart(tmp_path, fakes)
    assert found == Failure(Status.CRASHED, reason, from_outside=True, of=of)
    assert all(fake.closed for fake in fakes.values())


class Starting(Fake):
    """A process whose server is about to start when another one fails: it has to be ended again."""

    def __init__(self) -> None:
        super().__init__(None)
        self._closed, self._ended = 0, threading.Event()

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        self._ended.wait()
        raise BenchError("a worker server does not start (killed by signal 9)")

    def close(self) -> None:
        self._closed += 1
        if self._closed > 1:
            self._ended.set()


def test_server_that_is_ended_while_it_starts_is_no_failure_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separate_processes, "AGAIN_S", 0.0)
    fakes: dict[str, Fake] = {name: Starting() for name in DEPLOYED}
    fakes["openvino"] = Fake(Failure(Status.CRASHED, "no luck"))
    assert apart(tmp_path, fakes) == Failure(Status.CRASHED, "no luck", of=("openvino",))


class Waiting(Fake):
    """A process that waits for its turn, until that takes too long; or one that never ends it."""

    def __init__(self, together: threading.Barrier, *, hangs: bool) -> None:
        super().__init__(Failure(Status.TIMEOUT, "too long"))
        self._together, self._hangs, self._ended = together, hangs, threading.Event()

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        (arm,) = task.own  # type: ignore[attr-defined]  # of a replicate
        board = Board(task.board, task.inboxes)  # type: ignore[attr-defined]
        (board.work if self._hangs else board.wait)(task.inboxes[arm])  # type: ignore[attr-defined]
        self._together.wait()
        if self._hangs:
            self._ended.wait()
            return Failure(Status.CRASHED, "killed", from_outside=True)
        return self.outcome

    def close(self) -> None:
        self._ended.set()


@pytest.mark.parametrize(("arm", "of"), [("openvino", ("openvino",)), ("eager", ())])
def test_who_hangs_has_failed_and_not_who_waits_for_it(
    arm: str, of: tuple[str, ...], tmp_path: Path
) -> None:
    together = threading.Barrier(len(DEPLOYED))
    found = apart(tmp_path, {n: Waiting(together, hangs=n == arm) for n in DEPLOYED})
    assert (found.status, found.of) == (Status.TIMEOUT, of)
    assert found.reason == ("too long" if of else f"{arm}: too long")


def test_where_nobody_hangs_all_were_too_slow(tmp_path: Path) -> None:
    together = threading.Barrier(len(DEPLOYED))
    found = apart(tmp_path, {name: Waiting(together, hangs=False) for name in DEPLOYED})
    said = "eager, inductor, openvino and again: too long"
    assert found == Failure(Status.TIMEOUT, said)


@pytest.mark.process
def test_process_that_dies_in_its_replicate_leaves_the_others_to_go_on(tmp_path: Path) -> None:
    arms = recipes(eager="panet", bad="fpn")
    launchers, modules = {}, Modules(("tests.support.misbehave",))
    for arm in arms:
        (tmp_path / arm).mkdir()
        launchers[arm] = ServerLauncher(tmp_path / arm, modules, 1)
    apart = ApartLauncher(launchers, tmp_path, leaves_out=True)
    small = case(height_px=32, width_px=32, threads=1)
    task = replicate_task(tmp_path, small, arms=arms, rounds=1, images_dir="segfault")
    try:
        found = apart.run(task, 120)
        assert isinstance(found, Failure)
        assert (found.status, found.of) == (Status.CRASHED, ("bad",))
        assert "killed by signal 11" in found.reason
        again = apart.run(replace(task, arms=recipes(eager="panet")), 120)
        assert isinstance(again, Replicate), again
    finally:
        apart.close()
