"""The README's table of speeds says what `make bench` has measured, and hides nothing."""

from __future__ import annotations

import copy
import importlib.util
from pathlib import Path

import pytest
from bench import __main__ as program
from bench import lines
from bench.lines import BEGIN, END, GROUPS, Line, entry, in_readme, in_seconds, table
from bench.parts import ON_REQUEST, PARTS, Effort, chosen
from bench.races import race

from practicals.common.catalog import CATALOG

CONDITIONS = {
    "device": "CPU (2 cores)",
    "processor": "some processor",
    "python": "3.11.9",
    "tensorflow": "2.21.0",
    "keras": "3.15.0",
    "idle": True,
    "smoke": False,
}


def line(ours: float | None = 1.0, theirs: float = 10.0, group: str = "score", how: str = "best of 3") -> Line:
    return Line(group, "churn: ROC AUC 0.85", "the course's notebook", ours, theirs, how)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a README and no figures, in the place of the repository's."""
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}old\n{END}after\n", encoding="utf-8")
    monkeypatch.setattr(lines, "README", tmp_path / "README.md")
    monkeypatch.setattr(lines, "MEASURED", tmp_path / "bench.yaml")
    return tmp_path


def shown() -> str:
    return lines.README.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def test_the_table_in_the_readme_is_that_of_the_measured_figures():
    assert shown() == table(lines.read_measured())


def test_a_figure_that_was_changed_by_hand_is_noticed():
    measured = copy.deepcopy(lines.read_measured())
    next(iter(measured.values()))["lines"][0]["theirs"] *= 3
    assert table(measured) != shown()


def test_every_practical_races_against_its_notebook_and_predicts_against_keras():
    measured = lines.read_measured()
    assert set(CATALOG) | {"start-up", "layer"} <= set(measured)
    for name in CATALOG:
        groups = [one["group"] for one in measured[name]["lines"]]
        assert groups.count("score") == groups.count("prediction") == 1
        assert all(one["what"].startswith(f"{name}: ") for one in measured[name]["lines"])
    explained = {name for name in CATALOG for one in measured[name]["lines"] if one["group"] == "explanation"}
    assert len(explained) >= 2


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        (1.0, 12.4, "12 times as fast"),
        (1.0, 2.34, "2.3 times as fast"),
        (1.0, 1.0, "1.0 times as fast"),
        (2.0, 1.0, "**slower**: 0.50 times as fast"),
        (1.0, 0.999, "**slower**: 0.99 times as fast"),  # never rounded up to equal
        (None, 1.0, "**not reached**"),
    ],
)
def test_what_is_slower_or_never_arrives_is_told_so(ours, theirs, told):
    one = line(ours, theirs)
    assert one.verdict() == told
    assert f"| {told} |" in table({"churn": entry([one], CONDITIONS)})


def test_the_ratio_is_that_of_the_seconds_shown():
    text = table({"churn": entry([line(0.32, 4.1)], CONDITIONS)})
    assert "| 0.32 s | the course's notebook | 4.1 s | 13 times as fast |" in text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0041, "4.1 ms"), (0.041, "41 ms"), (0.41, "0.41 s"), (4.1, "4.1 s"), (41.2, "41 s"), (None, "–")],
)
def test_seconds_have_as_many_digits_as_they_are_worth(seconds, told):
    assert in_seconds(seconds) == told


def test_lines_of_one_kind_stand_together_whatever_part_they_come_from():
    parts = {
        "churn": entry([line(group="score"), line(group="prediction")], CONDITIONS),
        "regression": entry([line(group="score"), line(group="prediction")], CONDITIONS),
    }
    rows = table(parts).splitlines()
    headings = [row for row in rows if row.startswith("| **")]
    assert headings == [f"| **{GROUPS[group]}** | | | | | |" for group in ("score", "prediction")]
    assert rows.index(headings[1]) - rows.index(headings[0]) == 3


def test_conditions_are_told_once_and_parts_that_were_measured_elsewhere_are_named():
    same = {name: entry([line()], CONDITIONS) for name in ("churn", "layer")}
    told = "on CPU (2 cores), some processor, with Python 3.11.9, TensorFlow 2.21.0 and Keras 3.15.0"
    assert table(same).splitlines()[-1] == f"Measured by `make bench` {told}."
    other = same | {"layer": entry([line()], {**CONDITIONS, "python": "3.13.1"})}
    assert f"{told}: churn. " in table(other)
    assert table(other).endswith("with Python 3.13.1, TensorFlow 2.21.0 and Keras 3.15.0: layer.\n")


@pytest.mark.parametrize(
    ("changed", "told"),
    [({"smoke": True}, "tiny settings: no figure counts"), ({"idle": False}, "busy with other work")],
)
def test_figures_that_count_for_little_say_so(changed, told):
    assert told in table({"churn": entry([line()], {**CONDITIONS, **changed})})
    assert told not in table({"churn": entry([line()], CONDITIONS)})


def test_only_the_table_is_written_into_the_readme():
    assert in_readme(f"before\n{BEGIN}old\n{END}after\n", "| new |\n") == f"before\n{BEGIN}| new |\n{END}after\n"


def test_a_readme_without_a_place_for_the_table_is_left_alone():
    with pytest.raises(SystemExit, match="missing"):
        in_readme(f"before\n{BEGIN}after\n", "| new |\n")


def test_every_part_leads_to_a_function_of_a_module_that_is_there():
    for place in PARTS.values():
        module, function = place.split(".")
        found = importlib.util.find_spec(f"bench.{module}")
        assert found is not None
        assert f"\ndef {function}(effort: Effort) -> list[Line]:" in Path(found.origin).read_text(encoding="utf-8")


def test_parts_are_chosen_by_name_in_their_own_order():
    assert chosen("start-up, churn") == ["churn", "start-up"]
    assert chosen(None) == [name for name in PARTS if name not in ON_REQUEST]


def test_an_unknown_part_is_refused_and_the_parts_are_named(capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(["--only", "churn,chrun"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "no part 'chrun'" in told
    assert "web_traffic" in told


def test_measuring_one_part_again_keeps_the_figures_of_the_others(written, monkeypatch):
    class AtOnce:
        """Measures nothing, in the place of a process."""

        def __init__(self, *_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def submit(self, measure, part, effort):
            self.result = lambda: ("CPU (2 cores)", [line(2.0 if part == "churn" else 4.0)])
            return self

    monkeypatch.setattr(program, "ProcessPoolExecutor", AtOnce)
    assert program.main(["--only", "churn,layer"]) == 0
    before = lines.read_measured()
    assert program.main(["--only", "layer", "--smoke"]) == 0
    after = lines.read_measured()
    assert after["churn"] == before["churn"]
    assert after["layer"]["conditions"]["smoke"]
    assert shown() == table(after)
    assert (written / "README.md").read_text(encoding="utf-8").startswith("before\n")
    assert program.main(["--only", "churn", "--dry", "--smoke"]) == 0
    assert lines.read_measured() == after


def test_tiny_settings_are_smaller_in_everything():
    usual, tiny = Effort(), Effort(smoke=True)
    assert tiny.repeats < usual.repeats
    assert len(tiny.seeds(3)) < len(usual.seeds(3))
    assert tiny.epochs(100) < usual.epochs(100) == 100
    assert tiny.epochs(1) == 1


def raced(notebook: list[tuple[int, float, float]], lesson: list[tuple[int, float, float]], **changed) -> Line:
    settings = {"what": "churn: ROC AUC", "digits": 2, "higher_is_better": True, **changed}
    return race(lambda seed: notebook, lambda seed, arrived: lesson, [0], **settings)


def test_the_goal_is_the_best_epoch_of_the_notebook_and_the_time_that_of_the_first_that_was_so_good():
    notebook = [(0, 0.0, 0.5), (1, 1.0, 0.7), (2, 2.0, 0.8), (3, 3.0, 0.8), (4, 4.0, 0.6)]
    found = raced(notebook, [(0, 0.0, 0.5), (1, 0.5, 0.79), (2, 0.8, 0.8), (3, 0.9, 0.9)])
    assert (found.theirs, found.ours) == (2.0, 0.8)
    assert found.what == "churn: ROC AUC 0.80 on validation rows"
    assert found.opponent == "the course's notebook, epoch 2; all 4 take 4.0 s"


def test_of_errors_the_smallest_is_the_goal():
    notebook = [(0, 0.0, 9.0), (1, 1.0, 4.0), (2, 2.0, 3.0)]
    found = raced(notebook, [(0, 0.1, 8.0), (1, 0.5, 3.5), (2, 0.8, 2.9)], higher_is_better=False)
    assert (found.theirs, found.ours) == (2.0, 0.8)


def test_an_untrained_notebook_sets_no_goal_but_what_a_lesson_sets_before_its_first_epoch_counts():
    found = raced([(0, 0.0, 0.9), (1, 1.0, 0.7)], [(0, 0.2, 0.75), (1, 0.5, 0.6)])
    assert (found.theirs, found.ours) == (1.0, 0.2)
    assert "straight line alone" in found.what


def test_a_race_that_was_lost_is_no_race_that_was_left_out():
    assert raced([(0, 0.0, 0.5), (1, 1.0, 0.7)], [(0, 0.0, 0.5), (1, 0.5, 0.6)]).verdict() == "**not reached**"
    lessons = {0: [(0, 0.0, 0.5), (1, 0.5, 0.8)], 1: [(0, 0.0, 0.5), (1, 0.5, 0.6)]}
    found = race(
        lambda seed: [(0, 0.0, 0.5), (1, 1.0 + seed, 0.7)],
        lambda seed, arrived: lessons[seed],
        [0, 1],
        what="churn: ROC AUC",
        digits=2,
        higher_is_better=True,
    )
    assert (found.ours, found.theirs) == (0.5, 1.0)  # only where both have arrived
    assert found.how == "mean of 2 seeds, reached with 1"
