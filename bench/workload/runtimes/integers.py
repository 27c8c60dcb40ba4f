"""What runtimes that compute in 8-bit integers have in common."""

import re
from collections.abc import Mapping, Sequence

from bench.machine.environment import cpu_flags
from bench.workload.runtimes.runtime import SettingError

VNNI = re.compile(r"\b(avx512_vnni|avx_vnni|amx_int8)\b")
"""Of the flags of an x86 processor: products of 8-bit integers are added up in 32 bits. Without it
AVX2 and AVX-512 add pairs in 16 bits, which saturates silently (onnxruntime.ai, quantisation)."""

LEAST_SQNR_DB = 20.0
"""Of every output: below it the network does not work."""


def bits() -> int:
    """Return of how many bits one factor is: pairs with a 7-bit one fit into 16, whatever comes."""
    flags = cpu_flags()
    return 8 if flags is None or VNNI.search(flags) else 7


def bits_said() -> str:
    """Return the same for people, with the reason."""
    return "8 bits" if bits() == 8 else "7 bits, for want of VNNI"


def require_integers(
    name: str, found: Mapping[str, int], beginnings: Sequence[str]
) -> Mapping[str, int]:
    """Return the nodes that a runtime executes.

    Args:
        name: of the runtime.
        found: its nodes, each with how many.
        beginnings: of those that convolve, or multiply, in integers.

    Raises:
        SettingError: there is none of these.
    """
    if not any(node.startswith(tuple(beginnings)) for node in found):
        raise SettingError(f"{name} computes nothing in integers: {dict(found)}")
    return found
