"""The answer for a notebook: what `bench.run.own.sentences` says, with tables and the picture."""

import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from bench.run.own import sentences, tables
from bench.run.own.frame import rows_of
from bench.run.own.result import Answer, CaseAnswer

PICTURE = "reports.pages.call_picture:svg"
"""By its name, as it is of a later house."""


def render(answer: Answer) -> str:
    """Return the answer as elements of a page."""
    lines: list[str] = []
    for name, case in sentences.named(answer):
        lines += [f"<h4>{escape(name)}</h4>"] if name else []
        lines.append(_paragraph(sentences.headline(answer.request, case)))
        if case.answered:
            lines += [_picture(answer, case)]
            lines += [t.html() for t in tables.tables(answer.request, answer.parts, case)]
            lines.append(_paragraph(sentences.notes(answer.request, case)))
    return "\n".join(filter(None, lines))


def _paragraph(said: Iterator[str]) -> str:
    text = escape("\n".join(said)).replace("\n", "<br>\n")
    return "<p>" + re.sub(r"`([^`]*)`", r"<code>\1</code>", text) + "</p>"


def _picture(answer: Answer, case: CaseAnswer) -> str:
    """Return the call as bars, or as the pyramid where its parts are stages of ours."""
    svg: Callable[[Sequence[Mapping[str, Any]]], str] = pkgutil.resolve_name(PICTURE)
    return svg(list(rows_of(answer, case)))
