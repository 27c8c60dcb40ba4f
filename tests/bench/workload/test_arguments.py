"""What of a command line is the question, and what only says where it is answered."""

import shlex

import pytest

from bench.workload.arguments import asked_for


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("cost m:f --part a.b --run-dir x --resume", "cost m:f --part a.b"),
        ("cost m:f --resume x --part=a --executor ssh --hosts a,b", "cost m:f --part=a"),
        ("compare --exec=local A B --run-d=x --budget 9m", "compare A B --budget 9m"),
        ("selftest --resume --quick --trials 3", "selftest --quick --trials 3"),
        ("cost --parts-of . a=m:f b=m:g -- c", "cost --parts-of . a=m:f b=m:g -- c"),
    ],
)
def test_where_it_is_measured_and_kept_is_no_part_of_what_is_asked(typed: str, asked: str) -> None:
    assert asked_for(shlex.split(typed)) == shlex.split(asked)
