"""The fixture ``cost`` in somebody's own tests, which know nothing of our harness."""

import importlib
import json
import shutil
import sys

import pytest

from bench import cost
from bench.machine.environment import ROOT
from bench.run.own import fixture  # noqa: F401 - as `everything_imported`
from bench.schema.records import Status
from tests.support.own_networks import NETWORK, Machine, simulated

pytest_plugins = ("pytester",)

pytestmark = pytest.mark.process  # pytest-benchmark asks git for a name whenever pytest begins

TESTS = """
    from his_net import Net, make

    OF = {"devices": "cpu", "threads": 1}

    def test_neck(cost):
        assert cost(make, part="neck", resolution=32, **OF).inside.high < 0.21

    def test_too_costly(cost):
        assert cost(make, part="neck", resolution=32, **OF).inside.high < 0.19

    def test_nothing_of_ours():
        pass
"""


@pytest.fixture(scope="module", autouse=True)
def everything_imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A run of pytester's forgets its imports, and some of torch cannot be imported twice."""
    folder = tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        simulated(patch, folder)
        file = folder / "mynet.py"
        cost(f"{file}:make", part="neck", resolution=32, run_dir=folder, device="cpu", threads=1)


@pytest.fixture
def his(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Write his project, and measure on a simulated machine."""
    pytester.makepyfile(his_net=NETWORK, test_his=TESTS)
    pytester.syspathinsert()
    return simulated(monkeypatch, pytester.path)


def ran(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    left_out = [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "hypothesispytest")]
    return pytester.runpytest_inprocess(*left_out, "-W=default", *options)


@pytest.mark.usefixtures("his")
def test_end_of_the_interval_decides(pytester: pytest.Pytester) -> None:
    done = ran(pytester)
    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines(["*test_too_costly*"])
    assert not (pytester.path / "reports").exists()  # it leaves nothing in his folder


@pytest.mark.usefixtures("his")
def test_call_is_in_the_table_of_benchmarks(pytester: pytest.Pytester) -> None:
    done = ran(pytester, "-k", "neck", "-W=error::pytest_benchmark.logger.PytestBenchmarkWarning")
    done.assert_outcomes(passed=1, deselected=2)
    (row,) = (line for line in done.stdout.lines if line.startswith("test_neck "))
    assert 10.0 <= float(row.split()[1]) <= 12.0  # ms, of the machine's calls


@pytest.mark.parametrize(
    ("busy", "status", "said"),
    [
        (True, Status.OK, "contended: the machine was busy"),
        (False, Status.OOM, "oom: no room"),
    ],
)
def test_no_answer_is_a_skip_with_the_reason(
    busy: bool, status: Status, said: str, his: Machine, pytester: pytest.Pytester
) -> None:
    his.busy, his.status = busy, status
    test = """
        from his_net import make
        def test_it(cost):
            cost(make, part="neck", resolution=32, device="cpu", threads=1, budget="1s")
    """
    pytester.makepyfile(test_his=test)
    done = ran(pytester, "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines([f"SKIPPED*{said}*"])


def test_network_that_fails_fails_the_test(his: Machine, pytester: pytest.Pytester) -> None:
    his.status = Status.MISMATCH
    done = ran(pytester, "-k", "neck")
    done.assert_outcomes(failed=1, deselected=2)
    done.stdout.fnmatch_lines(["mismatch: no room"])


@pytest.mark.usefixtures("his")
def test_wrong_use_fails_in_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_his="from his_net import make\ndef test_it(cost): cost(make, part='nek')"
    )
    done = ran(pytester, "--tb=short")
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["cost: no module 'nek' in Net; did you mean neck[?]"])
    assert "Traceback" not in done.stdout.str()
    assert "During handling" not in done.stdout.str()


@pytest.mark.parametrize("option", ["--benchmark-disable", "--benchmark-skip"])
def test_nothing_is_measured_where_benchmarks_are_not_wanted(
    option: str, his: Machine, pytester: pytest.Pytester
) -> None:
    done = ran(pytester, option, "-rs")
    done.assert_outcomes(passed=1, skipped=2)
    assert not his.tasks


def test_it_counts_as_a_benchmark(his: Machine, pytester: pytest.Pytester) -> None:
    done = ran(pytester, "--benchmark-only", "-k", "not costly")
    done.assert_outcomes(passed=1, skipped=1, deselected=1)
    assert his.tasks


@pytest.mark.usefixtures("his")
def test_his_own_benchmark_beside_it_keeps_its_clock(pytester: pytest.Pytester) -> None:
    test = """
        from his_net import make
        def test_it(cost, benchmark):
            assert cost(make, part="neck", resolution=32, device="cpu", threads=1).said
            benchmark.pedantic(sorted, args=([3, 1, 2],), rounds=3)
            assert 0 < benchmark.stats.stats.min < benchmark.stats.stats.total
            assert len(benchmark.extra_info["costs"]) == 1
    """
    pytester.makepyfile(test_his=test)
    ran(pytester).assert_outcomes(passed=1)


@pytest.mark.usefixtures("his")
def test_his_own_package_of_our_name_is_told(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.mkpydir("bench")
    importlib.invalidate_caches()
    for name in [name for name in sys.modules if name.partition(".")[0] == "bench"]:
        monkeypatch.delitem(sys.modules, name)
    done = ran(pytester, "-k", "neck")
    done.assert_outcomes(errors=1, deselected=2)
    done.stdout.fnmatch_lines([f"cost: the package bench is {pytester.path}*hides panet-bench's"])


@pytest.mark.usefixtures("his")
def test_test_of_the_example_writes_into_the_json(pytester: pytest.Pytester) -> None:
    shutil.copytree(ROOT / "docs" / "examples" / "gate", pytester.path, dirs_exist_ok=True)
    ran(pytester, "test_cost.py", "--benchmark-json=out.json").assert_outcomes(passed=1)
    (found,) = json.loads((pytester.path / "out.json").read_text())["benchmarks"]
    (stored,) = found["extra_info"]["costs"]
    assert stored["asked"]["networks"]["network"] == "workload:make"
    rounds_s = [s for one in stored["cases"][0]["replicates"] for s in one["rounds_s"]["network"]]
    assert found["stats"]["data"] == pytest.approx(rounds_s)
