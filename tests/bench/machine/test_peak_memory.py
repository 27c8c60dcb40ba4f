"""Peak tensor memory on the CPU, against sizes that can be worked out."""

import torch

from bench.machine.peak_memory import peak_bytes


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


def test_a_call_that_allocates_nothing_has_no_peak() -> None:
    peaks = [peak_bytes(call, torch.device("cpu")) for call in (lambda: None, torch.Tensor)]
    assert peaks == [0, 0]


def test_memory_of_a_device_that_does_not_tell_is_unknown() -> None:
    assert peak_bytes(lambda: None, torch.device("meta")) is None
