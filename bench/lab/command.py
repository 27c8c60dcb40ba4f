"""``python -m bench lab NAME``: the maintainers' evidence. What it prints is printed here.

What measures is imported when it is to measure: it brings torch, and no help is to wait for that.
"""

import argparse
import fnmatch
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console

from bench.lab import other_tools
from bench.schema import run_folders
from bench.schema.errors import BenchError
from bench.stats.verdict import FINE
from bench.workload import arguments, units

if TYPE_CHECKING:
    from bench.lab.edits import Edit

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

FAILED = 1

REHEARSAL_FOLDER = "rehearsal"
"""Of a rehearsal: what it finds is not the card's."""

MIB = 2**20

KINDS = {
    "equal": ("4", "histories of equal code"),
    "slower": ("4", "histories with a slow-down"),
    "placed": ("0", "histories with a small slow-down in one stage"),
    "bisect": ("1", "histories to bisect"),
    "apart": ("0", "histories of equal code, each side in processes of its own"),
}
"""Of `bench.lab.history_trials.TRY`: how many by default, and what they are."""


def add_to(commands: Commands) -> None:
    """Add the command ``lab`` with one sub-command for each kind of evidence."""
    about = "the maintainers' evidence: histories, other tools, a GPU's checklist"
    lab = commands.add_parser("lab", help=about, description=about)
    names = lab.add_subparsers(required=True, metavar="NAME")
    _add_gatetest(names)
    _add_other_tools(names)
    _add_gpu(names)
    _add_tensorboard(names)
    _add_inside(names)
    _add_ablations(names)
    _add_faults(names)
    _add_executors(names)
    about = "a fleet's makespan over what is possible, on a simulated clock"
    fleet = names.add_parser("fleet", help=about, description=about)
    fleet.set_defaults(command=_fleet)


def _add_gatetest(names: Commands) -> None:
    about = "real histories through compare and bisect: what they find, and what they miss"
    parser = names.add_parser("gatetest", help=about, description=about)
    for kind, (default, what) in KINDS.items():
        parser.add_argument(f"--{kind}", default=default, metavar="N", help=f"{what} ({default})")
    parser.add_argument("--edit", default="*", metavar="PATTERN", help="of the slow-downs (*)")
    _add_folder(parser)
    parser.set_defaults(command=_gatetest)


def _add_other_tools(names: Commands) -> None:
    about = "the cases through the usual tools and through ours, in turn"
    parser = names.add_parser("other-tools", help=about, description=about)
    parser.add_argument("--rounds", default="5", metavar="N", help="runs of every tool (5)")
    known = ",".join(other_tools.TOOLS)
    parser.add_argument("--tools", default=known, metavar="LIST", help=f"of {known} (all)")
    _add_folder(parser)
    parser.set_defaults(command=_other_tools)


def _add_folder(parser: argparse.ArgumentParser) -> None:
    arguments.add_run_dir(parser)
    arguments.add_resume(parser, "add to an earlier one")


def _add_gpu(names: Commands) -> None:
    about = "what to know of a GPU, most informative first; a further call goes on"
    parser = names.add_parser("gpu", help=about, description=about)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where everything goes")
    parser.add_argument("--minutes", default="9.5", metavar="N", help="of this call (9.5)")
    parser.add_argument("--archive-mib", default="14", metavar="N", help="at most (14)")
    parser.add_argument("--only", metavar="LIST", help="of the checks, in this order")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, in small")
    parser.add_argument("--describe", metavar="DEVICE", help=argparse.SUPPRESS)
    parser.set_defaults(command=_gpu, goes_on="a further call goes on")


def _add_tensorboard(names: Commands) -> None:
    about = "TensorBoard's times of operators beside torch's, for every profile of a run"
    parser = names.add_parser("tensorboard", help=about, description=about)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a run with traces, or many")
    parser.set_defaults(command=_tensorboard)


def _add_inside(names: Commands) -> None:
    about = "the cost inside the calls against that of whole calls, in a long run"
    parser = names.add_parser("inside", help=about, description=about)
    parser.add_argument("--replicates", default="50", metavar="N", help="of each case (50)")
    _add_folder(parser)
    parser.set_defaults(command=_inside)


def _add_ablations(names: Commands) -> None:
    about = "what marks, moderation and stopping are worth: stored runs, read without each"
    parser = names.add_parser("ablations", help=about, description=about)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folders, same cases")
    about = "of every case's ratio, relative (2%%)"
    parser.add_argument("--half-width", default="2%", metavar="SHARE", help=about)
    parser.set_defaults(command=_ablations)


def _add_faults(names: Commands) -> None:
    about = "break what can be broken, and look at what must hold; a further call goes on"
    parser = names.add_parser("faults", help=about, description=about)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where everything goes")
    parser.add_argument("--minutes", default="3", metavar="N", help="of this call (3)")
    parser.add_argument("--only", metavar="LIST", help="of the kinds of faults")
    parser.set_defaults(command=_faults, goes_on="a further call goes on")


def _add_executors(names: Commands) -> None:
    about = "the same shard by `local` and by `ray` in turns; a further call goes on"
    parser = names.add_parser("executors", help=about, description=about)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where everything goes")
    parser.add_argument("--pairs", default="8", metavar="N", help="of runs, in the end (8)")
    parser.add_argument("--budget", default="60s", metavar="TIME", help="of a run (60s)")
    parser.set_defaults(command=_executors, goes_on="a further call goes on")


def _executors(request: argparse.Namespace) -> int:
    from bench.lab import executors

    pairs = units.positive("--pairs")(request.pairs)
    budget_s = units.parse_duration("--budget", request.budget)
    print(executors.measure(request.folder, pairs, budget_s, Console(stderr=True)))
    print(f"wrote {request.folder / executors.PAGE}")
    return FINE


def _fleet(_request: argparse.Namespace) -> int:
    from bench.lab import fleet_scheduling

    for line in fleet_scheduling.table():
        print(line)
    return FINE


def _faults(request: argparse.Namespace) -> int:
    from bench.lab.choosing import choose
    from bench.lab.faults import campaign, kinds, page

    chosen = choose(kinds.KINDS, request.only)
    seconds = units.parse_duration("--minutes", f"{request.minutes}m")
    records = campaign.run(request.folder, chosen, seconds, Console(stderr=True))
    written = request.folder / page.PAGE
    written.write_text(page.render(records), encoding="utf-8")
    print(page.render(records))
    print(f"wrote {written}")
    return FAILED if any(record.problem for record in campaign.latest(records)) else FINE


def _inside(request: argparse.Namespace) -> int:
    from bench.lab import inside_calls

    replicates = units.positive("--replicates")(request.replicates)
    folder = run_folders.new_or_known(request.run_dir, "inside", request.resume)
    print(inside_calls.measure(folder, replicates, Console(stderr=True)))
    print(f"wrote {folder / inside_calls.PAGE}")
    return FINE


def _ablations(request: argparse.Namespace) -> int:
    from bench.lab import ablations

    half_width = units.parse_half_width(request.half_width)
    print(ablations.page(request.runs, half_width))
    return FINE


def _gatetest(request: argparse.Namespace) -> int:
    from bench.lab import history_trials
    from bench.lab.history_trials import GateTest, GateTestRequest

    counts = {kind: units.whole(f"--{kind}")(getattr(request, kind)) for kind in KINDS}
    edits = _edits(request.edit)
    folder = run_folders.new_or_known(request.run_dir, "gatetest", request.resume)
    wanted = GateTestRequest(counts, folder, edits)
    GateTest(wanted, Console(stderr=True)).run()
    page = folder / history_trials.PAGE
    print(page.read_text())
    print(f"wrote {page}")
    return FINE


def _edits(pattern: str) -> "tuple[Edit, ...]":
    from bench.lab.edits import SLOW_DOWNS

    edits = tuple(edit for edit in SLOW_DOWNS if fnmatch.fnmatch(edit.name, pattern))
    if not edits:
        names = ", ".join(edit.name for edit in SLOW_DOWNS)
        raise BenchError(f"--edit {pattern}: matches none of {names}")
    return edits


def _other_tools(request: argparse.Namespace) -> int:
    one_tool = units.one_of("--tools", other_tools.TOOLS)
    tools = [one_tool(text) for text in request.tools.split(",")]
    rounds = units.positive("--rounds")(request.rounds)
    folder = run_folders.new_or_known(request.run_dir, "side-by-side", request.resume)
    other_tools.run_all(tools, rounds, folder, Console(stderr=True))
    print(other_tools.write_page(folder))
    return FINE


def _gpu(request: argparse.Namespace) -> int:
    start_s = time.monotonic()
    from bench.lab import gpu_checklist

    try:
        if request.describe:
            gpu_checklist.describe(request.describe, request.folder)
            return FINE
        return _run_checklist(request, start_s)
    except OSError as error:
        raise BenchError(f"{error}; name another folder") from error


def _run_checklist(request: argparse.Namespace, start_s: float) -> int:
    from bench.lab import gpu_checklist
    from bench.lab.choosing import choose
    from bench.lab.gpu_checks import CARD, REHEARSAL, checks

    target = REHEARSAL if request.rehearse else CARD
    chosen = choose(checks(target), request.only)
    seconds = units.parse_duration("--minutes", f"{request.minutes}m")
    most_bytes = units.positive("--archive-mib")(request.archive_mib) * MIB
    folder = request.folder / REHEARSAL_FOLDER if request.rehearse else request.folder
    if not request.rehearse:
        _require_gpu()
    well = gpu_checklist.run(folder, start_s + seconds, chosen, Console(stderr=True))
    packed = gpu_checklist.pack(folder, most_bytes)
    print(gpu_checklist.render(folder, chosen))
    print(f"wrote {packed.archive}")
    if packed.left_out:
        print(f"too large for it: {', '.join(map(str, packed.left_out))}")
    return FINE if well else FAILED


def _require_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise BenchError("no CUDA device on this machine; --rehearse tries the list on the CPU")


def _tensorboard(request: argparse.Namespace) -> int:
    from bench.lab import tensorboard_check

    profiles = tensorboard_check.check(request.folder)
    print(tensorboard_check.render(profiles))
    well = tensorboard_check.worst_off(profiles) <= tensorboard_check.MOST_OFF
    return FINE if well else FAILED
