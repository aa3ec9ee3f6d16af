"""Pictures of classes: the cache, the facts, the parts and what is left out of them, and pictures to predict for."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from practicals.common.data import picture_reading, picture_store
from practicals.common.data.archives import sha256_of
from practicals.common.data.cards import Card, load_card
from practicals.common.data.fetch import Source, locate
from practicals.common.data.picture_store import keep_in_cache, keep_until_exit
from practicals.common.data.pictures import (
    Catalogue,
    Pictures,
    PictureStore,
    picture_split,
    pictures_to_predict,
    read_pictures,
)
from practicals.common.errors import DataError

SIZE = 12
CARD = load_card("cats_dogs")


def shrink(picture: np.ndarray) -> np.ndarray:
    """Stand in for the model's layer: every so many pixels of a larger picture."""
    height, width, _ = picture.shape
    rows, columns = np.arange(SIZE) * height // SIZE, np.arange(SIZE) * width // SIZE
    return np.ascontiguousarray(picture[rows][:, columns])


def drawn(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (16, 20, 3), dtype=np.uint8)


def put(folder: Path, **classes: range) -> Path:
    """Save numbered pictures as FOLDER/part/class/number.png; the keys are part__class, or the class."""
    for place, numbers in classes.items():
        there = folder / place.replace("__", "/")
        there.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            Image.fromarray(drawn(number)).save(there / f"{number}.png")
    return folder


def read(folder: Path, card: Card = CARD) -> Catalogue:
    return read_pictures(locate(card, str(folder), folders=True), size=SIZE, resize=shrink)


def refused(act: Callable[..., object], *arguments: object, **more: object) -> str:
    with pytest.raises(DataError) as caught:
        act(*arguments, **more)
    return str(caught.value)


def entries(cache: Path) -> list[Path]:
    return sorted(path for path in (cache / "pictures").iterdir())


# What is read


def test_pictures_of_a_folder_come_with_their_class_and_are_what_was_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path / "pets", cats=range(3), dogs=range(3, 5))
    found = read(folder)
    assert found.classes == ("cats", "dogs") and found.labels == (0, 0, 0, 1, 1)
    assert found.files == ("cats/0.png", "cats/1.png", "cats/2.png", "dogs/3.png", "dogs/4.png")
    assert np.array_equal(found.store.read(np.array([4, 0])), [shrink(drawn(4)), shrink(drawn(0))])
    assert (found.facts.kind, found.facts.file, found.facts.rows, found.facts.notes) == ("own", "pets", 5, ())
    assert capsys.readouterr().err == "pets: your own pictures, 5 pictures\n"


def test_a_zip_gives_the_same_pictures_as_its_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "pets", train__cats=range(3), train__dogs=range(3, 5), test__cats=[8], test__dogs=[9])
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png"), reverse=True):
            archive.write(path, path.relative_to(folder))
    unpacked, packed = read(folder), read(tmp_path / "pets.zip")
    assert (packed.files, packed.labels, packed.parts, packed.digests) == (
        *(unpacked.files, unpacked.labels, unpacked.parts, unpacked.digests),
    )
    assert np.array_equal(packed.store.read(np.arange(7)), unpacked.store.read(np.arange(7)))
    assert packed.facts.sha256 == sha256_of(tmp_path / "pets.zip")
    renamed = folder.rename(tmp_path / "animals")
    assert read(renamed).facts.sha256 == unpacked.facts.sha256, "a folder is known by its pictures"


def test_unreadable_files_are_named_counted_and_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(picture_reading, "UNREADABLE_NAMED", 2)
    folder = put(tmp_path, cats=range(3), dogs=range(3, 6))
    (folder / "cats/empty.jpg").write_bytes(b"")
    (folder / "cats/text.jpg").write_text("text")
    (folder / "dogs/cut.png").write_bytes((folder / "dogs/3.png").read_bytes()[:-100])
    (folder / "readme.txt").write_text("text")
    found = read(folder)
    assert found.facts.rows == len(found.files) == 6
    assert found.facts.notes == (
        "1 file that is no picture left out (readme.txt).",
        "3 files are no readable pictures and are left out.",
        "cats/empty.jpg is empty (zero bytes).",
        "cats/text.jpg is not a picture: no JPEG, PNG, GIF, BMP or WebP.",
        "And 1 more.",
    )
    said = capsys.readouterr().err
    assert all(f"{folder}: {note}\n" in said for note in found.facts.notes)
    again = read(folder)
    assert again.facts == found.facts and capsys.readouterr().err == said, "what is kept is told each time"


def test_a_class_left_empty_by_unreadable_files_is_refused(tmp_path: Path) -> None:
    folder = put(tmp_path, cats=range(3))
    (folder / "dogs").mkdir()
    (folder / "dogs/1.jpg").write_bytes(b"")
    assert refused(read, folder) == (
        f"{folder}: class 'dogs' has no readable picture: dogs/1.jpg is empty (zero bytes). Put good pictures there, "
        "or remove the class."
    )


def test_pictures_too_small_to_learn_from_are_left_out(tmp_path: Path) -> None:
    folder = put(tmp_path, cats=range(2), dogs=range(2, 4))
    Image.new("RGB", (1, 1)).save(folder / "dogs/dot.png")
    found = read(folder)
    assert len(found.files) == 4 and "dogs/dot.png is too small to learn from: 1 x 1 pixels" in found.facts.notes[1]


def test_a_file_that_is_no_archive_and_a_folder_without_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"text")
    assert "is not a zip archive" in refused(read, tmp_path / "photo.jpg")
    assert "holds no pictures" in refused(read, put(tmp_path / "none", cats=[]))


def test_real_pictures_must_be_as_many_as_their_card_says(tmp_path: Path) -> None:
    folder = put(tmp_path, cats=range(3), dogs=range(3, 5))
    card = CARD.model_copy(update={"rows": 5, "target_counts": {"class": {"cats": 3, "dogs": 2}}})

    def real(card: Card) -> Catalogue:
        return read_pictures(Source(card, "real", folder, "0" * 64), size=SIZE, resize=shrink)

    assert real(card).facts.licence == CARD.licence
    assert "expected 6 pictures, found 5" in refused(real, card.model_copy(update={"rows": 6}))
    wrong = card.model_copy(update={"target_counts": {"class": {"cats": 2, "dogs": 2}}})
    assert "expected 2 of class cats, found 3" in refused(real, wrong)


def test_the_sample_has_a_test_part_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    found = read_pictures(locate(CARD, "sample"), size=SIZE, resize=shrink)
    assert found.files[0] == "test_set/cats/cat.1.png" and found.classes == ("cats", "dogs")
    assert capsys.readouterr().err == (
        "cats_dogs: built-in sample of drawn pictures, not the real data, "
        "400 pictures (300 to learn from, 100 to test)\n"
    )
    split = picture_split(found, validation=0.2, test=0.2, seed=0)
    assert [len(part) for _, part in split.items()] == [240, 60, 100]
    assert split.facts is not None and split.facts.kind == "sample"


# The cache


def test_pictures_are_decoded_once(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path, cats=range(2), dogs=range(2, 4))
    first = read(folder)
    with monkeypatch.context() as patch:
        patch.setattr(picture_reading, "decode_all", lambda *_, **__: pytest.fail("decoded again"))
        second = read(folder)
    assert second == first and len(entries(own_cache)) == 1
    (folder / "cats/new.png").write_bytes((folder / "dogs/2.png").read_bytes())
    assert len(read(folder).files) == 5, "a folder that changed is read anew"
    other = read_pictures(locate(CARD, str(folder), folders=True), size=SIZE, resize=lambda one: 255 - shrink(one))
    assert np.array_equal(other.store.read(np.array([0])), 255 - first.store.read(np.array([0]))), "as is another way"
    assert len(entries(own_cache)) == 3


@pytest.mark.parametrize("damage", ["cut", "changed", "half", "no index", "not an index"])
def test_a_damaged_entry_is_rebuilt(tmp_path: Path, own_cache: Path, damage: str) -> None:
    folder = put(tmp_path, cats=range(2), dogs=range(2, 4))
    first = read(folder)
    good = first.store.read(np.arange(4))
    pixels, index = first.store.path, first.store.path.with_name("index.json")
    if damage == "cut":
        os.truncate(pixels, pixels.stat().st_size - 5)
    elif damage == "changed":
        raw = bytearray(pixels.read_bytes())
        raw[-7] ^= 1
        pixels.write_bytes(raw)
    elif damage == "half":
        pixels.unlink()
    elif damage == "no index":
        index.unlink()
    else:
        index.write_text("[]")
    again = read(folder)
    assert np.array_equal(again.store.read(np.arange(4)), good) and again.facts == first.facts
    assert len(entries(own_cache)) == 1, "nothing damaged stays"


def test_a_file_that_is_cut_while_it_is_used_is_an_error_and_not_noise(tmp_path: Path) -> None:
    store = read(put(tmp_path, cats=range(2), dogs=range(2, 4))).store
    os.truncate(store.path, store.path.stat().st_size - 5)
    assert "was cut short" in refused(store.read, np.array([3]))
    store.path.unlink()
    assert "cannot be read" in refused(store.read, np.array([0]))


def test_two_processes_may_fill_the_cache_at_once(tmp_path: Path, own_cache: Path) -> None:
    def pixels() -> list[np.ndarray]:
        # While this process writes, another one finishes the same entry.
        keep_in_cache("key", iter([shrink(drawn(1))]), SIZE, {"by": "the other"})
        return [shrink(drawn(1))]

    store, notes = keep_in_cache("key", (one for one in pixels()), SIZE, {"by": "this"})
    assert notes == {"by": "the other"} and store.shape == (1, SIZE, SIZE, 3)
    assert [path.name for path in entries(own_cache)] == ["key"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_cache_that_cannot_be_written_is_named_and_left_clean(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(picture_store, "_write_header", fail)
    line = refused(read, put(tmp_path, cats=range(2), dogs=range(2, 4)))
    assert line.startswith(f"{own_cache / 'pictures'}: pictures cannot be kept there ({os.strerror(code)})")
    assert "PRACTICALS_CACHE" in line and entries(own_cache) == []
    assert "TMPDIR" in refused(keep_until_exit, [], SIZE)


def test_a_file_where_the_cache_should_be_is_named(tmp_path: Path, own_cache: Path) -> None:
    (own_cache / "pictures").write_text("in the way")
    assert "PRACTICALS_CACHE" in refused(read, put(tmp_path, cats=range(2), dogs=range(2, 4)))


def keep(key: str, used: float) -> Path:
    store, _ = keep_in_cache(key, iter([shrink(drawn(1))]), SIZE, {})
    for path in (store.path, store.path.with_name("index.json"), store.path.parent):
        os.utime(path, (used, used))
    return store.path.parent


def test_the_cache_keeps_the_entries_used_last(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_store, "ENTRIES_KEPT", 2)
    killed = own_cache / "pictures" / ".0a1b2c3d.key"
    killed.mkdir(parents=True)
    os.utime(killed, (1, 1))
    # What an earlier process kept: nothing holds it now.
    for number in range(4):
        keep(f"key{number}", 1_000 + number)
        picture_store._release(own_cache / "pictures" / f"key{number}")
    assert [path.name for path in entries(own_cache)] == ["key2", "key3"]


@pytest.mark.skipif(sys.platform == "win32", reason="there an open file itself keeps its folder in place")
def test_an_entry_that_a_process_uses_is_not_removed(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_store, "ENTRIES_KEPT", 1)
    ours = keep("ours", 1_000)
    theirs = keep("theirs", 1_001)
    picture_store._release(theirs)
    code = "import fcntl, sys; kept = open(sys.argv[1]); fcntl.flock(kept, fcntl.LOCK_SH); print('held'); input()"
    command = [sys.executable, "-c", code, str(theirs / "index.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        keep("newest", 1_002)
        assert {path.name for path in entries(own_cache)} == {"ours", "theirs", "newest"}
        other.communicate("\n")
    keep("more", 1_003)
    assert "theirs" not in {path.name for path in entries(own_cache)} and ours.exists()


# Pictures


def some(tmp_path: Path) -> Pictures:
    found = read(put(tmp_path, cats=range(3), dogs=range(3, 5)))
    return Pictures(
        found.store,
        np.array([0, 3, -1, 4]),
        labels=np.array([0, 1, -1, 1]),
        classes=found.classes,
        files=["a", "b", "c", "d"],
        problems=["", "", "is empty", ""],
    )


def test_pictures_are_chosen_like_rows(tmp_path: Path) -> None:
    four = some(tmp_path)
    four.index = list("wxyz")
    for chosen, names in [
        (slice(1, 3), ["b", "c"]),
        ([3, 0], ["d", "a"]),
        (four.readable, ["a", "b", "d"]),
        (-1, ["d"]),
        ([], []),
        (np.array([], dtype=bool)[:0], []),
    ]:
        part = four[chosen]
        assert part.files.tolist() == names and len(part) == len(part.index) == len(part.labels) == len(names)
    assert four[[3, 0]].index.tolist() == ["z", "w"] and four[four.index == "x"].files.tolist() == ["b"]
    with pytest.raises(ValueError, match="1 names for 4"):
        four.index = ["a"]


def test_pixels_are_read_when_asked_for_and_never_invented(tmp_path: Path) -> None:
    four = some(tmp_path)
    assert four.readable.tolist() == [True, True, False, True]
    assert np.array_equal(four[[3, 1]].pixels, [shrink(drawn(4)), shrink(drawn(3))])
    assert four[[]].pixels.shape == (0, SIZE, SIZE, 3)
    with pytest.raises(ValueError, match="c is empty"):
        _ = four.pixels
    with pytest.raises(IndexError):
        four.store.read(np.array([5]))


def test_pictures_travel_to_other_processes_by_place(tmp_path: Path) -> None:
    four = some(tmp_path)
    for twin in (pickle.loads(pickle.dumps(four)), copy.deepcopy(four)):  # noqa: S301 - our own bytes
        assert np.array_equal(twin[:2].pixels, four[:2].pixels)


# Parts


def files(part: Pictures) -> set[str]:
    return set(part.files)


def test_without_a_test_folder_three_parts_are_drawn_with_the_same_share_of_classes(tmp_path: Path) -> None:
    found = read(put(tmp_path, cats=range(20), dogs=range(20, 30)))
    split = picture_split(found, validation=0.25, test=0.2, seed=1)
    assert {name: np.bincount(part.labels).tolist() for name, part in split.items()} == {
        **{"train": [12, 6], "validation": [4, 2], "test": [4, 2]}
    }
    assert files(split.train) | files(split.validation) | files(split.test) == set(found.files)
    part = split.validation
    assert part.index.tolist() == part.files.tolist() and part.classes == ("cats", "dogs")
    numbers = [int(Path(name).stem) for name in part.files]
    assert np.array_equal(part.pixels, [shrink(drawn(number)) for number in numbers])
    assert [number >= 20 for number in numbers] == part.labels.astype(bool).tolist()
    same, other = (picture_split(found, validation=0.25, test=0.2, seed=seed) for seed in (1, 2))
    assert files(same.test) == files(split.test) and files(other.test) != files(split.test)


def test_a_test_folder_is_the_test_part_whatever_the_shares(tmp_path: Path) -> None:
    folder = put(tmp_path, train__cats=range(10), train__dogs=range(10, 20), test__cats=[20, 21], test__dogs=[22])
    split = picture_split(read(folder), validation=0.2, test=0.5, seed=0)
    assert files(split.test) == {"test/cats/20.png", "test/cats/21.png", "test/dogs/22.png"}
    assert [np.bincount(part.labels).tolist() for part in (split.train, split.validation)] == [[8, 8], [2, 2]]


def test_three_folders_are_the_three_parts(tmp_path: Path) -> None:
    folder = put(tmp_path, train__a=range(3), train__b=range(3, 6), val__a=[6], val__b=[7], test__a=[8], test__b=[9])
    split = picture_split(read(folder), validation=0.2, test=0.2, seed=0)
    assert [len(part) for _, part in split.items()] == [6, 2, 2]
    assert files(split.validation) == {"val/a/6.png", "val/b/7.png"}


def test_copies_of_a_picture_never_stand_on_two_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(tmp_path, cats=range(10), dogs=range(20, 30))
    for number in (0, 1, 2, 20):
        picture = Image.fromarray(drawn(number))
        for copy_number in range(3):
            picture.save(folder / ("cats" if number < 10 else "dogs") / f"{number}-{copy_number}.bmp")
    found = read(folder)
    for seed in range(3):
        split = picture_split(found, validation=0.2, test=0.2, seed=seed)
        sides = [{Path(name).stem.split("-")[0] for name in part.files} for _, part in split.items()]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 20
    assert split.facts is not None
    assert split.facts.notes == ("16 pictures are copies of 4; copies stay in one part.",)
    assert f"{folder}: 16 pictures are copies of 4" in capsys.readouterr().err


def test_training_pictures_that_are_in_the_test_folder_too_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path, train__cats=range(10), train__dogs=range(10, 20), test__cats=[0, 1, 30], test__dogs=[10])
    split = picture_split(read(folder), validation=0.2, test=0.2, seed=0)
    assert len(split.test) == 4 and len(split.train) + len(split.validation) == 17
    shown = {int(Path(name).stem) for part in (split.train, split.validation) for name in part.files}
    assert not shown & {0, 1, 10}
    assert split.facts is not None and split.facts.rows == 21
    assert "3 pictures to learn from left out: also in the test part." in split.facts.notes
    assert "3 pictures to learn from left out: also in the test part." in capsys.readouterr().err


def test_a_picture_in_two_classes_is_said_and_stays_on_one_side(tmp_path: Path) -> None:
    found = read(put(tmp_path, cats=range(10), dogs=range(9, 20)))
    split = picture_split(found, validation=0.2, test=0.2, seed=0)
    assert split.facts is not None and split.facts.notes[1] == (
        "1 picture of these is in more than one class, such as cats/9.png."
    )
    assert sum({"cats/9.png", "dogs/9.png"} <= files(part) for _, part in split.items()) == 1


@pytest.mark.parametrize(
    ("folders", "reason"),
    [
        ({"cats": range(20), "dogs": [20]}, "class 'dogs' has 1 different picture to divide; at least 7"),
        ({"train__cats": range(9), "train__dogs": [9], "test__cats": [10], "test__dogs": [11]},
         "class 'dogs' has 1 different picture to divide; at least 5"),
        ({"train__a": [1], "train__b": [2], "val__a": [3], "val__b": [4], "test__a": [1], "test__b": [6]},
         "class 'a' has no picture left in the train part"),
    ],
    ids=["plain", "own test part", "all in the test part"],
)  # fmt: skip
def test_a_class_with_too_few_pictures_is_refused(tmp_path: Path, folders: dict[str, range], reason: str) -> None:
    found = read(put(tmp_path, **folders))
    line = refused(picture_split, found, validation=0.2, test=0.2, seed=0)
    assert line.startswith(f"{tmp_path}: ") and reason in line and "Add" in line


# Predicting


def predict(*paths: Path | str) -> Pictures:
    return pictures_to_predict([Path(path) for path in paths], size=SIZE, resize=shrink)


def test_files_and_folders_keep_the_order_in_which_they_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(put(tmp_path, b=[3, 1, 2], a=[4], a__deep=[5]))
    given = predict("b/3.png", "a", "missing.jpg", "b", "b/3.png")
    names = ["b/3.png", "a/4.png", "a/deep/5.png", "missing.jpg", "b/1.png", "b/2.png", "b/3.png", "b/3.png"]
    assert given.files.tolist() == [str(Path(name)) for name in names]
    assert given.problems.tolist() == ["", "", "", "no such file", "", "", "", ""]
    assert given.index.equals(pd.RangeIndex(8)) and given.classes == () and set(given.labels) == {-1}
    readable = given[given.readable]
    assert np.array_equal(readable.pixels, [shrink(drawn(int(Path(name).stem))) for name in readable.files])


def test_what_cannot_be_read_keeps_its_line_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "none/readme.txt").write_text("text")
    (tmp_path / "text.jpg").write_text("text")
    Image.new("RGB", (1, 1), (9, 9, 9)).save(tmp_path / "dot.anything", "PNG")
    given = predict(tmp_path / "none", tmp_path / "text.jpg", tmp_path / "dot.anything", "a\0b")
    *reasons, unnameable = given.problems
    assert reasons == ["is a folder without pictures", "is not a picture: no JPEG, PNG, GIF, BMP or WebP", ""]
    assert re.fullmatch(r"cannot be read \(.*embedded null .*\)", unnameable)  # Python's words differ by version
    assert given.places.tolist() == [-1, -1, 0, -1]
    assert (given[2].pixels == 9).all(), "a picture of one pixel is a picture"
    nothing = predict(tmp_path / "text.jpg")
    assert not nothing.readable.any() and nothing[nothing.readable].pixels.shape == (0, SIZE, SIZE, 3)
    assert "at least one picture" in refused(predict)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_out_of_a_given_folder_is_not_followed_but_one_that_was_typed_is(tmp_path: Path) -> None:
    put(tmp_path / "out", cats=[1])
    put(tmp_path / "in", cats=[2])
    (tmp_path / "in/cats/link.png").symlink_to(tmp_path / "out/cats/1.png")
    given = predict(tmp_path / "in", tmp_path / "in/cats/link.png")
    assert given.problems.tolist() == ["", "is a link that leads out of the folder", ""]


def test_pixels_to_predict_for_go_when_nobody_needs_them(tmp_path: Path) -> None:
    given = predict(put(tmp_path, cats=range(3)))
    path = given.store.path
    part = given[:1]
    del given
    assert path.exists() and part.pixels.shape == (1, SIZE, SIZE, 3)
    del part
    assert not path.parent.exists()


def test_a_store_refuses_pictures_of_another_size() -> None:
    with pytest.raises(ValueError, match="12 x 12 was promised"):
        keep_until_exit([np.zeros((12, 1, 3), np.uint8)], SIZE)
    assert keep_until_exit([], SIZE).read(np.array([], int)).shape == (0, SIZE, SIZE, 3)
    assert isinstance(keep_until_exit([], SIZE), PictureStore)


def test_the_real_pictures_are_those_of_their_card(real_data: Callable[[str], Path]) -> None:
    real_data("cats_dogs/cats_dogs_2000_1000_160px.zip")
    found = read_pictures(locate(CARD, "real"), size=SIZE, resize=shrink)
    split = picture_split(found, validation=0.15, test=0.2, seed=0)
    assert [np.bincount(part.labels).tolist() for _, part in split.items()] == [[850, 850], [150, 150], [500, 500]]
    assert found.facts.notes == () and all("/test_set/" in name for name in split.test.files)
