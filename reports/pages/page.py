"""One HTML file that needs no internet: what every page of ours is made of."""

import base64
import functools
import gzip
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jinja2
import jinja2.runtime
from plotly.offline import get_plotlyjs

MOST_ROWS, ROWS_ON_PAPER = 100, 40
"""A table that has more rows has so many on paper."""

MOST_BLOCKS, BLOCKS_ON_PAPER = 24, 8
"""A section with more blocks that stand beside each other has so many of them on paper."""

MOST_FOLDED = 24
"""Tables or parts of a page that are folded on the screen: more of them stay so on paper."""


@dataclass(frozen=True)
class Table:
    """Text, as it is shown."""

    columns: tuple[str, ...]
    rows: list[list[str]]
    caption: str = ""

    @property
    def long(self) -> bool:
        """Whether paper has its first rows alone."""
        return len(self.rows) > MOST_ROWS

    @functools.cached_property
    def texts(self) -> set[int]:
        """Return which columns are words, which begin on the left; numbers end on the right."""
        return {
            place
            for place in range(1, len(self.columns))
            if any(row[place][:1].isalpha() for row in self.rows)
        }


@dataclass(frozen=True)
class Block:
    """A heading with a drawing, or tables."""

    title: str
    note: str = ""
    figure: str = ""
    tables: list[Table] = field(default_factory=list)
    wide: bool = True
    """Whether it needs the whole width; two others stand beside each other."""
    paper: bool = True
    """Whether it is printed, too."""


@dataclass(frozen=True)
class Section:
    """What belongs to one case."""

    id: str
    name: str
    sentences: list[str]
    warnings: list[str]
    blocks: list[Block]
    links: Mapping[str, str] = field(default_factory=dict)
    """What is said of another page -> where it is, beside this one."""
    folded: bool = False
    """Whether it is closed until somebody wants it."""
    about: str = ""
    """What the name is short for; seen where somebody points at it."""
    paper: bool = True
    """Whether it is printed, too."""

    @functools.cached_property
    def printed(self) -> list[bool]:
        """Whether each block is on paper: of many beside each other the first are."""
        places = itertools.count()
        many = sum(not block.wide for block in self.blocks) > MOST_BLOCKS
        return [
            block.paper and (block.wide or not many or next(places) < BLOCKS_ON_PAPER)
            for block in self.blocks
        ]

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return not (self.sentences or self.warnings or self.blocks)


def render(
    title: str,
    machine: str,
    sentences: Sequence[str],
    sections: Sequence[Section],
    template: str = "page.html",
    *,
    answer: Sequence[str] = (),
    folded: bool = False,
    **more: Any,  # noqa: ANN401 - what the template asks for
) -> str:
    """Return the page; every text is escaped, and no script but ours runs, whatever it says.

    Args:
        title: of the page.
        machine: what was measured on.
        sentences: below the answer, in smaller type.
        sections: of the page.
        template: what it is made with.
        answer: what the reader came for, in large type.
        folded: whether only the first section is open.
        more: what the template asks for.
    """
    scripts: list[str] = [get_plotlyjs()]
    made = _template(template).render(
        policy=POLICY,
        scripts=scripts,
        title=title,
        machine=machine,
        answer=answer,
        sentences=sentences,
        cases=sections,
        folded=folded,
        plotly=_plotly(),
        most_rows=MOST_ROWS,
        rows_on_paper=ROWS_ON_PAPER,
        most_folded=MOST_FOLDED,
        **more,
    )
    return made.replace(POLICY, _policy(scripts), 1)


POLICY = "the policy of this page"
"""Stands where the policy goes, before anything that others have named."""


def _policy(scripts: Sequence[str]) -> str:
    """Return what a browser is to let a page do: run our scripts, and fetch nothing.

    Args:
        scripts: that run, as they are; every other one is refused.
    """
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts)
    run = " ".join(f"'sha256-{digest.decode('ascii')}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {run}; style-src 'unsafe-inline'; img-src data: blob:; "
        "form-action 'none'; base-uri 'none'"
    )


@jinja2.pass_context
def _ours(context: jinja2.runtime.Context, script: str) -> str:
    """Let a script of the templates run, in which is nothing that others have named."""
    context["scripts"].append(str(script))
    return script


@functools.cache
def _plotly() -> str:
    """Return plotly's script as the page unpacks it when a drawing comes near: 2 MB for 5."""
    return packed(get_plotlyjs())


def packed(text: str) -> str:
    """Return a text as a page's script unpacks it when it is asked for."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")


@functools.cache
def _template(name: str) -> jinja2.Template:
    loader = jinja2.PackageLoader("reports.pages")
    pages = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    pages.filters["ours"] = _ours
    return pages.get_template(name)


def as_json(data: object) -> str:
    """Return data for a script element, which nothing in it can close."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
