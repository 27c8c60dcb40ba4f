"""The schema: names are one-to-one, data are checked when they are made."""

import itertools
import json
import random
import re
from typing import Any

import pytest

from bench.schema.case import AXES, Case
from bench.schema.records import Finding, Load, Replicate, Status
from bench.schema.stored import RecordError
from tests.support.factories import CALM, case, finding, replicate, result, rounds, split_replicate


def test_case_id_names_every_axis_in_a_fixed_order() -> None:
    named = case(
        backbone="resnet50",
        scope="model",
        batch_size=8,
        height_px=640,
        width_px=640,
        device="cuda:0",
        dtype="bfloat16",
        channels_last=True,
        compile_mode="max-autotune",
    )
    assert (
        named.case_id == "resnet50-model-b8-640x640-cuda0-bfloat16-nhwc-max_autotune-inference-t2"
    )


def test_case_ids_are_one_to_one_and_safe_as_file_names() -> None:
    """Those of all pairs of values of all pairs of axes, and some thousands that are drawn."""
    axes: dict[str, list[Any]] = {
        "backbone": ["cnn", "resnet50", "resnet50.a1_in1k"],
        "batch_size": [1, 11],
        "height_px": [224, 1344],
        "width_px": [224, 800],
        "device": ["cpu", "cuda:0", "cuda:1", "cuda:11"],
        **{axis.fields[0]: [*axis.choices.values()] for axis in AXES if axis.choices},
        "threads": [1, 11],
    }
    first = {axis: values[0] for axis, values in axes.items()}
    last = {axis: values[-1] for axis, values in axes.items()}
    cases = {
        case(**{**others, one: a, other: b})
        for others in (first, last)
        for one, other in itertools.combinations(axes, 2)
        for a, b in itertools.product(axes[one], axes[other])
    }
    drawn = random.Random(1)
    for _ in range(4000):
        cases.add(case(**{axis: drawn.choice(values) for axis, values in axes.items()}))
    assert len(cases) > 4000
    ids = {made.case_id for made in cases}
    assert len(ids) == len(cases)
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in ids)


@pytest.mark.parametrize(
    "stored", [case(), finding(), replicate(), replicate(compile_s={"fpn": 1.0})], ids=str
)
def test_stored_data_comes_back_from_json(stored: Case | Finding | Replicate) -> None:
    assert type(stored).from_json(json.loads(json.dumps(stored.to_json()))) == stored


def test_unknown_or_missing_fields_are_refused() -> None:
    data = case().to_json()
    with pytest.raises(RecordError, match="Case needs the fields"):
        Case.from_json({**data, "colour": "red"})
    del data["threads"]
    with pytest.raises(RecordError, match="Case needs the fields"):
        Case.from_json(data)


def test_what_an_older_schema_did_not_have_is_unknown() -> None:
    older = CALM.to_json()
    del older["pressure_s"], older["clock_throttles"]
    assert Load.from_json(older).pressure_s is None
    del older["stolen_s"]
    with pytest.raises(RecordError, match="Load needs the fields"):
        Load.from_json(older)


@pytest.mark.parametrize(
    ("rounds_s", "words"),
    [
        ({}, "no equal number of rounds"),
        ({"fpn": [], "panet": []}, "no equal number of rounds"),
        ({"fpn": [1.0], "panet": [1.0, 2.0]}, "no equal number of rounds"),
        ({"fpn": [0.0]}, "no positive duration"),
        ({"fpn": [float("nan")]}, "no positive duration"),
        ({"fpn": [float("inf")]}, "no positive duration"),
    ],
)
def test_rounds_must_be_aligned_durations(rounds_s: dict[str, list[float]], words: str) -> None:
    with pytest.raises(RecordError, match=words):
        replicate(rounds_s=rounds_s)


def test_flops_are_twice_the_macs() -> None:
    assert finding().facts["fpn"].flops == 200


def test_contended_replicates_count_only_where_the_whole_case_is_contended() -> None:
    busy = replicate(0, contended=True)
    calm = replicate(1, rounds_s=rounds(1.4), load=CALM)
    assert result(Status.OK, replicates=(busy, calm)).used == (calm,)
    assert result(Status.CONTENDED, replicates=(busy, calm)).used == (busy, calm)


def test_disturbed_rounds_do_not_count() -> None:
    whole = split_replicate(disturbed=(0, 5))
    kept = whole.undisturbed
    assert kept.round_count == whole.round_count - 2
    assert kept.rounds_s["panet"] == whole.rounds_s["panet"][1:5]
    assert kept.spans_s["panet"]["panet n3 fuse"] == whole.spans_s["panet"]["panet n3 fuse"][1:5]
    assert kept.more_spans_s == whole.more_spans_s
    assert result(replicates=(whole,)).used == (kept,)
    assert kept.undisturbed is kept


def test_spans_come_back_from_json_as_they_were() -> None:
    stored = split_replicate(disturbed=(1,))
    assert Replicate.from_json(json.loads(json.dumps(stored.to_json()))) == stored


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"spans_s": {"panet": {"fpn": [1.0]}}}, "another number of rounds"),
        ({"disturbed": (6,)}, "that it has not"),
        ({"disturbed": tuple(range(6))}, "every call was disturbed, and it counts"),
        ({"more_spans_s": {"panet": {"fpn": [1.0]}}}, "have other stages"),
        (
            {
                "spans_s": {"panet": {"fpn": [1.0] * 6, "panet": [1.0] * 6}},
                "more_spans_s": {"panet": {"fpn": [1.0], "panet": [1.0, 1.0]}},
            },
            "have other stages",
        ),
    ],
)
def test_spans_and_disturbed_rounds_must_be_those_of_the_rounds(
    values: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecordError, match=words):
        replicate(**values)
