"""Edits of our own networks that make them slower, or change nothing: what the gate is tried on.

They are those that people make: a forgotten copy, a dearer operator, a lost layout; or a rename, a
comment, a refactoring that changes nothing.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.schema.errors import BenchError


@dataclass(frozen=True)
class Edit:
    """A change of one file."""

    name: str
    """As the commit's message has it."""
    file: str
    old: str
    new: str
    axes: Mapping[str, str] = field(default_factory=dict)
    """Where it shows, if not in the cases of the self-test."""
    once: bool = False
    """Whether only the first place is changed; otherwise all are."""
    stage: str = ""
    """Where it sits, if in one stage alone."""

    def apply(self, text: str) -> str:
        """Return the file's text with the edit in it; raise `BenchError` if it does not fit."""
        if self.old not in text:
            raise BenchError(f"{self.file}: {self.name!r} does not fit; {self.old!r} is not there")
        text = text.replace(self.old, self.new, 1 if self.once else -1)
        for needed, statement in NEW_IMPORTS.items():
            if needed in self.new:
                head, mark, rest = text.partition("from torch import")
                text = f"{head}{statement}{mark}{rest}"
        return text


NEW_IMPORTS = {
    "torch._dynamo": "import torch\nimport torch._dynamo\n",
    "functional.conv2d": "from torch.nn import functional\n",
}
"""What an edit needs, by what it says."""


FUSE = 'n.append(self.relu(self.get_submodule(f"conv_{step}")(summed)))'
DOWN = 'down = self.relu(self.get_submodule(f"downsample_n{level}")(n[-1]))'
SUM = 'summed = self.get_submodule(f"sum_{step}")(down, coarser)'
SMOOTH = 'p.append(self.get_submodule(f"smooth_m{level}")(m))'
NEAREST = "upsample_like(coarse, lateral) + lateral"
LATERAL = """            {0} = self.get_submodule(f"lateral_c{{level}}")(c[index])
            m = self.get_submodule(f"topdown_m{{level}}")(m, {0})
"""
IN_BFLOAT16 = {
    "dtypes": "bfloat16",
    "channels_last": "on",
    "resolutions": "224",
    "batch_sizes": "1",
}
"""Where a CPU has no arithmetic for it, a convolution in NCHW took 300 times as long as in float32,
in NHWC 8 times."""

COMPILED = {"compile": "default", "resolutions": "224", "batch_sizes": "1"}

SLOWER = (
    Edit("Keep n2 apart from p2", "panet.py", "n = [p[0]]", "n = [p[0].clone()]"),
    Edit(
        "Do not touch the maps of the FPN",
        "panet.py",
        SUM,
        SUM.replace("coarser)", "coarser.clone())"),
    ),
    Edit(
        "Keep a copy of every level",
        "panet.py",
        "n = [p[0]]",
        "p = tuple(x.clone() for x in p)\n        n = [p[0]]",
    ),
    Edit(
        "Upsample smoothly",
        "pyramid.py",
        'mode="nearest")',
        'mode="bilinear", align_corners=False)',
    ),
    Edit(
        "Upsample with corners aligned",
        "pyramid.py",
        'mode="nearest")',
        'mode="bilinear", align_corners=True)',
    ),
    Edit(
        "Plain layout for the bottom-up path",
        "panet.py",
        "n = [p[0]]",
        "p = tuple(x.contiguous() for x in p)\n        n = [p[0]]",
    ),
    Edit(
        "Plain layout for the lateral maps",
        "fpn.py",
        SMOOTH,
        SMOOTH.replace("(m))", "(m.contiguous()))"),
    ),
    Edit(
        "Fuse twice",
        "panet.py",
        FUSE,
        FUSE.replace("(summed)", '(self.get_submodule(f"conv_{step}")(summed))'),
    ),
    Edit(
        "Smooth twice",
        "fpn.py",
        SMOOTH,
        SMOOTH.replace("(m))", '(self.get_submodule(f"smooth_m{level}")(m)))'),
    ),
    Edit(
        "Write ReLU out",
        "panet.py",
        FUSE,
        FUSE.replace("self.relu(", "(lambda x: x * (x > 0))("),
    ),
    Edit(
        "Write ReLU out after downsampling",
        "panet.py",
        DOWN,
        DOWN.replace("self.relu(", "(lambda x: 0.5 * (x + x.abs()))("),
    ),
    Edit(
        "Add in double precision",
        "pyramid.py",
        "return crop_like(downsampled, p) + p",
        "return (crop_like(downsampled, p).double() + p.double()).to(p.dtype)",
    ),
    Edit(
        "Fuse in full precision",
        "panet.py",
        FUSE,
        "n.append(self.relu(functional.conv2d(summed.float(), "
        '*(w.float() for w in self.get_submodule(f"conv_{step}").parameters()), padding=1)'
        ".to(summed.dtype)))",
        axes=IN_BFLOAT16,
    ),
    Edit(
        "Upsample in full precision",
        "pyramid.py",
        NEAREST,
        "(upsample_like(coarse.float(), lateral) + lateral.float()).to(lateral.dtype)",
        axes=IN_BFLOAT16,
    ),
    Edit(
        "Look at the maps while they are made",
        "panet.py",
        FUSE,
        "torch._dynamo.graph_break()\n            " + FUSE,
        axes=COMPILED,
    ),
)
"""Each alone; how much each one costs is measured apart."""


def _of_level(name: str, file: str, line: str, level: int, stage: str, new: str) -> Edit:
    """Return an edit of one level of a loop: behind a line of it comes another."""
    indent = "\n            "
    return Edit(
        name, file, line, f"{line}{indent}if level == {level}:{indent}    {new}", stage=stage
    )


LATERAL_LINE = 'lateral = self.get_submodule(f"lateral_c{level}")(c[index])'
TOPDOWN_LINE = 'm = self.get_submodule(f"topdown_m{level}")(m, lateral)'
CONV = 'self.get_submodule(f"conv_{step}")'

PLACED = (
    _of_level(
        *("Scale the finest lateral map", "fpn.py", LATERAL_LINE, 2, "fpn p2 lateral"),
        "lateral = lateral * 1.0",
    ),
    _of_level(
        *("Round a lateral map", "fpn.py", LATERAL_LINE, 3, "fpn p3 lateral"),
        "lateral = lateral.double().to(lateral.dtype)",
    ),
    _of_level(
        *("Keep a merged map", "fpn.py", TOPDOWN_LINE, 3, "fpn p3 top-down sum"),
        "m = m.clone()",
    ),
    _of_level(
        *("Keep the finest map finite", "fpn.py", SMOOTH, 2, "fpn p2 smooth"),
        "p[-1] = p[-1].clamp(-1e6, 1e6)",
    ),
    _of_level(
        *("Smooth one level twice", "fpn.py", SMOOTH, 4, "fpn p4 smooth"),
        'p[-1] = self.get_submodule("smooth_m4")(p[-1])',
    ),
    _of_level(
        *("Keep the downsampled map", "panet.py", DOWN, 2, "panet n3 downsample"),
        "down = down.clone()",
    ),
    _of_level(
        *("Sum one level in double precision", "panet.py", SUM, 2, "panet n3 sum"),
        "summed = (down.double() + coarser.double()).to(down.dtype)",
    ),
    _of_level(
        *("Activate one level twice", "panet.py", FUSE, 2, "panet n3 fuse"),
        "n[-1] = 0.5 * (n[-1] + n[-1].abs())",
    ),
    _of_level(
        *("Fuse one level twice", "panet.py", FUSE, 3, "panet n4 fuse"),
        f"n[-1] = {CONV}(n[-1])",
    ),
    _of_level(
        *("Fuse the coarsest level twice", "panet.py", FUSE, 4, "panet n5 fuse"),
        f"n[-1] = {CONV}(n[-1])",
    ),
)
"""Small slow-downs, each in another stage: 0.3 to 3 % of a call."""

SLOW_DOWNS = (*SLOWER, *PLACED)

BISECTED = tuple(edit for edit in SLOWER if edit.name in ("Fuse twice", "Smooth twice"))
"""Slow-downs of 5 % and more in every case."""

BISECTED_COMMITS = 16
"""Of which one is the slow one."""

HARMLESS = (
    Edit("Rename the merged map", "panet.py", "summed", "merged"),
    Edit("Rename the top-down map", "fpn.py", LATERAL.format("lateral"), LATERAL.format("side")),
    Edit("Say what the loop does", "panet.py", "n = [p[0]]", "n = [p[0]]  # as it is"),
    Edit("Shorter message", "pyramid.py", "; pass one map per level", ""),
    Edit(
        "Less to say about the crop", "pyramid.py", "that are one pixel smaller.", "that are less."
    ),
    Edit(
        "Name the levels once", "fpn.py", "coarsest = self.levels[-1]", "*_, coarsest = self.levels"
    ),
    Edit("Return early", "pyramid.py", "return coarse_px > 0 and", "return coarse_px != 0 and"),
    Edit("Lists for tuples", "fpn.py", "return tuple(reversed(p))", "return (*reversed(p),)"),
)
"""Each can be applied to what the others leave; none changes what is executed by much."""


def harmless(count: int, seed: str, beside: Edit | None = None) -> list[Edit]:
    """Return so many edits that change nothing: the stock, and then comments, in random order.

    Args:
        count: how many.
        seed: of the random choice.
        beside: an edit of the same history, whose lines they leave alone.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    fitting = [edit for edit in HARMLESS if beside is None or not _overlap(edit, beside)]
    stock = chance.sample(fitting, min(count, len(fitting)))
    remarks = [
        Edit(f"Remark {i}", "__init__.py", '"""\n', f'"""\n\n# Remark {i}.\n', once=True)
        for i in range(count - len(stock))
    ]
    edits = [*stock, *remarks]
    chance.shuffle(edits)
    return edits


def around(edit: Edit, count: int, number: int) -> list[Edit]:
    """Return the edit at a random place among harmless ones, ``count`` in all.

    Args:
        edit: the slow-down.
        count: of the edits.
        number: of such a history; each has others.
    """
    edits = harmless(count - 1, f"{edit.name}-{number}", edit)
    place = random.Random(f"{edit.name}-{number}").randrange(count)  # noqa: S311 - no secret
    return [*edits[:place], edit, *edits[place:]]


def _overlap(one: Edit, other: Edit) -> bool:
    return one.file == other.file and (one.old in other.old or other.old in one.old)
