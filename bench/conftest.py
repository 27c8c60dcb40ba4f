"""pytest's hooks and options of the harness; what they do is in `bench.run.session`."""

from bench.schema import stopped

LISTENER = stopped.Listener("nothing was measured", begun=False)
"""From here on: torch, which is imported below, takes seconds."""

import contextlib
import json
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.fleet import executors, sitting
from bench.fleet import run as fleet
from bench.fleet.asked import Asked
from bench.run import deploy, energy, necks
from bench.run.extra_arms import EXTRA_ARMS
from bench.run.replay import REPLAY_CLOCK
from bench.run.request import OPTIONS, forecast
from bench.run.session import Session, keep_copy
from bench.schema import files, journal, run_folders, text
from bench.schema.case import AXES
from bench.schema.errors import BenchError, storage_faults
from bench.schema.recipe import ARMS
from bench.workload import presets
from bench.workload.arguments import DEFAULT_SEED, DEFAULT_TIMEOUT

SESSION: pytest.StashKey[Session] = pytest.StashKey()
ORDER: pytest.StashKey[fleet.Order] = pytest.StashKey()
"""Only where several machines measure."""
OUTCOME: pytest.StashKey[fleet.Outcome] = pytest.StashKey()
WANTED_JSON: pytest.StashKey[Path | None] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the axes, and when to stop."""
    group = parser.getgroup("panet", "what PANet costs on top of FPN")
    names = ", ".join(presets.PRESETS)
    about = f"bundle of axis values: {names} ({presets.DEFAULT_PRESET})"
    group.addoption("--preset", metavar="NAME", help=about)
    for axis in AXES:
        group.addoption(axis.flag, dest=axis.option, metavar="LIST", help=axis.help)
    about = "how narrow the interval of the ratio shall be: 2%%"
    group.addoption("--half-width", metavar="SHARE", help=about)
    group.addoption("--budget", metavar="TIME", help="for the whole run: 90s, 10m, 2h")
    about = f"for one worker process ({DEFAULT_TIMEOUT})"
    group.addoption("--timeout", metavar="TIME", help=about)
    group.addoption("--seed", metavar="N", help=f"of weights and orders ({DEFAULT_SEED})")
    about = "only cases whose ids match one of these, such as '*-neck-b1-*'"
    group.addoption("--only", metavar="PATTERNS", help=about)
    group.addoption("--executor", metavar="NAME", help=executors.HELP)
    group.addoption("--hosts", metavar="LIST", help=executors.HOSTS_HELP)
    group.addoption("--images", metavar="DIR", help="your own pictures instead of photographs")
    group.addoption(
        "--traces", action="store_true", help="profile every case after the timing: where time goes"
    )
    for extra in EXTRA_ARMS:
        group.addoption(f"--{extra.name}", action="store_true", help=extra.help)
    group.addoption(f"--{necks.NAME}", metavar="LIST", help=necks.HELP)
    group.addoption(f"--{deploy.NAME}", action="store_true", help=deploy.HELP)
    group.addoption(f"--{energy.NAME}", action="store_true", help=energy.HELP)
    group.addoption(
        "--run-dir", metavar="DIR", help=f"where runs are kept ({run_folders.RUNS_DIR})"
    )
    group.addoption(
        "--resume",
        nargs="?",
        const=run_folders.LATEST,
        metavar="RUN_ID",
        help="go on with a killed run (the newest)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Parse the options, and send the JSON of pytest-benchmark to the folder of the run."""
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("-n: benchmarks beside each other disturb each other; leave it out")
    asked = Asked(
        {name: config.getoption(name) for name in OPTIONS},
        traces=bool(config.getoption("traces")),
        extra=tuple(extra.name for extra in EXTRA_ARMS if config.getoption(extra.name)),
        neck_names=config.getoption(necks.NAME),
    )
    try:
        if config.getoption("executor") is not None:
            config.stash[ORDER] = order = _order(config, asked)
            request = order.request
        elif config.getoption("hosts") is not None:
            raise executors.hosts_alone()
        else:
            deploys = bool(config.getoption(deploy.NAME))
            request = asked.request(config.getoption("resume"), deploys=deploys)
            request = replace(request, energy=bool(config.getoption(energy.NAME)))
    except BenchError as error:
        raise _usage_error(error) from error
    wanted = config.getoption("benchmark_json")
    if wanted is not None and not wanted.resolve().parent.is_dir():
        raise pytest.UsageError(f"--benchmark-json={wanted}: no such folder; make it first")
    config.stash[SESSION] = Session(request)
    config.stash[WANTED_JSON] = wanted
    here = measures(config) and ORDER not in config.stash
    config.option.benchmark_json = request.run_dir / files.RESULTS if here else None


def _order(config: pytest.Config, asked: Asked) -> fleet.Order:
    """Return what several machines are asked for; raise `BenchError` for what they cannot."""
    executor = config.getoption("executor")
    nodes = sitting.Nodes(executor, executors.check(executor, config.getoption("hosts")))
    if config.getoption(deploy.NAME):
        raise BenchError(f"--{deploy.NAME}: its ways take turns on one machine; no --executor then")
    if config.getoption(energy.NAME):
        raise BenchError(f"--{energy.NAME}: measure each machine by itself; no --executor then")
    wanted = asked.values["run_dir"]
    runs_dir = Path(wanted) if wanted else run_folders.RUNS_DIR
    folder = sitting.folder_of(runs_dir, fleet.KIND, config.getoption("resume"))
    there = replace(asked, values={**asked.values, "run_dir": None})
    return fleet.Order(replace(there.request(), run_dir=folder), there, nodes)


def measures(config: pytest.Config) -> bool:
    """Whether this call of pytest is to measure anything."""
    not_wanted = ("collectonly", "benchmark_disable", "benchmark_skip")
    return not any(config.getoption(name) for name in not_wanted)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per case and arm."""
    pass_name = metafunc.function.__name__.removeprefix("test_")
    cases = [
        c for c in metafunc.config.stash[SESSION].request.plan.cases if c.pass_name == pass_name
    ]
    metafunc.parametrize(
        ("case_id", "arm"),
        [
            pytest.param(
                case.case_id,
                arm,
                id=f"{case.case_id}-{arm}",
                marks=pytest.mark.benchmark(group=case.case_id, timer=REPLAY_CLOCK),
            )
            for case in cases
            for arm in ARMS
        ],
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Drop the placeholder of a pass without cases."""
    items[:] = [item for item in items if "NOTSET" not in item.name]


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Measure what was selected, all cases taking turns; let the tests replay it; then trace."""
    config = session.config
    case_ids = {
        str(case_id)
        for item in session.items
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        if (case_id := item.callspec.params.get("case_id")) is not None
    }
    if session.testsfailed or not case_ids or not measures(config):
        return (yield)
    bench_session = config.stash[SESSION]
    if ORDER in config.stash and len(case_ids) < len(bench_session.request.plan.cases):
        raise pytest.UsageError(
            "--executor: choose cases with --only, which every machine understands; "
            "files, test ids, -k, -m, --deselect and --lf choose on this one alone"
        )
    console = Console(stderr=True)
    LISTENER.advice = f"add --resume {bench_session.request.run_dir.name} to go on"
    LISTENER.begun = True
    try:
        with contextlib.ExitStack() as alone:
            with _outside_pytest(config):
                alone.enter_context(journal.locked(bench_session.request.run_dir))
                if ORDER in config.stash:
                    config.stash[OUTCOME] = fleet.measure(config.stash[ORDER], console)
                    session.items.clear()  # nothing was measured here
                    return (yield)
            return (yield from _run(config, bench_session, sorted(case_ids), console))
    except KeyboardInterrupt as stop:
        pytest.exit(f"stopped; {LISTENER.advice}", returncode=stopped.exit_code(stop))
    finally:
        LISTENER.begun = False


def _run(
    config: pytest.Config, bench_session: Session, case_ids: list[str], console: Console
) -> Generator[None, object, object]:
    with bench_session.servers(case_ids):
        with _outside_pytest(config):
            console.print(forecast(bench_session.request, len(case_ids)), highlight=False)
            bench_session.measure(case_ids, console)
        replayed = yield
        with _outside_pytest(config):
            for extra in bench_session.request.extra_arms:
                bench_session.measure_extra_arms(extra, console)
    with _outside_pytest(config):
        if bench_session.request.deploy:
            bench_session.measure_deploy(console)
        if bench_session.request.energy:
            bench_session.measure_energy(console)
        if bench_session.request.traces:
            bench_session.profile(console)
    bench_session.clean_up()
    return replayed


@contextlib.contextmanager
def _outside_pytest(config: pytest.Config) -> Iterator[None]:
    """Let the engine use the terminal; turn its errors into pytest's own."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    run_dir = config.stash[SESSION].request.run_dir
    try:
        with capture.global_and_fixture_disabled(), storage_faults(_mend_it(run_dir)):
            yield
    except BenchError as error:
        raise _usage_error(error) from error


def _usage_error(error: BenchError) -> pytest.UsageError:
    return pytest.UsageError(text.in_a_line(str(error)))


def _mend_it(run_dir: Path) -> str:
    return f"mend that, and go on with --resume {run_dir.name}"


@pytest.fixture
def bench_session(request: pytest.FixtureRequest) -> Session:
    """Return the run with its results."""
    return request.config.stash[SESSION]


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Leave out the clock of this very moment: it would make equal machines differ."""
    for name in ("hz_actual", "hz_actual_friendly"):
        machine_info["cpu"].pop(name, None)


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Add the key ``panet``."""
    output_json["panet"] = config.stash[SESSION].document()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Write the result file even if no case gave rounds, and copy it where the user wants it.

    A run in which nothing was measured is no success.
    """
    config = session.config
    bench_session = config.stash.get(SESSION, None)
    if OUTCOME in config.stash:
        outcome = config.stash[OUTCOME]
        with _outside_pytest(config):
            outcome.keep_copies(config.stash[WANTED_JSON])
        if not outcome.measured_any:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        elif not outcome.all_well:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if bench_session is None or OUTCOME in config.stash:
        return (yield)
    run_dir = bench_session.request.run_dir
    try:
        with storage_faults(_mend_it(run_dir)):
            yield
            if not bench_session.results:
                return None
            written = run_dir / files.RESULTS
            if not written.exists():
                document = {"machine_info": {}, "benchmarks": [], "panet": bench_session.document()}
                written.write_text(json.dumps(document, indent=4))
            keep_copy(written, config.stash[WANTED_JSON])
    except BenchError as error:
        raise _usage_error(error) from error
    if not bench_session.measured_any and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def pytest_terminal_summary(
    terminalreporter: "pytest.TerminalReporter", config: pytest.Config
) -> None:
    """Say how the cases ended, and where the results are."""
    session = config.stash[SESSION]
    if OUTCOME in config.stash:
        for line in config.stash[OUTCOME].said():
            terminalreporter.write_line(text.printable(line))
    if not session.results:
        return
    counts = Counter(result.status for result in session.results.values())
    terminalreporter.write_line(", ".join(f"{n} {status}" for status, n in counts.items()))
    for table in session.tables:
        terminalreporter.write_line(f"\n{table}\n")
    for note in session.notes:
        terminalreporter.write_line(text.printable(note))
    if not session.measured_any:
        terminalreporter.write_line("nothing was measured: raise --budget, or see above why")
    terminalreporter.write_line(f"results: {session.request.run_dir / files.RESULTS}")
    if session.measured_any:
        for command in session.next_commands():
            terminalreporter.write_line(f"next: {command}")


def pytest_unconfigure() -> None:
    """Let go of the signals: pytest may have been called by a program."""
    LISTENER.close()
