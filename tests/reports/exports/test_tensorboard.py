"""What TensorBoard's own dashboards are given."""

from pathlib import Path
from typing import Any

import pytest

import reports
from bench.schema.records import Status
from reports.__main__ import main
from reports.data.costs import cost
from reports.exports import tensorboard
from tests.support.factories import case, result
from tests.support.result_files import measured, result_file

accumulator = pytest.importorskip(
    "tensorboard.backend.event_processing.event_accumulator", reason="an extra; make test has it"
)


def loaded(folder: Path) -> Any:
    found = accumulator.EventAccumulator(str(folder))
    found.Reload()
    return found


@pytest.fixture(autouse=True)
def no_dashboards() -> None:
    """Here they are drawn."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    lost = result(Status.OOM, "no memory", case=case(batch_size=64), replicates=())
    main(["cost", str(result_file(run, [measured(1.5), lost]))])
    return run / "dashboards"


def test_every_case_is_a_session_with_its_axes_and_metrics(folder: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    session = loaded(folder / measured(1.5).case.case_id)
    assert session.Tensors("cost/ratio")[0].tensor_proto.float_val[0] == pytest.approx(1.5)
    content = session.summary_metadata[metadata.SESSION_START_INFO_TAG].plugin_data.content
    axes = metadata.parse_session_start_info_plugin_data(content).hparams
    assert axes["batch_size"].number_value == 1
    assert axes["scope"].string_value == "neck"
    assert axes["channels_last"].bool_value is False


def test_a_case_without_an_answer_is_there_without_metrics(folder: Path) -> None:
    session = loaded(folder / case(batch_size=64).case_id)
    assert "cost/ratio" not in session.Tags()["tensors"]


def test_experiment_names_the_values_of_every_axis(folder: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    content = loaded(folder).summary_metadata[metadata.EXPERIMENT_TAG].plugin_data.content
    experiment = metadata.parse_experiment_plugin_data(content)
    (batch,) = [info for info in experiment.hparam_infos if info.name == "batch_size"]
    assert [value.number_value for value in batch.domain_discrete.values] == [1, 64]


def test_table_and_drawing_are_there(folder: Path) -> None:
    found = loaded(folder)
    assert "| case " in found.Tensors("cost")[0].tensor_proto.string_val[0].decode()
    assert found.Images("cost per case")[0].encoded_image_string.startswith(b"\x89PNG")


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    for ratio in (1.5, 1.4):
        table = cost(reports.load(result_file(tmp_path, [measured(ratio)])))
        (folder,) = tensorboard.write(table, tmp_path, "")
    session = loaded(folder / measured(1.5).case.case_id)
    (stored,) = session.Tensors("cost/ratio")
    assert stored.tensor_proto.float_val[0] == pytest.approx(1.4)
