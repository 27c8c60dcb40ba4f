"""Networks that other packages offer by a name, of a distribution that is only written down."""

from pathlib import Path

import pytest

from bench.__main__ import main
from bench.schema.errors import BenchError
from bench.workload import plugins
from bench.workload.users import factory_name

OFFERED = """
[panet_bench.networks]
tiny = offering.nets:make
gone = offering.nets:absent
lost = offering_nothing.nets:make
odd = offering.nets
number = offering.nets:NUMBER
"""

NETS = """
from torch import nn, zeros
NUMBER = 3
def make(batch, height, width): return nn.Sequential(nn.Identity()), zeros(batch, height, width)
"""


def distribution(folder: Path, name: str, offered: str) -> None:
    """Write what says that a distribution is installed in a folder."""
    info = folder / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(offered)


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    distribution(tmp_path, "offering", OFFERED)
    (tmp_path / "offering").mkdir()
    (tmp_path / "offering" / "__init__.py").touch()
    (tmp_path / "offering" / "nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_name_stands_for_the_factory() -> None:
    assert factory_name("tiny", "cost") == "offering.nets:make"


def test_name_that_nobody_offers_is_refused_with_one_that_is_like_it() -> None:
    with pytest.raises(BenchError, match=r"give module:factory.*or did you mean tiny, of `panet-"):
        factory_name("tinny", "cost")
    with pytest.raises(BenchError, match=r"or file\.py:factory$"):
        factory_name("nothing_like_it", "cost")


def test_entry_that_names_no_function_of_a_module_is_refused() -> None:
    with pytest.raises(BenchError, match=r"odd of offering 1\.2 is .* is no module:factory"):
        factory_name("odd", "cost")


def test_name_of_two_distributions_is_refused(installed: Path) -> None:
    distribution(installed, "another", "[panet_bench.networks]\ntiny = another:make\n")
    with pytest.raises(BenchError, match=r"tiny is a network of .* and .*: name the one"):
        factory_name("tiny", "cost")


def test_arms_are_ours_and_theirs_and_a_line_for_each_that_is_broken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["arms"]) == 0
    said = capsys.readouterr().out
    told = {line.split()[0]: line for line in said.splitlines() if line}
    assert told["panet"].endswith("pytest bench")
    assert told["panet_alone"].endswith("pytest bench --parts")
    assert told["bifpn"].endswith("pytest bench --necks bifpn")
    assert "offering 1.2, offering.nets:make" in told["tiny"]
    assert told["tiny"].endswith("panet-bench cost tiny --part PATH")
    assert "broken: AttributeError: module 'offering.nets' has no attribute" in told["gone"]
    assert "broken: ModuleNotFoundError: No module named 'offering_nothing'" in told["lost"]
    assert told["number"].endswith("broken: offering.nets:NUMBER is no function")
    assert told["odd"].endswith("broken: offering.nets is no function")


def test_nothing_offered_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda **_: ())
    assert main(["arms"]) == 0
    assert "no other package offers any (entry points of the group panet_bench.networks)" in (
        capsys.readouterr().out
    )
