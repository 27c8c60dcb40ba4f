"""The checks of a GPU, most informative first: which commands, how long at most, what they answer.

All commands are this project's own. A rehearsal is the same list on the CPU, in small.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.lab import gpu_answers
from bench.lab.gpu_answers import AFTER, BEFORE
from bench.schema import files
from bench.schema.files import RESULTS
from bench.schema.run_folders import LATEST
from bench.selftest.document import SESSIONS

LEAST_S = 20.0
"""With less time left no further check is begun."""

TOO_LARGE_PX = 2048
"""What 64 images of this side keep for the backward pass, some 190 GB, fits into no card of the
Hopper generation, and the images themselves into any machine."""

JOURNAL = f"{LATEST}/{files.JOURNAL}"

Command = tuple[str, ...]
"""Behind the interpreter; ``{out}`` is the folder of the check."""

COST: Command = ("-m", "reports", "cost", f"{{out}}/{LATEST}/{RESULTS}", "--out={out}")


@dataclass(frozen=True)
class Check:
    """One question."""

    name: str
    question: str
    commands: tuple[Command, ...]
    limit_s: float
    answer: Callable[[Path], str]
    """From the folder of the check."""
    resumes: str = ""
    """What a call that was cut off leaves behind for ``--resume`` of the first command."""
    least_s: float = LEAST_S
    """It is not begun with less time left."""
    answer_codes: tuple[int, ...] = (0,)
    """Exit codes that are answers, and no failure."""


@dataclass(frozen=True)
class Target:
    """Where the checks run, and how large they are."""

    device: str
    smaller: Command
    """Options behind those of every run."""
    fit: Command
    selftest: Command
    ways: Command
    """Axes of what takes turns with ``--deploy``; the last of equal options counts."""
    quick: bool

    def run(self, *options: str, results: str = RESULTS) -> Command:
        """Return a run of the harness."""
        return self.run_as_it_is(*options, *self.smaller, results=results)

    def run_as_it_is(self, *options: str, results: str = RESULTS) -> Command:
        """Return a run of the harness that is as large everywhere."""
        own = (f"--benchmark-json={{out}}/{results}", "--run-dir={out}", "--timeout=120s")
        return ("-m", "pytest", "bench", "-q", "--benchmark-quiet", *own, *options)

    def least_s(self, seconds: float) -> float:
        """Return what a check needs to be begun: less in a rehearsal."""
        return min(60.0, seconds) if self.quick else seconds

    @property
    def bfloat16(self) -> Command:
        """Axes of what runs fastest."""
        return (f"--devices={self.device}", "--dtypes=bfloat16", "--channels-last=on")


CARD = Target(
    "cuda",
    (),
    ("--memory=8GiB",),
    ("--trials=1", "--inject=1,2,5"),
    ("--runtimes=torch,tensorrt", "--compile=off,max-autotune", "--channels-last=off,on"),
    quick=False,
)

REHEARSAL = Target(
    "cpu",
    (
        *("--devices=cpu", "--dtypes=float32", "--compile=off", "--backbones=cnn"),
        *("--resolutions=64", "--batch-sizes=1", "--half-width=20%", "--budget=15s"),
    ),
    ("--memory=1GiB", "--resolutions=64"),
    ("--quick",),
    ("--channels-last=off,on",),
    quick=True,
)


def checks(target: Target) -> tuple[Check, ...]:
    """Return the list."""
    return (
        _environment(target),
        _noise(target),
        _sweep(target),
        _others(target),
        _ways(target),
        _traces(target),
        _largest_batch(target),
        _out_of_memory(target),
        _self_test(target),
    )


def _environment(target: Target) -> Check:
    describe = ("-m", "bench", "lab", "gpu", "{out}", f"--describe={target.device}")
    return Check("environment", "device, driver, versions", (describe,), 60.0, gpu_answers.machine)


def _noise(target: Target) -> Check:
    sizes = ("--resolutions=224,640", "--half-width=0.5%", "--budget=80s")
    return Check(
        "a-a",
        "the same network against itself: within 0.5 %?",
        (target.run(*target.bfloat16, *sizes), COST),
        150.0,
        gpu_answers.noise,
        resumes=JOURNAL,
    )


def _sweep(target: Target) -> Check:
    return Check(
        "sweep",
        "24 cases, each effect once",
        (target.run("--preset=gpu"), COST),
        540.0,
        gpu_answers.cost,
        resumes=JOURNAL,
    )


def _others(target: Target) -> Check:
    return Check(
        "peers",
        "torchvision's FPN and mmdetection's PAFPN, and caches cold and warm",
        (target.run(*target.bfloat16, "--peers", "--caches", "--budget=45s"), COST),
        240.0,
        gpu_answers.others,
        least_s=target.least_s(200.0),
    )


def _ways(target: Target) -> Check:
    axes = (f"--devices={target.device}", "--dtypes=bfloat16", "--resolutions=640")
    turns = ("--deploy", "--budget=60s")
    return Check(
        "ways",
        "eager, compiled and TensorRT: which is fastest?",
        ((*target.run(*axes, *turns), *target.ways), COST),
        300.0,
        gpu_answers.fastest,
        least_s=target.least_s(200.0),
    )


def _traces(target: Target) -> Check:
    network = ("--scopes=model", "--backbones=resnet50")
    return Check(
        "traces",
        "stages, roofline against what this card reaches, TensorBoard",
        (
            target.run(*target.bfloat16, *network, "--traces", "--budget=20s"),
            ("-m", "reports", "profile", f"{{out}}/{LATEST}"),
            ("-m", "bench", "lab", "tensorboard", f"{{out}}/{LATEST}"),
        ),
        180.0,
        gpu_answers.traces,
        least_s=target.least_s(100.0),
    )


def _largest_batch(target: Target) -> Check:
    fit = ("-m", "bench", "fit", "--run-dir={out}", f"--devices={target.device}", *target.fit)
    return Check(
        "largest-batch",
        "within 8 GiB, FPN and FPN + PANet",
        (fit,),
        180.0,
        gpu_answers.largest_batch,
    )


def _out_of_memory(target: Target) -> Check:
    training = (
        *(f"--devices={target.device}", "--scopes=model", "--passes=training"),
        *("--batch-sizes=64", "--half-width=5%", "--budget=60s"),
    )
    too_large = f"--resolutions=64,{TOO_LARGE_PX}"
    return Check(
        "out-of-memory",
        "a sweep runs out of memory and goes on, as fast as before",
        (
            target.run_as_it_is(*training, "--resolutions=64", results=BEFORE),
            target.run_as_it_is(*training, too_large, results=AFTER),
            ("-m", "reports", "compare", f"{{out}}/{BEFORE}", f"{{out}}/{AFTER}", "--out", "{out}"),
        ),
        240.0,
        gpu_answers.out_of_memory,
        least_s=target.least_s(150.0),
        answer_codes=(0, 1, 3),  # of the comparison: the two runs did not take turns
    )


def _self_test(target: Target) -> Check:
    return Check(
        "self-test",
        "false alarms, and slow-downs of 1, 2 and 5 % (a trial; more with --only)",
        (("-m", "bench", "selftest", "--run-dir={out}", *target.selftest),),
        570.0,
        gpu_answers.self_test,
        resumes=f"selftest-*/{SESSIONS}",
    )
