"""Wrong uses of `panet-bench cost`, `bench.cost` and the fixture: a line says what to do."""

import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from bench import BenchError, cost
from bench.__main__ import main
from bench.run.own.fixture import CostFixture
from tests.support.own_networks import Machine

NET = "mynet.py:make"

ODD = """
    import torch
    from torch import nn
    from mynet import Net

    NUMBER = 3

    class Named(nn.Module):
        def __init__(self): super().__init__(); self.neck = nn.Identity()
        def forward(self, *, x): return self.neck(x)

    class Twins(Net):
        def __init__(self): super().__init__(); self.other = self.neck

    def scripted(): return torch.jit.trace(Net(), torch.zeros(1, 3, 8, 8), check_trace=False)
    def compiled(): return torch.compile(Net())
    def raises(): raise ValueError("no weights\\nin two lines")
    def nothing(): return None
    def of_one(size): return Net()
    def by_name(): return Named(), {"x": torch.zeros(1, 3, 8, 8)}
    def narrow(): return nn.Conv2d(9, 9, 1)
"""

FILES = {
    "odd.py": ODD,
    "exits.py": "import sys\nsys.exit('no licence')\n",
    "broken.py": "def make(:\n",
    "fails.py": "raise RuntimeError('two\\nlines')\n",
    "garbage.pt": "no tensors",
}


def asked(*words: str) -> tuple[str, ...]:
    return words


PART = ("--part", "neck")
SHAPE = ("--input", "1x3x8x8")

BY_COMMAND = [
    (asked(), "required: [NAME=]FACTORY; see python -m bench cost --help"),
    (asked(NET, "--prat", "neck"), "unrecognized arguments: --prat neck; see python -m bench"),
    (asked(NET, *PART, "--levels", "p3-p5"), "unrecognized arguments: --levels p3-p5; see"),
    (asked(NET, "--part"), "--part: expected one argument; see python -m bench cost --help"),
    (asked(NET), "what of mynet.py:make? Name parts: --part PATH, or --parts-of PATH"),
    (asked("mynet", *PART), "give module:factory, such as"),
    (asked("my net:make", *PART), "give module:factory, such as"),
    (asked("absent.py:make", *PART), "there is no file absent.py"),
    (asked("no_such_module:make", *PART), "and none is installed; go to its folder, or name"),
    (asked("broken.py:make", *PART), "broken.py cannot be imported: SyntaxError: invalid syntax"),
    (asked("exits.py:make", *PART), "exits.py cannot be imported: SystemExit: no licence"),
    (asked("fails.py:make", *PART), "fails.py cannot be imported: RuntimeError: two lines"),
    (asked("mynet.py:none", *PART), "has no function 'none'"),
    (asked("odd.py:NUMBER", *PART), "has no function 'NUMBER'"),
    (asked("odd.py:raises", *PART), "its call fails: ValueError: no weights"),
    (asked("odd.py:nothing", *PART, *SHAPE), "return a module and the tensors"),
    (asked("odd.py:of_one", *PART, *SHAPE), "called with (batch, height, width) or without"),
    (asked("odd.py:by_name", *PART), "takes x by keyword only; give a module that calls it"),
    (asked("odd.py:scripted", *PART, *SHAPE), "make it without torch.jit.script, or compare whole"),
    (asked("odd.py:compiled", *PART, *SHAPE), "make it without torch.compile, or compare whole"),
    (asked("mynet.py:fails", *PART), "its call fails: RuntimeError: Given groups=1"),
    (asked("mynet.py:Net", *PART), "it gives no inputs; say what it is called with: --input"),
    (asked(NET, "--part", "nek"), "no module 'nek' in Net; did you mean neck?"),
    (asked(NET, "--part", ""), "no module '' in Net; at the top are body, neck"),
    (asked(NET, "--parts-of", "nek"), "no module 'nek' in Net; did you mean neck?"),
    (asked(NET, "--part", "neck.unused"), "neck.unused (Identity) is never called"),
    (asked(NET, "--parts-of", "body"), "it has no modules inside; --part body is all"),
    (asked(NET, *PART, "--part", "neck.lateral"), "is inside neck: ask for one of them at a time"),
    (asked("odd.py:Twins", *PART, "--part", "other", *SHAPE), "the same module: leave one out"),
    (asked(NET, "mynet.py:Net", *PART), f"a={NET} b=mynet.py:Net"),
    (asked(f"a={NET}"), "name another network"),
    (asked(f"a={NET}", "mynet.py:Net"), "name it, too: name=mynet.py:Net"),
    (asked(f"a={NET}", "a=mynet.py:Net"), "a is the name of two networks; give each its own"),
    (asked(f"a={NET}", "a_again=mynet.py:Net"), "a_again is the name of two networks; give"),
    (asked(f"a={NET}", f"b={NET}"), "b is the same network as a"),
    (asked(f"a={NET}", "b=mynet.py:Net", *PART), "look into one network: give it without a name"),
    (asked(f"a={NET}", "b=mynet.py:Net", "--with", "x:y"), "look into one network: give it"),
    (asked(NET, *PART, "--with", "bifpn"), "--with 'bifpn': give module:factory"),
    (asked(NET, *PART, "--with", "torch.nn:absent"), "has no function 'absent'"),
    (asked(NET, *PART, "--with", "torch.nn:Linear"), "without arguments"),
    (asked(NET, *PART, "--with", "builtins:dict"), "it gives a dict; give the module"),
    (asked(NET, *PART, "--with", "odd.py:narrow"), "its call fails: RuntimeError: Given groups=1"),
    (asked(NET, *PART, "--part", "body", "--with", "x:y"), "one part: give one --part"),
    (asked(NET, "--parts-of", "neck", "--with", "x:y"), "one part: give one --part"),
    (asked(NET, *PART, "--input", "1,3,8"), "--input '1,3,8': give the shape of a tensor, such as"),
    (asked(NET, *PART, "--input", "1x0"), "--input '1x0': give the shape of a tensor, such as"),
    (asked(NET, *PART, "--input", "no.pt"), "--input no.pt: there is no such file"),
    (asked(NET, *PART, "--input", "garbage.pt"), "give a file of torch.save with tensors"),
    (asked(NET, *PART, *SHAPE, "--batch-sizes", "2"), "the input says it; leave --batch-sizes out"),
    (asked(NET, *PART, *SHAPE, "--resolutions", "9"), "the input says it; leave --resolutions out"),
    (asked(NET, *PART, "--compile", "default"), "compare whole networks: cost a=mynet:with_part"),
    (asked(NET, *PART, "--dtypes", "float8"), "--dtypes 'float8': choose from float32"),
    (asked(NET, *PART, "--devices", "gpu"), "--devices 'gpu': choose from auto, cpu, cuda"),
    (asked(NET, *PART, "--threads", "0"), "--threads '0': give a whole number"),
    (asked(NET, *PART, "--half-width", "2"), "--half-width '2': give a share"),
    (asked(NET, *PART, "--budget", "soon"), "--budget 'soon': give a duration"),
    (asked(NET, *PART, "--timeout", "0"), "--timeout '0': give a duration"),
    (asked(NET, *PART, "--resume", "cost-never"), "no such cost in runs; there is: none"),
    (asked(NET, *PART, "--run-dir", "odd.py"), "cannot write odd.py"),
]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.neck = nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.neck(x)  # type: ignore[no-any-return]


def of_no_home() -> Callable[[], nn.Module]:
    """Return a function that is in no module, and holds what cannot travel."""
    handle = sys.stdout

    def make() -> nn.Module:
        assert handle
        return Net()

    return make


SIZE = {"resolution": 32}

IN_PYTHON: list[tuple[Any, dict[str, Any], str]] = [
    (NET, {}, "what of mynet.py:make? Name parts: part=PATH, or parts_of=PATH"),
    (Net, {"part": "neck"}, "it gives no inputs; say what it is called with: inputs=1x3x"),
    (3, {"part": "neck"}, "3 makes no network: give a function"),
    ({"a b": Net, "c": Net}, {}, "'a b' as the name of a network: give letters"),
    ({"a": Net}, {}, "name another network"),
    ({"a": Net, "b": lambda: 1}, {"part": "neck"}, "part=, parts_of= and instead= look into one"),
    (NET, {"part": ["a", "b"], "instead": Net}, "instead= takes the place of one part"),
    (NET, {"part": "nek", **SIZE}, "no module 'nek' in Net; did you mean neck"),
    (NET, {"part": "neck", "dtype": "float8"}, "dtypes='float8': choose from float32"),
    (NET, {"part": "neck", "dtpye": "float32"}, "takes no dtpye; did you mean dtypes"),
    (NET, {"part": "neck", "help": True}, "takes no help; there are"),
    (NET, {"part": "neck", "half_width": 2}, "half_width='2': give a share"),
    (NET, {"part": "neck", "budget": "soon"}, "budget='soon': give a duration"),
    (NET, {"part": "neck", "inputs": 3}, "inputs: 3 is neither a shape"),
    (NET, {"part": "n", "inputs": [(1, 3), torch.ones(1)]}, "inputs: (1, 3) is neither"),
    (NET, {"part": "n", "inputs": ["1x3", "a.pt"]}, "inputs=a.pt: all inputs are in the"),
    (NET, {"part": "neck", "inputs": (1, 0)}, "inputs='1x0': give the shape"),
    (NET, {"part": "neck", "inputs": "no.pt"}, "inputs=no.pt: there is no such file"),
    (NET, {"part": "neck", "inputs": (1, 3), "resolution": 8}, "leave resolutions= out"),
    (NET, {"part": "neck", "compile": "default"}, "compile=: one compiled graph"),
    (Net, {"part": "neck", "inputs": (1, 4, 8, 8)}, "its call fails: RuntimeError: Given"),
    (of_no_home(), {"part": "neck", "inputs": (1, 3)}, "make cannot travel into a fresh process"),
    (lambda: 3, {"part": "neck", "inputs": (1, 3)}, "lambda: return a module and the tensors"),
]

IN_A_TEST: list[tuple[Any, dict[str, Any], str]] = [
    (NET, {"part": "nek", **SIZE}, "cost: no module 'nek' in Net; did you mean neck"),
    (NET, {}, "cost: what of mynet.py:make? Name parts: part=PATH"),
    (Net(), {"part": "neck", "inputs": (1, 4, 8, 8)}, "its call fails: RuntimeError: Given"),
    (NET, {"part": "neck", "thread": "many"}, "threads='many': give a whole number"),
]


def command(words: tuple[str, ...]) -> int:
    sizes = () if "--input" in words or "--resolutions" in words else ("--resolutions", "32")
    device = () if "--devices" in words else ("--devices", "cpu")
    where = () if "--run-dir" in words else ("--run-dir", "runs")
    whole = any("=" in word for word in words)
    return main(["cost", *words, *(() if whole else sizes), *device, *where])


@pytest.fixture(autouse=True)
def there(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with odd files, on a machine without processes."""
    assert machine
    for name, text in FILES.items():
        (tmp_path / name).write_text(textwrap.dedent(text))
    for module in [name for name in sys.modules if name == "mynet"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.chdir(tmp_path)


def one_line(told: str, said: str) -> None:
    """Assert that it says what is meant in a line, and that nothing is left behind."""
    assert said in told
    assert len(told.splitlines()) == 1
    assert "Traceback" not in told
    assert not list(Path("runs").glob("*"))


@pytest.mark.filterwarnings("ignore")  # of what torch says of a scripted network that is copied
@pytest.mark.parametrize(("words", "said"), BY_COMMAND)
def test_command_says_in_a_line_what_to_do(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(words) == 2
    err = capsys.readouterr().err.splitlines()
    one_line("\n".join(line for line in err if "looking into" not in line), said)


@pytest.mark.parametrize(("network", "options", "said"), IN_PYTHON)
def test_function_says_in_a_line_what_to_do(
    network: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BenchError, match=re.escape(said)) as error:
        cost(network, run_dir="runs", device="cpu", threads=1, **options)
    one_line(str(error.value), said)
    assert "--" not in str(error.value)
    assert "/scratch/" not in str(error.value)
    assert error.value._render_traceback_() == [f"BenchError: {error.value}"]


@pytest.mark.parametrize(("network", "options", "said"), IN_A_TEST)
def test_fixture_fails_the_test_in_a_line(network: Any, options: dict[str, Any], said: str) -> None:
    benchmark: Any = SimpleNamespace(disabled=False, extra_info={})
    with pytest.raises(pytest.fail.Exception) as failed:
        CostFixture(benchmark, None, Path("runs"))(network, device="cpu", **options)
    one_line(str(failed.value), said)
