"""Profiles that are not to be believed."""

import pytest

from bench.stats.disturbed_profiles import ProfiledSteps, why_disturbed


def steps(step_s: float, latency_s: float | None = 0.01, disturbed: int = 0) -> ProfiledSteps:
    return ProfiledSteps(5, disturbed, step_s, latency_s)


def test_two_disturbed_steps_of_five_do_not_move_their_median() -> None:
    arms = {"fpn": steps(0.012, disturbed=2), "panet": steps(0.012, disturbed=3)}
    assert why_disturbed(arms) == {"panet": "other programs ran in 3 of its 5 steps"}


@pytest.mark.parametrize(
    ("fpn_s", "panet_s", "reasons"),
    [
        (0.012, 0.013, {}),
        (0.030, 0.030, {}),  # small operators: the profiler itself takes that long, in both
        (
            0.107,
            0.012,
            {
                "fpn": "its steps take 10.7 times as long as the timed calls, those of the other "
                "network 1.2 times"
            },
        ),
    ],
)
def test_each_arm_tells_how_far_the_other_is_slowed_down(
    fpn_s: float, panet_s: float, reasons: dict[str, str]
) -> None:
    assert why_disturbed({"fpn": steps(fpn_s), "panet": steps(panet_s)}) == reasons


def test_without_timed_calls_only_the_steps_themselves_tell() -> None:
    arms = {"fpn": steps(0.107, None), "panet": steps(0.012, None, disturbed=5)}
    assert list(why_disturbed(arms)) == ["panet"]
