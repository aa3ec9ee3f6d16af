"""Ratings: read as people have them, refused in one line where that would be guessing, divided without leaks."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from practicals.common.data.cards import load_card
from practicals.common.data.facts import Facts
from practicals.common.data.fetch import locate
from practicals.common.data.rating_samples import GENRES, NOISE, rated_films
from practicals.common.data.ratings import (
    OFFICIAL,
    Catalogue,
    Ratings,
    ratings_split,
    ratings_to_predict,
    read_items,
    read_ratings,
    write_items,
)
from practicals.common.data.split import Split
from practicals.common.errors import ConfigError, DataError

HEADER = "user,item,rating,time\n"
TWO = "anna,Heat,4,1\nben,Big,2,2\n"
U_ITEM = "{}|{}|01-Jan-1995||http|0|1\n"


def read(path: Path, **settings: str) -> tuple[Ratings, Facts]:
    return read_ratings(locate(load_card("movielens_100k"), str(path)), **settings)


def sample() -> tuple[Ratings, Facts]:
    return read_ratings(locate(load_card("movielens_100k"), "sample"))


def written(folder: Path, content: str | bytes, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def packed(folder: Path, members: dict[str, str], name: str = "mine.zip") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content.encode("latin-1" if member.startswith("ml-100k") else "utf-8"))
    return path


def old_archive(folder: Path, **changed: str) -> Path:
    members = {
        "u.genre": "unknown|0\nDrama|1\n\n",
        "u.item": U_ITEM.format(10, "Les Misérables (1995)")
        + U_ITEM.format(2, "Twice (1997)")
        + U_ITEM.format(3, "Twice (1997)")
        + "4|unknown||||1|0\n",
        "u.user": "7|24|M|writer|1\n8|56|F|none|2\n",
    }
    return packed(folder, {f"ml-100k/{name}": text for name, text in (members | changed).items()})


def refusal(path: Path, **settings: str) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **settings)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def named(ratings: Ratings) -> list[tuple[str, str, float]]:
    known = ratings.catalogue
    three = zip(ratings.users, ratings.items, ratings.values, strict=True)
    return [(known.users[user], known.items[item], float(value)) for user, item, value in three]


def drawn(ratings: Ratings, facts: Facts, how: str, seed: int = 0) -> Split[Ratings]:
    return ratings_split(ratings, facts, how=how, validation=0.1, test=0.1, seed=seed)


def rows_of(split: Split[Ratings]) -> list[list[int]]:
    return [part.index.tolist() for _, part in split.items()]


# What is read


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_columns_are_found_by_their_usual_names_or_named(tmp_path: Path, delimiter: str) -> None:
    rows = [["Movie_ID ", "x", "USER id", "Stars"], ["tt9", "0", " anna", "4"], ["tt1", "0", "ben ", "2"]]
    path = written(tmp_path, "\n".join(delimiter.join(row) for row in rows))
    ratings, told = read(path)
    assert named(ratings) == [("anna", "tt9", 4), ("ben", "tt1", 2)]
    assert ratings.index.tolist() == [2, 3] and np.isnan(ratings.times).all() and told.rows == 2
    assert "1 column not used: 'x'." in told.notes
    assert named(read(path, rating="stars", user="user ID")[0]) == named(ratings)


def test_text_ids_titles_and_genres_of_an_own_table_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "user,item,title,genres,rating\nzoë,b,Heat (1995),Crime|Drama,4\nben,a,,,2\nben,b,X,,3\n")
    known = read(path)[0].catalogue
    assert known.users == ("ben", "zoë") and known.items == ("a", "b") and known.titles == ("a", "Heat (1995)")
    assert known.genres == ((), ("Crime", "Drama")) and known.years[1] == 1995 and np.isnan(known.years[0])
    assert known.item_feature_names == ("Crime", "Drama", "1990s")
    assert known.item_features.tolist() == [[0, 0, 0], [1, 1, 1]] and known.user_features.shape == (2, 0)


def test_the_scale_of_an_own_file_is_what_occurs_and_commas_may_be_decimal(tmp_path: Path) -> None:
    ratings, told = read(written(tmp_path, "user;item;rating\na;x;7,5\nb;y;10\nc;x;1\n"))
    assert ratings.catalogue.scale == (1, 7.5, 10)
    assert "The scale is taken from the ratings: 1, 7.5, 10." in told.notes
    assert "Numbers have decimal commas." in told.notes


def test_missing_values_are_left_out_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ratings, told = read(written(tmp_path, HEADER + "a,x,4,\n,x,3,\nb,y,NA,\nc,,1,\nc,y,2,9\n"))
    assert named(ratings) == [("a", "x", 4), ("c", "y", 2)] and ratings.index.tolist() == [2, 6]
    assert [note[:13] for note in told.notes[:3]] == ["1 rating left"] * 3
    assert any("column 'rating' is missing there (first in row 4)" in note for note in told.notes)
    assert any(note.startswith("Times missing: 1") for note in told.notes)
    assert "column 'user' is missing there (first in row 3)" in capsys.readouterr().err


def test_of_several_ratings_of_a_pair_the_last_by_time_stays_else_the_last_in_the_file(tmp_path: Path) -> None:
    again = "a,x,1,50\na,x,5,90\na,x,2,70\nb,y,3,\nb,x,3,5\nb,x,4,5\n"
    ratings, told = read(written(tmp_path, HEADER + again))
    assert named(ratings) == [("a", "x", 5), ("b", "y", 3), ("b", "x", 4)]
    assert any(note.startswith("3 ratings left out") and "last one by time" in note for note in told.notes)
    ratings, told = read(written(tmp_path, "user,item,rating\na,x,1\na,x,5\na,x,2\nb,y,3\n"))
    assert named(ratings) == [("a", "x", 2), ("b", "y", 3)]
    assert any("the last one in the file is kept" in note for note in told.notes)


def test_times_may_be_seconds_milliseconds_or_dates(tmp_path: Path) -> None:
    for cells in (("881250949", "0"), ("881250949000", "800000000000"), ("1997-12-04 15:55:49", "4 Dec 1996")):
        ratings, _ = read(written(tmp_path, f"{HEADER}a,x,4,{cells[0]}\nb,y,2,{cells[1]}\n"))
        assert ratings.times[0] == 881250949 and ratings.times[1] < 881250949


def test_a_huge_id_costs_no_memory(tmp_path: Path) -> None:
    ratings, _ = read(written(tmp_path, HEADER + "1,999999999999,4,\n70000000,3,2,\n"))
    assert ratings.catalogue.items == ("3", "999999999999") and ratings.rows([0, 1]).shape == (2, 2)


def test_a_user_with_one_rating_is_counted(tmp_path: Path) -> None:
    notes = read(written(tmp_path, HEADER + TWO + "ben,Heat,3,\n"))[1].notes
    assert any(note.startswith("Users with one rating: 1;") for note in notes)


def test_the_old_archive_is_read_in_latin_1_with_folds_traits_and_titles_that_differ(tmp_path: Path) -> None:
    data = "7\t10\t5\t881250949\n8\t2\t1\t881250950\n8\t3\t4\t881250951\n8\t4\t2\t881250952\n7\t2\t2\t3\n"
    tests = {f"u{number}.test": line + "\n" for number, line in enumerate(data.splitlines(), start=1)}
    ratings, told = read(old_archive(tmp_path, **{"u.data": data}, **tests))
    known = ratings.catalogue
    assert known.items == ("2", "3", "4", "10") and ratings.index.tolist() == [1, 2, 3, 4, 5]
    assert known.titles == ("Twice (1997) [2]", "Twice (1997) [3]", "unknown", "Les Misérables (1995)")
    assert known.genres == (("Drama",), ("Drama",), (), ("Drama",)) and np.isnan(known.years[2])
    assert "Titles that several items have: 1; their ids are written behind them." in told.notes
    traits = np.array(known.user_feature_names)
    assert {*traits[known.user_features[0] == 1]} == {"gender M", "age 18-24", "occupation writer"}
    assert {*traits[known.user_features[1] == 1]} == {"gender F", "age 56+", "occupation none"}
    assert ratings.folds is not None and ratings.folds.tolist() == [1, 2, 3, 4, 5]
    assert known.scale == (1, 2, 3, 4, 5), "known from the form, though 3 does not occur"


def test_the_newer_archive_has_half_stars_and_unrated_films_are_counted(tmp_path: Path) -> None:
    movies = 'movieId,title,genres\n5,"Postman, The (1994) ",Comedy|Drama\n9,OA,(no genres listed)\n7,Never,Drama\n'
    path = packed(tmp_path, {"ml/ratings.csv": "userId,movieId,rating\n1,5,0.5\n2,9,4.0\n", "ml/movies.csv": movies})
    ratings, told = read(path)
    known = ratings.catalogue
    assert known.titles == ("Postman, The (1994)", "OA") and known.genres == (("Comedy", "Drama"), ())
    assert len(known.scale) == 10 and known.scale[0] == 0.5
    assert any(note.startswith("Films that nobody rated: 1;") for note in told.notes)


# What is refused


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ": is empty"),
        (" \n,,\n", ": is empty"),
        (HEADER, ": has a header but no rows"),
        ("user,item,ratng\na,x,1\n", "Did you mean 'ratng'? Then name it with --set rating=ratng."),
        ("user,item\na,x\n", ": no column of ratings was found among 'user', 'item'. Name it with --set rating="),
        ("item,rating\nx,1\n", ": no column of users was found"),
        ("3\t3\t4\t881250949\n22\t377\t1\t878887116\n", ": row 1 holds numbers"),
        ("3,3,4\n22,377,1\n3,3,4\n", ": row 1 holds numbers"),
        ("user,movie,film,rating\na,x,y,1\n", ": several columns may hold the items: 'movie', 'film'."),
        (HEADER + "a,x,4,\nb,y,good,\n", ": column 'rating', row 3: expected a number, found 'good'."),
        (HEADER + "a,x,4,\nb,y,inf,\n", ": column 'rating', row 3: expected a finite number"),
        (HEADER + "a,x,4,\nb,y,4,\n", ": all 2 ratings are 4;"),
        (HEADER + "a,x,4,\na,y,3,\n", ": all ratings are of one user, 'a';"),
        (HEADER + "a,x,4,\nb,x,3,\n", ": all ratings are of one item, 'x';"),
        (HEADER + "a,x,,\nb,y,,\n", ": no row has a user, an item and a rating."),
        (HEADER + "a,x,4,5\nb,y,2,6\nb,x,3,noon\n", ": column 'time', row 4: expected seconds since 1970"),
        (HEADER + "a,x,4,1997-01-02\nb,y,2,1997-01-03\nb,x,3,noon\n", ": column 'time', row 4: expected a date"),
        (HEADER + "a,x,4\n", ": row 2 has 3 fields, the header has 4."),
        (HEADER + "a,x,4,\x00\n", ": is not a text file"),
        ("<!doctype html>", ": is a web page"),
    ],
)
def test_a_table_that_cannot_be_read_without_guessing_is_refused(tmp_path: Path, content: str, said: str) -> None:
    assert said in refusal(written(tmp_path, content))


def test_a_setting_that_names_no_column_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path, HEADER + TWO)
    assert ": column 'times' is missing, which the setting time names. Did you mean 'time'?" in refusal(
        path, time="times"
    )
    assert "two settings name the column 'item'" in refusal(path, user="item", item="item")


def test_ratings_outside_the_scale_of_a_known_form_are_named_with_their_row(tmp_path: Path) -> None:
    path = old_archive(tmp_path, **{"u.data": "7\t10\t5\t1\n8\t2\t7\t2\n"})
    assert (
        "/ml-100k/u.data: column 'rating', row 2: expected a rating on the scale 1, 2, 3, 4, 5, found '7'."
        in refusal(path)
    )
    members = {"ratings.csv": "userId,movieId,rating\n1,5,0.5\n2,9,3.7\n", "movies.csv": "movieId,title,genres\n5,A,\n"}
    assert "row 3: expected a rating on the scale 0.5, 1, 1.5" in refusal(packed(tmp_path, members))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"u.data": "7\t10\t5\n"}, "/ml-100k/u.data: row 1 has 3 fields"),
        ({"u.data": "\n"}, "/ml-100k/u.data: is empty"),
        ({"u.user": "7|old|M|writer|1\n"}, "/u.user: row 1: 'old' is no age."),
        ({"u.item": "10|Heat (1995)\n"}, "/u.item: row 1 has 2 fields; expected 7."),
        ({"u.info": "3 users\n4 items\n2 ratings\n"}, "holds 2 users, u.info beside it says 3."),
    ],
)
def test_a_damaged_old_archive_is_refused(tmp_path: Path, changed: dict[str, str], said: str) -> None:
    assert said in refusal(old_archive(tmp_path, **({"u.data": "7\t10\t5\t1\n8\t2\t1\t2\n"} | changed)))


def test_what_is_no_archive_of_ratings_is_refused(tmp_path: Path) -> None:
    assert ": is not a zip archive, though its name says so." in refusal(written(tmp_path, HEADER + TWO, "a.zip"))
    assert ": is not a readable zip archive." in refusal(written(tmp_path, b"PK\x03\x04broken", "b.zip"))
    assert ": is an archive without ratings" in refusal(packed(tmp_path, {"a.txt": "hi"}, "c.zip"))
    assert ": is a folder; a file was expected." in refusal(tmp_path)
    assert named(read(packed(tmp_path, {"mine.csv": HEADER + TWO}, "d.zip"))[0])[0] == ("anna", "Heat", 4)


# Dense rows


def test_rows_and_columns_are_laid_out_for_the_batch_that_is_asked_for() -> None:
    ratings, _ = sample()
    table = np.full((300, 200), np.nan, np.float32)
    table[ratings.users, ratings.items] = ratings.values
    assert np.array_equal(ratings.rows([7, 7, 0]), table[[7, 7, 0]], equal_nan=True)
    assert np.array_equal(ratings.columns(np.arange(200)), table.T, equal_nan=True)
    none = ratings[ratings.users != 5]
    assert np.isnan(none.rows([5])).all() and none.rows([]).shape == (0, 200)
    assert ratings.rows([1]).dtype == np.float32


def test_chosen_ratings_keep_their_ids_and_the_catalogue() -> None:
    ratings, _ = sample()
    some = ratings[[5, 2]]
    assert some.index.tolist() == [6, 3] and some.catalogue is ratings.catalogue and len(ratings[3]) == 1
    assert ratings[ratings.values == 5].values.min() == 5 and len(ratings[:4]) == 4 and len(ratings[[]]) == 0
    some.index = pd.Index(["a", "b"])
    with pytest.raises(ValueError, match="3 names for 2 ratings"):
        some.index = [1, 2, 3]


# Parts


@pytest.mark.parametrize("how", ["u1", "u5", "random", "last"])
def test_every_rating_is_in_exactly_one_part_and_the_seed_gives_the_same_parts(how: str) -> None:
    ratings, facts = sample()
    split = drawn(ratings, facts, how)
    assert sorted(row for part in rows_of(split) for row in part) == ratings.index.tolist()
    pairs = [{*zip(part.users, part.items, strict=True)} for _, part in split.items()]
    assert sum(map(len, pairs)) == len(set.union(*pairs)) == len(ratings)
    assert rows_of(drawn(ratings, facts, how)) == rows_of(split)
    assert (rows_of(drawn(ratings, facts, how, seed=1)) == rows_of(split)) == (how == "last")
    share = 0.2 if how in OFFICIAL else 0.1
    assert len(split.test) / 12_000 == pytest.approx(share, abs=0.005)
    assert len(split.validation) / 12_000 == pytest.approx(0.1, abs=0.005)


def test_the_official_test_part_does_not_depend_on_the_seed_and_the_five_are_disjoint(tmp_path: Path) -> None:
    ratings, facts = sample()
    ratings.folds = np.arange(len(ratings)) % 5 + 1
    tests = [drawn(ratings, facts, how, seed=place).test for place, how in enumerate(OFFICIAL)]
    assert sorted(row for part in tests for row in part.index) == ratings.index.tolist()
    assert tests[0].index.tolist() == ratings.index[::5].tolist()
    with_own = drawn(ratings, facts, "u1", seed=3)
    assert with_own.test.index.tolist() == tests[0].index.tolist() and with_own.facts is not None
    assert not any("official folds" in note for note in with_own.facts.notes)


def test_without_official_folds_five_are_drawn_and_this_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    ratings, facts = sample()
    tests = [drawn(ratings, facts, how).test for how in OFFICIAL]
    assert sorted(row for part in tests for row in part.index) == ratings.index.tolist()
    assert "brings no official folds: u1 is one of five drawn at random" in capsys.readouterr().err


def test_the_last_ratings_of_a_user_are_tested_and_nothing_later_is_learned_from() -> None:
    ratings, facts = sample()
    split = drawn(ratings, facts, "last")
    latest = [pd.Series(part.times).groupby(part.users).max() for part in (split.train, split.validation)]
    first = [pd.Series(part.times).groupby(part.users).min() for part in (split.validation, split.test)]
    for before, after in zip(latest, first, strict=True):
        assert (before.reindex(after.index) <= after).all()
    assert {*split.test.users} == {*range(300)} == {*split.train.users}


def test_equal_times_are_ordered_by_row_and_a_user_with_one_rating_is_learned_from(tmp_path: Path) -> None:
    lines = "".join(f"a,x{n},{n % 5 + 1},7\n" for n in range(20)) + "".join(f"b,x{n},2,{n or ''}\n" for n in range(20))
    ratings, facts = read(written(tmp_path, HEADER + lines + "c,x1,3,9\n"))
    split = drawn(ratings, facts, "last")
    assert split.test.index.tolist() == [20, 21, 40, 41] and split.validation.index.tolist() == [18, 19, 38, 39]
    assert 42 in split.train.index
    assert split.facts is not None
    assert "Ratings without a time: 1; taken as the earliest of their user." in split.facts.notes


def test_items_and_users_without_a_rating_in_the_training_part_stay_and_are_counted(tmp_path: Path) -> None:
    lines = "".join(f"u{n % 5},x{n % 7},{n % 4 + 1},{n}\n" for n in range(40))
    ratings, facts = read(written(tmp_path, f"{HEADER}{lines}u0,new,3,99\n"))
    split = drawn(ratings, facts, "last")
    assert "new" in {ratings.catalogue.items[item] for item in split.test.items} and split.facts is not None
    assert (
        "The test part has 1 item and 0 users without a rating in the training part; 1 rating of them stay in it."
        in split.facts.notes
    )


def test_ratings_of_the_test_part_never_move_the_other_parts() -> None:
    ratings, facts = sample()
    before = drawn(ratings, facts, "random")
    changed = ratings[:]
    changed.values[np.isin(changed.index, before.test.index)] = 1
    after = drawn(changed, facts, "random")
    assert np.array_equal(after.train.rows(range(300)), before.train.rows(range(300)), equal_nan=True)


def test_a_division_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    ratings, facts = sample()
    with pytest.raises(ConfigError, match=r"^split.fold=u6: expected one of u1, u2, u3, u4, u5, random, last\.$"):
        drawn(ratings, facts, "u6")
    with pytest.raises(ConfigError, match="nothing is left to learn from"):
        ratings_split(ratings, facts, how="u1", validation=0.8, test=0.1, seed=0)
    with pytest.raises(ConfigError, match=r"^split.test=0: expected a share"):
        ratings_split(ratings, facts, how="random", validation=0.1, test=0, seed=0)
    few, facts = read(written(tmp_path, HEADER + TWO))
    with pytest.raises(DataError, match=r"^mine.csv: has 2 ratings, at least 10 are needed"):
        drawn(few, facts, "random")
    ratings.times[:] = np.nan
    with pytest.raises(ConfigError, match=r"^split.fold=last: mine.csv has no times"):
        drawn(ratings, facts, "last")


# Items, and new users


def test_items_survive_the_run_folder_with_their_numbers_and_features(tmp_path: Path) -> None:
    text = 'user,item,title,genres,rating\na,2,"He said ""x"", then",A|B,1\nb,10,Ä (1985),,5\nc,1,"[REC] (2007)",B,4\n'
    known = read(written(tmp_path, text))[0].catalogue
    write_items(tmp_path / "items.csv", known)
    again = read_items(tmp_path / "items.csv", known.scale)
    assert (again.items, again.titles, again.genres, again.scale) == (
        known.items,
        known.titles,
        known.genres,
        known.scale,
    )
    assert np.array_equal(again.years, known.years, equal_nan=True)
    assert again.item_feature_names == known.item_feature_names
    assert np.array_equal(again.item_features, known.item_features) and again.users == ()


def test_a_changed_list_of_items_is_refused(tmp_path: Path) -> None:
    for content, said in (("id,title\n1,A\n", "expected the columns"), ("item,title,year,genres\n1,A,x,\n", "row 2")):
        with pytest.raises(DataError, match=said):
            read_items(written(tmp_path, content, "items.csv"))


@pytest.fixture
def films(tmp_path: Path) -> Catalogue:
    titles = ["Matrix, The (1999)", "Heat (1995)", "Heat (1986)", "City, The (Stadt, Die) (1995)", "1984 (1984)"]
    lines = "".join(f'{n},{n + 100},"{title}",{n + 1}\n' for n, title in enumerate(titles))
    return read(written(tmp_path, "user,item,title,rating\n" + lines))[0].catalogue


def test_an_item_is_found_by_id_or_title_and_a_miss_names_the_nearest(films: Catalogue) -> None:
    for name, number in (("101", 1), ("the matrix", 0), ("Matrix, The", 0), ("heat  (1986)", 2), ("THE CITY", 3)):
        assert films.item_number(name) == number
    with pytest.raises(DataError, match=r"^'Heat': 2 items are called so: 'Heat \(1995\)', 'Heat \(1986\)'\."):
        films.item_number("Heat")
    with pytest.raises(DataError, match=r"no such item among 5\. The nearest are 'Matrix, The \(1999\)'"):
        films.item_number("The Matrx")
    with pytest.raises(DataError, match=r"no such item among 5\. The nearest are 'Matrix"):
        films.item_number("The Matrix (2003)")
    assert films.user_number(" 3") == 3
    with pytest.raises(DataError, match=r"^'42': no such user among 5\. "):
        films.user_number("42")


def test_ratings_of_new_users_are_laid_on_the_items_of_the_run(tmp_path: Path, films: Catalogue) -> None:
    path = written(tmp_path, 'user,film,rating\nme,"The Matrix",5\nme,100,4\nyou,Heat 3,1\nyou,103,2\n', "new.csv")
    ratings = ratings_to_predict(path, films)
    assert named(ratings) == [("me", "100", 4), ("you", "103", 2)], "the same film twice: the last one stays"
    assert ratings.rows([0, 1]).shape == (2, 5) and ratings.catalogue.titles is films.titles
    alone = ratings_to_predict(written(tmp_path, "film,rating\n101,3\n100,3\n", "new.csv"), films)
    assert len(alone.catalogue.users) == 1 and alone.items.tolist() == [1, 0]


def test_ratings_of_new_users_that_cannot_be_used_are_refused_or_counted(
    tmp_path: Path, films: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "film,rating\n100,3\nHeet (1995),4\n", "new.csv")
    assert len(ratings_to_predict(path, films)) == 1
    assert "1 rating left out, since the item is not known to this run; row 3: 'Heet (1995)'" in capsys.readouterr().err
    with pytest.raises(DataError, match=r"new.csv: row 3: rating 9 is beyond the scale 1, 2, 3, 4, 5\."):
        ratings_to_predict(written(tmp_path, "film,rating\n100,3\n101,9\n", "new.csv"), films)
    with pytest.raises(DataError, match="none of its items is known to this run; row 2: 'zz'"):
        ratings_to_predict(written(tmp_path, "film,rating\nzz,3\n", "new.csv"), films)


# The sample


def test_the_sample_is_the_same_every_time_and_says_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    one, facts = sample()
    other, again = sample()
    assert facts == again and facts.kind == "sample" and np.array_equal(one.values, other.values)
    assert (len(one), len(one.catalogue.users), len(one.catalogue.items)) == (12_000, 300, 200)
    assert "built-in sample of invented ratings, not the real data" in capsys.readouterr().err
    assert len(set(one.catalogue.titles)) == 200 and {*one.catalogue.scale} == {*np.unique(one.values)}
    assert {name for some in one.catalogue.genres for name in some} == {*GENRES}
    assert np.bincount(one.users).min() >= 10 and one.catalogue.user_features.sum(axis=1).tolist() == [3] * 300


def test_personal_taste_can_be_learned_from_the_sample() -> None:
    # What a user adds to each genre, by least squares on what user and film do on average, foretells other ratings.
    ratings, facts = sample()
    split = drawn(ratings, facts, "random")
    train, test = split.train, split.test
    film = pd.Series(train.values).groupby(train.items).mean().reindex(range(200)).fillna(3.6).to_numpy()
    rest = train.values - film[train.items]
    genres = ratings.catalogue.item_features[:, :3] / ratings.catalogue.item_features[:, :3].sum(1, keepdims=True)
    tastes = np.zeros((300, 3))
    level = np.zeros(300)
    for user in range(300):
        own = train.users == user
        level[user] = rest[own].mean()
        marks = genres[train.items[own]]
        tastes[user] = np.linalg.solve(marks.T @ marks + np.eye(3), marks.T @ rest[own])

    def error(predicted: np.ndarray) -> float:
        return float(np.sqrt(np.mean((test.values - np.clip(predicted, 1, 5)) ** 2)))

    without = error(film[test.items] + level[test.users])
    with_taste = error(film[test.items] + (tastes[test.users] * genres[test.items]).sum(axis=1))
    best = error(rated_films().expected[test.users, test.items])
    assert NOISE < best < with_taste < 0.9 * without


# The real data


def test_the_real_100k_and_its_folds_are_what_the_card_promises(real_data: Callable[[str], Path]) -> None:
    path = real_data("movielens/ml-100k.zip")
    ratings, facts = read_ratings(locate(load_card("movielens_100k"), "real"))
    known = ratings.catalogue
    assert (len(ratings), len(known.users), len(known.items)) == (100_000, 943, 1_682)
    assert known.titles[0] == "Toy Story (1995)" and len(set(known.titles)) == 1_682 and "Harper" in facts.citation
    assert known.user_features.shape == (943, 30) and known.item_features.shape[1] == 18 + 8
    split = ratings_split(ratings, facts, how="u1", validation=0.05, test=0.1, seed=0)
    assert [len(part) for _, part in split.items()] == [75_000, 5_000, 20_000]
    assert ratings.folds is not None and np.bincount(ratings.folds).tolist() == [0] + [20_000] * 5
    # The base files are not read: each must be what its test file leaves.
    rest = ratings[ratings.folds != 2]
    mine = np.stack([rest.users + 1, rest.items + 1, rest.values, rest.times], axis=1).astype(np.int64)
    with zipfile.ZipFile(path) as archive, archive.open("ml-100k/u2.base") as lines:
        base = pd.read_csv(lines, sep="\t", header=None).to_numpy()
    assert np.array_equal(mine[np.lexsort(mine.T)], base[np.lexsort(base.T)])


def test_the_real_small_data_is_what_its_card_promises(real_data: Callable[[str], Path]) -> None:
    real_data("movielens/ml-latest-small.zip")
    ratings, _ = read_ratings(locate(load_card("movielens_small"), "real"))
    known = ratings.catalogue
    assert (len(ratings), len(known.users), len(known.items)) == (100_836, 610, 9_724)
    assert known.scale == tuple(half / 2 for half in range(1, 11)) and len(set(known.titles)) == 9_724
