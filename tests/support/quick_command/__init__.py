"""Run in the place of ``python -m bench`` by a fleet's nodes: it writes what it was given."""

from bench.schema.files import JOURNAL

GROWS = {
    "cost": [JOURNAL],
    "compare": [f"journal/{JOURNAL}"],
    "selftest": ["sessions.jsonl", f"trial-0/{JOURNAL}", f"trial-1/{JOURNAL}"],
}
"""Command -> its files that grow, one after the other."""

LINES = 8
"""Of each."""
