"""What ``panet-bench arms`` lists: the networks that can be measured by a name, and how."""

from collections.abc import Iterator

from tabulate import tabulate

from bench.run import heads, necks
from bench.run.extra_arms import EXTRA_ARMS
from bench.schema.paper_parts import HEADS_ARMS
from bench.schema.recipe import COST_ARMS
from bench.workload.plugins import GROUP, Plugin, plugins
from panet.necks import NECKS

OURS = "pytest bench"


def table() -> str:
    """Return the table, and a line for every network that is offered but cannot be had."""
    offered = plugins()
    rows = [*_ours(), *(_offered(plugin) for plugin in offered if not plugin.broken)]
    lines = [tabulate(rows, ("arm", "from", "measured by"), tablefmt="simple")]
    lines += [f"{p.name} of {p.distribution} is broken: {p.broken}" for p in offered if p.broken]
    if not offered:
        lines.append(f"no other package offers any (entry points of the group {GROUP})")
    return "\n".join([lines[0], "", *lines[1:]]).rstrip()


def _ours() -> Iterator[tuple[str, str, str]]:
    """Yield every arm once, with the first option that asks for it."""
    asked = dict.fromkeys(COST_ARMS, OURS)
    for extra in EXTRA_ARMS:
        for of_scope in extra.by_scope.values():
            for arm in of_scope:
                asked.setdefault(arm, f"{OURS} --{extra.name}")
    for neck in NECKS:
        asked.setdefault(neck, f"{OURS} --{necks.NAME} {neck}")
    for arm in HEADS_ARMS:
        asked.setdefault(arm, f"{OURS} --scopes {heads.SCOPE}")
    yield from ((arm, "panet-bench", how) for arm, how in asked.items())


def _offered(plugin: Plugin) -> tuple[str, str, str]:
    how = f"panet-bench cost {plugin.name} --part PATH"
    return plugin.name, f"{plugin.distribution}, {plugin.factory}", how
