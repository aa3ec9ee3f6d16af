"""What a recommender is asked: a user of the data, ratings that were typed, lists without old news; and what is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from practicals.common import asked, commands, training
from practicals.common.cli import main
from practicals.common.data.cards import load_card
from practicals.common.data.fetch import locate
from practicals.common.data.rating_requests import lists_for, one_pair, ratings_of_user, ratings_typed
from practicals.common.data.ratings import (
    Catalogue,
    Ratings,
    ratings_split,
    ratings_to_predict,
    read_items,
    read_ratings,
    write_items,
)
from practicals.common.data.split import Split
from practicals.common.errors import DataError
from practicals.common.run import Run

TITLES = ("Matrix, The (1999)", "Heat (1995)", "Big (1988)", "E=mc2 (2000)")
STARS = (1.0, 2.0, 3.0, 4.0, 5.0)


def catalogue(users: int = 3, items: int = 4, scale: tuple[float, ...] = STARS) -> Catalogue:
    titles = (*TITLES, *(f"Film {one}" for one in range(items)))[:items]
    return Catalogue(
        users=tuple(f"u{one}" for one in range(users)),
        items=tuple(str(70 + one) for one in range(items)),
        titles=titles,
        genres=((),) * items,
        years=np.full(items, np.nan),
        user_features=np.ones((users, 2), dtype=np.float32),
        user_feature_names=("gender F", "age 56+"),
        item_features=np.zeros((items, 0), dtype=np.float32),
        item_feature_names=(),
        scale=scale,
    )


@pytest.fixture(scope="module")
def split() -> Split[Ratings]:
    ratings, facts = read_ratings(locate(load_card("movielens_100k"), "sample"))
    return ratings_split(ratings, facts, how="random", validation=0.2, test=0.2, seed=0)


# Whose ratings


def test_a_users_ratings_come_from_every_part_in_the_order_of_the_file(split):
    found = ratings_of_user(split, " 42")
    parts = [part[part.users == found.users[0]] for _, part in split.items()]
    assert len(found) == sum(map(len, parts)) > max(map(len, parts))
    assert found.index.is_monotonic_increasing
    assert found.catalogue is split.train.catalogue
    for part in parts:
        at = found.index.get_indexer(part.index)
        np.testing.assert_array_equal(found.items[at], part.items)
        np.testing.assert_array_equal(found.values[at], part.values)
        np.testing.assert_array_equal(found.times[at], part.times)
    with pytest.raises(DataError, match=r"^--user '4242': no such user among 300\. The nearest are"):
        ratings_of_user(split, "4242")


def test_typed_ratings_are_those_of_one_new_user(capsys):
    found = ratings_typed(["the matrix=4", "e=MC2 = 5", "71=2", "Heat=3"], catalogue())
    assert found.items.tolist() == [0, 3, 1]
    assert found.values.tolist() == [4, 5, 3]
    assert found.catalogue.users == ("you",)
    assert not found.catalogue.user_features.any(), "nothing is known of whoever types"
    np.testing.assert_array_equal(found.rows([0]), [[4, 3, np.nan, 5]])
    assert capsys.readouterr().err == "--like: 'Heat (1995)' was given 2 times; the last rating, 3, is kept.\n"


@pytest.mark.parametrize(
    ("like", "expected"),
    [
        ("Heat", "--like 'Heat': expected \"TITLE=RATING\", such as \"Matrix, The (1999)=5\"."),
        ("=5", "expected \"TITLE=RATING\""),
        ("Heat=", "expected \"TITLE=RATING\""),
        ("Heat=good", "expected a number behind the last =, found 'good'"),
        ("Heat=nan", "found 'nan'"),
        ("Heat=1e999", "found '1e999'"),
        ("Heat=9", "--like 'Heat=9': expected a rating of 1, 2, 3, 4, 5; found 9. The nearest is 5."),
        ("Heat=3.7", "found 3.7. The nearest is 4."),
        ("Haet=5", "--like 'Haet': no such item among 4. The nearest are 'Heat (1995)'."),
        ("", "expected \"TITLE=RATING\""),
    ],
)  # fmt: skip
def test_what_was_typed_wrong_is_named(like, expected):
    with pytest.raises(DataError) as error:
        ratings_typed(["Big=4", like], catalogue())
    assert expected in str(error.value)


def test_a_rating_that_nobody_gave_is_taken_if_the_scale_may_have_it():
    gap = catalogue(scale=(1.0, 2.0, 5.0))
    assert ratings_typed(["Heat=3.5"], gap).values.tolist() == [3.5]
    with pytest.raises(DataError, match=r"from 1 to 5; found 6\. The nearest is 5\."):
        ratings_typed(["Heat=6"], gap)
    assert ratings_typed(["Heat=-60"], catalogue(scale=())).values.tolist() == [-60]


# Lists and pairs


def test_a_list_holds_the_best_unrated_items_and_of_equal_ones_the_first():
    scores = np.array([1.0, 3.0, 3.0, 2.0])
    given = Ratings(np.array([0, 2, 2]), np.array([1, 0, 3]), [5, 4, 1], catalogue=catalogue())
    asked_for: list[list[int]] = []

    def answer(rows: Any, users: Any) -> dict[str, Any]:
        asked_for.append(users.tolist())
        return {"ranking": np.tile(scores, (len(rows), 1))}

    found = lists_for(answer, given, [2, 0, 1], 2)
    assert list(zip(found.users.tolist(), found.items.tolist(), strict=True)) == [
        (2, 1), (2, 2), (0, 2), (0, 3), (1, 1), (1, 2),
    ]  # fmt: skip
    assert asked_for == [[2, 0, 1]]
    assert np.isnan(found.values).all()
    assert found.given is given
    assert found.known is given
    assert found.index.tolist() == list(range(6))
    assert lists_for(answer, given, [2], 99).items.tolist() == [1, 2], "a short list where little is left"


def test_users_are_asked_a_batch_at_a_time():
    many = catalogue(users=600)
    given = Ratings(np.arange(600), np.zeros(600), np.full(600, 3.0), catalogue=many)
    sizes: list[int] = []

    def answer(rows: Any, users: Any) -> dict[str, Any]:
        sizes.append(len(rows))
        return {"ranking": np.tile(users[:, None] % 2 * np.arange(4.0), 1)}

    found = lists_for(answer, given, range(600), 1)
    assert sizes == [256, 256, 88]
    assert found.users.tolist() == list(range(600))
    assert found.items.tolist() == [1, 3] * 300


def test_to_whom_nothing_is_left_is_said(capsys):
    given = Ratings([0] * 4 + [1], [*range(4), 2], [3] * 5, catalogue=catalogue())
    found = lists_for(lambda rows, users: {"ranking": np.ones_like(rows)}, given, [0, 1], 3)
    assert found.users.tolist() == [1] * 3 and found.items.tolist() == [0, 1, 3]
    assert capsys.readouterr().err == "1 user rated everything that there is; nothing is left to recommend.\n"


def test_a_pair_has_the_rating_that_was_given_and_no_other():
    given = Ratings([0, 1, 0], [2, 2, 1], [5, 3, 1], catalogue=catalogue())
    pair = one_pair(given, 1, 2)
    assert (len(pair), pair.users[0], pair.items[0], pair.values[0]) == (1, 1, 2, 3)
    assert pair.given is given
    assert np.isnan(one_pair(given, 1, 1).values[0])


# The command line, with a stand-in for the lesson: the best item is the one with the highest number


def answer(rows: Any, users: Any) -> dict[str, Any]:
    return {"ranking": np.tile(np.arange(rows.shape[1]), (len(rows), 1))}


class Lesson(SimpleNamespace):
    """A lesson that recommends, as far as `predict` and `explain` need it; `explained` is what it was to explain."""

    METHODS = ("shap", "lime")
    explained: Ratings | None

    def read_catalogue(self, model: Any, items_path: Path) -> Catalogue:
        return read_items(items_path, STARS)

    def read_inputs(self, model: Any, paths: list[Path], catalogue: Catalogue, top: int) -> Ratings:
        (path,) = paths
        given = ratings_to_predict(path, catalogue)
        return lists_for(answer, given, np.unique(given.users), top)

    def read_user(self, model: Any, split: Split[Ratings], name: str, top: int) -> Ratings:
        given = ratings_of_user(split, name)
        return lists_for(answer, given, given.users[:1], top)

    def read_likes(self, model: Any, likes: list[str], catalogue: Catalogue, top: int) -> Ratings:
        return lists_for(answer, ratings_typed(likes, catalogue), [0], top)

    def identify(self, rows: Ratings) -> pd.DataFrame:
        return pd.DataFrame({"user": [rows.catalogue.users[one] for one in rows.users]}, index=rows.index)

    def predict(self, model: Any, rows: Ratings) -> pd.DataFrame:
        return pd.DataFrame({"title": [rows.catalogue.titles[one] for one in rows.items]}, index=rows.index)

    def explain(self, model: Any, split: Any, config: Any, row: Any, methods: Any) -> dict[str, Any]:
        self.explained = row
        return {}


@pytest.fixture
def lesson(monkeypatch: pytest.MonkeyPatch, split: Split[Ratings]) -> Lesson:
    stand_in = Lesson(load=lambda config: split)
    monkeypatch.setattr(commands, "find_practical", lambda name: name)
    monkeypatch.setattr(commands, "load_lesson", lambda practical: stand_in)
    monkeypatch.setattr(commands, "rebuild_report", lambda run: run.report_path)
    config = SimpleNamespace(seed=0, deterministic=False)
    for module in (asked, commands):
        monkeypatch.setattr(module, "saved_config", lambda run, lesson: config)
    monkeypatch.setattr(training, "load_model", lambda path: None)
    monkeypatch.setattr(training, "prepare", lambda *arguments, **more: None)
    return stand_in


@pytest.fixture
def run(tmp_path: Path, split: Split[Ratings]) -> Run:
    made = Run.at(tmp_path / "recommender" / "one")
    made.write_config("seed: 0\n")
    assert split.facts is not None
    made.write_environment({"practical": "recommender", "data": split.facts.to_json()})
    made.write_metrics({})
    write_items(made.items_path, split.train.catalogue)
    return made


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], run: Run) -> Callable[..., str]:
    """A function: run a command that must end with exit code 2 and one line, and return the line."""

    def refuse(command: str, *arguments: str) -> str:
        assert main([command, str(run.folder), *arguments]) == 2
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert captured.out == ""
        return line

    return refuse


def predicted(capsys: pytest.CaptureFixture[str], run: Run, *arguments: str) -> list[dict[str, str]]:
    assert main(["predict", str(run.folder), *arguments, "--json"]) == 0
    return list(json.loads(capsys.readouterr().out)["predictions"])


def test_predict_answers_for_a_user_typed_ratings_and_files(lesson, run, split, capsys, tmp_path):
    titles = split.train.catalogue.titles
    rated = set(ratings_of_user(split, "42").items.tolist())
    best = [title for item, title in enumerate(titles) if item not in rated][::-1]
    assert [row["title"] for row in predicted(capsys, run, "--user", "42")] == best[:10]
    assert [row["title"] for row in predicted(capsys, run, "--user", "42", "--top", "3")] == best[:3]
    found = predicted(capsys, run, "--like", f"{titles[-1]}=5", "--like", f"{titles[0]}=1", "--top", "1")
    assert found == [{"user": "you", "title": titles[-2]}]
    (tmp_path / "mine.csv").write_text(f"user,item,rating\nben,{titles[-1]},4\nanna,{titles[5]},2\n")
    found = predicted(capsys, run, str(tmp_path / "mine.csv"), "--top", "1")
    assert found == [{"user": "anna", "title": titles[-1]}, {"user": "ben", "title": titles[-2]}]


def test_whoever_has_rated_everything_gets_no_empty_answer(lesson, run, split, capsys):
    everything = [word for item in split.train.catalogue.items for word in ("--like", f"{item}=3")]
    for command, name in (("predict", "predict recommender"), ("explain", "explain")):
        assert main([command, str(run.folder), *everything]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.splitlines()[-1].startswith(f"error: {name}: nothing is left to recommend")
    assert main(["explain", str(run.folder), *everything, "--item", "7"]) == 0


def test_data_other_than_the_runs_are_refused(lesson, run, refused):
    run.write_environment({"practical": "recommender", "data": {"sha256": "other"}})
    assert "sha256 other" in refused("predict", "--user", "42")


def test_options_that_make_no_sense_together_are_refused(lesson, refused):
    for arguments, expected in (
        (["--user", "1", "--like", "A=1"], "argument --like: not allowed with argument --user"),
        (["mine.csv", "--user", "1"], "--user: predict either for one user or for files (mine.csv), not for both."),
        (["mine.csv", "--like", "A=1"], "--like: predict either for one user or for files (mine.csv)"),
        (["--user", "1", "--top", "0"], "--top: a whole number from 1 to 10000 was expected, not 0"),
        ([], 'nothing to predict for. Give a file, --user ID, or --like "TITLE=RATING".'),
        (["-"], "does not read standard input"),
        (["--user", "nobody"], "--user 'nobody': no such user"),
    ):
        assert expected in refused("predict", *arguments)
    for arguments, expected in (
        (["--user", "1", "--row", "1"], "not allowed with argument"),
        (["--item", "Big"], "--item: for whom? Add --user ID"),
        (["--row", "1", "--item", "Big"], "--item: for whom?"),
        (["--user", "1", "--item", "Bg"], "--item 'Bg': no such item"),
        (["--text", "hello"], "--text: recommender reads no messages"),
    ):
        assert expected in refused("explain", *arguments)


def test_a_lesson_that_recommends_nothing_knows_no_users(monkeypatch, refused):
    other = SimpleNamespace(read_inputs=lambda model, paths: None)
    monkeypatch.setattr(commands, "find_practical", lambda name: name)
    monkeypatch.setattr(commands, "load_lesson", lambda practical: other)
    for command, arguments in (
        ("predict", ["--user", "1"]),
        ("predict", ["--like", "A=1"]),
        ("predict", ["mine.csv", "--top", "3"]),
        ("explain", ["--user", "1"]),
        ("explain", ["--like", "A=1"]),
        ("explain", ["--item", "A"]),
    ):
        line = refused(command, *arguments)
        assert line.startswith(f"error: {arguments[-2]}: recommender recommends nothing. Give "), line


def test_explain_takes_the_first_of_the_list_or_the_item_that_is_named(lesson, run, split, tmp_path):
    given, titles = ratings_of_user(split, "42"), split.train.catalogue.titles
    last = max(set(range(len(titles))) - set(given.items.tolist()))
    mine = tmp_path / "mine.csv"
    mine.write_text(f"user,item,rating\nben,{titles[-1]},4\nanna,{titles[5]},2\n")
    for arguments, item, value, name in (
        (["--user", "42"], last, np.nan, f"user 42: {titles[last]}"),
        (["--user", "42", "--item", titles[given.items[0]]], given.items[0], given.values[0], None),
        (["--like", f"{titles[-1]}=5"], len(titles) - 2, np.nan, "of your own"),
        (["--like", f"{titles[-1]}=5", "--item", titles[3]], 3, np.nan, "of your own"),
        (["--input", str(mine)], len(titles) - 2, np.nan, "of your own"),
        (["--input", str(mine), "--item", titles[5]], 5, np.nan, "of your own"),
    ):
        assert main(["explain", str(run.folder), *arguments]) == 0
        row = lesson.explained
        assert (len(row), row.items[0]) == (1, item), arguments
        np.testing.assert_equal(row.values[0], value)
        assert row.index[0] == name or name is None
        whose = row.given.rows(row.users)
        assert np.isfinite(whose).any(), "the pair's own user has ratings to explain by"
    assert (~np.isnan(row.given.rows(row.users))).sum() == 1, "of the file only its first user"
    assert row.catalogue.users[row.users[0]] == "ben"
    assert main(["explain", str(run.folder), "--row", str(split.test.index[0])]) == 0
    assert lesson.explained.given is split.train
    assert main(["explain", str(run.folder)]) == 0
    assert lesson.explained is None, "the lesson chooses"
