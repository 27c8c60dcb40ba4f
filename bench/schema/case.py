"""A point of the grid, and the one table of the axes: every field of `Case` is an entry of it.

Options, their help and the docs' table, the product of a sweep, ids and names of cases, the
columns and filters of `reports`, and the command that repeats a case are all made from here. An
axis more is a field more (and whatever the new value does to the work).
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, fields
from pathlib import PurePath
from typing import Any

from bench.schema.axis import Axis
from bench.schema.stored import RecordError, Stored

AXIS = "axis"
"""Its key in the metadata of a field."""

FROZEN = "frozen"
"""The mode of `torch.compile` in which weights are constants, packed when it compiles."""

TORCH = "torch"
"""What executes the networks unless a runtime does."""

RUNTIMES = (
    "aotinductor",
    "aotinductor-int8",
    "onnxruntime",
    "onnxruntime-int8",
    "openvino",
    "tensorrt",
)
"""Of `bench.workload.runtimes`, where each has its entry."""


def _named(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _but(usual: str) -> Callable[[str], str]:
    return lambda value: "" if value == usual else value


def _compiled(mode: str) -> str:
    return {"off": "", "default": "compiled"}.get(mode, mode)


def _side_or_sides(size: tuple[int, int]) -> str:
    height_px, width_px = size
    return f"{height_px}" if height_px == width_px else f"{height_px}x{width_px}"


@dataclass(frozen=True)
class Case(Stored):
    """One point of the grid."""

    scope: str = field(
        metadata={
            AXIS: Axis(
                option="scopes",
                default="neck",
                columns={"scope": "neck: feature maps in; model: image in; heads: boxes too"},
                kind="category",
                id_place=1,
                choices=_named("neck", "model", "heads"),
                about="neck (feature maps in), model (image in), heads (pyramid and boxes in)",
            )
        }
    )
    """``own`` is a network of the user's."""
    backbone: str = field(
        metadata={
            AXIS: Axis(
                option="backbones",
                default="cnn",
                columns={"backbone": "cnn, or a name of timm"},
                kind="category",
                id_place=0,
                parse="bench.workload.axes:parse_backbone",
                about="cnn (the article's), or names of timm",
            )
        }
    )
    batch_size: int = field(
        metadata={
            AXIS: Axis(
                option="batch_sizes",
                default="1",
                columns={"batch_size": "images per call"},
                kind="Int64",
                id_place=2,
                parse="bench.workload.axes:parse_batch_size",
                about="images per call",
                as_tag=lambda images: f"b{images}",
            )
        }
    )
    height_px: int = field(
        metadata={
            AXIS: Axis(
                option="resolutions",
                default="224",
                columns={
                    "height_px": "height of the image, in pixels",
                    "width_px": "width of the image, in pixels",
                },
                kind="Int64",
                id_place=3,
                parse="bench.workload.axes:parse_size",
                about="224, or HEIGHTxWIDTH such as 800x1344",
                as_text="{0[0]}x{0[1]}".format,
                as_label=_side_or_sides,
            )
        }
    )
    width_px: int
    channels_last: bool = field(
        metadata={
            AXIS: Axis(
                option="channels_last",
                default="off",
                columns={"channels_last": "memory layout: NHWC, otherwise NCHW"},
                kind="boolean",
                id_place=6,
                choices={"off": False, "on": True},
                as_text=lambda on: "on" if on else "off",
                as_tag=lambda on: "nhwc" if on else "nchw",
            )
        }
    )
    device: str = field(
        metadata={
            AXIS: Axis(
                option="devices",
                default="auto",
                columns={"device": "as torch names it"},
                kind="category",
                id_place=4,
                parse="bench.workload.axes:parse_device",
                about="auto, cpu, cuda, cuda:1, mps, xpu",
                as_tag=lambda device: device.replace(":", ""),
                as_label=_but("cpu"),
            )
        }
    )
    dtype: str = field(
        metadata={
            AXIS: Axis(
                option="dtypes",
                default="float32",
                columns={"dtype": "of weights and maps, or of autocast (amp-...)"},
                kind="category",
                id_place=5,
                choices=_named(
                    "float32", "tf32", "bfloat16", "float16", "amp-bfloat16", "amp-float16"
                ),
                as_label=_but("float32"),
            )
        }
    )
    pass_name: str = field(
        metadata={
            AXIS: Axis(
                option="passes",
                default="inference",
                columns={"pass_name": "inference or training"},
                kind="category",
                id_place=8,
                choices=_named("inference", "training"),
                as_label=_but("inference"),
            )
        }
    )
    compile_mode: str = field(
        metadata={
            AXIS: Axis(
                option="compile",
                default="off",
                columns={"compile_mode": "of torch.compile; off: eager"},
                kind="category",
                id_place=7,
                choices=_named(
                    "off",
                    "default",
                    "lite",
                    "reduce-overhead",
                    "max-autotune",
                    "max-autotune-no-cudagraphs",
                    FROZEN,
                ),
                as_tag=lambda mode: "eager" if mode == "off" else mode,
                as_label=_compiled,
            )
        }
    )
    threads: int = field(
        metadata={
            AXIS: Axis(
                option="threads",
                default="auto",
                columns={"threads": "of torch, within an operator"},
                kind="Int64",
                id_place=9,
                parse="bench.workload.axes:parse_threads",
                about="auto (the usable cores), or numbers",
                as_tag=lambda count: f"t{count}",
                as_label=lambda _: "",
            )
        }
    )
    levels: str = field(
        default="p2-p5",  # of files that were written before
        metadata={
            AXIS: Axis(
                option="levels",
                default="p2-p5",
                columns={"levels": "finest and coarsest of the pyramid; level k has stride 2**k"},
                kind="category",
                id_place=10,
                parse="bench.workload.axes:parse_levels",
                about="p2-p5 (the article's), p3-p5, p3-p7, or others from p2 to p8",
                as_tag=_but("p2-p5"),  # ids of before stay
            )
        },
    )
    runtime: str = field(
        default=TORCH,  # of files that were written before
        metadata={
            AXIS: Axis(
                option="runtimes",
                default=TORCH,
                columns={"runtime": "torch, or what reads the network from a file"},
                kind="category",
                id_place=11,
                choices=_named(TORCH, *RUNTIMES),
                about="torch (as --compile says), or what reads the network from a file: "
                f"{', '.join(RUNTIMES)}",
                as_tag=_but(TORCH),  # ids of before stay
            )
        },
    )
    boxes: int = field(
        default=0,  # of files that were written before
        metadata={
            AXIS: Axis(
                option="boxes",
                default="1000",
                columns={"boxes": "proposals per image, of the scope heads; 0 elsewhere"},
                kind="Int64",
                id_place=12,
                parse="bench.workload.axes:parse_boxes",
                about="proposals per image, of the scope heads alone",
                as_tag=lambda count: f"k{count}" if count else "",
            )
        },
    )
    network: str = ""
    """A user's, by its factory: ``module:function``, or ``file.py:function`` with the path of the
    file. Empty: one of ours."""

    def __post_init__(self) -> None:
        """Refuse what no axis can be: cases come from files, too."""
        wrong = [f.name for f in fields(self) if type(getattr(self, f.name)) is not f.type]
        if wrong:
            raise RecordError(f"Case: {', '.join(wrong)} of the wrong type")
        if min(self.batch_size, self.height_px, self.width_px, self.threads) < 1:
            raise RecordError("Case: batch, resolution or threads below 1")

    @property
    def eager(self) -> bool:
        """Whether torch runs the networks operator by operator: nothing is compiled or exported."""
        return self.compile_mode == "off" and self.runtime == TORCH

    @functools.cached_property
    def case_id(self) -> str:
        """Every axis in a fixed order; safe as a file name, and one-to-one.

        A dash separates axes, so within an axis it becomes an underscore; no two values of an axis
        differ in that alone. ``.`` is kept for timm's tags (``resnet50.a1_in1k``).
        """
        network = PurePath(self.network).name.replace(":", ".")
        tags = [network, *(axis.tag(vars(self)) for axis in IN_ID)]
        return "-".join(tag.replace("-", "_") for tag in tags if tag)


AXES = tuple(f.metadata[AXIS] for f in fields(Case) if AXIS in f.metadata)
"""All of them, in the order of names, tables and help."""

IN_ID = tuple(sorted(AXES, key=lambda axis: axis.id_place))
"""In the order of the id."""

FIELDS = tuple(name for axis in AXES for name in axis.fields)
"""The fields of `Case` that are axes, in the same order."""


OF_OURS = frozenset({"scope", "backbone"})
"""Fields that say nothing of somebody's network."""


def case_name(row: Mapping[Any, Any], left_out: Set[str] = frozenset()) -> str:
    """Name a case by what is not usual, such as ``neck cnn b1 224 nhwc``.

    Args:
        row: with the fields of a case.
        left_out: fields whose axes are not told, such as those in which cases differ.
    """
    labels = (axis.label(row) for axis in AXES if not left_out & set(axis.fields))
    return " ".join(filter(None, labels))


def names_of(cases: Iterable[Case], left_out: Set[str] = frozenset()) -> dict[str, str]:
    """Return case id -> name that only this case has: its id where others are called alike.

    Args:
        cases: that are told apart.
        left_out: as for `case_name`.
    """
    return told_apart({case.case_id: case_name(vars(case), left_out) for case in cases})


def told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """Return case id -> its name, or the id itself where others have the same name."""
    counts = Counter(names.values())
    return {case_id: name if counts[name] == 1 else case_id for case_id, name in names.items()}


def repeat(row: Mapping[Any, Any]) -> str:
    """Return the command line that measures exactly this case again.

    Args:
        row: with the fields of a case.
    """
    return " ".join(["pytest bench", *(f"{axis.flag} {axis.text(row)}" for axis in AXES)])
