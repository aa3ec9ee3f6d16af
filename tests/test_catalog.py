"""The catalog is the one list of practicals; what it names exists."""

from __future__ import annotations

import itertools

import pytest
from conftest import ROOT

from practicals.common.catalog import CATALOG, find_practical
from practicals.common.data.cards import load_card
from practicals.common.errors import PracticalError


def test_every_practical_has_a_module_a_config_a_smoke_config_and_a_card():
    for name, practical in CATALOG.items():
        assert name == practical.name
        assert (ROOT / "practicals" / f"{name}.py").is_file()
        assert (ROOT / "configs" / f"{name}.yaml").is_file()
        assert (ROOT / "configs" / "smoke" / f"{name}.yaml").is_file()
        assert [load_card(card).name for card in practical.cards] == list(practical.cards)


def test_every_module_and_config_of_a_practical_is_in_the_catalog():
    modules = {path.stem for path in (ROOT / "practicals").glob("[!_]*.py")}
    configs = {path.stem for path in (ROOT / "configs").glob("*.yaml")}
    assert modules == configs == set(CATALOG)


def test_every_config_opens_with_the_command_that_uses_it():
    for name in CATALOG:
        lines = (ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        opening = "\n".join(itertools.takewhile(lambda line: line.startswith("#"), lines))
        assert f"practicals run {name}" in opening


def test_a_misspelt_practical_is_refused_with_the_nearest_name():
    with pytest.raises(PracticalError, match=r"chrun: there is no such practical. Did you mean 'churn'\?"):
        find_practical("chrun")


def test_a_practical_like_no_other_is_refused_with_all_names():
    with pytest.raises(PracticalError, match=r"zzz: there is no such practical. Known: .*churn"):
        find_practical("zzz")
