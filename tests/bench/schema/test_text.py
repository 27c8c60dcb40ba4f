"""How numbers and machines are written."""

import math

import pytest

from bench.schema import text


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("±1 % → 中", "±1 % → 中"),
        ("\x1b[31mred\x07\r", "\\x1b[31mred\\x07\\r"),
        ("\u202efdp.exe\x9b2J", "\\u202efdp.exe\\x9b2J"),
        ("not\udcffUTF-8", "not\\udcffUTF-8"),
        ("two\nlines\t", "two\nlines\t"),
    ],
)
def test_what_controls_a_terminal_is_written_out(told: str, said: str) -> None:
    assert text.printable(told) == said
    assert text.in_a_line(told) == said.replace("\n", " ")


def test_one_is_no_plural() -> None:
    said = [text.counted(count, "more case") for count in (0, 1, 2)]
    assert said == ["0 more cases", "1 more case", "2 more cases"]


@pytest.mark.parametrize(
    ("value", "said"), [(0.34521, "0.345"), (34.521, "34.5"), (999.6, "1,000"), (-7702.4, "-7,702")]
)
def test_figure_has_three_digits_or_all_in_front_of_the_point(value: float, said: str) -> None:
    assert text.figure(value) == said


@pytest.mark.parametrize(("share", "said"), [(0.0234, "2.3 %"), (None, "-"), (math.nan, "-")])
def test_share_is_written_in_percent_and_what_is_unknown_as_such(
    share: float | None, said: str
) -> None:
    assert text.percent(share) == said


@pytest.mark.parametrize(
    ("estimate", "said"),
    [
        ((1.0234, 1.0154, 1.0314), "+2.3 % ±0.8 %"),
        ((0.95, None, None), "-5.0 %"),
        ((1.0, math.nan, math.nan), "+0.0 %"),
        ((math.nan, math.nan, math.nan), "-"),
        ((None, None, None), "-"),
    ],
)
def test_ratio_is_written_as_a_change(
    estimate: tuple[float | None, float | None, float | None], said: str
) -> None:
    assert text.change(*estimate) == said


def test_machine_is_its_accelerator_or_its_cpu_and_each_torch_once() -> None:
    old = {"cpu": "a CPU", "cores": 2, "libraries": {"torch": "2.12.0"}}
    new = {**old, "libraries": {"torch": "2.13.0"}}
    assert text.machine(old) == text.machine(old, old) == "a CPU, 2 cores; torch 2.12.0"
    assert text.machine(old, new) == "a CPU, 2 cores; torch 2.12.0 → 2.13.0"
    assert text.machine({**old, "accelerator": "a GPU"}) == "a GPU; torch 2.12.0"


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ([35.11, 27.3], "27.3 to 35.1 dB"),
        ([20.0], "20.0 dB"),
        ([None, 9], "9.0 to inf dB"),
        ([], "-"),
    ],
)
def test_ratios_of_signal_to_noise_are_written_from_worst_to_best(
    levels: list[float | None], said: str
) -> None:
    assert text.decibels(levels) == said
