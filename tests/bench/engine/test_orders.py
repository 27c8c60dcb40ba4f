"""Orders are random, and balanced over the case."""

from collections import Counter
from itertools import pairwise

import pytest

from bench.engine.orders import orders
from bench.schema.recipe import ARMS


def test_every_order_comes_once_in_a_block() -> None:
    assert len(set(orders(ARMS, "seed", 0, 6))) == 6


def test_every_arm_stands_in_every_place_equally_often() -> None:
    for place in range(3):
        assert set(Counter(order[place] for order in orders(ARMS, "x", 0, 60)).values()) == {20}


def test_replicates_cut_one_sequence_of_the_case() -> None:
    whole = orders(ARMS, "seed", 0, 20)
    assert orders(ARMS, "seed", 0, 4) + orders(ARMS, "seed", 4, 9) == whole[:13]


def test_seed_decides_the_sequence() -> None:
    assert orders(ARMS, "a", 0, 12) != orders(ARMS, "b", 0, 12)


def test_other_ways_of_measuring_have_no_balance_to_show() -> None:
    """What `bench.lab.other_tools` compares ours with."""
    assert orders(("a", "b"), "x", 5, 3, "fixed") == [("a", "b")] * 3
    assert orders(("a", "b"), "x", 5, 2, "blocks") == [("a",), ("a",), ("b",), ("b",)]


@pytest.mark.parametrize("count", [5, 8])
def test_of_many_arms_each_is_in_every_place_and_behind_every_other_equally_often(
    count: int,
) -> None:
    arms = [f"way{number}" for number in range(count)]
    block = count if count % 2 == 0 else 2 * count
    drawn = orders(arms, "x", block, block)  # the second block
    places = Counter((arm, place) for order in drawn for place, arm in enumerate(order))
    assert set(places.values()) == {block // count}
    assert len(places) == count**2
    neighbours = Counter(pair for order in drawn for pair in pairwise(order))
    assert set(neighbours.values()) == {block // count}
    assert len(neighbours) == count * (count - 1)


def test_arms_of_which_nobody_could_list_every_order_have_turns() -> None:
    arms = [str(number) for number in range(30)]
    drawn = orders(arms, "x", 0, 100)
    assert {frozenset(order) for order in drawn} == {frozenset(arms)}
    assert len(set(drawn)) == 100
