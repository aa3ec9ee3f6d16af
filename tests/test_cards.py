"""Cards: what is known about a data set before it is opened."""

from __future__ import annotations

import subprocess
import sys

import pydantic
import pytest

from practicals.common.catalog import CATALOG
from practicals.common.data.cards import Card, CardFile, card_names, load_card
from practicals.common.data.samples import churn
from practicals.common.errors import DataError


@pytest.fixture(params=card_names())
def card(request: pytest.FixtureRequest) -> Card:
    return load_card(request.param)


def test_every_practical_has_a_card() -> None:
    assert {practical.card for practical in CATALOG.values()} <= set(card_names())


def test_a_card_is_named_like_its_file(card: Card) -> None:
    assert load_card(card.name) == card


def test_a_card_says_what_people_need_to_know(card: Card) -> None:
    assert all((card.title, card.about, card.licence, card.terms, card.citation))
    assert "PRACTICALS_DATA" in card.by_hand
    assert all(column.description for column in card.columns.values())


def test_addresses_are_encrypted_and_public_copies_are_pinned_by_commit(card: Card) -> None:
    for url in (url for file in card.files for url in file.urls):
        assert url.startswith("https://")
        if "raw.githubusercontent.com" in url:
            commit = url.split("/")[5]
            assert len(commit) == 40 and set(commit) <= set("0123456789abcdef")


def test_target_counts_name_columns_and_add_up_to_all_rows(card: Card) -> None:
    for column, counts in card.target_counts.items():
        assert column in card.columns
        assert sum(counts.values()) == card.rows


def test_churn_card_lists_the_columns_of_the_file_and_their_units() -> None:
    card = load_card("churn")
    assert tuple(card.columns) == tuple(churn(rows=10).columns)
    assert card.columns["Balance"].unit == card.columns["EstimatedSalary"].unit == "EUR"
    assert card.rows == 10_000 and card.target_counts["Exited"]["1"] == 2_037


def test_unknown_data_set_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"^churm: .*Did you mean 'churn'\?$"):
        load_card("churm")


def test_a_name_cannot_reach_outside_the_folder_of_cards() -> None:
    with pytest.raises(DataError, match="no such data set"):
        load_card("../configs/churn")


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": ()},
        {"sha256": ("12ab",)},
        {"sha256": (), "members": {"a.csv": "0" * 64}},
        {"sha255": ("0" * 64,)},
    ],
    ids=["no hash", "short hash", "archive without limit", "misspelt field"],
)
def test_a_file_that_could_not_be_verified_is_not_a_card(wrong: dict[str, object]) -> None:
    good = {"path": "a/a.csv", "bytes": 3, "sha256": ("0" * 64,), "urls": ()}
    assert CardFile.model_validate(good).bytes == 3
    with pytest.raises(pydantic.ValidationError):
        CardFile.model_validate(good | wrong)


def test_cards_and_fetching_load_neither_pandas_nor_keras() -> None:
    code = (
        "import sys, practicals.common.data.fetch\n"
        "print(sorted({'pandas', 'sklearn', 'numpy', 'tensorflow', 'keras', 'pooch', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
