"""What can be asked of somebody's networks, and forty ways to ask it wrongly."""

from collections.abc import Sequence
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((NET,), "what of mynet:make?"),
        (("mynet", "--part", "neck"), "give module:factory"),
        (("my net:make", "--part", "neck"), "give module:factory"),
        (("absent.py:make", "--part", "neck"), "there is no file absent.py"),
        ((NET, "mynet:other", "--part", "neck"), "a=mynet:make b=mynet:other"),
        ((f"a={NET}",), "name another network"),
        ((f"a={NET}", "mynet:other"), "name it, too"),
        ((f"a={NET}", "a=mynet:other"), "a is the name of two"),
        ((f"a={NET}", "a_again=mynet:other"), "a_again is the name of two"),
        ((f"a={NET}", f"b={NET}"), "b is the same network as a"),
        ((f"a={NET}", "b=mynet:b", "--part", "neck"), "look into one network"),
        ((f"a={NET}", "b=mynet:b", "--with", "x:y"), "look into one network"),
        ((NET, "--part", "neck", "--with", "bifpn"), "--with 'bifpn': give module:factory"),
        ((NET, "--part", "a", "--part", "b", "--with", "x:y"), "give one --part"),
        ((NET, "--parts-of", "neck", "--with", "x:y"), "give one --part"),
        ((NET, "--part", "neck", "--input", "1,3,8"), "--input '1,3,8': give the shape"),
        ((NET, "--part", "neck", "--input", "1x0"), "--input '1x0': give the shape"),
        ((NET, "--part", "n", "--input", "1x3", "--batch-sizes", "2"), "leave --batch-sizes out"),
        ((NET, "--part", "n", "--input", "1x3", "--resolutions", "64"), "leave --resolutions out"),
        ((NET, "--part", "neck", "--compile", "default"), "one compiled graph has no inside"),
        ((NET, "--part", "neck", "--dtypes", "float8"), "--dtypes 'float8': choose from"),
        ((NET, "--part", "neck", "--half-width", "2"), "--half-width '2': give a share"),
        ((NET, "--part", "neck", "--budget", "soon"), "--budget 'soon': give a duration"),
        ((NET, "--part", "neck", "--timeout", "0"), "--timeout '0': give a duration"),
        ((NET, "--part", "neck", "--resume", "cost-never"), "no such cost in"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_no_folder(
    arguments: Sequence[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", *arguments, "--run-dir", str(tmp_path / "runs")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (tmp_path / "runs").exists()
