"""The pages in a real Chromium, with the network shut: what a reader sees, clicks and prints."""

import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import BrowserContext, Page, Route, sync_playwright

from bench.schema.records import CaseResult
from reports.__main__ import main
from reports.pages import cost_page, pyramid
from reports.pages.page import BLOCKS_ON_PAPER, ROWS_ON_PAPER
from tests.reports.analysis.test_compare_files import run as stored_run
from tests.reports.analysis.test_compare_files import suite
from tests.reports.data.test_history import run as history_run
from tests.reports.data.test_necks import run as necks_run
from tests.reports.pages.test_cost_page import grid, written
from tests.support import profiles
from tests.support.factories import case, result, split_replicate
from tests.support.own_files import own_run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)

SETTINGS = [
    "--no-sandbox",
    "--disable-features=PreloadTopChromeWebUI,WebUIReloadButton",
    "--process-per-site",
]
"""Of Chromium: without a page for its own bar beside every one of ours; and all pages of a context
in one process, which compiles plotly's script once."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium (apt install chromium)")


@pytest.fixture(scope="module")
def chromium() -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SETTINGS)
        yield browser.new_context()
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "traces" / grid()[0].case.case_id).mkdir(parents=True)
    assert main(["cost", str(necks_run(folder, grid()[0].case, results=grid()))]) == 0
    return folder / "report.html"


@pytest.fixture(scope="module")
def pages(report: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("others")
    profiled = profiles.run_dir(folder)
    assert main(["profile", str(profiled)]) == 0
    for number in range(10):
        history_run(folder / "runs", number, ratio=1.5 if number < 5 else 1.6)
    assert main(["history", str(folder / "runs"), "--out", str(folder)]) == 0
    assert main(["cost", str(own_run(folder, "own", "exchange"))]) == 0
    two = stored_run(folder, "base", suite()), stored_run(folder, "head", suite({4: 1.12}, 50))
    assert main(["compare", *map(str, two), "--out", str(folder)]) == 1
    return {
        "report": report,
        "profile": profiled / "profile.html",
        "history": folder / "history.html",
        "compare": folder / "compare.html",
        "own": folder / "own" / "report.html",
    }


@dataclass
class Heard:
    """What a page asked the world for, and complained about."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


PHONE, DESKTOP = 400, 1280


def opened_in(
    chromium: BrowserContext,
    path: Path,
    *,
    draw: bool = True,
    address: str = "",
    script: str = "",
    scheme: Literal["light", "dark"] = "light",
    width: int = DESKTOP,
) -> tuple[Page, Heard]:
    """Open a page of ours; whatever else it asks for is refused and written down.

    Args:
        chromium: that opens it.
        path: of the page.
        draw: whether to wait for all drawings, near or not.
        address: of the page with what a sender chose in it, if not its plain one.
        script: that runs before all of the page's.
        scheme: of colours, that its reader prefers.
        width: of the window.
    """
    page = chromium.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    heard = Heard()

    def refuse(route: Route) -> None:
        if route.request.url.partition("?")[0] == path.as_uri():
            route.continue_()
            return
        heard.requests.append(route.request.url)
        route.abort()

    page.route("**/*", refuse)
    page.on("pageerror", lambda error: heard.errors.append(str(error)))
    page.on(
        "console", lambda said: heard.errors.append(said.text) if said.type == "error" else None
    )
    page.add_init_script(script)
    page.goto(address or path.as_uri())
    if draw:
        page.evaluate("drawAll()")
    return page, heard


Opened = Callable[..., tuple[Page, Heard]]


@pytest.fixture
def opened(chromium: BrowserContext) -> Iterator[Opened]:
    """Return `opened_in` of this browser: pages of one test, which are closed behind it."""
    pages: list[Page] = []

    def opened_here(path: Path, **options: Any) -> tuple[Page, Heard]:
        page, heard = opened_in(chromium, path, **options)
        pages.append(page)
        return page, heard

    yield opened_here
    for page in pages:
        page.close()


PAGES = ["report", "profile", "history", "compare", "own"]

View = Callable[[str, str, int], tuple[Page, Heard]]


@pytest.fixture(scope="module")
def view(chromium: BrowserContext, pages: dict[str, Path]) -> View:
    """Return pages with all drawings, each opened once, for tests that change nothing in them."""

    @functools.cache
    def opened_once(name: str, scheme: Literal["light", "dark"], width: int) -> tuple[Page, Heard]:
        return opened_in(chromium, pages[name], scheme=scheme, width=width)

    return opened_once


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_asks_nobody_and_fits_a_phone(name: str, scheme: str, view: View) -> None:
    page, heard = view(name, scheme, PHONE)
    assert heard == Heard()
    assert page.locator(".js-plotly-plot .main-svg").count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


@pytest.mark.parametrize(
    "html",
    [
        "<img src=x onerror=\"document.title='ran'\">",
        "<a id=link href=\"javascript:document.title='ran'\">x</a>",
        "<iframe srcdoc=\"<script>parent.document.title='ran'</script>\"></iframe>",
    ],
)
def test_what_got_into_a_page_does_not_run(html: str, opened: Opened, report: Path) -> None:
    page, _ = opened(report, draw=False)
    with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", html)
        page.evaluate("document.getElementById('link')?.click()")
    assert page.title() != "ran"


CONTRAST = """() => {
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const over = ([r, g, b, a = 1], below) => [r, g, b].map((c, i) => a * c + (1 - a) * below[i]);
  const holds = (outer, x, y) =>
    outer.left <= x && x <= outer.right && outer.top <= y && y <= outer.bottom;
  const paper = parse(getComputedStyle(document.body).backgroundColor);
  const behind = element => {
    let found = paper;
    if (element.closest("svg")) { // what was painted below its middle, and before it
      const box = element.getBoundingClientRect();
      const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
      for (const rect of element.closest("svg").querySelectorAll("rect")) {
        const fill = getComputedStyle(rect).fill;
        const before = rect.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING;
        if (before && fill.startsWith("rgb") && holds(rect.getBoundingClientRect(), x, y)) {
          const [r, g, b, a = 1] = parse(fill);
          found = over([r, g, b, a * getComputedStyle(rect).fillOpacity], found);
        }
      }
      return found;
    }
    for (; element && element !== document.body; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if ((colour[3] ?? 1) > 0.99) return colour;
    }
    return paper;
  };
  const seen = [], faint = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style")) continue;
    if (!element.getClientRects().length || element.closest(".heatmaplayer, .hm")) continue;
    const style = getComputedStyle(element), paper_of = behind(element);
    const ink = over(parse(element.closest("svg") ? style.fill : style.color), paper_of);
    const [light, dark] = [ink, paper_of].map(luminance).sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05), px = parseFloat(style.fontSize);
    const large = px >= 24 || (px >= 18.66 && style.fontWeight >= 700);
    seen.push(ratio);
    if (ratio < (large ? 3 : 4.5))
      faint.push(`${ratio.toFixed(2)}: ${walker.currentNode.data.trim()}`);
  }
  return [seen.length, [...new Set(faint)]];
}"""
"""Texts that are seen, and those below WCAG 2.2, 1.4.3 (AA); of heat maps plotly picks the ink
per cell, and the cell is a pixel of an image."""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast_aa(name: str, scheme: str, view: View) -> None:
    page, _ = view(name, scheme, DESKTOP)
    texts, faint = page.evaluate(CONTRAST)
    assert texts > 20
    assert faint == []


@pytest.mark.parametrize("name", PAGES)
def test_no_table_scrolls_on_a_phone(name: str, view: View) -> None:
    page, _ = view(name, "light", PHONE)
    script = """() => [...document.querySelectorAll(".scroll:has(table)")]
      .filter(s => s.scrollWidth > s.clientWidth + 1).map(s => s.textContent.trim().slice(0, 80))"""
    assert page.evaluate(script) == []
    assert page.locator("table.many td").nth(1).get_attribute("data-head")


def brightness(page: Page, element: str, of: str) -> float:
    """Return the mean of red, green and blue of a colour that an element really has."""
    script = f"getComputedStyle(document.querySelector({element!r})).{of}"
    text = str(page.evaluate(script)).partition("(")[2].rstrip(")")
    return sum(float(part) for part in text.split(",")[:3]) / 3


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_text_and_drawings_are_readable_in_both_schemes(
    scheme: str, dark: bool, view: View
) -> None:
    page, _ = view("report", scheme, DESKTOP)
    page.wait_for_function("document.querySelector('.js-plotly-plot')._fullLayout.font.color")
    paper = brightness(page, "body", "backgroundColor")
    for element, of in (("h1", "color"), (".xtick text", "fill")):
        ink = brightness(page, element, of)
        assert (paper < ink) == dark
        assert abs(paper - ink) > 120, element


def split_measured(**axes: Any) -> CaseResult:
    replicates = tuple(split_replicate(index, 1.4 + index / 100) for index in range(5))
    return result(case=case(**axes), replicates=replicates)


def visible_cases(page: Page) -> int:
    return page.locator("#cases tr[data-case]:visible").count()


def drawn_points(page: Page, heading: str) -> int:
    """Return how many marks the drawing below a heading has."""
    script = """heading => {
      const titles = [...document.querySelectorAll('h3')];
      const title = titles.find(h => h.textContent.startsWith(heading));
      const traces = title.parentElement.querySelector('.js-plotly-plot')._fullData;
      const count = values => Array.from(values ?? []).flat().filter(v => v !== null).length;
      const marks = t => t.type === 'heatmap' ? count(t.z) : Math.min(count(t.x), count(t.y));
      return traces.reduce((sum, t) => sum + marks(t), 0);
    }"""
    return int(page.evaluate(script, heading))


def test_filter_leaves_the_chosen_cases_in_table_and_drawings(opened: Opened, report: Path) -> None:
    page, heard = opened(report)
    assert visible_cases(page) == 12
    headings = ("Cost and noise", "Over resolution and batch", "Latency over")
    before = {heading: drawn_points(page, heading) for heading in headings}
    page.get_by_label("256x256").uncheck()
    assert visible_cases(page) == 8
    for heading, points in before.items():
        assert drawn_points(page, heading) < points, heading
    page.get_by_label("256x256").check()
    assert {heading: drawn_points(page, heading) for heading in headings} == before
    assert heard == Heard()


def test_filter_holds_for_what_is_drawn_later(opened: Opened, report: Path) -> None:
    page, heard = opened(report, draw=False)
    page.get_by_label("256x256").uncheck()
    page.evaluate("drawAll()")
    few = drawn_points(page, "Cost and noise")
    page.get_by_label("256x256").check()
    assert 0 < few < drawn_points(page, "Cost and noise")
    assert heard == Heard()


def test_case_opens_by_keyboard_and_shows_its_rounds_and_command(
    opened: Opened, report: Path
) -> None:
    page, heard = opened(report, draw=False)
    button = page.locator("#cases button").first
    button.focus()
    page.keyboard.press("Enter")
    detail = page.locator("tr.detail")
    assert "pytest bench --scopes neck" in detail.inner_text()
    assert detail.locator("table tr").count() == 1 + 6  # a head, and a row per process
    link = detail.locator("a").get_attribute("href")
    assert link is not None
    assert (report.parent / link).is_dir()
    detail.locator(".js-plotly-plot").first.wait_for()
    assert detail.locator(".js-plotly-plot").count() == 1
    assert button.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Enter")
    assert page.locator("tr.detail").count() == 0
    assert heard == Heard()


def test_open_case_leaves_the_columns_as_wide_as_they_were(opened: Opened, report: Path) -> None:
    page, _ = opened(report, draw=False)
    width = "document.getElementById('cases').getBoundingClientRect().width"
    before = page.evaluate(width)
    page.locator("#cases button.open").first.click()
    page.locator("#cases .detail .main-svg").first.wait_for()
    assert page.evaluate(width) == pytest.approx(before, abs=1)


def test_filter_that_leaves_no_case_says_so_and_is_taken_back(opened: Opened, report: Path) -> None:
    page, _ = opened(report, draw=False)
    every = visible_cases(page)
    for box in page.locator("form.filter fieldset").first.locator("input").all():
        box.uncheck()
    assert visible_cases(page) == 0
    assert page.locator(".picture[data-case]:visible").count() == 0
    said = page.locator("#filtered")
    assert f"No of {every} cases shown" in said.inner_text()
    said.get_by_role("button").click()
    assert visible_cases(page) == every
    assert not said.is_visible()


def test_table_is_sorted_by_the_column_that_is_clicked(opened: Opened, report: Path) -> None:
    page, _ = opened(report, draw=False)
    head = page.locator("#cases th", has_text="ratio").first
    place = head.evaluate("head => head.cellIndex")
    cells = f"[...document.querySelectorAll('#cases tr[data-case]')].map(r => r.cells[{place}])"
    script = f"{cells}.map(cell => parseFloat(cell.textContent))"
    head.click()
    assert head.get_attribute("aria-sort") == "ascending"
    ascending = page.evaluate(script)
    assert ascending == sorted(ascending)
    head.press("Enter")
    assert page.evaluate(script) == ascending[::-1]


def test_a_phone_sorts_tables_whose_heads_have_no_room(opened: Opened, report: Path) -> None:
    page, _ = opened(report, draw=False, width=PHONE)
    assert not page.locator("#cases th").first.is_visible()
    sort = page.locator("p.sort").first
    sort.get_by_label("sort by").select_option(label="+PANet ms")
    script = """[...document.querySelectorAll('#cases td[data-head="+PANet ms"]')]
      .map(cell => parseFloat(cell.textContent))"""
    ascending = page.evaluate(script)
    assert ascending == sorted(ascending)
    assert ascending[0] < ascending[-1]
    sort.get_by_role("button").click()
    assert page.evaluate(script) == ascending[::-1]


def test_link_shows_what_its_sender_saw(
    chromium: BrowserContext, opened: Opened, view: View, report: Path
) -> None:
    sent, _ = opened(report, draw=False)
    sent.get_by_label("256x256").uncheck()
    head = sent.locator("#cases th", has_text="+PANet ms")
    head.click()
    head.click()
    elsewhere = chromium.browser
    assert elsewhere is not None
    got, heard = opened_in(elsewhere.new_context(), report, address=sent.url)
    shown = (
        "[...document.querySelectorAll('#cases tr[data-case]:not([hidden])')].map(r => r.innerText)"
    )
    assert len(got.evaluate(shown)) == 8
    assert got.evaluate(shown) == sent.evaluate(shown)
    assert not got.get_by_label("256x256").is_checked()
    everything, _ = view("report", "light", DESKTOP)
    assert 0 < drawn_points(got, "Cost and noise") < drawn_points(everything, "Cost and noise")
    got.locator("#filtered").get_by_role("button").click()
    assert got.url == f"{report.as_uri()}?sort=-%2BPANet+ms"
    assert heard == Heard()
    got.context.close()


LARGEST_BYTES = 6_000_000
"""Of a page, whatever the run."""

MOST_SHEETS = 20
"""Of a printed page, whatever the run."""

AT_FIRST_PAINT = """new PerformanceObserver(() => { window.atFirstPaint ??= typeof window.Plotly; })
  .observe({ type: "paint", buffered: true });"""


@pytest.fixture(scope="module")
def largest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("largest")
    cases = [
        split_measured(batch_size=batch, height_px=size, width_px=size, channels_last=layout)
        for batch in range(1, 21)
        for size in range(64, 704, 64)
        for layout in (False, True)
    ]
    assert len(cases) == cost_page.MOST_SHOWN
    assert main(["cost", str(written(folder, cases))]) == 0
    return folder / "report.html"


def test_the_largest_page_is_small_and_draws_only_what_comes_near(
    opened: Opened, largest: Path
) -> None:
    page, heard = opened(largest, draw=False, script=AT_FIRST_PAINT)
    page.wait_for_function("window.atFirstPaint")
    assert page.evaluate("window.atFirstPaint") == "undefined"  # answer and table wait for nothing
    assert visible_cases(page) == cost_page.MOST_SHOWN
    drawn = page.locator(".js-plotly-plot")
    assert drawn.count() == 0
    page.emulate_media(media="print")
    said = "getComputedStyle(document.querySelector('.drawing'), '::before').content"
    assert "print again" in page.evaluate(said)  # a strip that stayed empty would say nothing
    page.emulate_media(media="screen")
    page.locator(".drawing").nth(2).scroll_into_view_if_needed()
    drawn.first.wait_for()
    assert drawn.count() < page.locator(".drawing").count()
    page.get_by_role("searchbox").fill("b7- NHWC")
    assert visible_cases(page) == 10
    assert heard == Heard()
    assert largest.stat().st_size < LARGEST_BYTES


def test_every_case_of_the_largest_page_has_its_picture(opened: Opened, largest: Path) -> None:
    page, heard = opened(largest, draw=False)
    assert page.locator(".picture[data-case]").count() == pyramid.MOST_DRAWN
    cases = page.locator("#cases button.open")
    for place in (1, cost_page.MOST_SHOWN - 1):  # in the page already, and packed
        name = cases.nth(place).inner_text()
        cases.nth(place).click()
        drawn = page.locator("#cases .detail .picture svg:visible")
        drawn.wait_for()
        assert name in str(drawn.get_attribute("aria-label"))
        cases.nth(place).click()
        assert drawn.count() == 0
    assert heard == Heard()


def test_paper_has_of_the_largest_page_what_a_reader_needs(
    opened: Opened, largest: Path, tmp_path: Path
) -> None:
    page, heard = opened(largest, draw=False)
    page.evaluate("plotly()")
    paper = printed(page, tmp_path)
    assert paper.count(b"/Type /Page\n") < MOST_SHEETS
    page.emulate_media(media="print")
    assert visible_cases(page) == cost_page.MOST_SHOWN  # of the table every row
    assert page.locator("#quiet-run-1 tbody tr:visible").count() == ROWS_ON_PAPER
    assert page.get_by_text(f"{ROWS_ON_PAPER} of 400 rows; the page has all of them").count() > 0
    assert not page.locator("#stages details table").first.is_visible()
    assert page.get_by_text("In the page alone: ").first.is_visible()
    beside = page.locator("#cost .blocks > div:not(.wide):visible")
    assert beside.count() == beside.locator(".js-plotly-plot").count() == BLOCKS_ON_PAPER
    heights = "[...document.querySelectorAll('.js-plotly-plot')].map(drawn => drawn.clientHeight)"
    assert max(page.evaluate(heights)) > SHEET_PX  # again, behind the printing
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert max(page.evaluate(heights)) <= SHEET_PX
    assert heard == Heard()


def test_profile_of_many_cases_is_folded_and_opens_where_a_link_leads(
    opened: Opened, tmp_path: Path
) -> None:
    profiled = profiles.run_dir(tmp_path, more=grid()[1:3])
    assert main(["profile", str(profiled)]) == 0
    page, _ = opened(profiled / "profile.html", draw=False)
    assert page.locator("details[open]").count() == 1
    page.locator("nav a").last.click()
    assert page.locator("details").last.get_attribute("open") is not None


def test_every_control_is_reached_by_tab(view: View) -> None:
    page, _ = view("report", "light", DESKTOP)
    wanted = page.locator("#cases button, form.filter input, nav a").count()
    reached = set()
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        script = "[...document.querySelectorAll('*')].indexOf(document.activeElement)"
        reached.add(page.evaluate(script))
    assert len(reached) >= wanted


PAPER_PX, SHEET_PX = 718, 980
"""Width of A4 between margins of 10 mm, and height of the shorter Letter."""


def printed(page: Page, folder: Path) -> bytes:
    """Print a page as PDF."""
    paper = folder / "page.pdf"
    page.pdf(path=paper, format="A4")
    return paper.read_bytes()


def test_print_leaves_out_what_paper_cannot_do(
    opened: Opened, report: Path, tmp_path: Path
) -> None:
    page, _ = opened(report)
    page.emulate_media(media="print")
    assert not page.locator("form.filter").is_visible()
    assert not page.locator("nav").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".paper:visible").count() == 0  # nothing of few cases is left out
    widths = "[...document.querySelectorAll('.main-svg')].map(drawn => drawn.clientWidth)"
    assert max(page.evaluate(widths)) <= PAPER_PX
    assert printed(page, tmp_path).count(b"/Type /Page\n") >= 2


def test_what_is_folded_is_on_paper_and_folded_again(
    opened: Opened, pages: dict[str, Path]
) -> None:
    page, _ = opened(pages["compare"], draw=False)
    table = page.locator("details table")
    assert not table.is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert table.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not table.is_visible()
    page.locator("summary").click()
    head = table.locator("th").first
    head.click()  # sortable since it was opened
    assert head.get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize(
    ("page_name", "axis"), [("report", "x"), ("profile", "x"), ("profile", "y")]
)
def test_logarithmic_axes_are_labelled_with_whole_numbers(
    page_name: str, axis: str, view: View
) -> None:
    page, _ = view(page_name, "light", DESKTOP)
    script = "AXIS => [...document.querySelectorAll('.js-plotly-plot')].filter(d => d._fullLayout["
    script += "AXIS + 'axis'].type === 'log').map(d => [...d.querySelectorAll('.' + AXIS + 'tick')]"
    script += ".map(t => Number(t.textContent)))"
    drawings = page.evaluate(script, axis)
    assert drawings
    for labels in drawings:
        assert len(labels) > 1
        assert labels == sorted(labels), labels


COVERED = """() => {
  const box = element => element.getBoundingClientRect();
  const beside = (a, b) => a.right <= b.left + 1 || b.right <= a.left + 1;
  const apart = (a, b) => beside(a, b) || a.bottom <= b.top + 1 || b.bottom <= a.top + 1;
  const found = [];
  for (const drawing of document.querySelectorAll(".js-plotly-plot")) {
    const bar = box(drawing.querySelector(".modebar"));
    const under = ".legend, .cbtitle, .colorbar, .plot, .annotation, .g-gtitle";
    for (const element of drawing.querySelectorAll(under))
      if (box(element).width && !apart(bar, box(element)))
        found.push(element.getAttribute("class"));
    const next = drawing.closest(".blocks > div").nextElementSibling;
    if (next && box(next).top < box(drawing).bottom && !beside(box(next), box(drawing)))
      found.push("the next block");
  }
  return found;
}"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_tool_bar_covers_nothing(width: int, name: str, view: View) -> None:
    page, _ = view(name, "light", width)
    assert page.locator(".modebar").count() > 0
    assert page.evaluate(COVERED) == []
