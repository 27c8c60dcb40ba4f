"""Peak tensor memory on the CPU, against sizes that can be worked out."""

import torch

from bench.machine.peak_memory import peak_bytes, peak_of


def test_peak_is_the_highest_running_sum() -> None:
    assert peak_of([5, 7, -5, 4, -11]) == 12
    assert peak_of([]) == 0


def test_peak_of_a_call_counts_what_lives_at_the_same_time() -> None:
    x = torch.zeros(1000)

    def call() -> torch.Tensor:
        a = x + 1
        b = a + 1
        del a
        return b + 1

    # Of a, b and the result, two live at any time; the scalars add a few bytes.
    peak = peak_bytes(call, torch.device("cpu"))
    assert peak is not None
    assert 8000 <= peak < 8200


def test_memory_of_a_device_that_does_not_tell_is_unknown() -> None:
    assert peak_bytes(lambda: None, torch.device("meta")) is None
