"""What is seen of a run while it goes on."""

import io
from collections.abc import Mapping

from rich.console import Console

from bench.engine.progress import ProgressBar
from bench.engine.scheduler import Engine
from bench.engine.stopping import HalfWidth
from tests.support.factories import case
from tests.support.machines import Forgetful, Machine, Noise, Silent, plan


def drawn(*updates: tuple[float, dict[str, str]], terminal: bool, height: int = 30) -> str:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100, height=height)
    with ProgressBar(console) as bar:
        for share, known in updates:
            bar.update("measuring neck b1", 61.0, share, known)
    return stream.getvalue()


def test_terminal_shows_every_case_with_what_is_known_of_it() -> None:
    said = drawn((0.3, {"neck b1": "+50.1 % ±1.2 %  ok", "neck b2": "checked"}), terminal=True)
    for words in ("neck b1", "+50.1 % ±1.2 %  ok", "neck b2", "checked", "01:01 left", "30 %"):
        assert words in said
    assert "measuring neck b1" in said


def test_of_too_many_cases_those_are_shown_that_are_not_sure() -> None:
    known = {f"case {i:02d}": "ok" if i < 90 else "checked" for i in range(100)}
    said = drawn((0.9, known), terminal=True, height=10)
    assert "case 90" in said
    assert "case 00" not in said
    assert "case 99" not in said


def test_without_a_terminal_there_is_a_line_per_tenth() -> None:
    known = {"neck b1": "+50.1 % ±1.2 %  ok", "neck b2": "checked"}
    lines = drawn(*((i / 100, known) for i in range(100)), terminal=False).splitlines()
    assert len(lines) == 9
    assert lines[0] == "10 %, at most 01:01 left: 1 of 2 cases are sure"


class Listening(Silent):
    """Keeps what is known of the cases, as often as it is told."""

    def __init__(self) -> None:
        self.heard: list[dict[str, str]] = []

    def update(
        self, now: str, left_s: float, share_done: float, known: Mapping[str, str] | None = None
    ) -> None:
        self.heard.append(dict(known or {}))


def test_estimates_of_a_run_get_narrower_until_they_are_sure() -> None:
    machine, watch = Machine(noise=Noise(round_sd=0.05)), Listening()
    Engine(plan(), machine, Forgetful(), lambda: machine.now_s, watch).run(HalfWidth(0.03))
    first, *_, last = watch.heard
    assert set(first.values()) == {"not checked yet"}
    assert any(said.endswith("ok") for said in last.values())
    assert all(said.startswith("+") for said in last.values())


def test_what_turns_out_to_be_needed_besides_is_told() -> None:
    """A gate confirms what it has screened, which is about as much again."""
    told = [*range(93), *range(50, 100)]
    lines = drawn(*((i / 100, {}) for i in told), terminal=False).splitlines()
    shares = [line.split(" %")[0] for line in lines]
    assert shares == [*map(str, range(10, 100, 10)), *map(str, range(50, 100, 10))]


def test_cases_that_are_called_alike_have_lines_of_their_own() -> None:
    machine, watch = Machine(), Listening()
    cases = (case(threads=1), case(threads=2))
    Engine(plan(cases=cases), machine, Forgetful(), lambda: machine.now_s, watch).run(
        HalfWidth(0.5)
    )
    assert {len(known) for known in watch.heard} == {2}
