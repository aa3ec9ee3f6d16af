import re
import shlex
from typing import Annotated, ClassVar

import pytest
import yaml
from pydantic import Field, model_validator

from practicals.common.config import (
    CalibratedSplit,
    LayerSizes,
    PracticalConfig,
    describe,
    load_config,
    read_yaml,
    set_option,
)
from practicals.common.errors import ConfigError


class DemoConfig(PracticalConfig):
    """Settings of a lesson that does not exist."""

    model: str = "improved"
    """Which network."""
    epochs: Annotated[int, Field(ge=1)] = 10
    """Passes."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Length of a step."""
    hidden_units: LayerSizes = (4,)
    """Neurons."""
    dataset: str = "large"
    """Which rows."""

    presets: ClassVar = {"dataset": {"small": {"epochs": 7}}, "model": {"course": {"epochs": 100, "hidden_units": [6]}}}


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read settings with `configs/demo.yaml` and `configs/smoke/demo.yaml` in a folder of the test's own."""
    monkeypatch.setattr("practicals.common.config.resource_folder", lambda kind: tmp_path)
    (tmp_path / "smoke").mkdir()
    (tmp_path / "demo.yaml").write_text("epochs: 20\n")
    (tmp_path / "smoke" / "demo.yaml").write_text("epochs: 1\n")
    return lambda **options: load_config(DemoConfig, "demo", **options)


def test_later_sources_win_and_each_value_knows_where_it_came_from(read, tmp_path):
    (tmp_path / "mine.yaml").write_text("epochs: 30\nlearning_rate: 0.5\n")
    config = read(file=tmp_path / "mine.yaml", sets=["epochs=40"], options={"seed": ("--seed 3", 3)})
    assert (config.epochs, config.learning_rate, config.seed) == (40, 0.5, 3)
    assert config.source("epochs") == "--set epochs=40"
    assert config.source("learning_rate") == str(tmp_path / "mine.yaml")
    assert config.source("seed") == "--seed 3"
    assert config.source("hidden_units") == "default"
    assert read().source("epochs") == "configs/demo.yaml"
    assert read(smoke=True).epochs == 1


def test_a_preset_may_hang_on_any_setting_and_the_later_one_wins(read):
    config = read(sets=["dataset=small"])
    assert (config.epochs, config.source("epochs")) == (7, "dataset: small")
    both = read(sets=["model=course", "dataset=small"])
    assert (both.epochs, both.source("epochs")) == (100, "model: course")


def test_a_calibration_part_counts_among_what_is_held_out():
    assert CalibratedSplit(validation=0.2, calibration=0.2, test=0.5).calibration == 0.2
    with pytest.raises(ValueError, match="must leave at least 5 % for training"):
        CalibratedSplit(validation=0.2, calibration=0.2, test=0.56)


def test_a_preset_applies_with_its_model_but_not_against_the_user(read):
    assert read(sets=["model=course"]).epochs == 100
    config = read(sets=["model=course", "epochs=5"])
    assert (config.epochs, config.hidden_units) == (5, (6,))
    assert config.source("hidden_units") == "model: course"


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("epochz=5", "error: --set epochz=5: DemoConfig has no setting 'epochz'. Did you mean 'epochs'?"),
        (
            "split.sead=5",
            "error: --set split.sead=5: DemoConfig has no setting 'split.sead'. Did you mean 'split.seed'?",
        ),
        ("epochs=0", "--set epochs=0: input should be greater than or equal to 1. Received: 0."),
        ("epochs=many", "--set epochs=many: input should be a valid integer"),
        ("epochs", "--set epochs: KEY=VALUE was expected"),
        ("learning_rate=.nan", "--set learning_rate=.nan: input should be a finite number"),
        ("hidden_units=[4, 0]", "--set hidden_units=[4, 0]: every layer needs at least 1 unit"),
        ("split=3", "--set split=3: "),
        ("split.test=0.9", "--set split.test=0.9: validation, test and what else is held out must leave"),
        ("epochs=[", "--set epochs=[: the value is not valid YAML"),
        ("seed=-1", "--set seed=-1: input should be greater than or equal to 0"),
    ],
)
def test_a_wrong_setting_is_named_with_where_it_came_from(read, setting, expected):
    with pytest.raises(ConfigError) as error:
        read(sets=[setting])
    assert expected.removeprefix("error: ") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("epochs: {a: {b: 1}}", "setting 'epochs': input should be a valid integer. Received: {'a': {'b': 1}}."),
        ("epochs.x: 3", "setting 'epochs': input should be a valid integer. Received: {'x': 3}."),
        ("split: {test: {a: 1}}", "setting 'split.test': input should be a valid number. Received: {'a': 1}."),
        ("split: 3", "setting 'split': a group of settings was expected: split.seed, split.validation, split.test."),
        ("split:", "setting 'split': a group of settings was expected"),
    ],
)
def test_a_group_in_place_of_a_value_or_the_reverse_is_blamed_on_who_wrote_it(read, tmp_path, content, expected):
    (tmp_path / "demo.yaml").write_text("epochs: 20\nsplit: {test: 0.2}\n")
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(ConfigError) as error:
        read(file=tmp_path / "mine.yaml")
    assert str(error.value).startswith(f"{tmp_path / 'mine.yaml'}: {expected}")
    typed = re.sub(r": ?", "=", content, count=1)
    with pytest.raises(ConfigError) as error:
        read(sets=[typed])
    assert str(error.value).startswith(f"--set {typed}: {expected.partition(': ')[2]}")
    with pytest.raises(ConfigError) as error:
        read().with_changes({"epochs.x": 3}, source="--set epochs.x=3")
    assert str(error.value).startswith("--set epochs.x=3: ")


def test_part_of_a_group_leaves_the_rest_of_it_and_an_empty_group_what_is_typed_after_it(read, tmp_path):
    (tmp_path / "demo.yaml").write_text("split: {test: 0.3, validation: 0.2}\n")
    assert read(sets=["split={test: 0.4}"]).split.validation == 0.2
    (tmp_path / "mine.yaml").write_text("split: {}\n")
    config = read(file=tmp_path / "mine.yaml", sets=["split.test=0.4"])
    assert (config.split.test, config.split.validation) == (0.4, 0.1)
    assert config.source("split.validation") == "default"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("- 1\n- 2\n", "holds a list; a mapping of settings"),
        ("just words", "holds a str; a mapping"),
        ("epochs: 1\nepochs: 2\n", "line 2: is not valid YAML: the key 'epochs' stands twice"),
        ("epochs: [1\n", "is not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']\n", "is not valid YAML"),
        ("1: 2\n", "is not valid YAML: the key 1 is not a word"),
    ],
)
def test_a_config_file_that_is_not_a_mapping_of_settings_is_refused(tmp_path, content, expected):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(ConfigError) as error:
        read_yaml(tmp_path / "bad.yaml")
    assert expected in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "bad.yaml"))


def test_missing_folder_and_binary_config_files_are_refused(tmp_path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    for path, expected in [("no.yaml", "no such config file"), (".", "is a folder"), ("binary.yaml", "not UTF-8")]:
        with pytest.raises(ConfigError, match=expected):
            read_yaml(tmp_path / path)


def test_settings_written_as_yaml_read_back_equal(read, tmp_path):
    config = read(sets=["split.seed=4", "hidden_units=[8, 4]"])
    (tmp_path / "again.yaml").write_text(config.to_yaml())
    again = load_config(DemoConfig, "demo", file=tmp_path / "again.yaml")
    assert again.model_dump() == config.model_dump()
    assert DemoConfig.from_values(yaml.safe_load(config.to_yaml()), "x").model_dump() == config.model_dump()


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ("mpg", "--set dataset=mpg"),
        ("miles per gallon", "--set 'dataset=miles per gallon'"),
        ("3: 4", "--set 'dataset='\"'\"'3: 4'\"'\"''"),
        (["a", "b, c", "5"], "--set 'hidden_units=[a, '\"'\"'b, c'\"'\"', '\"'\"'5'\"'\"']'"),
    ],
)
def test_an_option_in_a_message_means_the_same_after_a_shell_has_read_it(read, value, typed):
    assert set_option("dataset" if isinstance(value, str) else "hidden_units", value) == typed
    option, given = shlex.split(typed)
    assert option == "--set"
    assert yaml.safe_load(given.partition("=")[2]) == value
    if isinstance(value, str):
        assert read(sets=[given]).dataset == value


def test_settings_cannot_change_after_reading(read):
    with pytest.raises(Exception, match="frozen"):
        read().epochs = 3


def test_the_split_follows_the_seed_unless_it_has_its_own(read):
    assert read(sets=["seed=7"]).split_seed == 7
    assert read(sets=["seed=7", "split.seed=2"]).split_seed == 2


def test_changes_are_validated_and_the_original_is_left_alone(read):
    config = read()
    changed = config.with_changes({"split.test": 0.3, "epochs": 2}, source="test")
    assert (changed.split.test, changed.epochs, changed.source("epochs")) == (0.3, 2, "test")
    assert (config.split.test, config.epochs) == (0.2, 20)
    with pytest.raises(ConfigError, match="test"):
        config.with_changes({"epochs": 0}, source="test")


def test_every_setting_is_described():
    assert all(describe(DemoConfig).values())


def test_settings_that_do_not_go_together_are_named_by_what_the_user_typed(read):
    class PairConfig(PracticalConfig):
        """Settings of which two exclude each other."""

        early: bool = False
        """One."""
        late: bool = True
        """The other."""

        @model_validator(mode="after")
        def _one_of_them(self):
            if self.early and self.late:
                raise ValueError("early needs late: false")
            return self

    with pytest.raises(ConfigError) as error:
        PairConfig().with_changes({"early": True}, source="--set early=true")
    assert str(error.value) == "--set early=true: early needs late: false."
