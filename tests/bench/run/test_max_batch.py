"""The search for the largest batch, without memory."""

from typing import Any

import pytest

from bench.run.max_batch import Fit, Memory, Search, predict, search, sentences, table
from bench.schema.errors import BenchError
from bench.schema.records import Status
from bench.schema.tasks import Failure, Task
from tests.support.factories import case

GIB = 2**30


@pytest.mark.parametrize("largest", [0, 1, 2, 7, 100, 1000])
@pytest.mark.parametrize("guess", [1, 8, 90, 1000])
def test_search_finds_the_largest_wherever_it_begins(largest: int, guess: int) -> None:
    tries = []

    def fits(batch: int) -> bool:
        tries.append(batch)
        return batch <= largest

    assert search(fits, guess, 1000) == largest
    assert len(tries) == len(set(tries))
    assert all(1 <= batch <= 1000 for batch in tries)


def test_a_good_guess_needs_few_tries() -> None:
    tries = []

    def fits(batch: int) -> bool:
        tries.append(batch)
        return batch <= 100

    assert search(fits, 103, 4096) == 100
    assert len(tries) < 8


def memory(batch: int, per_image: int = GIB) -> Memory:
    return Memory(
        base_bytes=GIB,
        fixed_bytes=GIB,
        input_bytes=batch * per_image // 4,
        peak_bytes=batch * per_image * 3 // 4,
    )


def test_prediction_is_what_is_left_over_what_an_image_needs() -> None:
    assert predict(memory(1), memory(2), 10 * GIB) == 8


class Machine:
    """A launcher whose workers need memory in proportion to their batch."""

    def __init__(self, overhead: float = 1.0) -> None:
        self._overhead = overhead
        self.batches: list[int] = []

    def run(self, task: Task[Any], timeout_s: float) -> Any:
        batch = task.case.batch_size
        self.batches.append(batch)
        assert task.limit_bytes is not None
        if 2 * GIB + batch * GIB * self._overhead > task.limit_bytes:
            return Failure(Status.OOM, f"no room for {batch}")
        return memory(batch)

    def close(self) -> None:
        pass


def found(machine: Machine, limit_bytes: int) -> Fit:
    return Search(machine, "", lambda _: None).find(case(), "panet", limit_bytes)


def test_what_the_prediction_misses_the_tries_find() -> None:
    fit = found(Machine(overhead=1.25), 12 * GIB)
    assert (fit.predicted, fit.largest) == (10, 8)
    assert fit.reason == "no room for 9"


def test_not_even_one_image() -> None:
    fit = found(Machine(), 2 * GIB)
    assert (fit.predicted, fit.largest) == (None, 0)
    assert fit.reason == "no room for 1"


def test_another_failure_is_no_answer() -> None:
    class Broken(Machine):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            return Failure(Status.CRASHED, "no such kernel")

    with pytest.raises(BenchError, match="no such kernel"):
        found(Broken(), 8 * GIB)


def test_library_without_scratch_space_is_the_end_of_what_fits() -> None:
    """Seen from oneDNN at the edge of a limit: neither an exception of torch nor a kill."""
    scarce = Failure(Status.CRASHED, "RuntimeError: could not create a primitive")

    class Scarce(Machine):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            return scarce if task.case.batch_size > 5 else super().run(task, timeout_s)

    fit = found(Scarce(), 12 * GIB)
    assert (fit.largest, fit.reason) == (5, scarce.reason)

    class Unable(Machine):
        def run(self, task: Task[Any], timeout_s: float) -> Any:
            return scarce

    with pytest.raises(BenchError, match="could not create a primitive"):
        found(Unable(), 12 * GIB)


def test_table_has_both_arms_beside_each_other() -> None:
    fits: list[Any] = [
        Fit(case(), arm, GIB, largest + 1, largest, (), "")
        for arm, largest in (("fpn", 12), ("panet", 8))
    ]
    assert "12" in table(fits)
    assert table(fits).count("neck cnn 224 nchw") == 1
    assert list(sentences(fits)) == ["neck cnn 224 nchw: PANet costs 4 of 12 images"]


def test_cases_that_are_called_alike_are_told_apart() -> None:
    cases = [case(threads=threads) for threads in (1, 2)]
    fits = [Fit(c, arm, GIB, 13, 12, (), "") for c in cases for arm in ("fpn", "panet")]
    assert [text.partition(":")[0] for text in sentences(fits)] == [c.case_id for c in cases]
