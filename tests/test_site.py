"""The site of the docs: built from the same Markdown as the forge shows, strictly, and offline."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support.environments import copy_of_the_tree

pytestmark = pytest.mark.process

FETCHED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src"}
"""Element -> the attribute by which a browser fetches something without being asked."""


def make_docs(checkout: Path) -> subprocess.CompletedProcess[str]:
    """Call ``make docs`` with the packages that are here: nothing is installed."""
    known = [f"{sys.prefix}/.panet-bench{name}-installed" for name in ("", "-docs")]
    old = [f"--old-file={stamp}" for stamp in known]
    return subprocess.run(
        ["make", "docs", f"VENV={sys.prefix}", *old],
        cwd=checkout,
        env=os.environ | {"MAKEFLAGS": ""},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout with its site."""
    folder = copy_of_the_tree(tmp_path_factory.mktemp("checkout"))
    done = make_docs(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetching(HTMLParser):
    """Collects what a page makes a browser fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = [value for name, value in attrs if value and name == FETCHED.get(tag)]
        self.found += [value for value in named if not value.startswith("#")]


def test_every_page_is_in_the_site(checkout: Path) -> None:
    site = checkout / "site"
    pages = [Path("README.md"), *(p.relative_to(checkout) for p in checkout.glob("docs/**/*.md"))]
    for page in pages:
        assert (site / page).with_suffix(".html").is_file(), page
    assert "PANet" in (site / "index.html").read_text()


def test_no_page_fetches_anything_from_elsewhere(checkout: Path) -> None:
    site = checkout / "site"
    for page in site.rglob("*.html"):
        fetched = Fetching(page.read_text()).found
        assert any(name.endswith(".css") or ".css?" in name for name in fetched)
        for name in fetched:
            assert not re.match(r"[a-z]+:|//", name), f"{page}: {name}"
            assert (page.parent / name.partition("?")[0]).exists(), f"{page}: {name}"
    for sheet in site.rglob("*.css"):
        outside = re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", sheet.read_text())
        assert not outside, f"{sheet}: {outside}"


@pytest.mark.parametrize(
    "link", ["[gone](no-such-page.md)", "[gone](gate.md#no-such-heading)"], ids=["page", "anchor"]
)
def test_dead_link_fails(link: str, checkout: Path) -> None:
    page = checkout / "docs" / "limits.md"
    before = page.read_text()
    page.write_text(f"{before}\n{link}\n")
    try:
        done = make_docs(checkout)
    finally:
        page.write_text(before)
    assert done.returncode != 0
    assert "limits.md" in done.stderr
    assert "no-such" in done.stderr
