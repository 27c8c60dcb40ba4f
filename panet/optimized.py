"""A network as torch runs it best on a CPU, in one line.

Channels-last, and frozen by inductor: weights are packed once and not in every call, convolution
and ReLU are one pass, and so are sums behind a convolution. What is computed stays the same, which
is checked against the network as it was.
"""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from panet.errors import InputError

TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 2e-2}
"""Largest difference that rounding may make, relative to the largest output."""

FROZEN = {"freezing": True, "cpp_wrapper": True}
"""How inductor compiles: weights are constants, and what calls the kernels is C++.

Freezing is no option of `torch.compile`: there it is taken, and packs nothing (torch 2.15).
"""


class Optimized:
    """A network that is called as before, in inference, with inputs of one shape.

    Args:
        network: on the CPU; it is copied, and stays as it is.
        example: what it is called with.
    """

    def __init__(self, network: nn.Module, example: Sequence[Tensor]) -> None:
        self._shapes = [(x.shape, x.dtype) for x in example]
        mine = copy.deepcopy(network).eval().to(memory_format=torch.channels_last)
        self._run = torch.compile(mine, dynamic=False)
        self(*example)

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return what the network returns; maps that are not channels-last yet are copied.

        It compiles once more for the first tensors that are channels-last already and were not made
        in inference mode (or the other way round), and for another number of threads.

        Raises:
            InputError: the inputs have not the shapes and dtypes of the example.
        """
        from torch._inductor import config  # which takes long, the first time

        given = [(x.shape, x.dtype) for x in inputs]
        if given != self._shapes:
            raise InputError(
                f"inputs of {_said(given)}; this was optimized for {_said(self._shapes)}: "
                "optimize once more for others"
            )
        # Of every call, since each may compile; it takes 45 us.
        with torch.inference_mode(), config.patch(FROZEN):
            laid_out = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
            outputs: tuple[Tensor, ...] = self._run(*laid_out)
            return outputs


def optimize(network: nn.Module, example: Tensor | Sequence[Tensor]) -> Optimized:
    """Return the network for inference on a CPU, checked against itself.

    It is compiled for the shapes of ``example``, which takes as long as a compiler needs (a C++
    compiler must be there). It uses the threads that torch had then.

    Args:
        network: from tensors of four dimensions to a tuple of tensors, as all of `panet`.
        example: an image, or the maps of a neck.

    Raises:
        InputError: the network or the example is not on the CPU, or what was made of it gives
            other outputs.
    """
    inputs = [example] if isinstance(example, Tensor) else list(example)
    tensors = [*inputs, *network.parameters()]
    if any(x.device.type != "cpu" for x in tensors):
        raise InputError("optimize() is for the CPU; elsewhere use torch.compile")
    fast = Optimized(network, inputs)
    training = network.training
    with torch.inference_mode():
        expected = network.eval()(*inputs)
    network.train(training)
    for wanted, found in zip(expected, fast(*inputs), strict=True):
        largest = wanted.float().abs().max().clamp_min(1e-30)
        off = float((wanted.float() - found.float()).abs().max() / largest)
        if not off <= TOLERANCE.get(wanted.dtype, 0.0):
            raise InputError(
                f"compiled, the network differs from itself by {off:.1e} of its largest output; "
                "use it as it is"
            )
    return fast


def _said(of: Sequence[tuple[torch.Size, torch.dtype]]) -> str:
    return ", ".join(
        f"{'x'.join(map(str, shape))} {str(dtype).removeprefix('torch.')}" for shape, dtype in of
    )
