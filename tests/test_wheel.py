"""The real wheel, in an environment of its own and far from any checkout: everything works."""

import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from tests.support.environments import copy_of_the_tree, environment, new_python
from tests.support.repositories import commit, new_repository

TINY = ("--resolutions", "32", "--batch-sizes", "1", "--channels-last", "off", "--threads", "1")
SHORT = ("--scopes", "neck", "--passes", "inference", "--half-width", "90%", "--budget", "2m")

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = copy_of_the_tree(tmp_path_factory.mktemp("source"))
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--quiet", "--wheel-dir", "dist"], cwd=source, check=True)
    (built,) = (source / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an interpreter that has the wheel installed."""
    own = new_python(tmp_path_factory.mktemp("venv"))
    # Our dependencies are here already; and so we are, perhaps, as an editable install.
    command = [str(own), "-m", "pip", "install", "--quiet", "--no-deps", "--force-reinstall"]
    subprocess.run([*command, str(wheel)], env=environment(own), check=True)
    # The script that pip writes where it installs pytest.
    script = f"#!{own}\nimport sys\nimport pytest\n\nsys.exit(pytest.console_main())\n"
    (own.parent / "pytest").write_text(script)
    (own.parent / "pytest").chmod(0o755)
    return own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


def call(python: Path, folder: Path, *command: str) -> Done:
    """Call a command of the environment, ``python`` included."""
    return subprocess.run(
        [str(python.parent / command[0]), *command[1:]],
        cwd=folder,
        env=environment(python),
        capture_output=True,
        text=True,
        check=False,
    )


def test_wheel_has_types_and_templates_and_no_lab(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {"bench/py.typed", "panet/py.typed", "reports/py.typed"} <= set(names)
    assert "reports/pages/templates/page.html" in names
    assert not any("lab/" in name or name.startswith(("tests/", "reports/runs/")) for name in names)


def test_every_module_is_the_installed_one(python: Path, folder: Path) -> None:
    code = """
        import importlib.util, pkgutil, sys
        import bench, panet, reports

        of_an_extra = {"bench.fleet.ray_tasks": "ray", "bench.fleet.slurm_jobs": "submitit"}
        for package in (bench, panet, reports):
            for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
                needed = of_an_extra.get(found.name, "importlib")
                if importlib.util.find_spec(needed) is None:
                    continue
                module = importlib.import_module(found.name)
                assert module.__file__.startswith(sys.prefix), module
        assert importlib.util.find_spec("bench.lab") is None
    """
    done = call(python, folder, "python", "-c", textwrap.dedent(code))
    assert done.returncode == 0, done.stderr


def test_harness_measures_and_the_report_says_what_it_costs(python: Path, folder: Path) -> None:
    named = ("pytest", "--pyargs", "bench", "--preset", "smoke")
    done = call(python, folder, *named, *TINY, *SHORT)
    assert done.returncode == 0, done.stdout + done.stderr
    results = folder / "reports" / "runs" / "latest" / "results.json"
    assert results.is_file()
    done = call(python, folder, "python", "-m", "reports", "cost", str(results))
    assert done.returncode == 0, done.stderr
    assert "neck cnn b1 32 nchw" in done.stdout
    assert (results.parent / "report.html").is_file()


def test_another_package_s_tests_know_nothing_of_the_harness(python: Path, tmp_path: Path) -> None:
    """A user's own package of the name of ours is his, also where ours is installed."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "test_mine.py").write_text(
        "def test_mine(pytestconfig):\n"
        "    import bench\n"
        "    assert bench.MINE\n"
        "    assert not hasattr(pytestconfig.option, 'preset')\n"
    )
    done = call(python, tmp_path, "pytest", "test_mine.py")
    assert done.returncode == 0, done.stdout


def test_commands_are_there_without_the_lab(python: Path, folder: Path) -> None:
    done = call(python, folder, "panet-bench", "--help")
    assert done.returncode == 0
    assert "compare" in done.stdout
    assert "lab" not in done.stdout
    done = call(python, folder, "python", "-m", "panet", "--resolution", "64")
    assert done.returncode == 0
    assert "n5" in done.stdout


def test_own_network_is_compared(python: Path, tmp_path: Path) -> None:
    code = """
        import torch
        from torch import nn

        def make(batch, height, width):
            return nn.Conv2d(3, 3, 9, padding=4), [torch.randn(batch, 3, height, width)]
    """
    repository = new_repository(tmp_path / "repository")
    for name in ("One", "Two"):
        files = {"mynet/__init__.py": f'"""{name}."""\n', "mynet/bench.py": textwrap.dedent(code)}
        commit(repository, files, name)
    own = ("--package", "mynet", "--workload", "mynet.bench:make", *TINY)
    done = call(python, repository, "panet-bench", "compare", "HEAD~1", "HEAD", *own)
    assert done.returncode in (0, 1, 3), done.stderr  # a busy machine may find anything
    (comment,) = (repository / "reports" / "runs").glob("compare-*/comment.md")
    assert "mynet" in comment.read_text()
