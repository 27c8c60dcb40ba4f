"""Where a case stands between its first replicate and its verdict."""

import numpy as np
import pytest

from bench.stats.rows import Confirming, Decided, Screening, SequentialTest, State
from bench.stats.sequential import GATE, confirm, screen
from bench.stats.standing import follow

SPREAD = [0.01, -0.01, 0.02, -0.02, 0.01, -0.01]
SLOWER = [x + 0.05 for x in SPREAD]
FIRST = GATE.screen_looks[0]
FRESH = (SLOWER * 2)[: GATE.confirm_looks[0]]


@pytest.mark.parametrize(
    ("values", "kind", "direction", "lacking"),
    [
        ([], Screening, 0, FIRST),
        (SLOWER[:4], Screening, 0, FIRST - 4),
        (SPREAD, Decided, 0, 0),
        (SLOWER, Confirming, 1, 8),
        ([-x for x in SLOWER], Confirming, -1, 8),
        (SLOWER + FRESH[:3], Confirming, 1, 5),
        (SLOWER + FRESH, Decided, 1, 0),
    ],
)
def test_case_is_screened_then_confirmed_then_decided(
    values: list[float], kind: type[State], direction: int, lacking: int
) -> None:
    state = SequentialTest.of_case(values, GATE).state(flagged=1)
    assert isinstance(state, kind)
    assert (state.direction, state.lacking) == (direction, lacking)
    assert (state.p_value is None) == (state.confirmed == 0)


def test_all_together_go_as_far_as_the_case_with_the_fewest_replicates() -> None:
    test = SequentialTest.of_all([SLOWER + FRESH, SLOWER, SLOWER[:4]], GATE)
    assert test.flagged
    state = test.state(flagged=1)
    assert isinstance(state, Confirming)
    assert (state.screened, state.confirmed) == (GATE.early_look, 0)


def test_case_is_left_to_all_together_only_where_it_agrees() -> None:
    cases = dict.fromkeys("abcdefg", SLOWER) | {"h": [-x for x in SLOWER]}
    standing = follow(cases, GATE)
    assert standing.overall is not None
    assert isinstance(standing.overall, Decided)
    assert standing.left_to_overall("a")
    assert not standing.left_to_overall("h")


def test_one_row_stands_where_the_arrays_of_the_self_test_do() -> None:
    generator = np.random.default_rng(2)
    rows = generator.normal(0.01, 0.02, (40, 38))
    together = screen(rows, GATE)
    for number, row in enumerate(rows):
        state = SequentialTest.of_case(row.tolist(), GATE).state(flagged=2)
        assert state.direction == together.direction[number]
        assert state.screened == together.used[number]
        fresh = row[None, state.screened :]
        decided = confirm(fresh, together.direction[number : number + 1], 2, GATE)
        assert state.confirmed == decided.used[0]
