"""The lesson about ratings through the command line: a run's files, what users may ask for, and bad input."""

from __future__ import annotations

import gc
import io
import json
from collections.abc import Callable, Iterator
from functools import cache as cache_of_models
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from killed_run import assert_ctrl_c_names_what_continues_to_the_same_numbers
from lesson_commands import assert_whole, refused_in_one_line

from practicals import load_model, recommender
from practicals.common import commands, training
from practicals.common.cli import main
from practicals.common.data import ratings as reading
from practicals.common.data.rating_samples import rated_films
from practicals.common.run import Run, finished_runs

TINY = ("--smoke", "--quiet", "--set", "encoder=[7,5]", "--set", "decoder=[6,5]", "--set", "ranking_units=4")
SAMPLE = partial(rated_films, 60, 40, 1_000)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As in conftest, for the whole module; with a small sample, networks that are not traced, which for so few
    ratings takes longer than to train them, and a saved model that is loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRACTICALS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("PRACTICALS_DATA", raising=False)
        patch.setattr(reading, "rated_films", SAMPLE)
        build_model = recommender.build_model

        def eager(*arguments: object) -> keras.Model:
            network = build_model(*arguments)
            network.run_eagerly = True
            return network

        patch.setattr(recommender, "build_model", eager)
        patch.setattr(training, "load_model", cache_of_models(training.load_model))
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with a run on the built-in sample."""
    folder = tmp_path_factory.mktemp("runs")
    assert main(["run", "recommender", *TINY, "--data", "sample", "--runs", str(folder)]) == 0
    return folder


@pytest.fixture
def unexplained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the run above has, and what takes most of the time of a small run."""
    monkeypatch.setattr(recommender, "explain", lambda *arguments, **more: {})
    monkeypatch.setattr(recommender, "describe_recommender", lambda *arguments: {"lists": []})


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    return partial(refused_in_one_line, capsys)


def only_run(folder: Path) -> Run:
    (run,) = finished_runs(folder, "recommender")
    return run


def predicted(capsys: pytest.CaptureFixture[str], runs: Path, *arguments: object) -> tuple[pd.DataFrame, str]:
    capsys.readouterr()
    assert main(["predict", "recommender", *map(str, arguments), "--runs", str(runs)]) == 0
    captured = capsys.readouterr()
    return pd.read_csv(io.StringIO(captured.out), dtype={"user": str, "item": str}, keep_default_na=False), captured.err


def films() -> list[str]:
    """The titles of the sample, by their ids less 1."""
    found = SAMPLE().pairs.films
    return [found[str(number + 1)].title for number in range(len(found))]


def table(users: int = 40, items: int = 30, ratings: int = 400, scale: tuple[float, ...] = (1, 2, 3, 4, 5)):
    """A table of a user's own, with text for ids, no time, and no pair twice."""
    random = np.random.default_rng(0)
    chosen = random.permutation(users * items)[:ratings]
    user, item = chosen // items, chosen % items
    liking = (random.normal(size=(users, 2))[user] * random.normal(size=(items, 2))[item]).sum(axis=1)
    place = np.clip(((liking + 2.5) / 5 * len(scale)).astype(int), 0, len(scale) - 1)
    return pd.DataFrame(
        {
            "user": [f"u{one}" for one in user],
            "item": [f"Ware {one}" for one in item],
            "rating": np.array(scale, float)[place],
        }
    )


# What a run leaves


def test_a_run_writes_every_file_of_its_folder(runs):
    run = only_run(runs)
    assert_whole(run, "items.csv", "explanations/shap_row.json", "explanations/lime_row.json")
    metrics = run.metrics()
    assert metrics["primary"]["metric"] == "rmse"
    assert set(metrics["baselines"]) == {
        "global mean", "biases", "item neighbours", "matrix factorisation", "most popular", "EASE",
    }  # fmt: skip
    assert {"lists", "item_map", "nearest", "by_user", "by_item", "histogram", "ranking", "depths"} <= set(
        run.summary()
    )
    assert metrics["train"]["rmse"] > 0, "training scores stand beside the others"


def test_predictions_are_what_the_scores_are_computed_from_and_what_the_saved_model_says(runs):
    run = only_run(runs)
    lines, metrics = run.predictions(), run.metrics()
    assert list(lines.columns) == ["id", "part", "truth", "prediction", "user", "item"]
    assert lines["id"].is_unique and not lines[["user", "item"]].duplicated().any()
    for part in ("validation", "test"):
        rows = lines[lines["part"] == part]
        error = rows["prediction"] - rows["truth"]
        assert np.sqrt((error**2).mean()) == pytest.approx(metrics[part]["rmse"], abs=1e-5)
        assert error.abs().mean() == pytest.approx(metrics[part]["mae"], abs=1e-5)
    pairs = SAMPLE().pairs
    every = pd.DataFrame({"user": pairs.users, "item": pairs.items, "rating": pairs.values}).astype(
        {"user": int, "item": int}
    )
    held_out = set(zip(lines["user"], lines["item"], strict=True))
    train = every[[pair not in held_out for pair in zip(every["user"], every["item"], strict=True)]]
    model = load_model(run.model_path)
    for _, line in lines[lines["part"] == "test"].head(5).iterrows():
        row = np.full((1, 40), np.nan, "float32")
        mine = train[train["user"] == line["user"]]
        row[0, mine["item"] - 1] = mine["rating"]
        found = model({"ratings": row})["rating"][0, int(line["item"]) - 1]
        assert float(found) == pytest.approx(line["prediction"], abs=1e-4)


# What users ask


def test_a_user_gets_unrated_films_best_first_as_csv_json_and_file(runs, capsys, tmp_path):
    found, said = predicted(capsys, runs, "--user", "42", "--top", "5")
    assert list(found.columns) == ["user", "item", "title", "genres", "prediction"]
    assert len(found) == 5 and set(found["user"]) == {"42"} and found["item"].is_unique
    assert "sample" in said
    rated = {item for user, item in zip(SAMPLE().pairs.users, SAMPLE().pairs.items, strict=True) if user == "42"}
    assert not rated & set(found["item"])
    assert [films()[int(item) - 1] for item in found["item"]] == found["title"].tolist()
    longer, _ = predicted(capsys, runs, "--user", "42")
    assert len(longer) == 10 and longer["item"].head(5).tolist() == found["item"].tolist()
    capsys.readouterr()
    assert main(["predict", "recommender", "--user", "42", "--top", "5", "--runs", str(runs), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["predictions"]
    assert [row["title"] for row in rows] == found["title"].tolist()
    assert [row["prediction"] for row in rows] == pytest.approx(found["prediction"].tolist(), abs=2e-6)
    output = tmp_path / "out.csv"
    predicted_to = ["predict", "recommender", "--user", "42", "--top", "5", "--output", str(output)]
    assert main([*predicted_to, "--runs", str(runs)]) == 0
    assert pd.read_csv(output, dtype=str)["title"].tolist() == found["title"].tolist()


def test_all_that_is_left_is_recommended_where_more_is_asked_for(runs, capsys):
    found, _ = predicted(capsys, runs, "--like", f"{films()[0]}=5", "--top", "10000")
    assert len(found) == 39 and films()[0] not in set(found["title"])


def test_typed_ratings_and_a_table_of_them_are_answered_alike(runs, capsys, tmp_path):
    first, second = films()[:2]
    typed, _ = predicted(capsys, runs, "--like", f"{first}=5", "--like", f"{second} = 1", "--top", "3")
    assert set(typed["user"]) == {"you"}
    path = tmp_path / "mine.csv"
    mine = pd.DataFrame({"user": ["ann", "bob", "ann"], "item": [first, "3", "2"], "rating": [5, 4, 1]})
    mine.to_csv(path, index=False, sep=";")
    found, said = predicted(capsys, runs, path, "--top", "3")
    assert found["user"].tolist() == ["ann"] * 3 + ["bob"] * 3 and "semicolons" in said
    assert found["title"].tolist()[:3] == typed["title"].tolist()
    assert found["prediction"].tolist()[:3] == pytest.approx(typed["prediction"].tolist(), abs=2e-6)
    mine.drop(columns="user").iloc[[0, 2]].to_csv(path, index=False)
    alone, _ = predicted(capsys, runs, path, "--top", "3")
    assert alone["title"].tolist() == typed["title"].tolist()


def test_what_is_typed_twice_or_not_known_is_left_out_and_said(runs, capsys, tmp_path):
    first = films()[0]
    twice, said = predicted(capsys, runs, "--like", f"{first}=5", "--like", f"{first.lower()}=1", "--top", "2")
    assert "2 times" in said and "the last rating, 1" in said
    once, _ = predicted(capsys, runs, "--like", f"{first}=1", "--top", "2")
    assert twice["prediction"].tolist() == once["prediction"].tolist()
    path = tmp_path / "mine.csv"
    path.write_text(f"item,rating\n{first},5\n1,1\nNo such film,3\n")
    found, said = predicted(capsys, runs, path, "--top", "2")
    assert "No such film" in said and said.count("1 rating left out") == 2
    assert found["prediction"].tolist() == pytest.approx(once["prediction"].tolist(), abs=2e-6)


def test_whoever_has_rated_everything_gets_no_list_and_others_do(runs, capsys, tmp_path, refused):
    path = tmp_path / "mine.csv"
    every = pd.DataFrame({"user": "ann", "item": range(1, 41), "rating": 3})
    every.to_csv(path, index=False)
    assert "nothing is left to recommend" in refused("predict", "recommender", path, "--runs", runs)
    pd.concat([every, pd.DataFrame({"user": ["bob"], "item": [1], "rating": [5]})]).to_csv(path, index=False)
    found, said = predicted(capsys, runs, path, "--top", "2")
    assert set(found["user"]) == {"bob"} and "1 user rated everything" in said


NEAREST = "The nearest are"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--user", "4242"], "--user '4242': no such user among 60."),
        (["--user", ""], "--user ''"),
        (["--like", ""], 'expected "TITLE=RATING"'),
        (["--like", "{film}"], 'expected "TITLE=RATING"'),
        (["--like", "{film}="], 'expected "TITLE=RATING"'),
        (["--like", "=5"], 'expected "TITLE=RATING"'),
        (["--like", "{film}=six"], "found 'six'"),
        (["--like", "{film}=nan"], "found 'nan'"),
        (["--like", "{film}=6"], "The nearest is 5"),
        (["--like", "{film}=3.4"], "expected a rating of 1, 2, 3, 4, 5; found 3.4"),
        (["--like", "{misspelt}=5"], NEAREST),
        (["--like", "{film}=5", "--like", "{misspelt}=5"], NEAREST),
        (["--like", "{film}=5", "--user", "3"], "not allowed with"),
        (["--user", "3", "--top", "0"], "--top"),
        (["--user", "3", "--top", "-1"], "--top"),
        (["--user", "3", "--top", "x"], "--top"),
        (["--user", "3", "mine.csv"], "--user: predict either for one user or for files"),
        (["--text", "x"], "--text"),
        ([], "--like"),
        (["--top", "3"], "nothing to predict for"),
        (["-"], "does not read standard input"),
        (["nowhere.csv"], "no such file"),
        (["mine.csv", "mine.csv"], "one table of ratings"),
        (["--user", "3", "--output", "no/such/out.csv"], "cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_is_refused_in_one_line(arguments, expected, runs, refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    film = films()[0]
    given = [one.format(film=film, misspelt=film[:-7].replace("a", "e") + "s") for one in arguments]
    line = refused("predict", "recommender", *given, "--runs", runs)
    assert expected in line, line
    assert expected is not NEAREST or film in line
    assert not list(tmp_path.iterdir())


TO_PREDICT = {
    "": "is empty",
    "user,item,rating\n": "no rows",
    "user,item,rating\nann,1,\n": "no row has",
    "user,item,rating\nann,1,six\n": "row 2: expected a number, found 'six'",
    "user,item,rating\nann,1,inf\n": "found 'inf'",
    "user,item,rating\nann,2,3\nann,1,6\n": "row 3: rating 6 is beyond the scale 1, 2, 3, 4, 5",
    "user,item,rating\nann,Nothing,3\n": "none of its items is known",
    "user,item\nann,1\n": "no column of ratings",
    "user,item,rating,time\nann,1,3,yesterday\n": "found 'yesterday'",
    "\x89PNG\r\n\x1a\n": "",
    "<!DOCTYPE html><html></html>": "web page",
}


@pytest.mark.parametrize("content", TO_PREDICT)
def test_tables_that_cannot_be_read_are_refused_with_row_and_reason(content, runs, refused, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(content.encode("latin-1"))
    line = refused("predict", "recommender", path, "--runs", runs, "--output", tmp_path / "out.csv")
    assert "mine.csv" in line and TO_PREDICT[content] in line, line
    assert "--set" not in line, "predict has no such option"
    assert not (tmp_path / "out.csv").exists()


# Files of the run that were damaged


@pytest.mark.parametrize("damage", ["missing", "empty", "shorter", "longer", "mixed", "header"])
def test_a_damaged_list_of_items_is_refused(damage, runs, refused, tmp_path):
    path = only_run(runs).items_path
    whole = path.read_text()
    header, *rows = whole.splitlines(keepends=True)
    changed = {
        "empty": "",
        "shorter": "".join([header, *rows[:-3]]),
        "longer": f"{whole}999,Another (1990),1990,Drama\n",
        "mixed": "".join([header, *rows[::-1]]),  # else films would be given the ratings of others
        "header": "a,b\n1,2\n",
    }
    try:
        path.unlink()
        if damage in changed:
            path.write_text(changed[damage])
        line = refused("predict", "recommender", "--like", f"{films()[5]}=5", "--runs", runs)
        assert "items.csv" in line
    finally:
        path.write_text(whole)


@pytest.mark.parametrize("content", [None, b"PK junk"], ids=["missing", "junk"])
def test_a_damaged_model_is_refused(content, runs, refused, monkeypatch):
    monkeypatch.setattr(training, "load_model", training.load_model.__wrapped__)  # not the one of another test
    path = only_run(runs).model_path
    whole = path.read_bytes()
    try:
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        assert "model.keras" in refused("predict", "recommender", "--user", "3", "--runs", runs)
    finally:
        path.write_bytes(whole)


# Why


def explained(capsys: pytest.CaptureFixture[str], runs: Path, *arguments: object) -> dict[str, dict]:
    capsys.readouterr()
    assert main(["explain", "recommender", *map(str, arguments), "--runs", str(runs), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["explanations"]


def test_every_way_to_name_a_pair_is_explained(runs, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "rebuild_report", lambda run: run.report_path)  # the test below rebuilds it
    film, other = films()[3], films()[8]
    line = only_run(runs).predictions().iloc[0]
    (one,) = explained(capsys, runs, "--row", line["id"], "--method", "lime").values()
    assert one["rating"]["user"] == str(line["user"]) and one["rating"]["truth"] == line["truth"]
    assert np.clip(one["prediction"], 1, 5) == pytest.approx(line["prediction"], abs=1e-4)
    (one,) = explained(capsys, runs, "--user", "42", "--item", film, "--method", "shap").values()
    assert (one["rating"]["user"], one["rating"]["item"], one["method"]) == ("42", film, "shap")
    total = one["base_value"] + sum(part["contribution"] for part in one["attributions"])
    assert total == pytest.approx(one["prediction"], abs=1e-4)
    first, _ = predicted(capsys, runs, "--like", f"{film}=5", "--like", f"{other}=1", "--top", "1")
    (one,) = explained(capsys, runs, "--like", f"{film}=5", "--like", f"{other}=1", "--method", "shap").values()
    assert one["rating"]["item"] == first["title"][0] and one["rating"]["user"] == "you"
    assert {part["feature"] for part in one["attributions"]} == {film, other}
    path = tmp_path / "mine.csv"
    path.write_text(f"user,item,rating\nann,{film},5\nbob,{other},1\n")
    (one,) = explained(capsys, runs, "--input", path, "--method", "shap", "--item", films()[9]).values()
    assert (one["rating"]["user"], one["rating"]["item"]) == ("ann", films()[9])


def test_a_report_is_made_again_with_the_explanation_that_was_asked_for(runs, capsys):
    run = only_run(runs)
    capsys.readouterr()
    assert main(["explain", "recommender", "--user", "7", "--method", "lime", "--runs", str(runs)]) == 0
    said = capsys.readouterr()
    assert "LIME" in said.out and "user 7" in said.out
    assert "user 7" in run.report_path.read_text()
    assert main(["report", "recommender", "--runs", str(runs)]) == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--item", "{film}"], "--item: for whom?"),
        (["--user", "42", "--item", "nothing like it"], "--item 'nothing like it': no such item"),
        (["--user", "none"], "--user 'none'"),
        (["--row", "999999"], "there is no such row"),
        (["--method", "occlusion"], "occlusion"),
        (["--user", "42", "--row", "1"], "not allowed with"),
        (["--text", "x"], "--text"),
        (["--like", "{film}"], "expected"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_explained_is_refused_in_one_line(arguments, expected, runs, refused):
    given = [one.format(film=films()[0]) for one in arguments]
    assert expected in refused("explain", "recommender", *given, "--runs", runs)


# A table of ones own


def test_a_table_with_its_own_columns_scale_and_names_is_learnt_and_can_be_asked_about(unexplained, capsys, tmp_path):
    odd = ["a=b", '"q"', "Ünï 日本", "=", "<script>alert(1)</script>", "-x", "a,b", "%s {x}", "it's", "5"]
    mine = table(scale=tuple(range(0, 101, 10)))
    mine["item"] = [odd[int(name[5:])] if int(name[5:]) < len(odd) else name for name in mine["item"]]
    mine.loc[0, "user"] = "once only"
    mine = pd.concat([mine, mine.head(1).assign(rating=50)])  # the same pair again: the last is kept
    mine = pd.concat([mine, pd.DataFrame({"user": ["once, twice"], "item": ["seldom"], "rating": [100]})])
    path, runs = tmp_path / "mine.csv", tmp_path / "runs"
    mine.rename(columns={"user": "Kunde", "item": "Ware", "rating": "Note"}).to_csv(path, index=False)
    named = ["--set", "user=Kunde", "--set", "item=Ware", "--set", "rating=Note"]
    capsys.readouterr()
    assert main(["run", "recommender", *TINY, "--data", str(path), *named, "--runs", str(runs)]) == 0
    said, run = capsys.readouterr().err, only_run(runs)
    notes = " ".join(run.environment()["data"]["notes"])
    assert "1 rating left out, since the same user rated the same item again" in said + notes
    assert "Users with one rating: " in notes and "0, 10, 20, 30" in notes
    assert run.metrics()["data"] == "own" and run.metrics()["primary"]["unit"] == ""
    assert "<script>alert" not in run.report_path.read_text()
    found, _ = predicted(capsys, runs, "--user", "once, twice", "--top", "40")
    assert found["prediction"].between(0, 100).all() and "seldom" not in set(found["title"])
    for name in odd:
        found, _ = predicted(capsys, runs, f"--like={name}=100", "--top", "1")
        assert name != found["title"][0]
    # The table that was learnt from can be predicted for too, though its columns have no usual names.
    found, _ = predicted(capsys, runs, path, "--top", "1")
    assert len(found) == mine["user"].nunique()


REFUSED: dict[str, tuple[pd.DataFrame | str, str, tuple[str, ...]]] = {
    "equal.csv": (table().assign(rating=3), "all 400 ratings are 3", ()),
    "one user.csv": (table().drop_duplicates("item").assign(user="x"), "all ratings are of one user, 'x'", ()),
    "one item.csv": (table().drop_duplicates("user").assign(item="x"), "all ratings are of one item, 'x'", ()),
    "no rating.csv": (table()[["user", "item"]], "no column of ratings", ()),
    "no user.csv": (table()[["item", "rating"]], "no column of users", ()),
    "text.csv": (table().astype({"rating": object}).replace({"rating": {5: "good"}}), "expected a number", ()),
    "infinite.csv": (table().replace({"rating": {5: np.inf}}), "found 'inf'", ()),
    "nothing.csv": (table().assign(rating=""), "no row has", ()),
    "time.csv": (table().assign(time="yesterday"), "found 'yesterday'", ()),
    "a time.csv": (table().assign(time=["2020-01-01"] * 399 + ["32.13.2020"]), "row 401", ()),
    "few.csv": ("user,item,rating\na,x,1\na,y,5\nb,x,2\nb,y,4\nc,x,3\n", "has 5 ratings, at least 20", ()),
    "header.csv": ("user,item,rating\n", "no rows", ()),
    "empty.csv": ("", "is empty", ()),
    "numbers.csv": ("1,2,3\n1,3,4\n", "names of the columns", ()),
    "page.csv": ("<!DOCTYPE html><html></html>", "web page", ()),
    "no times.csv": (table(), "has no times", ("--set", "split.fold=last")),
    "no column.csv": (table(), "column 'stars' is missing", ("--set", "rating=stars")),
    "twice.csv": (table().assign(stars=1), "several columns may hold the ratings", ()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_learnt_from_is_refused_in_one_line_and_leaves_nothing(name, refused, tmp_path):
    content, expected, sets = REFUSED[name]
    text = content if isinstance(content, str) else content.to_csv(index=False)
    (tmp_path / name).write_text(text)
    line = refused("run", "recommender", *TINY, *sets, "--data", tmp_path / name, "--runs", tmp_path / "runs")
    assert expected in line and name in line, line
    assert not list(tmp_path.glob("runs/recommender/*"))


def tiny() -> dict[str, tuple[pd.DataFrame, tuple[str, ...]]]:
    thirds = ("split.fold=random", "split.validation=0.3", "split.test=0.3")
    two = pd.DataFrame({"user": list("aabb"), "item": list("xyxy"), "rating": [1, 5, 2, 4]})
    huge = table(30, 300, 30)
    return {
        "two users and two items": (two, thirds),
        "users with one rating each": (table(25, 3, 25).assign(user=[f"u{one}" for one in range(25)]), ()),
        "one huge user": (pd.concat([huge, table(1, 300, 300).assign(user="all")]), ()),
        "a million-item id": (
            table().replace({"item": {f"Ware {one}": str(10**6 + one) for one in range(29)} | {"Ware 29": "9" * 30}}),
            (),
        ),
    }


@pytest.mark.parametrize("name", list(tiny()))
def test_small_and_odd_tables_are_learnt_from(name, unexplained, capsys, tmp_path):
    frame, sets = tiny()[name]
    frame.to_csv(tmp_path / "mine.csv", index=False)
    more = [part for one in sets for part in ("--set", one)]
    arguments = ["run", "recommender", *TINY, "--set", "epochs=1", *more, "--data", str(tmp_path / "mine.csv")]
    assert main([*arguments, "--runs", str(tmp_path)]) == 0, capsys.readouterr().err
    run = only_run(tmp_path)
    assert np.isfinite(run.metrics()["test"]["rmse"])
    assert load_model(run.model_path).input["ratings"].shape[1] == frame["item"].nunique()
    assert run.model_path.stat().st_size < 1_000_000


# Tuning


@pytest.mark.slow
def test_two_trials_are_ranked_by_the_validation_error(capsys, tmp_path):
    arguments = ["tune", "recommender", *TINY, "--set", "epochs=1", "--data", "sample", "--trials", "2", "--json"]
    assert main([*arguments, "--runs", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    errors = [trial["score"] for trial in found["leaderboard"]]
    assert len(errors) == 2 and errors == sorted(errors) and all(map(np.isfinite, errors))


# Stopped before the end


# Keras leaves history.csv open when a fit fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_step_that_is_far_too_long_is_one_line_and_no_traceback(unexplained, refused, tmp_path):
    table().to_csv(tmp_path / "mine.csv", index=False)
    arguments = ["--data", tmp_path / "mine.csv", "--set", "learning_rate=10", "--runs", tmp_path]
    assert "learning_rate" in refused("run", "recommender", *TINY, *arguments)


# Keras leaves history.csv open when a fit fails.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_run_names_the_command_that_continues_it_to_the_same_numbers(
    runs, unexplained, tmp_path, monkeypatch, capsys
):
    arguments = [*TINY, "--data", "sample"]
    assert_ctrl_c_names_what_continues_to_the_same_numbers(
        recommender, arguments, only_run(runs), tmp_path, monkeypatch, capsys
    )
