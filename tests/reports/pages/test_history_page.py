"""Histories of several kinds of runs: what their drawings name."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reports.data import history
from reports.pages import history_page, page
from tests.reports.data.test_history import run
from tests.support.own_files import own_run


@pytest.fixture(autouse=True)
def no_script(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "get_plotlyjs", str)


def figures(folder: Path) -> list[dict[str, Any]]:
    """Return what the page of the runs in a folder draws, a figure per case."""
    table = history.collect([folder])
    written, _ = history_page.write(table, [], folder / "out")
    drawn = re.findall(r'<script type="application/json">(.*?)</script>', written.read_text())
    return [json.loads(figure) for figure in drawn]


def titles(figure: dict[str, Any]) -> list[str]:
    axes = (name for name in figure["layout"] if name.startswith("yaxis"))
    return [figure["layout"][name]["title"]["text"] for name in sorted(axes)]


def test_parts_and_networks_are_named_once_and_keep_their_colours(tmp_path: Path) -> None:
    own_run(tmp_path, "cost-1", "exchange")
    (figure,) = figures(tmp_path)
    assert titles(figure) == [
        *("latency, ms", "part, ms", "over the base", "call over its rest", "residual")
    ]
    other = "neck=mynet:bifpn"
    networks = ("the network", f"the network with {other}")
    named = [line["name"] for line in figure["data"] if line["showlegend"]]
    assert sorted(named) == sorted([*networks, "neck", other])
    colours = {(line["name"], line["line"]["color"]) for line in figure["data"]}
    assert len(colours) == len(named) == len({colour for _, colour in colours})


def test_runs_of_ours_say_what_is_over_what(tmp_path: Path) -> None:
    run(tmp_path, 1)
    own_run(tmp_path, "cost-1", "networks")
    own, ours = sorted(figures(tmp_path), key=lambda figure: titles(figure)[1], reverse=True)
    assert titles(own) == ["latency, ms", "over the base"]
    assert titles(ours) == ["latency, ms", "FPN + PANet over FPN"]
    assert [line["name"] for line in ours["data"]] == ["FPN", "FPN + PANet", "cost"]
    assert [line["name"] for line in own["data"]] == [
        *("fpn=mynet:fpn", "panet=mynet:panet", "panet=mynet:panet")
    ]
