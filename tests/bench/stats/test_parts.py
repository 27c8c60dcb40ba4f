"""What the parts take: it adds up to the call, and the rest is what no part is."""

import math
from typing import Any

import pytest

from bench.stats import between_runs
from bench.stats.beside import besides, exchanges
from bench.stats.parts import inside_logs, insides
from bench.stats.readings import Calls

CALL_S = {"body": 0.006, "neck": 0.003, "other": 0.001}


def spans(scale: float = 1.0, count: int = 3, **seconds: float) -> dict[str, list[float]]:
    """Return the spans of calls, each a little longer than the one before."""
    parts = CALL_S | seconds
    return {name: [s * scale * (1 + 0.01 * i) for i in range(count)] for name, s in parts.items()}


def total(spans_s: dict[str, list[float]]) -> list[float]:
    return [sum(call) for call in zip(*spans_s.values(), strict=True)]


def calls(number: int, more: int = 4, **arms: dict[str, list[float]]) -> Calls:
    """Return a replicate of a machine whose speed is another in every process."""
    speed = 1 + 0.2 * (number % 3)
    spans_s = {"network": spans(speed), "again": spans(speed * 1.01), **arms}
    return Calls(
        {arm: total(of) for arm, of in spans_s.items()},
        spans_s,
        {"network": spans(speed, more)} if more else {},
    )


SIX = [calls(number) for number in range(6)]


def test_parts_and_rest_add_up_to_the_call() -> None:
    (found,) = insides([SIX], "network", ("body", "neck"), "again")
    assert found is not None
    parts = [*found.parts.values(), found.rest]
    assert sum(part.time_s.value for part in parts) == pytest.approx(found.call_s.value)
    assert sum(part.share.value for part in parts) == pytest.approx(1.0)
    assert (found.replicates, found.calls) == (6, 6 * 7)


def test_speed_of_the_machine_is_in_the_time_and_not_in_the_cost() -> None:
    (found,) = insides([SIX], "network", ("neck",), "again")
    assert found is not None
    neck = found.parts["neck"]
    assert neck.ratio is not None
    assert neck.ratio.value == pytest.approx(10 / 7)
    assert neck.share.value == pytest.approx(0.3)
    assert neck.share.low == pytest.approx(0.3 - 1.959964 * between_runs.sd_of_share(0.3))
    assert neck.time_s.low is not None
    assert neck.time_s.low < 0.9 * neck.time_s.value
    assert neck.aa_ratio is not None
    assert neck.aa_ratio.value == pytest.approx(1.01)


def test_part_that_is_not_called_in_every_call_costs_what_it_costs_on_average() -> None:
    half = {"network": {**spans(), "neck": [0.003, 0.0, 0.0]}}
    replicates = [calls(0, more=0, **half) for _ in range(5)]
    (found,) = insides([replicates], "network", ("neck",), "")
    assert found is not None
    neck = found.parts["neck"]
    assert neck.called == pytest.approx(1 / 3)
    assert neck.time_s.value == pytest.approx(0.001)
    rest = sum(total(spans(neck=0.0)))
    assert neck.ratio is not None
    assert neck.ratio.value == pytest.approx((rest + 0.003) / rest)
    assert neck.aa_ratio is None


def test_part_that_was_never_met_costs_nothing() -> None:
    (found,) = insides([SIX], "network", ("absent",), "again")
    assert found is not None
    absent = found.parts["absent"]
    assert (absent.time_s.value, absent.called, absent.aa_ratio) == (0.0, 0.0, None)
    assert found.rest.share.value == pytest.approx(1.0)


def test_part_that_is_all_of_the_call_has_a_finite_cost() -> None:
    whole = calls(0, more=0, network={"neck": [0.01, 0.01]}, again={"neck": [0.01, 0.01]})
    assert all(map(math.isfinite, inside_logs([whole], "network", "neck")))


def test_name_of_a_part_is_not_the_beginning_of_another_one() -> None:
    longer = calls(0, more=0, network=spans(neck2=0.1))
    assert inside_logs([longer], "network", "neck") == pytest.approx([math.log(110 / 107)])


def exchanged(number: int, residual: float) -> Calls:
    rest = {name: seconds * residual for name, seconds in CALL_S.items() if name != "neck"}
    new: dict[str, Any] = spans(1 + 0.2 * (number % 3), 3, neck=0.005, **rest)
    return calls(number, more=0, exchanged=new)


def test_exchange_is_told_apart_from_what_it_does_to_the_rest() -> None:
    replicates = [exchanged(number, 1.02) for number in range(6)]
    (found,) = exchanges([replicates], "neck", "exchanged", ("network",))
    assert found is not None
    assert found.residual.value == pytest.approx(1.02)
    moved = 1.959964 * between_runs.sd(math.log(1.02))
    assert found.residual.low == pytest.approx(1.02 * math.exp(-moved))
    assert found.difference_s.value == pytest.approx(0.002 * 1.2 * 1.01)
    (beside,) = besides([replicates], "exchanged", ("network",))
    assert beside is not None
    assert beside.ratio.value == pytest.approx((0.005 + 0.007 * 1.02) / 0.010)


def test_without_replicates_nothing_is_known() -> None:
    assert insides([[], SIX], "network", ("neck",), "again")[0] is None
    assert besides([[]], "again", ("network",)) == [None]
    assert exchanges([[]], "neck", "exchanged", ("network",)) == [None]
    undisturbed = Calls({"network": [], "again": []}, {"network": spans(count=0)})
    assert besides([[undisturbed]], "again", ("network",)) == [None]
