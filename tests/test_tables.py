"""What a table may look like, and what is refused in one line: every row of the list in the design."""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from practicals.common.data.cards import load_card
from practicals.common.data.samples import churn, kc_house
from practicals.common.data.tables import Table, TableSchema, check_counts, read_table
from practicals.common.errors import DataError

SCHEMA = TableSchema(
    numbers=("Age", "Balance"),
    categories=("Geography",),
    target="Exited",
    classes=(0, 1),
    identifiers=("CustomerId",),
)
CHURN = TableSchema(
    numbers=(
        "CreditScore",
        "Age",
        "Tenure",
        "Balance",
        "NumOfProducts",
        "HasCrCard",
        "IsActiveMember",
        "EstimatedSalary",
    ),
    categories=("Geography", "Gender"),
    target="Exited",
    classes=(0, 1),
    identifiers=("RowNumber", "CustomerId", "Surname"),
)
KC_HOUSE = TableSchema(
    numbers=tuple(name for name in load_card("kc_house").columns if name not in ("id", "date", "price", "zipcode")),
    categories=("zipcode",),
    target="price",
    identifiers=("id",),
    dates=("date",),
)
HOUSES = TableSchema(numbers=("size",), categories=("zip",), target="price", identifiers=("id",), dates=("sold",))
HOUSES_CSV = """id,sold,price,size,zip
07,10/13/2014,221900,1180,98178
08,12/9/2014,538000.5,2570,98125
09,2/25/2015,180000,770,98028
"""
CSV = """CustomerId,Age,Geography,Balance,Exited
00017,42,France,0,1
18,41.5,España,83807.86,0
19,39,Germany,1e3,0
"""
Read = Callable[..., Table]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def write_and_read(content: str | bytes, *, need_target: bool = True) -> Table:
        path = tmp_path / "bank.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path, SCHEMA, need_target=need_target)

    return write_and_read


@pytest.fixture
def refusal(read: Read, tmp_path: Path) -> Callable[..., str]:
    def line(content: str | bytes, *, need_target: bool = True) -> str:
        with pytest.raises(DataError) as caught:
            read(content, need_target=need_target)
        message = str(caught.value)
        assert message.startswith(f"{tmp_path / 'bank.csv'}: ") and "\n" not in message and message.isprintable()
        return message.removeprefix(f"{tmp_path / 'bank.csv'}: ")

    return line


def expected() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "CustomerId": ["00017", "18", "19"],
            "Age": [42.0, 41.5, 39.0],
            "Balance": [0.0, 83807.86, 1000.0],
            "Geography": ["France", "España", "Germany"],
            "Exited": [1, 0, 0],
        }
    )


# Accepted


def test_a_plain_table_is_read_in_the_promised_types_without_a_word(read: Read) -> None:
    table = read(CSV)
    pd.testing.assert_frame_equal(table.frame, expected())
    assert table.notes == ()


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"\xef\xbb\xbf" + CSV.encode(), "byte-order mark"),
        (CSV.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + CSV.encode("utf-16-be"), "UTF-16"),
        (CSV.encode("utf-16-le"), "UTF-16"),
        (CSV.encode("utf-16-be"), "UTF-16"),
        (CSV.encode("latin-1"), "latin-1"),
        (CSV.replace(",", ";").encode(), "separated by semicolons"),
        (CSV.replace(",", "\t").encode(), "separated by tabs"),
        (CSV.replace(",", ";").replace(".", ",").encode(), "decimal commas"),
        (CSV.replace("CustomerId,Age", " CUSTOMERID , age").encode(), "' age' as Age"),
        (CSV.replace("Geography", "geography\t").encode(), "geography"),
        (CSV.replace("France", " France ").encode(), "'Geography': blanks removed around 1 value"),
        (CSV.replace("\n", ",x\n").encode(), "1 column not used: 'x'"),
        (CSV.replace("\n", ",\n").encode(), "1 column not used: ''"),
        (CSV.replace("\n", "\n\n,,,,\n", 1).encode(), None),
    ],
    ids=[
        "byte-order mark",
        "UTF-16",
        "UTF-16 big",
        "UTF-16 unmarked",
        "UTF-16 big unmarked",
        "latin-1",
        "semicolon",
        "tab",
        "decimal comma",
        "padded and cased header",
        "tab in header",
        "padded category",
        "extra column",
        "trailing comma",
        "blank rows",
    ],
)
def test_common_variants_are_read_as_the_same_table_and_said(read: Read, content: bytes, note: str | None) -> None:
    table = read(content)
    frame = table.frame
    if note is None:
        assert list(frame.index) == [2, 3, 4], "blank rows keep their numbers"
        frame, note = frame.reset_index(drop=True), "2 blank rows left out"
    pd.testing.assert_frame_equal(frame, expected())
    assert any(note in said for said in table.notes), table.notes


@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_line_ends_and_quotes_of_any_system_are_read(read: Read, line_end: str, quote: str) -> None:
    lines = [",".join(f"{quote}{cell}{quote}" for cell in line.split(",")) for line in CSV.splitlines()]
    table = read(line_end.join(lines))
    pd.testing.assert_frame_equal(table.frame, expected())
    assert table.notes == ()


def test_reordered_columns_are_matched_by_name_and_said(read: Read) -> None:
    frame = expected()[["Exited", "Balance", "Geography", "Age", "CustomerId"]]
    table = read(frame.to_csv(index=False))
    pd.testing.assert_frame_equal(table.frame, expected())
    assert table.notes == ("Columns stand in another order than usual; they were matched by name.",)


def test_identifiers_are_not_needed(read: Read) -> None:
    table = read(expected().drop(columns="CustomerId").to_csv(index=False))
    pd.testing.assert_frame_equal(table.frame, expected().drop(columns="CustomerId"))


def test_repeated_rows_are_kept_and_counted_whatever_their_identifiers(read: Read) -> None:
    table = read(CSV + "20,42,France,0,1\n21,42,France,0,1\n")
    assert len(table.frame) == 5
    assert table.notes == ("2 rows with the same content as an earlier row.",)


def test_missing_values_are_left_to_the_model_and_counted_by_column(read: Read) -> None:
    table = read(CSV + "20,,France,NA,1\n21, NaN ,,5,0\n22,30,null,7,0\n")
    assert table.frame["Age"].isna().tolist() == [False, False, False, True, True, False]
    assert table.frame["Balance"].isna().sum() == 1
    assert table.frame["Geography"].tolist()[3:] == ["France", "", ""]
    assert set(table.notes) == {
        "Column 'Age': 2 missing values, left to the model.",
        "Column 'Balance': 1 missing value, left to the model.",
        "Column 'Geography': 2 missing values, left to the model.",
    }


def test_an_unknown_category_is_kept_for_the_model(read: Read) -> None:
    assert read(CSV + "20,50,Atlantis,0,1\n").frame["Geography"].iloc[-1] == "Atlantis"


def test_rows_without_a_target_are_left_out_and_counted_and_the_others_keep_their_numbers(read: Read) -> None:
    table = read(CSV.replace("83807.86,0", "83807.86,"))
    pd.testing.assert_frame_equal(table.frame, expected().iloc[[0, 2]])
    assert list(table.frame.index) == [0, 2]
    assert table.notes == ("1 row left out, since 'Exited' is missing there.",)


def test_predicting_needs_no_target_and_does_not_look_at_one(read: Read) -> None:
    inputs = expected().drop(columns="Exited")
    for content in (
        inputs.to_csv(index=False),
        CSV,
        CSV.replace(",1\n", ",whatever\n"),
        CSV.replace(",1\n", ",\n").replace(",0\n", ",\n"),
    ):
        table = read(content, need_target=False)
        pd.testing.assert_frame_equal(table.frame, inputs)
        assert table.notes == ()


def test_predicting_one_row_works(read: Read) -> None:
    assert len(read("Age,Balance,Geography\n40,10,France\n", need_target=False).frame) == 1


# Refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CSV.replace("Age,", "Years,"), "column 'Age' is missing. Expected Age"),
        ("42,France,0,1\n43,Spain,1,0\n", "column 'Age' is missing, and 3 more."),
        (CSV.replace("39,", "forty,"), "column 'Age', row 4: expected a number, found 'forty'. Correct the cell"),
        (CSV.replace("41.5", '"41,5"'), "column 'Age', row 3: expected a number, found '41,5'"),
        (CSV.replace("1e3", '"1,000"'), "column 'Balance', row 4: expected a number, found '1,000'"),
        (CSV.replace("1e3", "€1000"), "column 'Balance', row 4: expected a number, found '€1000'"),
        (CSV.replace("1e3", "inf"), "column 'Balance', row 4: expected a finite number that fits into 32 bit"),
        (CSV.replace("1e3", "-Infinity"), "column 'Balance', row 4: expected a finite number"),
        (CSV.replace("1e3", "1e39"), "column 'Balance', row 4: expected a finite number that fits into 32 bit"),
        (CSV.replace("42,", "x,").replace("1e3", "y"), "column 'Age', row 2: expected a number, found 'x'"),
        (CSV.replace("1e3", "y").replace("41.5", "x"), "column 'Age', row 3: expected a number, found 'x'"),
        (CSV.replace("39,", "x,").replace("83807.86", "y"), "column 'Balance', row 3: expected a number, found 'y'"),
        (CSV.replace(",", ";").replace(".", ",").replace("1e3", "1.000"), "row 4: expected a number with a decimal"),
        (CSV.replace("CustomerId", "Age"), "column 'Age' stands twice, in place 1 and 2"),
        (CSV.replace("CustomerId", " AGE"), "column 'Age' stands twice"),
        (CSV.replace(",0\n", ",1\n"), "column 'Exited' is 1 in every row"),
        (CSV.replace(",0\n", ",2\n"), "column 'Exited', row 3: expected one of 0, 1, found '2'"),
        (CSV.replace(",0\n", ",yes\n"), "column 'Exited', row 3: expected one of 0, 1, found 'yes'"),
        (CSV.replace(",0\n", ",0.5\n"), "column 'Exited', row 3: expected one of 0, 1, found '0.5'"),
        (CSV.replace(",0\n", ",\n").replace(",1\n", ",\n"), "column 'Exited' is empty in every row"),
        (CSV.replace("39,", "39,,"), "row 4 has 6 fields, the header has 5"),
        (CSV.replace("39,", ""), "row 4 has 4 fields, the header has 5"),
        (CSV + CSV, "row 5 repeats the header"),
        (CSV.splitlines()[0], "has a header but no rows"),
        (CSV.splitlines()[0] + "\n\n,,,,\n", "has a header but no rows"),
        ("", "is empty"),
        ("\n \r\n\t", "is empty"),
        (",,,\n;\n,,,\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\xff\xfe", "is empty"),
        (CSV.replace("France", '"France'), "row 2 cannot be read (unexpected end of data). Is a quote"),
        (CSV.replace("France", '"France') + "x" * 200_000, "row 2 cannot be read (field larger than field limit"),
        ("x" * 1_000_000, "row 1 cannot be read"),
        (CSV + "20,50,Fra\0nce,0,1\n", "is not a text file"),
        (CSV + "20,50,\x1b[2J,0,1\n", "is not a text file"),
        (b"\xff\xfe" + CSV.encode("utf-16-le")[:-1], "begins like UTF-16 but is not"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "is a picture"),
        (gzip.compress(CSV.encode(), mtime=0), "is a gzip archive"),
        ("<!DOCTYPE html><html><body>Log in</body></html>", "is a web page"),
        (random.Random(0).randbytes(5000), "is not a text file"),  # noqa: S311
    ],
)
def test_what_would_need_guessing_is_refused_in_one_line(
    refusal: Callable[..., str], content: str | bytes, message: str
) -> None:
    assert message in refusal(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CSV.replace("Age,", "Years,"), "column 'Age' is missing"),
        (CSV.replace("39,", "forty,"), "column 'Age', row 4: expected a number, found 'forty'"),
        (CSV.replace("1e3", "inf"), "column 'Balance', row 4: expected a finite number"),
        (CSV.replace("CustomerId", "Age"), "column 'Age' stands twice"),
        (CSV.replace("39,", "39,,"), "row 4 has 6 fields"),
        (CSV.splitlines()[0], "has a header but no rows"),
        ("", "is empty"),
    ],
)
def test_predicting_refuses_what_training_refuses(refusal: Callable[..., str], content: str, message: str) -> None:
    assert message in refusal(content, need_target=False)


def test_an_excel_workbook_and_a_zip_archive_are_refused_by_name(refusal: Callable[..., str]) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    assert "is a zip archive or an Excel workbook" in refusal(out.getvalue())


def test_rows_are_counted_as_a_spreadsheet_counts_them(refusal: Callable[..., str]) -> None:
    """A blank row counts, and a line break inside a cell does not begin a new row."""
    content = CSV.replace("España", '"Esp\naña"').replace("19,39", "\n19,forty")
    assert "row 5: expected a number, found 'forty'" in refusal(content)


def test_a_monstrous_cell_is_shortened_in_the_message(refusal: Callable[..., str]) -> None:
    assert len(refusal(CSV.replace("39,", "9" * 50 + "x" * 50_000 + ","))) < 300


def test_a_file_that_is_missing_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.csv", SCHEMA, need_target=True)
    with pytest.raises(DataError, match="is a folder"):
        read_table(tmp_path, SCHEMA, need_target=True)


def damaged_double(text: str) -> tuple[str, int]:
    """Return the table twice with the header between and stray blank cells, and the row of the second header."""
    header, *rows = text.splitlines()
    blank = "," * header.count(",")
    first = [row.replace(",France,", ",,", 1) if place % 100 == 0 else row for place, row in enumerate(rows)]
    return "\n".join([header, *first, blank, header, *rows, blank, blank]), len(rows) + 3


def test_the_doubled_copy_is_refused_at_its_second_header(tmp_path: Path) -> None:
    text, row = damaged_double(churn(rows=500).to_csv(index=False))
    path = tmp_path / "double.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"^{path}: row {row} repeats the header"):
        read_table(path, CHURN, need_target=True)
    path.write_text(text.replace(text.splitlines()[0], text.splitlines()[0].replace("Surname", "")))
    with pytest.raises(DataError, match=rf"^{path}: row {row} repeats the header"):
        read_table(path, CHURN, need_target=True)
    first, second = text.rsplit("RowNumber,", 1)
    path.write_text(f"{first}RowNumber ,{second}")
    with pytest.raises(DataError, match=rf"^{path}: row {row} repeats the header, so two tables were joined"):
        read_table(path, CHURN, need_target=True)


# A target that is a number, and dates


def houses(tmp_path: Path, content: str, *, need_target: bool = True, schema: TableSchema = HOUSES) -> Table:
    path = tmp_path / "houses.csv"
    path.write_text(content)
    return read_table(path, schema, need_target=need_target)


def test_a_target_of_numbers_and_dates_are_read_in_the_promised_types_without_a_word(tmp_path: Path) -> None:
    table = houses(tmp_path, HOUSES_CSV)
    expected = pd.DataFrame(
        {
            "id": ["07", "08", "09"],
            "size": [1180.0, 2570.0, 770.0],
            "sold": [16_356.0, 16_413.0, 16_491.0],
            "zip": ["98178", "98125", "98028"],
            "price": [221_900.0, 538_000.5, 180_000.0],
        }
    )
    pd.testing.assert_frame_equal(table.frame, expected)
    assert table.notes == ()


@pytest.mark.parametrize("form", ["%Y%m%dT000000", "%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y 00:00", "%d %B %Y"])
def test_dates_of_other_forms_give_the_same_table(tmp_path: Path, form: str) -> None:
    expected = houses(tmp_path, HOUSES_CSV).frame
    content = HOUSES_CSV
    for text in ("10/13/2014", "12/9/2014", "2/25/2015"):
        content = content.replace(text, pd.to_datetime(text, format="%m/%d/%Y").strftime(form))
    table = houses(tmp_path, content)
    pd.testing.assert_frame_equal(table.frame, expected)
    assert table.notes == ()


def test_an_order_of_day_and_month_that_no_row_shows_is_said(tmp_path: Path) -> None:
    content = HOUSES_CSV.replace("13/2014", "11/2014").replace("25/2015", "5/2015")
    note = "Column 'sold': no row shows whether day or month stands first; read as {}."
    month_first = houses(tmp_path, content)
    assert month_first.notes == (note.format("month/day/year"),)
    assert month_first.frame["sold"].iloc[1] == 16_413, "9 December"
    schema = TableSchema(**{**vars(HOUSES), "day_first": ("sold",)})
    day_first = houses(tmp_path, content, schema=schema)
    assert day_first.notes == (note.format("day/month/year"),)
    assert day_first.frame["sold"].iloc[1] == 16_413 - 88, "12 September"


def test_a_missing_date_is_left_to_the_model_and_counted(tmp_path: Path) -> None:
    table = houses(tmp_path, HOUSES_CSV.replace("12/9/2014", " n/a "))
    assert table.frame["sold"].isna().tolist() == [False, True, False]
    assert table.notes == ("Column 'sold': 1 missing value, left to the model.",)


def test_rows_without_a_number_to_predict_are_left_out_and_counted(tmp_path: Path) -> None:
    table = houses(tmp_path, HOUSES_CSV.replace("538000.5", "NA"))
    assert table.frame["price"].tolist() == [221_900, 180_000] and table.frame["price"].dtype == "float64"
    assert list(table.frame.index) == [0, 2]
    assert table.notes == ("1 row left out, since 'price' is missing there.",)


def test_a_target_alone_may_show_that_commas_are_decimal(tmp_path: Path) -> None:
    content = HOUSES_CSV.replace(",", ";").replace("538000.5", "538000,5")
    table = houses(tmp_path, content)
    assert table.frame["price"].iloc[1] == 538_000.5
    assert "Numbers have decimal commas." in table.notes


def test_predicting_prices_needs_no_price(tmp_path: Path) -> None:
    expected = houses(tmp_path, HOUSES_CSV).frame.drop(columns="price")
    pd.testing.assert_frame_equal(houses(tmp_path, HOUSES_CSV, need_target=False).frame, expected)
    without = "\n".join(
        ",".join(cell for place, cell in enumerate(line.split(",")) if place != 2) for line in HOUSES_CSV.splitlines()
    )
    pd.testing.assert_frame_equal(houses(tmp_path, without, need_target=False).frame, expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HOUSES_CSV.replace("538000.5", "high"), "column 'price', row 3: expected a number, found 'high'. Correct"),
        (HOUSES_CSV.replace("538000.5", "$538000"), "row 3: expected a number, found '$538000'. Correct the cell, or"),
        (HOUSES_CSV.replace("538000.5", "inf"), "column 'price', row 3: expected a finite number that fits into 32"),
        (HOUSES_CSV.replace("538000.5", "-1e39"), "column 'price', row 3: expected a finite number that fits into 32"),
        (HOUSES_CSV.replace("price", "cost"), "column 'price' is missing. Expected size, sold, zip, price"),
        (HOUSES_CSV.replace("221900", "").replace("538000.5", "").replace("180000", ""), "'price' is empty in every"),
        (
            HOUSES_CSV.replace("538000.5", "221900").replace("180000", "221900.0"),
            "column 'price' is 221900 in every row; training needs rows of different values.",
        ),
        (HOUSES_CSV.replace("12/9/2014", "soon"), "column 'sold', row 3: expected a date such as 2014-10-13 or"),
        (HOUSES_CSV.replace("12/9/2014", "12/9/14"), "column 'sold', row 3: expected a date"),
        (HOUSES_CSV.replace("12/9/2014", "2014-02-30"), "column 'sold', row 3: expected a date"),
        (
            HOUSES_CSV.replace("2/25/2015", "25/2/2015"),
            "row 4: expected a date such as 2014-10-13 or month/day/year, as in other rows, found '25/2/2015'. Correct",
        ),
        (HOUSES_CSV.replace("2570", "x").replace("10/13/2014", "y"), "column 'sold', row 2: expected a date"),
        (HOUSES_CSV.replace("sold", "bought"), "column 'sold' is missing"),
    ],
)
def test_a_target_or_a_date_that_would_need_guessing_is_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        houses(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'houses.csv'}: ") and message in str(caught.value)


def test_a_column_of_dates_that_is_empty_cannot_be_learnt(tmp_path: Path) -> None:
    content = HOUSES_CSV.replace("10/13/2014", "").replace("12/9/2014", "").replace("2/25/2015", "")
    with pytest.raises(DataError, match="column 'sold' is empty in every row"):
        houses(tmp_path, content)
    assert houses(tmp_path, content, need_target=False).frame["sold"].isna().all(), "one house may have no date"


# Real data


def test_the_real_house_sales_are_read_as_their_card_promises(real_data: Callable[[str], Path]) -> None:
    card = load_card("kc_house")
    table = read_table(real_data(card.files[0].path), KC_HOUSE, need_target=True)
    check_counts(table.frame, card)
    assert table.notes == () and not table.frame.isna().any(axis=None)
    assert table.frame["date"].agg(["min", "max"]).tolist() == [16_192, 16_582], "2 May 2014 to 27 May 2015"
    assert table.frame["price"].mean() == pytest.approx(540_296.57, abs=0.01)
    sales = table.frame["id"].value_counts()
    assert (sales > 1).sum() == 176 and table.frame["id"].duplicated().sum() == 177


def test_the_real_fake_data_are_read_as_their_card_promises(real_data: Callable[[str], Path]) -> None:
    card = load_card("fake_reg")
    schema = TableSchema(numbers=("feature1", "feature2"), categories=(), target="price")
    table = read_table(real_data(card.files[0].path), schema, need_target=True)
    check_counts(table.frame, card)
    assert table.notes == ()
    assert table.frame["price"].agg(["mean", "min", "max"]).tolist() == pytest.approx(
        [498.673, 223.347, 774.408], abs=0.001
    )


def test_the_real_file_is_read_as_its_card_promises(real_data: Callable[[str], Path]) -> None:
    card = load_card("churn")
    table = read_table(real_data(card.files[0].path), CHURN, need_target=True)
    check_counts(table.frame, card)
    assert table.notes == () and not table.frame.isna().any(axis=None)
    first = table.frame.iloc[0]
    assert (first["Surname"], first["Balance"], first["Geography"], first["Exited"]) == ("Hargrave", 0.0, "France", 1)
    assert table.frame["EstimatedSalary"].iloc[0] == 101348.88


def test_the_doubled_copy_of_the_real_file_is_refused(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    text, row = damaged_double(real_data("churn/Churn_Modelling.csv").read_text())
    path = tmp_path / "double.csv"
    path.write_text(text)
    assert len(text.splitlines()) - 1 == 20_004 and row == 10_003
    with pytest.raises(DataError, match=f"row {row} repeats the header"):
        read_table(path, CHURN, need_target=True)


def test_counts_that_differ_from_the_card_are_refused() -> None:
    card = load_card("churn").model_copy(update={"rows": 100, "target_counts": {"Exited": {"0": 60, "1": 40}}})
    good = pd.DataFrame({"Exited": [0] * 60 + [1] * 40})
    check_counts(good, card)
    with pytest.raises(DataError, match=r"^churn: expected 100 rows, found 99"):
        check_counts(good.iloc[1:], card)
    with pytest.raises(DataError, match=r"^churn: expected 60 rows with Exited = 0, found 59"):
        check_counts(pd.concat([good.iloc[1:], good.tail(1)]), card)


# Chance


HOUSE_SAMPLE = kc_house(rows=60)


def corrupt(rng: random.Random, content: bytes) -> bytes:
    """Damage bytes in one to five of the ways in which files get damaged."""
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(content) + 1)
        piece = rng.choice(
            [b'"', b",", b";", b"\n", b"\r", b"\0", b"\xff", b"\xe9", b"e9", b"inf", b"-", b" ", b"\xef\xbb\xbf"]
        )
        other = rng.randrange(len(content) + 1)
        content = rng.choice(
            [
                content[:place],
                content[place:],
                content[:place] + piece + content[place:],
                content[:place] + piece + content[place + len(piece) :],
                content[:place] + content[other : other + 500] + content[place:],
                content.replace(b",", rng.choice([b";", b"\t", b" ", b",,"])),
                rng.randbytes(20) + content,
                content.decode("latin-1").encode("utf-16"),
            ]
        )
    return content


@pytest.mark.parametrize("seed", range(60))
def test_any_damage_gives_a_table_or_one_line(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    path = tmp_path / "damaged.csv"
    path.write_bytes(corrupt(rng, churn(rows=60, seed=seed).to_csv(index=False).encode()))
    for need_target in (True, False):
        try:
            frame = read_table(path, CHURN, need_target=need_target).frame
        except DataError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error) and len(str(error)) < 1500
        else:
            assert len(frame) and np.isfinite(frame[list(CHURN.numbers)].fillna(0).to_numpy()).all()
            assert not frame[list(CHURN.categories)].isna().any(axis=None)


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_to_a_table_of_houses_gives_a_table_or_one_line(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    path = tmp_path / "damaged.csv"
    sales = HOUSE_SAMPLE.assign(date=pd.to_datetime(HOUSE_SAMPLE["date"], unit="D").dt.strftime("%m/%d/%Y"))
    path.write_bytes(corrupt(rng, sales.to_csv(index=False).encode()))
    for need_target in (True, False):
        try:
            frame = read_table(path, KC_HOUSE, need_target=need_target).frame
        except DataError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error) and len(str(error)) < 1500
        else:
            numeric = [*KC_HOUSE.numbers, *KC_HOUSE.dates, *(["price"] if need_target else [])]
            assert len(frame) and np.isfinite(frame[numeric].fillna(0).to_numpy()).all()
            assert not need_target or not frame["price"].isna().any()
