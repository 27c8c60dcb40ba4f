"""Arms beside a base that has two turns, and the base beside itself."""

import pytest

from bench import stats
from bench.stats.beside import beside_base


def calls(**seconds: float) -> stats.Calls:
    return stats.Calls({arm: [value] * 6 for arm, value in seconds.items()})


def test_every_arm_is_beside_both_turns_of_the_base() -> None:
    case = [calls(fpn=1.0 + i / 100, other=3.0, fpn_again=1.0 + i / 100) for i in range(8)]
    (found,) = beside_base([case], "fpn", "fpn_again")
    assert list(found) == ["fpn", "other", "fpn_again"]
    assert found["fpn"].ratio == stats.Estimate(1.0, 1.0, 1.0)
    assert found["fpn_again"].ratio.value == pytest.approx(1.0)
    other = found["other"]
    assert other.call_s.value == 3.0
    low, high = other.ratio.low, other.ratio.high
    assert low is not None
    assert high is not None
    assert 3 / 1.07 < low < other.ratio.value < high < 3
    assert other.difference_s.value == pytest.approx(2 - 0.035)


def test_case_without_replicates_has_no_arms() -> None:
    case = [calls(fpn=1.0, fpn_again=1.0)] * 5
    some, none = beside_base([case, []], "fpn", "fpn_again")
    assert set(some) == {"fpn", "fpn_again"}
    assert none == {}


def test_arm_that_failed_meanwhile_is_compared_in_the_replicates_that_it_has() -> None:
    whole = [calls(fpn=1.0, other=2.0, fpn_again=1.0)] * 2
    (found,) = beside_base([[*whole, calls(fpn=3.0, fpn_again=3.0)]], "fpn", "fpn_again")
    assert found["other"].ratio.value == pytest.approx(2.0)
    assert found["fpn"].call_s.value == pytest.approx(5 / 3)
