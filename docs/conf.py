"""The site: README, docs/ and the measured pages, the same Markdown that a forge shows.

Sphinx reads from the root of the repository, so that links between these files lead on as they are.
"""

import shutil
from pathlib import Path

from sphinx.application import Sphinx

project = "panet-bench"
html_title = project
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "docs/**.md", "reports/reference/*.md"]
exclude_patterns = [".*", "site", "reports/runs"]  # not even looked into
nitpicky = True
myst_heading_anchors = 3

html_theme = "furo"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

CONTENTS = {
    "Use": ("measure", "read", "profile", "runtimes", "network", "gate", "fleet", "limits"),
    "Networks": ("behaviours", "necks", "heads", "torchvision"),
    "Try": (
        "examples/own_neck/README",
        "examples/gate/README",
        "examples/notebook/README",
        "examples/from_the_index/README",
    ),
    "Look up": ("options", "columns", "files"),
    "Believe": ("proof", "faults"),
    "Take part": ("CONTRIBUTING", "dependencies", "CHANGELOG"),
}
"""Heading in the margin -> pages of docs/."""

MEASURED = "reports/reference/*"
"""Behind the pages that link to them."""


def setup(app: Sphinx) -> None:
    """Give the site what the forge needs not: contents in the margin, and an index."""
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _add_index)


def _add_contents(_app: Sphinx, docname: str, source: list[str]) -> None:
    if docname == root_doc:
        trees = [_tree(title, *(f"docs/{page}" for page in of)) for title, of in CONTENTS.items()]
        source[0] += "\n\n".join(["", *trees, _tree("Measured", MEASURED, glob=True)])


def _tree(caption: str, *pages: str, glob: bool = False) -> str:
    options = [":hidden:", f":caption: {caption}", *([":glob:"] if glob else [])]
    return "\n".join(["```{toctree}", *options, "", *pages, "```"])


def _add_index(app: Sphinx, error: Exception | None) -> None:
    """A server shows ``index.html`` for a folder; the README lies beside it, so links agree."""
    if error is None:
        shutil.copy(Path(app.outdir) / f"{root_doc}.html", Path(app.outdir) / "index.html")
