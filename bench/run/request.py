"""What a run is asked for: the options of ``pytest bench``, parsed."""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import stats
from bench.engine.plan import Plan
from bench.run import deploy, energy, heads, necks
from bench.run.extra_arms import ExtraArms
from bench.schema import run_folders
from bench.schema.case import AXES, Case
from bench.schema.errors import BenchError, storage_faults
from bench.workload import axes, presets, units
from bench.workload.arguments import DEFAULT_SEED, DEFAULT_TIMEOUT

TYPICAL_CASE_S, TYPICAL_COMPILE_S, TYPICAL_TRACE_S = 8.0, 30.0, 6.0
"""Check and first stage of an eager case of the default preset, what compiling adds, and profiles
of both arms, on two cores; only the forecast rests on them."""

OPTIONS = (
    *(axis.option for axis in AXES),
    *("preset", "half_width", "budget", "timeout", "seed", "images", "run_dir", "only"),
)
"""Whose texts make a request."""


@dataclass(frozen=True)
class Request:
    """The command line, parsed: what to measure, and what to do around it."""

    plan: Plan
    half_width: float
    """Of the ratio, relative: when a case has been measured enough."""
    traces: bool
    extra_arms: tuple[ExtraArms, ...]
    run_dir: Path
    resume: bool
    deploy: bool = False
    """Whether the ways of running a case take turns as well."""
    energy: bool = False
    """Whether joules per image are measured as well."""


@storage_faults("name another")
def parse_request(
    values: Mapping[str, str | None],
    resume: str | None,
    *,
    traces: bool,
    extra_arms: tuple[ExtraArms, ...] = (),
    neck_names: str | None = None,
    deploys: bool = False,
) -> Request:
    """Build the request from the texts of `OPTIONS`, `None` where not given.

    Raises:
        BenchError: naming the option, what is wrong with it, and what would be right.
    """
    given = {a.option: text for a in AXES if (text := values[a.option]) is not None}
    preset = presets.choose_preset(values["preset"], given)
    runs_dir = Path(values["run_dir"]) if values["run_dir"] else run_folders.RUNS_DIR
    seed = values["seed"] or DEFAULT_SEED
    if not (seed.isascii() and seed.isdigit()):
        raise BenchError(f"--seed {seed!r}: give a whole number of 0 or more")
    images_dir = values["images"]
    if images_dir is not None:
        axes.check_images(images_dir)
    cases = _only(axes.sweep(preset, given), values.get("only"))
    if neck_names is not None:
        extra_arms = (*extra_arms, necks.chosen(neck_names, cases))
    extra_arms = (*extra_arms, *heads.wanted(cases))
    run_dir = (
        run_folders.find_run_dir(runs_dir, resume) if resume else run_folders.new_run_dir(runs_dir)
    )
    plan = Plan(
        cases=cases,
        budget_s=units.parse_duration("--budget", values["budget"] or preset.budget),
        timeout_s=units.parse_duration("--timeout", values["timeout"] or DEFAULT_TIMEOUT),
        seed=int(seed),
        images_dir=images_dir and str(Path(images_dir).resolve()),
        scratch_dir=str(run_dir / "scratch"),
        split_arm=stats.PART,
    )
    half_width = units.parse_half_width(values["half_width"] or preset.half_width)
    return Request(plan, half_width, traces, extra_arms, run_dir, resume is not None, deploys)


def _only(cases: tuple[Case, ...], patterns: str | None) -> tuple[Case, ...]:
    """Return the cases whose ids match one of the patterns of a list; all without one."""
    if patterns is None:
        return cases
    wanted = [pattern.strip() for pattern in patterns.split(",")]
    for pattern in wanted:
        if not any(fnmatch.fnmatchcase(case.case_id, pattern) for case in cases):
            raise BenchError(
                f"--only {pattern!r}: no case has such an id; --collect-only lists them"
            )
    return tuple(
        case for case in cases if any(fnmatch.fnmatchcase(case.case_id, p) for p in wanted)
    )


def forecast(request: Request, cases: int) -> str:
    """Say how large the run is before it starts."""
    plan = request.plan
    compiled = sum(not case.eager for case in plan.cases)
    about_s = min(plan.budget_s, cases * TYPICAL_CASE_S + compiled * TYPICAL_COMPILE_S)
    most = f"{plan.budget_s / 60:.1f}"
    said = [
        f"{cases} cases, to ±{request.half_width:.2g} of the ratio: about {about_s / 60:.1f} min, "
        f"at most {most} (--budget)",
        *(f"then {extra.asked}, at most {most} min" for extra in request.extra_arms),
    ]
    if request.deploy:
        said.append(f"then --{deploy.NAME}, at most {most} min")
    if request.energy:
        most = f"{cases * energy.REPLICATES * energy.REPLICATE_S / 60:.1f}"
        said.append(f"then --{energy.NAME}, about {most} min where joules are counted")
    if request.traces:
        said.append(f"then --traces, about {cases * TYPICAL_TRACE_S / 60:.1f} min")
    return f"{'; '.join(said)}; run {request.run_dir.name}"
