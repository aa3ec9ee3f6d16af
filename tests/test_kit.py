"""What a teacher takes along: a class folder and an offline kit hold what their terms allow, and work."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import ROOT

from practicals.common import kit, sharing
from practicals.common.cli import main
from practicals.common.data.cards import Card, CardFile, card_names, load_card
from practicals.common.data.fetch import locate
from practicals.common.errors import DataError, PracticalError

GOOD = b"a,b\n1,2\n"


SHARING = {"free": "anyone", "study": "class", "private": "nobody"}


def card(name: str) -> Card:
    file = CardFile(path=f"{name}/{name}.csv", bytes=len(GOOD), sha256=(hashlib.sha256(GOOD).hexdigest(),), urls=())
    texts = {field: f"{field} of {name}" for field in ("title", "about", "licence", "terms", "citation", "by_hand")}
    return Card(name=name, files=(file,), columns={}, rows=1, sharing=SHARING[name], **texts)


@pytest.fixture
def three_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Put a free, a class-only and a private data set into a class folder; return the folder."""
    cards = {name: card(name) for name in SHARING}
    monkeypatch.setattr(kit, "card_names", lambda: tuple(cards))
    monkeypatch.setattr(kit, "load_card", cards.__getitem__)
    monkeypatch.setattr(sharing, "load_card", cards.__getitem__)
    folder = tmp_path / "teacher"
    for name in cards:
        (folder / name).mkdir(parents=True)
        (folder / name / f"{name}.csv").write_bytes(GOOD)
    monkeypatch.setenv("PRACTICALS_DATA", str(folder))
    return folder


def test_a_class_folder_leaves_out_and_names_what_nobody_may_pass_on(three_cards, tmp_path):
    folder = tmp_path / "class folder"
    shared = sharing.share_data(("free", "study", "private"), folder)
    assert [one["name"] for one in shared["data"]] == ["free", "study"]
    assert [one["name"] for one in shared["left_out"]] == ["private"]
    assert (folder / "study" / "study.csv").read_bytes() == GOOD
    assert not (folder / "private").exists()
    terms = (folder / "TERMS.md").read_text()
    assert "citation of free" in terms
    assert "by_hand of private" in terms


def test_a_class_folder_works_through_practicals_data(three_cards, tmp_path, monkeypatch):
    folder = tmp_path / "class"
    sharing.share_data(("study",), folder)
    shutil.rmtree(three_cards)
    monkeypatch.setenv("PRACTICALS_DATA", str(folder))
    assert locate(card("study"), "real").path == folder / "study" / "study.csv"


def test_a_kit_for_anyone_has_less_data_than_one_for_a_class(three_cards, tmp_path):
    shared = sharing.share_data(("free", "study", "private"), tmp_path / "all", reach="anyone")
    assert [one["name"] for one in shared["data"]] == ["free"]


def test_a_good_copy_stays_and_another_file_in_its_place_is_refused(three_cards, tmp_path):
    folder = tmp_path / "class"
    sharing.share_data(("free",), folder)
    before = (folder / "free" / "free.csv").stat().st_mtime_ns
    sharing.share_data(("free",), folder)
    assert (folder / "free" / "free.csv").stat().st_mtime_ns == before
    (folder / "free" / "free.csv").write_bytes(b"notes of my own")
    with pytest.raises(DataError, match=r"free\.csv: is not the expected file.*Remove it"):
        sharing.share_data(("free",), folder)
    assert (folder / "free" / "free.csv").read_bytes() == b"notes of my own"


def test_what_cannot_be_had_is_named_and_keeps_nothing_else_away(three_cards, tmp_path):
    shutil.rmtree(three_cards / "free")
    shared = sharing.share_data(("free", "study"), tmp_path / "class")
    assert [one["name"] for one in shared["missing"]] == ["free"]
    assert [one["name"] for one in shared["data"]] == ["study"]


def test_a_class_folder_where_a_file_stands_is_refused_in_one_line(three_cards, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["data", "--all", "--to", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'file'}: cannot be made")


def test_the_command_says_in_json_what_was_shared_and_what_was_not(three_cards, tmp_path, capsys, monkeypatch):
    one = type("Practical", (), {"cards": ("free", "private")})
    monkeypatch.setattr("practicals.common.commands.CATALOG", {"toy": one})
    assert main(["data", "--all", "--to", str(tmp_path / "class"), "--json"]) == 0
    shared = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in shared["data"]] == ["free"]
    assert [one["name"] for one in shared["left_out"]] == ["private"]


def test_a_name_and_all_do_not_go_together(capsys):
    assert main(["data", "churn", "--all"]) == 2
    assert "not both" in capsys.readouterr().err


@pytest.mark.parametrize("name", card_names())
def test_how_far_copies_go_agrees_with_the_terms_on_the_card(name):
    # What a card says to people and what the program does must not drift apart.
    card = load_card(name)
    terms = card.terms
    forbidden = "do not pass copies on" in terms
    free = "publish copies, with the authors named" in terms or "pass copies on only under the same terms" in terms
    assert card.sharing == ("nobody" if forbidden else "anyone" if free else "class")
    assert "sharing" in card.model_fields_set  # said by the card, not left to the default


@pytest.fixture
def small_kit(three_cards, tmp_path, monkeypatch) -> Path:
    """Make a kit with one wheel and made-up weights."""
    weights = tmp_path / "weights" / "net.h5"
    weights.parent.mkdir()
    weights.write_bytes(b"numbers")
    monkeypatch.setattr(kit, "_pretrained", lambda: weights)
    monkeypatch.setattr(kit, "collect_wheels", one_wheel)
    kit.make_kit(tmp_path / "kit", for_class=True)
    return tmp_path / "kit"


def one_wheel(checkout: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "toy-1-py3-none-any.whl").touch()


def test_a_kit_says_what_it_holds_and_for_which_machine(small_kit):
    made = json.loads((small_kit / "kit.json").read_text())
    assert made["wheels"] == ["toy-1-py3-none-any.whl"]
    assert [one["name"] for one in made["data"]] == ["free", "study"]
    assert made["weights"] == {"net.h5": hashlib.sha256(b"numbers").hexdigest()}
    assert (made["python"], made["platform"]) == (
        ".".join(platform.python_version_tuple()[:2]),
        sysconfig.get_platform(),
    )
    assert sorted(path.name for path in small_kit.iterdir()) == ["data", "kit.json", "weights", "wheels"]


def test_a_kit_that_is_made_again_keeps_nothing_of_the_one_before(small_kit):
    kit.make_kit(small_kit)
    made = json.loads((small_kit / "kit.json").read_text())
    assert [one["path"] for one in made["data"]] == ["data/free/free.csv"]
    assert not (small_kit / "data" / "study").exists()
    assert [path.name for path in small_kit.parent.iterdir() if path.name.startswith(".")] == []


def test_the_command_says_what_a_kit_holds_and_what_it_leaves_out(small_kit, capsys):
    assert main(["kit", str(small_kit)]) == 0
    shown = capsys.readouterr().out
    assert "1 wheels for Python" in shown
    assert "left out  private: terms of private" in shown
    assert "weights   net.h5" in shown
    assert main(["kit", str(small_kit.parent / "no"), "--use"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_using_a_kit_puts_data_and_weights_where_a_run_looks(small_kit, own_cache, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("PRACTICALS_DATA")
    kit.use_kit(small_kit)
    assert locate(card("study"), "real").path == own_cache / "study" / "study.csv"
    assert (tmp_path / "keras" / "models" / "net.h5").read_bytes() == b"numbers"
    kit.use_kit(small_kit)  # a second time changes nothing and fails nowhere


def test_weights_that_were_damaged_on_the_way_are_refused(small_kit, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (small_kit / "weights" / "net.h5").write_bytes(b"numbres")
    with pytest.raises(DataError, match=r"net\.h5: is missing or damaged"):
        kit.use_kit(small_kit)
    assert not (tmp_path / "keras").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weights": 3}', None])
def test_a_kit_that_was_not_finished_is_refused(text, tmp_path):
    if text is not None:
        (tmp_path / "kit.json").write_text(text)
    with pytest.raises(DataError, match="no finished kit"):
        kit.use_kit(tmp_path)


def test_packages_that_cannot_be_had_leave_no_finished_kit(three_cards, tmp_path, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "Looking\nERROR: No matching distribution found for lime\n")
    monkeypatch.setattr(kit.subprocess, "run", lambda command, **options: failed)
    with pytest.raises(PracticalError, match="No matching distribution found for lime"):
        kit.make_kit(tmp_path / "kit")
    assert [path.name for path in tmp_path.iterdir()] == ["teacher"]


def test_a_folder_with_other_things_in_it_does_not_become_a_kit(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(DataError, match="not empty and no kit"):
        kit.make_kit(tmp_path)


def make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return what `make setup` needs of a checkout, without a .venv."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
def test_setup_from_a_kit_asks_no_index(small_kit, checkout):
    shown = make("-n", "setup", f"KIT={small_kit}", folder=checkout).stdout
    assert f'--no-index --find-links "{small_kit}/wheels"' in shown
    assert f'kit "{small_kit}" --use' in shown
    assert "--no-index" not in make("-n", "setup", folder=checkout).stdout


@pytest.mark.skipif(shutil.which("make") is None, reason="this machine has no make")
def test_setup_refuses_a_kit_that_is_unfinished_or_for_another_python(checkout, tmp_path):
    unfinished = make("setup", f"KIT={tmp_path}", f"PYTHON={sys.executable}", folder=checkout)
    assert unfinished.returncode != 0
    assert "is no finished kit" in unfinished.stderr
    (tmp_path / "kit.json").write_text(json.dumps({"python": "3.9", "platform": "linux-x86_64"}))
    other = make("setup", f"KIT={tmp_path}", f"PYTHON={sys.executable}", folder=checkout)
    assert other.returncode != 0
    assert "is for Python 3.9" in other.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.slow  # loads Keras
def test_the_weights_of_a_kit_are_those_that_transfer_starts_from():
    from practicals.cats_dogs import CatsDogsConfig
    from practicals.common.config import load_config

    config = load_config(CatsDogsConfig, "cats_dogs", sets=["model=transfer"])
    assert (config.base, config.base_width, config.enlarge) == kit.WEIGHTS
