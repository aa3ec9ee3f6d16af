"""What every practical promises, whichever it is. A new entry in the catalog is held to all of it."""

import ast
import contextlib
import inspect
from typing import get_args

import pytest
import yaml

from practicals.common.catalog import CATALOG
from practicals.common.config import PracticalConfig, describe, load_config, read_yaml
from practicals.common.data.cards import load_card
from practicals.common.data.split import Split
from practicals.common.errors import ConfigError
from practicals.common.resources import PACKAGE, resource_folder
from practicals.common.workflow import config_class

FUNCTIONS = {
    "load": ["config"],
    "build_preprocess": ["train", "config"],
    "encode": ["preprocess", "split", "config"],
    "build_model": ["config", "preprocess"],
    "fit": ["network", "data", "config", "callbacks", "initial_epoch"],
    "assemble": ["preprocess", "network"],
    "search_space": ["hp", "config"],
    "baselines": ["split", "config"],
    "evaluate": ["model"],
    "explain": ["model", "split", "config"],
    "predict": ["model"],
    "identify": ["rows"],
    "read_inputs": ["model", "paths"],
    "try_out": ["config", "split"],
    "main": ["config", "run"],
}


@pytest.fixture(params=sorted(CATALOG))
def practical(request):
    return CATALOG[request.param]


@pytest.fixture
def lesson(practical):
    return practical.module()


def source(practical):
    return (PACKAGE / f"{practical.name}.py").read_text(encoding="utf-8")


def test_every_lesson_has_the_functions_of_the_contract(lesson):
    for name, arguments in FUNCTIONS.items():
        function = getattr(lesson, name)
        found = list(inspect.signature(function).parameters)
        assert found[: len(arguments)] == arguments, name
        assert function.__doc__, name


def test_every_lesson_opens_with_the_same_lines(lesson):
    lines = lesson.__doc__.splitlines()
    assert lines[0].startswith("Practical ")
    assert lines[0].endswith("?")
    assert [line.split(":")[0] for line in lines[2:] if line and not line.startswith(" ")] == [
        "Data", "Idea", "Expect", "Run", "Try",
    ]  # fmt: skip


def test_every_lesson_ends_with_five_questions_that_name_a_setting(practical, lesson):
    last = source(practical).split("# %% [markdown]")[-1]
    questions = [line for line in last.splitlines() if line[:4] in {f"# {number}." for number in range(1, 10)}]
    assert len(questions) == 5
    for question in questions:
        setting = question.split("--set ")[1].split("=")[0].removeprefix("'")  # quoted, where a shell needs it
        assert setting in describe(config_class(lesson))


def test_layers_compile_and_fit_stand_in_the_lesson(practical):
    text = source(practical)
    for visible in ("layers.Dense", ".compile(", ".fit(", "loss=", "monitor", "patience", "_split("):
        assert visible in text, visible


def test_the_course_network_comes_before_the_better_one(practical):
    names = [node.name for node in ast.parse(source(practical)).body if isinstance(node, ast.FunctionDef)]
    networks = [name for name in names if name.endswith("_network")]
    assert networks[0] == "course_network"
    assert len(networks) > 1


def test_the_spine_of_a_lesson_can_be_read_at_a_glance(practical):
    (main,) = [
        node for node in ast.parse(source(practical)).body if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
    assert main.end_lineno - main.lineno <= 60


def test_every_setting_has_a_sentence_and_a_valid_default(practical, lesson):
    described = describe(config_class(lesson))
    assert all(text.endswith(".") for text in described.values())
    config = load_config(config_class(lesson), practical.name)
    assert load_config(config_class(lesson), practical.name, smoke=True).epochs <= 3
    assert load_config(config_class(lesson), practical.name, sets=["model=course"]).model == "course"
    assert config_class(lesson).from_values(yaml.safe_load(config.to_yaml()), "x").model_dump() == config.model_dump()


def test_a_config_opens_with_what_to_expect_and_the_command(practical):
    text = (resource_folder("configs") / f"{practical.name}.yaml").read_text(encoding="utf-8")
    opening = text.split("\n\n")[0]
    for expected in ("Expect:", f"practicals run {practical.name}", "--set "):
        assert expected in opening
    assert set(read_yaml(resource_folder("configs") / "smoke" / f"{practical.name}.yaml"))


def test_the_config_file_says_the_same_as_the_class(practical, lesson):
    cls = config_class(lesson)
    values = read_yaml(resource_folder("configs") / f"{practical.name}.yaml")
    assert cls.from_values(values, "x").model_dump() == cls().model_dump()
    assert set(values) == set(cls.model_fields) - set(PracticalConfig.model_fields)


def test_the_search_varies_at_least_depth_units_rate_and_dropout(practical, lesson):
    import keras_tuner

    hp = keras_tuner.HyperParameters()
    config = load_config(config_class(lesson), practical.name)
    lesson.search_space(hp, config)
    names = {one.name for one in hp.space}
    assert {"layers", "units", "learning_rate", "dropout"} <= names


def test_loading_gives_three_parts_that_share_no_row(practical, lesson):
    split = lesson.load(load_config(config_class(lesson), practical.name, options={"data": ("--data", "sample")}))
    assert isinstance(split, Split)
    ids = [set(rows.index) for _, rows in split.items()]
    assert all(ids)
    assert len(set.union(*ids)) == sum(map(len, ids))
    assert split.facts.kind == "sample"


def test_the_card_of_a_practical_describes_columns_terms_and_a_way_by_hand(practical):
    for card in map(load_card, practical.cards):
        assert card.columns
        assert all(column.description for column in card.columns.values())
        for text in (card.licence, card.terms, card.citation, card.by_hand):
            assert text.strip()


def accepted_changes(settings):
    """Yield settings that differ from these in one or two values and are accepted: every choice, switch and zero."""
    for name, value in settings.model_dump().items():
        allowed = get_args(type(settings).model_fields[name].annotation)
        others = [not value] if isinstance(value, bool) else allowed if isinstance(value, str) and allowed else [0, 3]
        for other in others:
            for more in ({}, {"decay": False}):
                if set(more) <= set(type(settings).model_fields):
                    with contextlib.suppress(ConfigError):
                        yield settings.with_changes({name: other, **more}, "one change")


def test_the_ladder_can_be_climbed_from_whatever_settings_are_accepted(practical, lesson):
    # Training comes first, so settings of the ladder that are refused would be refused after minutes.
    steps = lesson.STEPS.values() if isinstance(lesson.STEPS, dict) else [lesson.STEPS]
    tried = 0
    for settings in accepted_changes(load_config(config_class(lesson), practical.name)):
        for ladder in steps:
            rung = settings.with_changes(lesson.COURSE, "course")
            for step in ladder:
                rung = rung.with_changes(step.changes, f"step '{step.name}'")
            tried += 1
    assert tried > 20
