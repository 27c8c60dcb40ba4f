"""Journals of shards in which nothing was measured; light, as every shard of a test imports it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.schema.records import SCHEMA
from tests.support.factories import finding, replicate

CODE = "the code"

REPLICATES = 12
"""Of a case: more than enough for any half-width of equal rounds."""


def journal_lines(
    ids: Sequence[str], of: Mapping[str, Any], code: str = CODE, **values: Any
) -> list[str]:
    """Return the journal of a shard: all checks, then turns of one replicate of every case.

    Args:
        ids: of the cases.
        of: the environment.
        code: its digest.
        values: of every replicate.
    """
    about = {"environment": of, "code": code, "half_width": 0.1, "cases": ids}
    lines: list[dict[str, Any]] = [{"header": {"schema": SCHEMA, **about}}]
    lines += [{"case_id": case_id, "finding": finding().to_json()} for case_id in ids]
    lines += [
        {"case_id": case_id, "replicate": replicate(index, **values).to_json()}
        for index in range(REPLICATES)
        for case_id in ids
    ]
    return [json.dumps(line) for line in lines]
