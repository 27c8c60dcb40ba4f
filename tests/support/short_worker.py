"""Imported by a test's fork servers: how their workers are over soon, whatever else runs.

The tests run beside each other, so the machine is never calm. What becomes of a replicate that was
disturbed is tested on simulated machines.
"""

import functools

from bench.machine import contention
from bench.profiling import ceilings

contention.contended = lambda *_: False
contention.disturbed = lambda *_: []
ceilings.measure = functools.partial(ceilings.measure, seconds_each=0.02)
