"""Weights that somebody else has trained: which file is taken, and what is said of one that does not fit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras
import pytest

from practicals.common.errors import ConfigError, DataError
from practicals.common.training import pretrained
from practicals.common.training.pretrained import find_weights, load_base_weights

VGG16 = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
AT_160 = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_160_no_top.h5"
AT_224 = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRACTICALS_WEIGHTS", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))


def test_a_class_folder_comes_before_the_cache_of_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("home/models", "class"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / AT_224).touch()
    assert find_weights("mobilenet_v2", 0.35, 96, None) == tmp_path / "home/models" / AT_224
    monkeypatch.setenv("PRACTICALS_WEIGHTS", str(tmp_path / "class"))
    assert find_weights("mobilenet_v2", 0.35, 96, None) == tmp_path / "class" / AT_224


def test_weights_of_the_size_of_the_pictures_come_first_and_224_will_do(tmp_path: Path) -> None:
    (tmp_path / AT_224).touch()
    assert find_weights("mobilenet_v2", 0.35, 160, str(tmp_path)).name == AT_224
    (tmp_path / AT_160).touch()
    assert find_weights("mobilenet_v2", 0.35, 160, str(tmp_path)).name == AT_160
    assert find_weights("mobilenet_v2", 0.35, 100, str(tmp_path)).name == AT_224


def test_a_folder_without_the_file_names_what_it_should_hold(tmp_path: Path) -> None:
    (tmp_path / AT_224).touch()
    with pytest.raises(DataError, match=r"holds none of vgg16_weights.*weights=FILE"):
        find_weights("vgg16", 1.0, 160, str(tmp_path))
    with pytest.raises(DataError, match="no such file or folder"):
        find_weights("vgg16", 1.0, 160, str(tmp_path / "nowhere"))


def test_without_file_and_network_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        find_weights("mobilenet_v2", 0.35, 160, None)
    assert AT_160 in str(error.value)
    assert "PRACTICALS_WEIGHTS" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_download_says_nothing_where_results_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def get_file(name: str, address: str, **options: object) -> str:
        print("Downloading data")
        assert address == f"{pretrained.ADDRESS}vgg16/{VGG16}"
        assert options["file_hash"] == pretrained.VGG16_MD5
        (tmp_path / name).write_text("whole")
        return str(tmp_path / name)

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    assert find_weights("vgg16", 1.0, 160, None) == tmp_path / VGG16
    assert capsys.readouterr().out == ""
    assert [path.name for path in tmp_path.iterdir()] == [VGG16]


@pytest.mark.parametrize("error", [ValueError("another sum"), KeyboardInterrupt()], ids=["damaged", "broken off"])
def test_half_a_download_is_neither_found_by_another_run_nor_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def get_file(name: str, address: str, *, cache_dir: str, cache_subdir: str, **options: object) -> str:
        half = Path(cache_dir, cache_subdir, name)
        half.parent.mkdir(parents=True)
        half.write_text("half")
        assert pretrained._first(half.parent, [VGG16]) is None
        raise error

    monkeypatch.setattr(keras.utils, "get_file", get_file)
    with pytest.raises(DataError if isinstance(error, Exception) else KeyboardInterrupt):
        find_weights("vgg16", 1.0, 160, None)
    assert not list((tmp_path / "home/models").iterdir())


def test_where_the_cache_cannot_be_written_that_which_keras_takes_instead_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / ".keras/models").mkdir(parents=True)
    (tmp_path / ".keras/models" / VGG16).touch()
    assert find_weights("vgg16", 1.0, 160, None) == tmp_path / ".keras/models" / VGG16


def small(units: int, layers: int) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), *(keras.layers.Dense(units) for _ in range(layers))], name="small")
    return model


@pytest.mark.parametrize(("units", "layers"), [(4, 1), (5, 2)], ids=["layers", "width"])
def test_weights_of_another_network_are_refused_in_one_line(tmp_path: Path, units: int, layers: int) -> None:
    path = tmp_path / "other.weights.h5"
    small(units, layers).save_weights(path)
    with pytest.raises(ConfigError) as error:
        load_base_weights(small(4, 2), path)
    assert str(error.value).startswith(f"{path}: does not hold the weights of small (")
    assert "\n" not in str(error.value)


def test_a_damaged_file_of_weights_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / AT_224
    path.write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="does not hold the weights of small"):
        load_base_weights(small(4, 2), path)
