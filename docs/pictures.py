"""``python -m docs.pictures [pages] [comment] [detector]``: the pictures in docs/pictures.

The pages are of the reference run and of a short one, which is measured here in a minute; the
comment is of a comparison, which takes another. Nothing else may run meanwhile. The detector is of
the reference run of the preset ``paper``. Needs a Chromium.
"""

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.text import Text

from bench.compare.revisions import git
from bench.lab.git_history import IDENTITY
from bench.schema.files import RESULTS
from reports.__main__ import main as reports

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "pictures"
REFERENCE = ROOT / "reports" / "reference"

SHORT = ("--scopes", "neck", "--batch-sizes", "1,2", "--resolutions", "224", "--budget", "40s")
"""Of `pytest bench`: two cases that the reference run has as well."""

EDIT = ("self.first(x)", "self.first(x + self.first(x))")
"""In every block of the example: a convolution twice."""

BUDGET = "1m"
"""Of the comparison."""

FORGE = """<!doctype html><meta charset="utf-8"><style>
body { width: 760px; margin: 0; padding: 12px; font: 14px/1.5 system-ui, sans-serif; }
article { border: 1px solid #ccc; border-radius: 6px; padding: 4px 16px 8px; }
article * { overflow-wrap: anywhere; }
code { background: #eee; border-radius: 4px; padding: .1em .3em; font-size: 85%; }
h3 { line-height: 1.4; margin: .6em 0; } ul { padding-left: 1.4em; }
</style><article>"""
"""Looks as a forge draws a comment, as far as it matters."""

ROWS, COLUMNS = 24, 92
"""Of the terminal that is recorded."""

PHONE, DESK = (400, 1100), (1280, 1100)
"""What is seen of a page, in pixels."""

COLORS = 128
"""Of a picture: a page has few, and the file is a third as large."""

REDRAWN = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*|\r(?:\x1b\[1A\x1b\[2K)+")
"""What rich writes before it draws the table again, or takes it away."""

OF_THE_SCREEN = re.compile(r"\x1b\[\?25[lh]|\r")


def main(asked: Sequence[str]) -> int:
    """Make the pictures that are asked for, or all."""
    FOLDER.mkdir(exist_ok=True)
    makers = {"pages": _pages, "comment": _comment, "detector": _detector}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name in asked or makers:
            with tempfile.TemporaryDirectory() as scratch:
                makers[name](browser, Path(scratch))
        browser.close()
    return 0


def _pages(browser: Browser, folder: Path) -> None:
    short = folder / "short" / RESULTS
    _live([*SHORT, f"--benchmark-json={short}"], short.parent)
    reports(["cost", str(REFERENCE), "--out", str(folder)])
    both = [
        "compare",
        str(REFERENCE),
        str(short),
        "--case",
        "*-neck-b?-224x224-*nchw-eager-inference*",
    ]
    reports([*both, "--out", str(folder)])
    _page(browser, folder / "report.html", "report", DESK, "light")
    _page(browser, folder / "report.html", "report-phone", PHONE, "dark")
    _page(browser, folder / "compare.html", "compare", DESK, "light")


def _comment(browser: Browser, folder: Path) -> None:
    """Draw what the gate of docs/examples says, as a reviewer sees it."""
    example = folder / "mynet"
    shutil.copytree(ROOT / "docs" / "examples" / "gate", example)
    git(example, "init", "--quiet")
    git(example, "add", "--all")
    git(example, *IDENTITY, "commit", "--quiet", "--message", "Begin")
    source = example / "mynet" / "__init__.py"
    source.write_text(source.read_text().replace(*EDIT))
    git(
        example,
        *IDENTITY,
        "commit",
        "--quiet",
        "--all",
        "--message",
        "Look at the neighbours twice",
    )
    command = [sys.executable, "-m", "bench", "compare", "HEAD~1", "HEAD", "--package", "mynet"]
    where = ["--workload", "workload.py:make", "--run-dir", str(folder), "--budget", BUDGET]
    where += ["--batch-sizes", "1", "--resolutions", "224"]
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    code = subprocess.run([*command, *where], cwd=example, env=paths, check=False).returncode  # noqa: S603
    if code != 1:
        raise SystemExit(f"exit code {code}, where a regression was to be found: measure again")
    (written,) = folder.glob("compare-*/comment.md")
    drawn = MarkdownIt("commonmark").enable("table").render(written.read_text(encoding="utf-8"))
    page = browser.new_page(viewport={"width": 800, "height": 600}, device_scale_factor=1.5)
    page.set_content(FORGE + drawn)
    _save(page.locator("body").screenshot(), "comment")
    page.close()


def _detector(browser: Browser, folder: Path) -> None:
    """Draw the stack of the paper's detector, from image to mask."""
    reports(["cost", str(REFERENCE / "paper"), "--out", str(folder)])
    page = browser.new_page(viewport={"width": 1280, "height": 1000}, device_scale_factor=1.5)
    page.goto((folder / "report.html").as_uri())
    page.evaluate("drawAll()")
    stack = page.locator("svg.stack", has_text="800x1344")
    stack.scroll_into_view_if_needed()
    _save(stack.screenshot(), "detector")
    page.close()


def _save(screenshot: bytes, name: str) -> None:
    taken = Image.open(io.BytesIO(screenshot))
    taken.convert("RGB").quantize(COLORS).save(FOLDER / f"{name}.png", optimize=True)


def _page(browser: Browser, path: Path, name: str, size: tuple[int, int], scheme: str) -> None:
    """Take a picture of the beginning of a page."""
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page.goto(path.as_uri())
    page.evaluate("drawAll()")
    _save(page.screenshot(), name)
    page.close()


def _live(options: Sequence[str], folder: Path) -> None:
    """Measure, and draw the terminal as it was meanwhile and in the end."""
    folder.mkdir()
    written = _recorded(
        [sys.executable, "-m", "pytest", "bench", "-q", "--benchmark-quiet", *options]
    )
    drawn = [OF_THE_SCREEN.sub("", frame).strip("\n") for frame in REDRAWN.split(written)]
    tables = [frame for frame in drawn[:-1] if "adds" in frame]
    shown = [
        f"$ pytest bench {' '.join(SHORT)}",
        drawn[0],
        tables[len(tables) // 3],
        "...",
        tables[-1],
    ]
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text.from_ansi("\n".join([*shown, "...", *_end(drawn[-1])])))
    picture = console.export_svg(title="pytest bench", unique_id="live")
    fonts_of_others = re.compile(r"@font-face \{.*?\}", re.DOTALL)  # rich's, from the internet
    (FOLDER / "live.svg").write_text(fonts_of_others.sub("", picture))


def _end(text: str) -> Iterator[str]:
    """Yield the closing lines, without where files of this picture lie."""
    return (
        line for line in text.splitlines() if line.strip() and tempfile.gettempdir() not in line
    )


def _recorded(command: Sequence[str]) -> str:
    """Run a command in a terminal of its own; return what it wrote there."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {
        **os.environ,
        "COLUMNS": str(COLUMNS),
        "LINES": str(ROWS),
        "TERM": "xterm-256color",
    }
    process = subprocess.Popen(  # noqa: S603 - our own program
        command, stdin=its, stdout=its, stderr=its, cwd=ROOT, env=environment
    )
    os.close(its)
    read = bytearray()
    while True:
        try:
            found = os.read(ours, 1 << 16)
        except OSError:  # nobody holds the other end any more
            break
        if not found:
            break
        read += found
    os.close(ours)
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{read.decode()}")
    return read.decode()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
