"""The table of faults: a kind is one entry."""

from bench.lab.faults import (
    clocks,
    command_lines,
    disks,
    engine_kills,
    files,
    flat,
    fleets,
    histories,
    loaders,
    memory,
    names,
    networks,
    runs,
    together,
)
from bench.lab.faults.attempt import Kind

READS = (files.REPORTS, "reports.command")

A_LINE = "one line and exit code 2, or the right answer; below 1 GiB and 10 s"

WHOLE_SWEEP = (
    "every case once, the same results, nothing measured twice; no measurement goes on meanwhile"
)

KINDS = (
    Kind(
        "results", "result files: damaged in what they hold, cut, deep, of other versions",
        A_LINE, 10_000, files.results, READS,
    ),
    Kind(
        "beside", "profiles, parts and ceilings, damaged",
        A_LINE, 2_000, files.beside_results, READS,
    ),
    Kind(
        "journals", "journals, damaged, and then gone on with in small",
        A_LINE, 10_000, files.journals, ("bench.engine.scheduler",),
    ),
    Kind("stores", "histories in Parquet, damaged", A_LINE, 1_000, files.stores, READS),
    Kind("pictures", "pictures in eleven formats, damaged", A_LINE, 5_000, files.pictures,
         ("PIL.Image",)),
    Kind(
        "command lines", "anything in the place of every option of every program",
        "exit code 0 to 3, no traceback", 2_000, command_lines.commands,
        (*READS, "bench.__main__", "panet.__main__"),
    ),
    Kind(
        "pytest options", "the same for `pytest bench`",
        "a request, or one line", 2_000, command_lines.pytest_options,
        ("bench.run.request",),
    ),
    Kind(
        "names", "names with script, markup, formulas, escapes, of 10 kB",
        "pages run and fetch nothing (Chromium); no formula in CSV, no escape on a terminal",
        200, names.pages, READS,
    ),
    Kind(
        "programs", "a program in the place of a file",
        "it does not run", 200, loaders.programs, (*READS, "bench.workload.carried"),
    ),
    Kind(
        "histories", "git histories: shallow, broken, with submodules, odd names",
        "measured, or a sentence", 100, histories.histories, ("bench.__main__", *READS),
    ),
    Kind(
        "together", "two to four processes in one folder, and histories that write one store",
        "refused, or one after the other; nothing is mixed, nothing is there twice",
        60, together.together, READS,
    ),
    Kind(
        "clocks", "clocks that jump, cores that go and come, quotas that change (simulated)",
        "no negative time, no share above one, the median holds", 1_000, clocks.clocks,
        ("bench.engine.scheduler", "bench.run.results_json"),
    ),
    Kind(
        "loop", "5,000 simulated cases in one process, run after run; 200 real workers of a server",
        "memory, files, threads, processes and folders are what they were", 1, flat.flat,
        ("bench.engine.scheduler", "bench.run.results_json"),
    ),
    Kind(
        "networks", "networks that crash, hang, fork, print, change global state, return anything",
        "exit code 0 to 3, the reason in a line, nothing left behind", 120, networks.networks,
    ),
    Kind(
        "memory", "memory that is not there: of a call, a check, the command; the kernel's killer",
        "a typed row, and the other case is measured; or one line", 32, memory.memory,
    ),
    Kind(
        "engine kills",
        "SIGKILL of an engine that writes simulated replicates, a half-written line included",
        "every replicate is there once, as it was measured, and none twice",
        2_000, engine_kills.kills, ("bench.engine.scheduler",), engine_kills.EACH,
    ),
    Kind(
        "kills",
        "SIGKILL of a run (a half-written line included), a server, a worker; SIGHUP; `--resume`",
        "what was measured is there once, byte for byte; nothing is left behind",
        200, runs.kills, each=runs.EACH,
    ),
    Kind(
        "signals", "SIGINT, once and twice, SIGTERM; then `--resume`",
        "the same; a line says how to go on, exit code 128 + signal",
        52, runs.signals, each=runs.EACH,
    ),
    Kind(
        "fleet drivers",
        f"SIGKILL of the driver of a fleet: {fleets.CASES} cases, three nodes here; `--resume`",
        WHOLE_SWEEP, 10, fleets.local_drivers, ("bench.fleet.run",), fleets.EACH,
    ),
    Kind(
        "ray drivers", "the same with three nodes of a Ray cluster",
        WHOLE_SWEEP, 10, fleets.ray_drivers, ("bench.fleet.run", "bench.fleet.ray_tasks"),
        fleets.EACH, "ray",
    ),
    Kind(
        "ray nodes", "SIGKILL of the raylet of one of three nodes of a Ray cluster",
        "every case once, the same results, what was measured enough not again; no measurement "
        "goes on there",
        10, fleets.ray_nodes, ("bench.fleet.run", "bench.fleet.ray_tasks"), fleets.EACH, "ray",
    ),
    Kind(
        "disks",
        "a disk that is full at some moment, has no room for a name, is read-only or gone, and "
        "then is as it should be",
        "a sentence, exit code 4, and `--resume` goes on", 50, disks.disks,
    ),
)  # fmt: skip
