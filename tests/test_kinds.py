"""Column kinds of a user's own table: the rules hold, the user has the last word, and no mistake passes in silence."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_tables import corrupt

from practicals.common.data.kinds import LARGEST_CATEGORY, MOST_CATEGORIES, describe, infer_schema
from practicals.common.data.tables import read_table
from practicals.common.errors import DataError

ROWS = 60


def flats() -> pd.DataFrame:
    """Return a table with one column for each rule, named by what it is."""
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, ROWS), unit="D")
    return pd.DataFrame(
        {
            "flat_id": rng.permutation(ROWS) * 17,
            "rent": rng.integers(400, 2000, ROWS),
            "size": rng.integers(20, 120, ROWS) / 2,
            "rooms": rng.integers(1, 6, ROWS),
            "year": np.arange(1950, 1950 + ROWS),
            "town": rng.choice(["Aa", "Bb", "Cc"], ROWS),
            "code": rng.choice([10115, 10117, 10119], ROWS),
            "let": days.strftime("%d/%m/%Y"),
            "stamp": days.strftime("%Y%m%d"),
            "street": [f"Street {place}" for place in range(ROWS)],
            "counter": np.arange(1, ROWS + 1),
            "currency": "EUR",
            "blank": "",
        }
    )


@pytest.fixture
def infer(tmp_path: Path) -> Callable[..., object]:
    def write_and_infer(frame: pd.DataFrame | str, **settings: object) -> object:
        path = tmp_path / "flats.csv"
        path.write_text(frame if isinstance(frame, str) else frame.to_csv(index=False))
        return infer_schema(path, **settings)

    return write_and_infer


@pytest.fixture
def refusal(infer: Callable[..., object], tmp_path: Path) -> Callable[..., str]:
    def line(frame: pd.DataFrame | str, **settings: object) -> str:
        with pytest.raises(DataError) as caught:
            infer(frame, **settings)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path / 'flats.csv'}: ") and "\n" not in message
        return message.removeprefix(f"{tmp_path / 'flats.csv'}: ")

    return line


# Rules


def test_each_column_is_what_its_name_says(infer: Callable[..., object]) -> None:
    schema, kinds = infer(flats(), target="rent")
    assert schema.target == "rent" and schema.classes is None
    assert schema.numbers == ("size", "rooms", "year", "code")
    assert schema.categories == ("town",)
    assert schema.dates == ("let", "stamp") and schema.day_first == ("let",)
    assert schema.identifiers == ("flat_id",)
    assert [one.name for one in kinds] == list(flats().columns), "every column is accounted for, in the file's order"
    assert {one.name: one.why for one in kinds if one.kind == "left out"} == {
        "flat_id": "names a row",
        "street": "60 different texts such as 'Street 0': not a category",
        "counter": "counts the rows",
        "currency": "never anything but 'EUR'",
        "blank": "empty",
    }
    assert {one.name: one.why for one in kinds}["town"] == "3 different texts"


def test_the_schema_reads_the_file_that_it_was_made_from(infer: Callable[..., object], tmp_path: Path) -> None:
    schema, _ = infer(flats(), target="rent")
    frame = read_table(tmp_path / "flats.csv", schema, need_target=True).frame
    assert frame["rent"].tolist() == flats()["rent"].tolist()
    assert frame["let"].tolist() == frame["stamp"].tolist(), "two ways to write one day"


@pytest.mark.parametrize("name", ["id", "Index", "ROW", "RowNumber", "customer id", "HouseId", "Unnamed: 0", "key"])
def test_a_name_like_id_makes_whole_numbers_an_identifier(infer: Callable[..., object], name: str) -> None:
    schema, _ = infer(flats().rename(columns={"flat_id": name}), target="rent")
    assert schema.identifiers == (name,) and name not in schema.numbers


@pytest.mark.parametrize("name", ["paid", "humid", "width", "windex", "note"])
def test_a_word_that_only_ends_like_id_does_not(infer: Callable[..., object], name: str) -> None:
    schema, _ = infer(flats().rename(columns={"flat_id": name}), target="rent")
    assert name in schema.numbers and schema.identifiers == ()


def test_houses_that_are_sold_twice_keep_their_id_an_identifier(infer: Callable[..., object]) -> None:
    table = flats().assign(flat_id=[*range(100, 150), *range(100, 110)])
    assert infer(table, target="rent")[0].identifiers == ("flat_id",)


def test_an_id_with_few_values_is_a_number_that_the_user_may_correct(infer: Callable[..., object]) -> None:
    assert "flat_id" in infer(flats().assign(flat_id=[1, 2, 3] * 20), target="rent")[0].numbers


def test_a_copy_of_the_target_is_left_out(infer: Callable[..., object]) -> None:
    schema, kinds = infer(flats().assign(again=lambda table: table["rent"] * 1.0), target="rent")
    assert "again" not in schema.columns
    assert kinds[-1].why == "a copy of the target"


def test_texts_are_a_category_up_to_the_stated_number(infer: Callable[..., object]) -> None:
    for number, kind in ((MOST_CATEGORIES, "category"), (MOST_CATEGORIES + 1, "left out")):
        table = pd.DataFrame({"y": np.arange(200) ** 2, "x": np.arange(200) / 7, "name": np.arange(200) % number})
        _, kinds = infer(table.assign(name=table["name"].map("n{}".format)), target="y")
        assert kinds[2].kind == kind


def test_few_rows_make_no_category_of_texts_that_hardly_repeat(infer: Callable[..., object]) -> None:
    schema, _ = infer("y,x,name\n1,2,a\n2,5,b\n3,4,c\n4,9,a\n", target="y")
    assert schema.categories == () and schema.numbers == ("x",)


def test_missing_words_are_no_values(infer: Callable[..., object]) -> None:
    table = flats().astype({"size": object, "town": object, "let": object})
    table.loc[[0, 5], "size"] = "N/A"
    table.loc[[0, 6], "town"] = "null"
    table.loc[[0, 7], "let"] = "nan"
    assert infer(table, target="rent")[0] == infer(flats(), target="rent")[0]


def test_semicolons_and_decimal_commas_are_read(infer: Callable[..., object], tmp_path: Path) -> None:
    text = flats().to_csv(index=False, sep=";", decimal=",")
    assert ",5" in text
    assert infer(text, target="rent")[0] == infer(flats(), target="rent")[0]


def test_a_column_without_a_name_is_left_out(infer: Callable[..., object], tmp_path: Path) -> None:
    schema, kinds = infer(flats().rename(columns={"counter": ""}), target="rent")
    assert ("(column 11)", "left out", "has no name") in [(one.name, one.kind, one.why) for one in kinds]
    assert len(read_table(tmp_path / "flats.csv", schema, need_target=True).frame) == ROWS


def test_numbers_of_eight_digits_are_dates_only_if_they_are_days(infer: Callable[..., object]) -> None:
    assert "stamp" in infer(flats().assign(stamp=np.arange(ROWS) * 1000 + 20_000_000), target="rent")[0].numbers


# The user has the last word


def test_settings_overrule_the_rules(infer: Callable[..., object]) -> None:
    schema, kinds = infer(
        flats(), target=" RENT ", numbers=["counter"], categories=["Code", "rooms"], dates=["let"], ignore=["size"]
    )
    assert schema.numbers == ("year", "counter") and schema.categories == ("rooms", "town", "code")
    assert {one.name: one.why for one in kinds}["code"] == "set by categories"
    assert "size" not in schema.columns


def test_an_identifier_that_is_ignored_is_gone(infer: Callable[..., object]) -> None:
    assert infer(flats(), target="rent", ignore=["flat_id"])[0].identifiers == ()


def test_what_is_told_names_every_column_once_and_how_to_correct_it(infer: Callable[..., object]) -> None:
    _, kinds = infer(flats(), target="rent")
    lines = describe(kinds)
    assert lines[0] == "numbers: 'size', 'rooms', 'year', 'code'"
    assert lines[1] == "categories: 'town' (3 different texts)"
    for name in flats().columns.drop("rent"):
        assert sum(line.count(f"'{name}'") for line in lines) == 1, name
    for setting in ("numbers", "categories", "dates", "ignore"):
        assert f"--set '{setting}=[COLUMN]'" in lines[-1]  # a shell takes brackets without quotes for files


# Refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": None}, "say which column to predict: --set target=COLUMN. Columns: 'flat_id', 'rent', 'size',"),
        ({"target": " "}, "say which column to predict"),
        ({"target": "rnet"}, "target: there is no column 'rnet'. Did you mean 'rent'?"),
        ({"target": "town"}, "column 'town', row 2: the target must be a number, found "),
        ({"target": "let"}, "column 'let', row 2: the target must be a number"),
        ({"target": "blank"}, "column 'blank' is empty in every row"),
        ({"numbers": ["rent"]}, "numbers: 'rent' is the target, and a target that is also a feature would"),
        ({"categories": ["Rent"]}, "categories: 'rent' is the target"),
        ({"dates": ["rent"]}, "dates: 'rent' is the target"),
        ({"ignore": ["rent"]}, "ignore: 'rent' is the target"),
        ({"numbers": ["code"], "categories": ["CODE"]}, "column 'code' is named in numbers and in categories."),
        ({"dates": ["let"], "ignore": ["let"]}, "column 'let' is named in dates and in ignore."),
        ({"categories": ["towm"]}, "categories: there is no column 'towm'. Did you mean 'town'?"),
    ],
)
def test_settings_that_cannot_hold_are_refused(
    refusal: Callable[..., str], settings: dict[str, object], message: str
) -> None:
    assert message in refusal(flats(), **{"target": "rent", **settings})


def test_a_target_of_text_names_the_columns_that_could_be_one(refusal: Callable[..., str]) -> None:
    message = refusal(flats(), target="town")
    assert message.endswith(
        "--set target=COLUMN: 'flat_id', 'rent', 'size', 'rooms', 'year', 'code', 'stamp', 'counter'."
    )
    assert refusal("y,x\na,b\nb,c\n", target="y").endswith("this file has none.")


def test_one_bad_cell_of_the_target_is_named_by_its_row(refusal: Callable[..., str]) -> None:
    table = flats().astype({"rent": object})
    table.loc[7, "rent"] = "ask"
    assert "column 'rent', row 9: the target must be a number, found 'ask'" in refusal(table, target="rent")


@pytest.mark.parametrize(("column", "what"), [("size", "a number"), ("let", "a date")])
def test_a_few_cells_unlike_all_others_are_a_mistake_and_not_a_reason_to_leave_the_column_out(
    infer: Callable[..., object], refusal: Callable[..., str], column: str, what: str
) -> None:
    table = flats().astype({column: object})
    table.loc[3, column] = "soon"
    message = refusal(table, target="rent")
    assert f"column '{column}', row 5: expected {what} as in the other rows, found 'soon'" in message
    assert f"--set 'ignore=[{column}]'" in message
    assert column not in infer(table, target="rent", ignore=[column])[0].columns


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("price\n1\n2\n3\n", "nothing is left to predict 'price' from: it is the only column; at least one other"),
        (
            "price,n\n5,1\n3,2\n9,3\n",
            "from: 'n' (counts the rows) left out. Use a column with --set 'numbers=[COLUMN]'",
        ),
        ("price,n\n5,1\n3,1\n", "'n' (never anything but '1') left out"),
        ("price,Price\n5,1\n", "column 'Price' stands twice, in place 1 and 2"),
        ("price,x\n", "has a header but no rows"),
        ("", "is empty"),
        ("x" * 1_000_000, "row 1 cannot be read"),
        ("price,x\n1,2,3\n", "row 2 has 3 fields, the header has 2"),
    ],
)
def test_a_table_with_nothing_to_predict_from_is_refused(
    refusal: Callable[..., str], content: str, message: str
) -> None:
    assert message in refusal(content, target="price")


def test_a_row_counter_may_still_be_used_where_the_user_says_so(infer: Callable[..., object]) -> None:
    assert infer("price,n\n5,1\n3,2\n9,3\n", target="price", numbers=["n"])[0].numbers == ("n",)


def test_a_category_with_thousands_of_values_is_refused(refusal: Callable[..., str]) -> None:
    table = pd.DataFrame({"y": np.arange(2000) % 7, "x": np.arange(2000) / 3})
    message = refusal(table, target="y", categories=["x"])
    assert f"has 2,000 different values, and a category may have {LARGEST_CATEGORY:,}" in message


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        infer_schema(tmp_path / "none.csv", target="y")


# Chance


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_gives_a_schema_that_can_be_used_or_one_line(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "damaged.csv"
    path.write_bytes(corrupt(random.Random(seed), flats().to_csv(index=False).encode()))  # noqa: S311
    try:
        schema, _ = infer_schema(path, target="rent")
        frame = read_table(path, schema, need_target=True).frame
    except DataError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error) and len(str(error)) < 1500
    else:
        assert len(frame) and np.isfinite(frame["rent"]).all() and len(schema.features)


# Real data


def test_the_real_house_sales_need_one_correction(real_data: Callable[[str], Path]) -> None:
    schema, kinds = infer_schema(real_data("kc_house/kc_house_data.csv"), target="price", categories=["zipcode"])
    assert schema.identifiers == ("id",) and schema.dates == ("date",) and schema.categories == ("zipcode",)
    assert len(schema.numbers) == 17 and len(kinds) == 21
    assert schema.day_first == (), "10/13/2014 shows that the month stands first"


def test_the_real_loans_are_refused_for_one_cell_in_a_column_of_numbers(real_data: Callable[[str], Path]) -> None:
    path = real_data("loan/loan_data.csv")
    with pytest.raises(DataError, match=r"'Dependents', row 9: .*found '3\+'.*--set 'categories=\[Dependents\]'"):
        infer_schema(path, target="LoanAmount")
    schema, _ = infer_schema(path, target="LoanAmount", categories=["Dependents"])
    assert schema.identifiers == ("Loan_ID",) and len(schema.categories) == 7
