"""What servers import before they fork: what the cases need, and no more."""

import pytest

from bench.engine import preloading
from bench.engine.preloading import CHECKING, EXPORTING, TRACING, Modules, needed_by
from bench.schema.case import Case
from tests.support.factories import case


@pytest.mark.parametrize(
    ("of", "timing", "checking"),
    [
        (case(), (), CHECKING),
        (case(scope="model", backbone="resnet50"), ("timm",), CHECKING),
        (case(scope="heads", boxes=10), ("torchvision.ops",), CHECKING),
        (case(compile_mode="default"), ("torch._inductor.compile_fx",), CHECKING),
        (case(runtime="openvino"), (), (EXPORTING, *CHECKING)),
    ],
    ids=lambda value: value.case_id if isinstance(value, Case) else "",
)
def test_servers_import_what_the_cases_need(
    of: Case, timing: tuple[str, ...], checking: tuple[str, ...]
) -> None:
    assert needed_by([case(), of]) == Modules(timing, checking)
    assert needed_by([case(), of], traces=True) == Modules(timing, TRACING)


def test_what_is_not_installed_is_left_to_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preloading, "find_spec", lambda _: None)
    model = case(scope="model", backbone="resnet50")
    assert needed_by([case(scope="heads", boxes=10), model]) == Modules((), CHECKING)
