"""Names that are script, markup, formulas or escapes: on our pages, in our CSV, on the terminal."""

import atexit
import csv
import functools
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from bench.lab.faults.attempt import Place, Tried, command, problem_of
from bench.lab.faults.files import REPORTS, copied, warm
from bench.schema.errors import BenchError
from bench.schema.files import RESULTS

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RAN = "ran"
"""The title that a page would get from a name that runs."""

SCRIPTS = (
    f"<script>document.title='{RAN}'</script>",
    f'"><img src=x onerror="document.title=\'{RAN}\'">',
    f"'><svg onload=document.title='{RAN}'>",
    f"</script><script>document.title='{RAN}'</script>",
    f"</title><body onload=document.title='{RAN}'>",
    f"<a href=\"javascript:document.title='{RAN}'\">click</a>",
    f"`${{document.title='{RAN}'}}`",
    f"{{{{document.title='{RAN}'}}}}",
    f"<iframe srcdoc=\"<script>parent.document.title='{RAN}'</script>\">",
    f"\\u003cscript\\u003edocument.title='{RAN}'\\u003c/script\\u003e",
)
OTHERS = (
    "=cmd|'/c calc'!A1",
    "@SUM(1)",
    "+x()",
    "-x()",
    "\x1b[31mred\x1b[0m",
    "\x9b2J",
    "x" * 10_000,
)

TEXTS = re.compile(r"run_id|reason|commit|message|cpu|accelerator|libraries|governor|hints|system")
"""Keys of a result file whose text is free, and is shown somewhere."""

CHROMIUM = "CHROMIUM"
"""Environment variable with the browser; otherwise the usual place."""

FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.])")


def pages(place: Place, random: Random) -> Tried:
    """Put hostile names into a run, and look at what is made of it in a browser and as CSV."""
    warm()
    run = copied(place)
    document = json.loads((run / RESULTS).read_text(encoding="utf-8"))
    changed = [path for holder, key, path in _texts(document) if _changed(holder, key, random)]
    (run / RESULTS).write_text(json.dumps(document), encoding="utf-8")
    out = place.folder / "out"
    for words in (
        ("cost", str(run), "--out", str(out)),
        ("profile", str(run), "--out", str(out)),
        ("history", str(run / RESULTS), "--out", str(out)),
        ("compare", str(run), str(run), "--out", str(out)),
    ):
        problem = problem_of(command(REPORTS, *words), place)
        if problem:
            return Tried(f"{words[0]}: names at {', '.join(changed)}", problem)
    told = f"names at {', '.join(changed)}"
    return Tried(told, "; ".join([*_formulas(out), *_ran(out)]))


def _changed(holder: dict[str, Any], key: str, random: Random) -> bool:
    if random.random() < 0.5:
        return False
    holder[key] = random.choice((*SCRIPTS, *SCRIPTS, *OTHERS))
    return True


def _texts(value: object, path: str = "") -> Iterator[tuple[dict[str, Any], str, str]]:
    """Yield where free text is."""
    if isinstance(value, list):
        for number, each in enumerate(value[:50]):
            yield from _texts(each, f"{path}/{number}")
    elif isinstance(value, dict):
        for key, inner in list(value.items()):
            if isinstance(inner, str) and TEXTS.search(f"{path}/{key}"):
                yield value, key, f"{path}/{key}"
            else:
                yield from _texts(inner, f"{path}/{key}")


def _formulas(out: Path) -> Iterator[str]:
    for path in sorted(out.rglob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            cells = {cell for row in csv.reader(stream) for cell in row}
        yield from (f"{path.name} has the formula {c[:40]!a}" for c in cells if FORMULA.match(c))


def _ran(out: Path) -> Iterator[str]:
    """Yield what a page did that it must not: run a name, ask the network, or complain."""
    found = sorted([*out.rglob("*.html"), *out.rglob("*.svg")])
    if not found:
        raise BenchError(f"{out}: no page was written")
    for page_path in found:
        page = _browser().new_page()
        yield from (f"{page_path.name} {what}" for what in _seen(page, page_path))
        page.close()


@functools.cache
def _browser() -> "Browser":
    """Return a browser for all tries: it takes longer to start than to show their pages."""
    from playwright.sync_api import Error, sync_playwright

    playwright = sync_playwright().start()
    path = os.environ.get(CHROMIUM, "/usr/bin/chromium")
    try:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
    except Error as error:
        playwright.stop()
        why = str(error).partition("\n")[0]
        raise BenchError(f"{path} does not start ({why}); name another in {CHROMIUM}") from error
    atexit.register(playwright.stop)
    atexit.register(browser.close)  # first
    return browser


def _seen(page: "Page", path: Path) -> Iterator[str]:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    page.goto(path.as_uri())
    page.wait_for_load_state("load")
    if page.title() == RAN:
        yield "runs a name"
    own = path.as_uri().rpartition("/")[0]
    allowed = ("data:", "blob:", f"{own}/")
    yield from (f"asks for {url[:80]}" for url in asked if not url.startswith(allowed))
    yield from (f"complains: {error[:120]}" for error in said)
