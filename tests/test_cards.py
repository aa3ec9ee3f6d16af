"""Cards: what is known about a data set before it is opened."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pydantic
import pytest
from conftest import ROOT

from practicals.common.catalog import CATALOG
from practicals.common.data.cards import Card, CardFile, card_names, load_card
from practicals.common.data.fetch import inspect
from practicals.common.data.samples import churn, kc_house
from practicals.common.errors import DataError


@pytest.fixture(params=card_names())
def card(request: pytest.FixtureRequest) -> Card:
    return load_card(request.param)


def test_every_practical_has_a_card() -> None:
    assert {card for practical in CATALOG.values() for card in practical.cards} <= set(card_names())


def test_a_card_is_named_like_its_file(card: Card) -> None:
    assert load_card(card.name) == card


def test_a_card_says_what_people_need_to_know(card: Card) -> None:
    assert all((card.title, card.about, card.licence, card.terms, card.citation))
    assert "PRACTICALS_DATA" in card.by_hand
    assert all(column.description for column in card.columns.values())


def test_addresses_are_encrypted_and_public_copies_are_pinned_by_commit(card: Card) -> None:
    for url in (url for file in card.files for url in file.urls):
        assert url.startswith("https://")
        if "githubusercontent.com" in url:
            commit = (
                url.removeprefix("https://media.githubusercontent.com/media/")
                .removeprefix("https://raw.githubusercontent.com/")
                .split("/")[2]
            )
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


def test_kc_house_card_is_of_the_courses_form_and_says_that_kaggles_is_another() -> None:
    card = load_card("kc_house")
    assert tuple(card.columns) == tuple(kc_house(rows=60).columns)
    assert card.rows == 21_597 and card.target_counts == {}, "a price has no classes to count"
    assert "21,613" in card.by_hand and "--data PATH --set target=price" in card.by_hand
    assert card.columns["price"].unit == "USD" and card.columns["sqft_lot15"].unit == "sqft"


def test_fake_reg_card_is_of_the_courses_form() -> None:
    card = load_card("fake_reg")
    assert tuple(card.columns) == ("price", "feature1", "feature2")
    assert card.rows == 1000 and card.target_counts == {}


@pytest.mark.parametrize("path", [file.path for name in card_names() for file in load_card(name).files])
def test_every_card_matches_the_file_of_a_class_folder(path: str, real_data: Callable[[str], Path]) -> None:
    (file,) = (file for name in card_names() for file in load_card(name).files if file.path == path)
    found = real_data(path)
    assert inspect(found, file)[1] == "" and found.stat().st_size == file.bytes
    # A copy packed anew has another sha256, and passes by its members.
    if file.members_sha256:
        assert inspect(found, file.model_copy(update={"sha256": ()}))[1] == ""


@pytest.mark.parametrize("name", ["cats_dogs", "cats_dogs_8000"])
def test_cards_of_pictures_count_them_by_class_and_have_half_of_each(name: str) -> None:
    card = load_card(name)
    cats, dogs = card.target_counts["class"]["cats"], card.target_counts["class"]["dogs"]
    assert cats == dogs and list(card.columns) == ["picture", "class"]
    for folders in (file.folders for file in card.files if file.folders):
        assert sum(folders.values()) == card.rows


def test_every_card_is_explained_in_words(card: Card) -> None:
    text = (ROOT / "datasets" / "README.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {card.name}\n")[1].split("\n## ")[0]
    assert "**Licence and terms:**" in section
    for file in card.files:
        assert file.path in section and f"{file.bytes:,} bytes" in section


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
        {"sha256": (), "members_sha256": "0" * 64},
        {"folders": {"a": 3}},
        {"sha255": ("0" * 64,)},
    ],
    ids=["no hash", "short hash", "members without limit", "digest without limit", "counts without limit", "misspelt"],
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
