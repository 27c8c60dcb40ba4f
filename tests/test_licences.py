"""Licences are what the installed packages say; of the others the page keeps what it says."""

from email.message import Message
from importlib import metadata
from typing import Any

import pytest

from docs import licences

PINS = {"plotly": "7.1.0", "jinja2": "3.1.6", "certifi": "2026.10.18", "tqdm": "4.70.1"}
STANDS = """# Why each

| package | licence | for |
| --- | --- | --- |
| plotly, jinja2 (extra `certifi`) | plotly: MIT; jinja2: BSD | drawings |

<!-- licences -->

| licence | brought along |
| --- | --- |
| MPL-2.0 | certifi |
| MPL-2.0 AND MIT | tqdm |

<!-- /licences -->

The rest is written by hand.
"""


class Installed:
    """What `importlib.metadata` knows of a package."""

    def __init__(self, version: str, *fields: tuple[str, str]) -> None:
        self.version = version
        self.metadata: Any = Message()
        for name, value in fields:
            self.metadata[name] = value


def said(*fields: tuple[str, str]) -> str:
    return licences.named_licence(Installed("1", *fields).metadata)


def install(monkeypatch: pytest.MonkeyPatch, **packages: Installed) -> None:
    def distribution(name: str) -> Installed:
        if name not in packages:
            raise metadata.PackageNotFoundError(name)
        return packages[name]

    monkeypatch.setattr(metadata, "distribution", distribution)


OF_BSD = ("Classifier", "License :: OSI Approved :: BSD License")
OF_MIT = ("Classifier", "License :: OSI Approved :: MIT License")


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ([("License-Expression", "MIT OR Apache-2.0"), OF_BSD], "MIT OR Apache-2.0"),
        ([("License-Expression", "LicenseRef-NVIDIA-Proprietary")], "NVIDIA's own"),
        ([("License", "MIT License"), OF_MIT], "MIT"),
        ([("License", "BSD-2-Clause"), OF_BSD], "BSD-2-Clause"),
        ([("License", "Copyright (c) 2002\nAll rights reserved."), OF_BSD], "BSD"),
        ([("License", "Copyright (c) 2002, by nobody in particular"), OF_BSD], "BSD"),
        ([("License", "LGPLv3"), OF_BSD], "LGPL-3.0 / BSD"),
        ([("Classifier", "Topic :: Utilities")], licences.NONE),
    ],
)
def test_licence_is_named_as_spdx_names_it(fields: list[tuple[str, str]], licence: str) -> None:
    assert said(*fields) == licence


def test_page_stays_where_nothing_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    assert licences.with_licences(STANDS, PINS) == STANDS


def test_page_follows_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    free, own = ("License-Expression", "0BSD"), ("License-Expression", "BUSL-1.1")
    install(
        monkeypatch,
        plotly=Installed("7.1.0", own),
        jinja2=Installed("3.1.6", own),
        certifi=Installed("2026.10.18", own),
        tqdm=Installed("1.0", free),  # another version than the pinned one
    )
    page = licences.with_licences(STANDS, PINS)
    assert "| plotly, jinja2 (extra `certifi`) | BUSL-1.1 | drawings |" in page
    assert "| BUSL-1.1 | certifi |\n| MPL-2.0 AND MIT | tqdm |\n" in page
    assert page.endswith("The rest is written by hand.\n")


def test_row_of_which_a_package_is_missing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, plotly=Installed("7.1.0", ("License-Expression", "BUSL-1.1")))
    assert licences.with_licences(STANDS, PINS) == STANDS


def test_new_pin_that_nobody_has_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    page = licences.with_licences(STANDS, PINS | {"brand-new": "1"})
    assert f"| {licences.UNKNOWN} | brand-new |" in page


def test_every_licence_is_known() -> None:
    assert licences.UNKNOWN not in licences.PAGE.read_text()
