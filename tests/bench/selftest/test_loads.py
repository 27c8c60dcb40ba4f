"""What other programs do to the cost, from replicates whose cost is known."""

import math
from dataclasses import replace

import pytest

from bench.schema.records import Replicate
from bench.selftest.loads import beside_loads
from bench.selftest.trials import MeasuredTrial, Trial
from bench.stats.sequential import GATE
from tests.support.factories import case, split_replicate

CASES = {c.case_id: c for c in (case(batch_size=n) for n in (1, 2, 4))}


def replicate(index: int, inside: float, residual: float, *, contended: bool = False) -> Replicate:
    made = split_replicate(index, inside, residual, contended=contended)
    times = {**made.rounds_s, "base": made.rounds_s["panet"], "head": made.rounds_s["panet"]}
    return replace(made, rounds_s=times, spans_s={"base": made.spans_s["panet"]}, more_spans_s={})


def measured(load: str, *replicates: Replicate, threads: int = 2) -> MeasuredTrial:
    trial = Trial(0, "then", load, threads, {}, GATE)
    return MeasuredTrial(trial, CASES, {case_id: list(replicates) for case_id in CASES}, None)


CALM = measured("none", *(replicate(i, 1.5, 1.0) for i in range(4)))


def test_kept_and_contended_replicates_are_held_against_calm_ones() -> None:
    kept = [replicate(i, 1.5 * 1.01, 0.97) for i in range(3)]
    contended = [replicate(3 + i, 1.5 * 1.1, 1.0, contended=True) for i in range(2)]
    found = beside_loads({"none-t2": [CALM], "hog-t2": [measured("hog", *kept, *contended)]})
    assert [(x.load, x.judged, x.replicates) for x in found] == [
        ("hog", "kept", 9),
        ("hog", "contended", 6),
    ]
    of_kept, of_contended = found
    assert of_kept.inside is not None
    assert of_kept.inside.mean.value == pytest.approx(math.log(1.01), rel=1e-6)
    assert of_kept.inside.worst == pytest.approx(math.log(1.01), rel=1e-6)
    assert of_kept.whole is not None
    assert of_kept.whole.mean.value == pytest.approx(math.log(1.01 * 0.97), rel=1e-6)
    assert of_contended.inside is not None
    assert of_contended.inside.mean.value == pytest.approx(math.log(1.1), rel=1e-6)


def test_what_has_no_counterpart_is_not_compared() -> None:
    alone = measured("hog", replicate(0, 1.5, 1.0), threads=1)
    assert beside_loads({"none-t2": [CALM], "hog-t1": [alone]}) == ()
    all_contended = measured("hog", replicate(0, 1.5, 1.0, contended=True))
    kept, contended = beside_loads({"none-t2": [CALM], "hog-t2": [all_contended]})
    assert (kept.replicates, kept.inside, kept.whole) == (0, None, None)
    assert contended.inside is not None
