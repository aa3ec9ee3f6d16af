"""The map from a lecture's topics to the practicals leads somewhere, and the README holds the same."""

from __future__ import annotations

import ast
import json
import re
import shlex
import statistics

import pytest
from conftest import ROOT

from practicals.common.catalog import CATALOG
from practicals.common.cli import build_parser, main
from practicals.common.course import TOPICS, Topic, course_markdown, course_text, find_topics
from practicals.common.errors import PracticalError

LECTURE = (
    "neuron", "activation", "loss", "optimizer", "backpropagation", "initialisation", "dropout",
    "batch normalisation", "convolution", "pooling", "augmentation", "transfer", "RNN", "LSTM", "autoencoder",
    "tuning", "explaining",
)  # fmt: skip
by_name = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def source(practical: str) -> str:
    return (ROOT / "practicals" / f"{practical}.py").read_text(encoding="utf-8")


def settings(topic: Topic) -> list[str]:
    return build_parser().parse_args(shlex.split(topic.command)[1:]).sets


def test_every_topic_of_the_lecture_has_its_place():
    assert tuple(topic.name for topic in TOPICS) == LECTURE
    assert {topic.practical for topic in TOPICS} == set(CATALOG)


@by_name
def test_every_section_is_a_heading_of_the_practical(topic):
    assert f"# ## {topic.section}\n" in source(topic.practical)


@by_name
def test_every_command_can_be_typed_and_is_about_its_practical(topic):
    options = build_parser().parse_args(shlex.split(topic.command)[1:])
    assert topic.command.startswith("practicals ")
    assert topic.practical in (getattr(options, "name", None), getattr(options, "which", None))


@by_name
def test_every_setting_is_one_of_the_practical(topic):
    classes = [node for node in ast.walk(ast.parse(source(topic.practical))) if isinstance(node, ast.ClassDef)]
    fields = {one.target.id for node in classes for one in node.body if isinstance(one, ast.AnnAssign)}
    for text in settings(topic):
        assert set(text.partition("=")[0].split(".")) <= fields


@by_name
def test_every_question_is_one_and_its_answer_was_measured_over_several_seeds_or_folds(topic):
    assert topic.question.endswith("?")
    assert 1 <= topic.minutes <= 15
    measured = re.search(r"± 0?[\d.,]+.*\((\d+) (seeds|folds)\)$", topic.answer)
    assert measured and int(measured[1]) >= 3


def test_the_readme_holds_the_map_that_the_command_prints(capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- course -->\n")[2].partition("\n<!-- /course -->")[0]
    assert main(["course", "--markdown"]) == 0
    assert capsys.readouterr().out.strip() == shown.strip()


def test_no_cell_of_the_table_breaks_it():
    rows = course_markdown(TOPICS).splitlines()
    assert len(rows) == len(TOPICS) + 2
    assert {row.count("|") for row in rows} == {6}


def test_a_topic_is_found_by_its_name_in_any_case_and_others_are_not_shown(capsys):
    assert main(["course", "lstm"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("LSTM: practicals/sms_spam.py, section 'The better reader'")
    assert "dropout" not in shown


def test_an_unknown_topic_is_refused_with_the_nearest_one(capsys):
    assert main(["course", "poling"]) == 2
    assert "Did you mean 'pooling'?" in capsys.readouterr().err
    with pytest.raises(PracticalError):
        find_topics(["nothing of the kind"])


def test_the_map_as_json_is_one_object(capsys):
    assert main(["course", "--json"]) == 0
    topics = json.loads(capsys.readouterr().out)["topics"]
    assert [topic["name"] for topic in topics] == list(LECTURE)
    assert set(topics[0]) == {"name", "practical", "section", "minutes", "question", "command", "answer"}


def test_the_map_fits_a_terminal_apart_from_its_commands():
    lines = [line for line in course_text(TOPICS).splitlines() if not line.startswith("  practicals ")]
    assert max(map(len, lines)) <= 100


def three_seeds(topic: Topic):
    """Yield settings and divided rows of a command about churn for the seeds 0, 1 and 2."""
    from practicals import churn
    from practicals.common.config import load_config

    for seed in (0, 1, 2):
        config = load_config(churn.ChurnConfig, "churn", sets=[*settings(topic), f"seed={seed}"])
        yield config, churn.load(config)


@pytest.mark.slow  # trains each network of the map that takes seconds, on the real data
@pytest.mark.parametrize(
    "topic",
    [topic for topic in TOPICS if topic.practical == "churn" and topic.answer.startswith("ROC AUC")],
    ids=lambda topic: topic.name,
)
def test_the_answers_about_churn_are_what_comes_out(topic, real_data):
    from practicals import churn

    real_data("churn/Churn_Modelling.csv")
    scores = [
        churn.evaluate(churn.try_out(config, split), split.test)["roc_auc"] for config, split in three_seeds(topic)
    ]
    mean, deviation = map(float, re.search(r"ROC AUC ([\d.]+) ± ([\d.]+)", topic.answer).groups())
    # Another machine rounds otherwise, so training goes another way: the same within noise.
    assert abs(statistics.mean(scores) - mean) < deviation + 0.003


@pytest.mark.slow  # trains and explains the lesson's network on the real data, three times
def test_the_columns_that_the_map_names_come_first_with_every_seed(real_data):
    from practicals import churn

    real_data("churn/Churn_Modelling.csv")
    (topic,) = find_topics(["explaining"])
    for config, split in three_seeds(topic):
        found = churn.explain(churn.try_out(config, split), split, config, methods=("shap",))["shap_global"]
        first = [one.feature for one in found.attributions[:3]]
        assert set(first[:2]) == {"Age", "NumOfProducts"} and first[2] == "IsActiveMember"
        assert all(f"`{column}`" in topic.answer for column in first)
        assert all(check.passed for check in found.checks)
