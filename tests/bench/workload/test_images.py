"""Photographs in, normalised batches of different pictures out."""

import os
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from bench.schema.errors import BenchError
from bench.workload import images
from bench.workload.images import PHOTOGRAPHS, load_batch


def test_batch_holds_different_pictures_even_beyond_their_number() -> None:
    batch, source = load_batch(3 * len(PHOTOGRAPHS), 40, 60, None)
    assert batch.shape == (18, 3, 40, 60)
    assert len({x.numpy().tobytes() for x in batch}) == 18
    assert source == f"scikit-image: {', '.join(PHOTOGRAPHS)}"


def test_pictures_are_normalised_as_imagenet_does() -> None:
    batch, _ = load_batch(len(PHOTOGRAPHS), 64, 64, None)
    assert batch.dtype == torch.float32
    assert abs(float(batch.mean())) < 1
    assert 0.5 < float(batch.std()) < 2


def test_batch_is_the_same_every_time() -> None:
    assert torch.equal(load_batch(9, 32, 32, None)[0], load_batch(9, 32, 32, None)[0])


def test_own_pictures_are_taken_and_other_files_passed_over(tmp_path: Path) -> None:
    Image.new("RGB", (50, 70), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (50, 70)).save(tmp_path / "grey.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder").mkdir()
    batch, source = load_batch(2, 32, 32, str(tmp_path))
    assert batch.shape == (2, 3, 32, 32)
    red = batch[1].mean(dim=(1, 2))
    assert red[0] == pytest.approx((1 - 0.485) / 0.229, abs=1e-3)
    assert red[1] == pytest.approx(-0.456 / 0.224, abs=1e-3)
    assert source == f"folder: {tmp_path}"


def test_folder_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="no readable picture"):
        load_batch(1, 32, 32, str(tmp_path))


@pytest.mark.parametrize("error", [ValueError, RuntimeError, OSError])
def test_damaged_picture_is_named(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (50, 70)).save(tmp_path / "bad.png")

    def fails(*_: object) -> None:
        raise error("planted")

    monkeypatch.setattr(Image.Image, "load", fails)
    with pytest.raises(BenchError, match=r"bad.png cannot be read \(planted\)"):
        load_batch(1, 32, 32, str(tmp_path))


def test_bomb_and_program_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.eps").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(BenchError, match="no readable picture"):
        load_batch(1, 32, 32, str(tmp_path))
    Image.new("1", (12000, 12000)).save(tmp_path / "b.png")
    with pytest.raises(BenchError, match=r"b.png cannot be read \(.*144000000 pixels"):
        load_batch(1, 32, 32, str(tmp_path))


def test_damaged_picture_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "cut.tiff"
    Image.new("1", (1, 1)).save(path)
    path.write_bytes(path.read_bytes()[:109])
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with pytest.raises(BenchError):
            load_batch(1, 32, 32, str(tmp_path))
    assert heard == []


def test_large_picture_is_reduced_to_what_its_crops_need(tmp_path: Path) -> None:
    Image.new("RGB", (600, 300), (255, 0, 0)).save(tmp_path / "large.png")
    (picture,) = images._own(tmp_path, 1, 32)
    assert picture.size == (128, 64)
    assert picture.getpixel((64, 32)) == (255, 0, 0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders")
def test_pipe_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a-pipe")
    Image.new("RGB", (50, 70)).save(tmp_path / "red.png")
    assert load_batch(1, 32, 32, str(tmp_path))[0].shape == (1, 3, 32, 32)
