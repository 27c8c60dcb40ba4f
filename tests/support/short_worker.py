"""Imported by a test's fork servers: how their workers are over soon, whatever else runs.

The tests run beside each other, so the machine is never calm. What becomes of a replicate that was
disturbed is tested on simulated machines.
"""

import functools

from bench.machine import contention
from bench.profiling import ceilings
from bench.run import energy

contention.contended = lambda *_: False
contention.disturbed = lambda *_: []
ceilings.measure = functools.partial(ceilings.measure, seconds_each=0.02)
# The first of each kind: a call of the others takes half a second.
ceilings.CONVOLUTIONS = ceilings.CONVOLUTIONS[:1]
ceilings.GEMM_SIZES = ceilings.GEMM_SIZES[:1]
ceilings.STREAM_BYTES //= 8
energy.BLOCK_S = energy.SETTLE_S = energy.IDLE_S = 0.2
