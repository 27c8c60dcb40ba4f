"""What can be asked of somebody's networks."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.run.own.command import asked as asked_by
from bench.run.own.request import Kind, Request
from bench.schema.recipe import Recipe

NET = "mynet:make"


def asked(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Request:
    """Return the request of a command line."""
    found: list[Request] = []

    def keep(options: object) -> int:
        found.append(asked_by(options))  # type: ignore[arg-type]  # of argparse
        return 0

    monkeypatch.setattr("bench.run.own.command._cost", keep)
    assert main(["cost", *arguments, "--devices", "cpu"]) == 0
    return found[0]


def test_parts_are_read_inside_the_network_and_the_same_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = asked(monkeypatch, NET, "--part=neck", "--part=head", "--passes=inference,training")
    assert request.kind is Kind.PARTS
    assert request.arms == {"network": Recipe("own"), "network_again": Recipe("own")}
    assert (request.base, request.again, request.others) == ("network", "network_again", ())
    assert [case.network for case in request.cases] == [NET, NET]
    assert {case.scope for case in request.cases} == {"own"}
    assert request.parts == ("neck", "head")


def test_point_is_the_network_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(monkeypatch, NET, "--parts-of", ".").parts_of == ("",)


def test_module_in_the_place_of_a_part_is_an_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    request = asked(monkeypatch, NET, "--part", "neck", "--with", "mynet:bifpn")
    assert request.kind is Kind.EXCHANGE
    assert request.arms["exchanged"] == Recipe("own", exchange="neck=mynet:bifpn")
    assert request.others == ("exchanged",)
    assert request.again_of("exchanged") == ""


def test_first_network_is_the_base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "x=y.py"
    file.touch()
    request = asked(monkeypatch, f"fpn={NET}", f"panet={file}:make", "--compile=default")
    assert request.kind is Kind.NETWORKS
    assert (request.base, request.again, request.others) == ("fpn", "fpn_again", ("panet",))
    assert request.arms["panet"] == Recipe("own_unsplit", factory=f"{file}:make")
    assert request.cases[0].network == NET
    assert request.cases[0].compile_mode == "default"
