"""Objects on their way into another process: which need to travel, and how they are read."""

import importlib.util
import pickle
import sys
import threading
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from bench.schema.errors import BenchError
from bench.workload import carried
from panet import BackboneNeck


def module_at(path: Path, name: str, code: str) -> ModuleType:
    """Return a module of a file that no path leads to."""
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def taken_along(obj: object, folder: Path) -> object:
    path = folder / f"it{carried.OBJECT}"
    carried.write(obj, path)
    carried.load.cache_clear()
    return carried.load(path)


def test_what_can_be_imported_is_named() -> None:
    assert carried.home_of(BackboneNeck) == "panet.model:BackboneNeck"
    assert carried.home_of(nn.Identity) == "torch.nn.modules.linear:Identity"


def test_what_has_no_name_of_its_own_travels() -> None:
    class Inner(nn.Module): ...

    for obj in (lambda: nn.Linear(1, 1), partial(nn.Conv2d, 1), Inner, nn.Identity(), "".join):
        assert carried.home_of(obj) == ""


def test_function_of_the_main_module_travels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BackboneNeck, "__module__", "__main__")
    assert carried.home_of(BackboneNeck) == ""


def test_folder_of_a_script_travels_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "beside_it.py").write_text("def make(): return 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    import beside_it  # type: ignore[import-not-found]  # just written

    assert carried.home_of(beside_it.make) == ""
    path = tmp_path / f"it{carried.OBJECT}"
    carried.write(beside_it.make, path)
    assert str(tmp_path) in pickle.loads(path.read_bytes())[0]  # noqa: S301 - just written
    assert carried.place_of(path) == (str(tmp_path), "beside_it")
    monkeypatch.chdir(tmp_path)
    assert carried.home_of(beside_it.make) == "beside_it:make"


def test_code_that_no_path_leads_to_travels_itself(tmp_path: Path) -> None:
    module = module_at(tmp_path / "far.py", "far_away", "N = 3\ndef make(): return N\n")
    assert carried.home_of(module.make) == ""
    path = tmp_path / f"it{carried.OBJECT}"
    carried.write(module.make, path)
    del sys.modules["far_away"]
    carried.load.cache_clear()
    made = carried.load(path)
    assert callable(made)
    assert made() == 3
    assert carried.place_of(path) is None


def test_module_keeps_its_weights(tmp_path: Path) -> None:
    before = nn.Linear(2, 2)
    after = taken_along(before, tmp_path)
    assert isinstance(after, nn.Linear)
    assert torch.equal(before.weight, after.weight)


def test_what_cannot_travel_is_said(tmp_path: Path) -> None:
    lock = threading.Lock()
    with pytest.raises(BenchError, match=r"lambda cannot travel.*file\.py:function"):
        carried.write(lambda: lock, tmp_path / "it.pkl")


def test_missing_cloudpickle_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(BenchError, match="pip install cloudpickle"):
        carried.write(lambda: 1, tmp_path / "it.pkl")


def test_inputs_of_a_file_are_tensors_alone(tmp_path: Path) -> None:
    path = tmp_path / f"it{carried.INPUT}"
    carried.write_input({"p": [torch.ones(2)]}, path)
    assert torch.equal(carried.load_input(path)["p"][0], torch.ones(2))
    carried.write_input({"p": nn.Identity()}, path)
    with pytest.raises(BenchError, match="with tensors, lists and dicts alone") as error:
        carried.load_input(path)
    assert len(str(error.value).splitlines()) == 1
    path.write_text("no tensors")
    with pytest.raises(BenchError, match="with tensors, lists and dicts alone"):
        carried.load_input(path)


def test_other_pickles_are_refused_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = tmp_path / f"it{carried.INPUT}"
    path.write_bytes(pickle.dumps({"p": 1}, protocol=4))  # torch warns of its number
    with pytest.raises(BenchError, match="with tensors, lists and dicts alone"):
        carried.load_input(path)
    assert not recwarn.list
