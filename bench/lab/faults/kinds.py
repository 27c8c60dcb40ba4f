"""The table of faults: a kind is one entry."""

from bench.lab.faults import command_lines, files, histories, loaders, names, networks, runs
from bench.lab.faults.attempt import Kind

READS = (files.REPORTS, "reports.command", "bench.engine.scheduler", "PIL.Image")

A_LINE = "one line and exit code 2, or the right answer; below 1 GiB and 10 s"

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
        A_LINE, 10_000, files.journals, READS,
    ),
    Kind("stores", "histories in Parquet, damaged", A_LINE, 1_000, files.stores, READS),
    Kind("pictures", "pictures in eleven formats, damaged", A_LINE, 5_000, files.pictures, READS),
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
        "networks", "networks that crash, hang, fork, print, change global state, return anything",
        "exit code 0 to 3, the reason in a line, nothing left behind", 120, networks.networks,
    ),
    Kind(
        "kills", "SIGKILL of a run, a server, a worker; SIGINT, SIGTERM, SIGHUP; then `--resume`",
        "what was measured is there once, byte for byte; nothing is left behind; a line says how "
        "to go on, exit code 128 + signal",
        250, runs.kills,
    ),
    Kind(
        "full disks", "a disk that is full at some moment, and then has room",
        "a sentence, exit code 4, and `--resume` goes on", 50, runs.full_disks,
    ),
)  # fmt: skip
