"""A run that is not what it seems is refused."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from bench.run import session
from bench.schema.case import AXES
from bench.schema.errors import BenchError

OPTIONS = (*(axis.option for axis in AXES), "preset", "run_dir", "seed", "images", "budget")


def test_run_whose_code_was_edited_meanwhile_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def opened(*_: object, **__: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(run=lambda _: [])

    monkeypatch.setattr(session, "opened", opened)
    monkeypatch.setattr(session, "header", lambda *_: {"code": "ours"})
    monkeypatch.setattr(session, "code_digest", lambda: "ours")
    values = dict.fromkeys((*OPTIONS, "timeout", "half_width")) | {"run_dir": str(tmp_path)}
    console = Console(file=io.StringIO())
    run = session.Session(session.parse_request(values, None, traces=False))
    run.measure([], console)
    assert run.results == {}
    monkeypatch.setattr(session, "code_digest", lambda: "another")
    with pytest.raises(BenchError, match="edited while it was measured"):
        run.measure([], console)
