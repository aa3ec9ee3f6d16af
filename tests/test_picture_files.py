"""Pictures in folders and archives: what is decoded and how, what is refused and why, which class each belongs to."""

from __future__ import annotations

import io
import os
import struct
import sys
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from practicals.common.data import picture_decode, picture_files
from practicals.common.data.archives import members_digest
from practicals.common.data.picture_decode import Decoded, Unreadable, decode, decode_all
from practicals.common.data.picture_files import Listing, PictureFile, list_folder, read_file, zip_listing
from practicals.common.data.picture_layout import find_layout
from practicals.common.errors import DataError

LEVELS = np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)
RED = (250, 10, 20)


def content(image: Image.Image | np.ndarray, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(out, form, **options)
    return out.getvalue()


def huge(width: int, height: int) -> bytes:
    """Return a PNG file of a few dozen bytes that claims to be so large."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def unchanged(picture: np.ndarray) -> np.ndarray:
    return picture


def decoded(*raws: bytes) -> list[Decoded]:
    return list(decode_all([partial(bytes, raw) for raw in raws], unchanged, smallest_side=1, title="reading"))


# Decoding


@pytest.mark.parametrize("form", ["PNG", "BMP", "WEBP"])
def test_a_picture_comes_back_as_it_was_saved(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    assert np.array_equal(decode(content(LEVELS, form, **options)), LEVELS)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_of_one_colour_keeps_it(mode: str) -> None:
    image = Image.new("RGB", (20, 16), (120, 120, 120) if mode == "L" else RED).convert(mode)
    found = decode(content(image, "JPEG", quality=95))
    assert found.shape == (16, 20, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - np.asarray(image.convert("RGB")).astype(int)).max() <= 6


def test_grey_of_16_bit_is_scaled_and_not_cut_off() -> None:
    levels = np.linspace(0, 65_535, 256).astype(np.uint16).reshape(16, 16)
    found = decode(content(Image.fromarray(levels)))
    assert np.array_equal(found[:, :, 0].reshape(-1), np.arange(256))
    assert np.array_equal(found[:, :, 0], found[:, :, 2])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "GIF"])
def test_what_is_transparent_shows_white(mode: str) -> None:
    image = Image.new("RGBA", (10, 10), (*RED, 255))
    image.paste((0, 0, 0, 0), (0, 0, 5, 10))
    if mode != "GIF":
        image = image.quantize(4) if mode == "P" else image.convert(mode)
    found = decode(content(image, "GIF" if mode == "GIF" else "PNG"))
    assert (found[:, :5] == 255).all()
    assert (found[:, 5:] == (np.asarray(RED) if mode != "LA" else found[9, 9])).all() and found[9, 9, 1] < 100


def test_half_transparent_red_is_pink() -> None:
    found = decode(content(Image.new("RGBA", (8, 8), (255, 0, 0, 128))))
    assert found[0, 0].tolist() == [255, 127, 127]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_says_how_a_photograph_is_turned(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = Image.fromarray(LEVELS)
    # The file holds the picture turned the other way; these are their own opposites but for the two rotations.
    undo = {
        **{2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM},
        **{5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE},
        **{8: Image.Transpose.ROTATE_270},
    }
    stored = shown.transpose(undo[orientation]) if orientation > 1 else shown
    assert np.array_equal(decode(content(stored, "PNG", exif=exif)), LEVELS)


def test_damaged_exif_data_beside_a_good_picture_does_no_harm() -> None:
    raw = content(LEVELS, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\xff\xff\xff\xff" * 9)
    (found,) = decoded(raw)
    assert found.problem == "" and found.pixels is not None and found.pixels.shape == LEVELS.shape


def test_of_an_animation_the_first_picture_is_taken() -> None:
    first, second = Image.new("RGB", (9, 9), RED), Image.new("RGB", (9, 9), (0, 200, 0))
    for form in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if form == "WEBP" else {}
        raw = content(first, form, save_all=True, append_images=[second], **options)
        assert (decode(raw) == RED).all(), form


def test_a_picture_and_its_copy_in_another_format_have_one_digest() -> None:
    same_levels_in_another_shape = LEVELS.reshape(14, 10, 3)
    pictures = content(LEVELS), content(LEVELS, "BMP"), content(255 - LEVELS), content(same_levels_in_another_shape)
    found = [one.digest for one in decoded(*pictures)]
    assert found[0] == found[1] and len(set(found)) == 3


def test_many_pictures_come_in_order_and_few_are_read_ahead() -> None:
    read: list[int] = []

    def reader(number: int) -> np.ndarray:
        read.append(number)
        return np.full((8, 8, 3), number, np.uint8)

    ahead = []
    readers = [partial(reader, number) for number in range(60)]
    for number, one in enumerate(decode_all(readers, unchanged, smallest_side=1, title="reading")):
        assert one.pixels is not None and one.pixels[0, 0, 0] == number
        ahead.append(len(read) - number)
    assert max(ahead) <= 10 and sorted(read) == list(range(60))


def test_long_reading_shows_progress(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    decoded(*[content(LEVELS)] * 3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(picture_decode, "SECONDS_WITHOUT_PROGRESS", 0.0)
    decoded(*[content(LEVELS)] * 3)
    assert "reading: picture 3/3" in capsys.readouterr().err


# Refused


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "is empty (zero bytes)"),
        (b"just some text", "is not a picture: no JPEG, PNG, GIF, BMP or WebP"),
        (b"<html><body>404</body></html>", "is not a picture"),
        (b"%PDF-1.7 ...", "is a PDF document, no JPEG"),
        (content(LEVELS, "TIFF"), "is a TIFF file, no JPEG"),
        (b"\0\0\0 ftypheic" + bytes(50), "is a HEIC, AVIF or video file"),
        (content(LEVELS, "JPEG")[:-60], "is cut short or damaged"),
        (content(LEVELS, "JPEG")[:40], "is cut short or damaged"),
        (content(LEVELS)[:-60], "is cut short or damaged"),
        (content(LEVELS, "WEBP")[:-60], "is cut short or damaged"),
        (content(LEVELS, "GIF")[:60], "is cut short or damaged"),
        (content(LEVELS, "BMP")[:-60], "is cut short or damaged"),
        (huge(30_000, 30_000), "more than 50 million pixels"),
        (huge(12_000, 10_000), "12,000 x 10,000 pixels; at most 50 million"),
        (huge(60_000, 1_000), "60,000 x 1,000 pixels; at most 50 million"),
    ],
    ids=[
        *["empty", "text", "page", "pdf", "tiff", "heic", "cut jpeg", "cut header", "cut png", "cut webp", "cut gif"],
        *["cut bmp", "huge", "large", "wide"],
    ],
)
def test_what_is_no_picture_is_refused_in_words(raw: bytes, reason: str) -> None:
    (found,) = decoded(raw)
    assert found.pixels is None and reason in found.problem


def test_a_huge_picture_is_refused_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_decode, "_rgb", lambda _: pytest.fail("decoded"))
    assert len(huge(7_100, 7_100)) < 100
    assert "50 million" in decoded(huge(7_100, 7_100))[0].problem


def test_a_picture_of_one_pixel_can_be_predicted_for_but_not_learnt_from() -> None:
    raw = content(np.zeros((1, 1, 3), np.uint8))
    assert decode(raw).shape == (1, 1, 3)
    with pytest.raises(Unreadable, match="too small to learn from: 1 x 1 pixels, at least 8"):
        decode(raw, smallest_side=8)


def test_damage_of_any_kind_is_a_reason_and_never_a_crash() -> None:
    rng = np.random.default_rng(0)
    raws = []
    for form in ("JPEG", "PNG", "GIF", "BMP", "WEBP"):
        good = content(LEVELS, form)
        for _ in range(40):
            raw = np.frombuffer(good, np.uint8).copy()
            raw[rng.integers(0, len(raw), 6)] = rng.integers(0, 256, 6)
            raws.append(raw[: rng.integers(1, len(raw) + 1)].tobytes())
    found = decoded(*raws)
    assert {one.pixels is None for one in found} == {True, False}
    assert all((one.pixels is None) == bool(one.problem) for one in found)


# Folders


def put(folder: Path, *names: str, raw: bytes = b"picture") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder


def names(files: list[PictureFile]) -> list[str]:
    return [file.name for file in files]


def test_a_folder_is_listed_without_what_systems_add(tmp_path: Path) -> None:
    put(tmp_path, "b/2.PNG", "b/1.jpeg", "a/deep/er/3.webp", "a/noending", "a/phone.heic", "b/readme.txt", "top.csv")
    put(tmp_path, "a/.hidden.jpg", ".git/x.jpg", "__MACOSX/a/1.jpg", "a/Thumbs.db", ".DS_Store")
    found = list_folder(tmp_path)
    assert names(found.pictures) == ["a/deep/er/3.webp", "a/noending", "a/phone.heic", "b/1.jpeg", "b/2.PNG"]
    assert found.others == ["b/readme.txt", "top.csv"] and found.problems == []
    assert found.folders == ["a", "a/deep", "a/deep/er", "b"]
    assert found.pictures[0].read() == b"picture"


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there")
def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    put(tmp_path / "outside", "secret.jpg")
    folder = put(tmp_path / "in", "cats/1.jpg")
    (folder / "cats/again.jpg").symlink_to("1.jpg")
    (folder / "cats/secret.jpg").symlink_to(tmp_path / "outside/secret.jpg")
    (folder / "dogs").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    (folder / "cats/itself.jpg").symlink_to("itself.jpg")
    found = list_folder(folder)
    assert names(found.pictures) == ["cats/1.jpg", "cats/again.jpg", "cats/itself.jpg"]
    with pytest.raises(Unreadable, match="cannot be read"):
        found.pictures[2].read()
    assert dict(found.problems) == {
        "cats/secret.jpg": "is a link that leads out of the folder",
        "dogs": "is a link that leads out of the folder",
        "loop": "is a link that leads to another folder, which is read itself",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes in folders there")
def test_only_regular_files_of_a_sane_size_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    put(tmp_path, "large.jpg", raw=b"x" * 11)
    monkeypatch.setattr(picture_files, "MOST_BYTES", 10)

    def reason(path: Path) -> str:
        with pytest.raises(Unreadable) as caught:
            read_file(path)
        return str(caught.value)

    assert reason(tmp_path / "pipe.jpg") == "is a pipe or a device, not a file"
    assert reason(tmp_path / "large.jpg").startswith("is larger than")
    assert reason(tmp_path / "missing.jpg") == "no such file"
    assert reason(tmp_path) == "is a folder"
    assert "cannot be read" in reason(Path("a\0b")) and "cannot be read" in reason(Path("x" * 5000))

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    put_there = tmp_path / "large.jpg"
    monkeypatch.setattr(picture_files, "MOST_BYTES", 100)
    assert reason(put_there) == "cannot be read (Permission denied)"


def test_a_name_that_is_no_utf8_can_be_shown_and_read(tmp_path: Path) -> None:
    raw_name = os.fsencode(tmp_path) + b"/caf\xe9.jpg"
    try:
        Path(os.fsdecode(raw_name)).write_bytes(b"picture")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    (file,) = list_folder(tmp_path).pictures
    assert file.name == "caf?.jpg" and file.read() == b"picture"


# Archives


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return path


def test_an_archive_is_listed_like_a_folder_and_read_in_place(tmp_path: Path) -> None:
    members = {"d/cats/1.jpg": b"one", "./d/dogs/2.jpg": b"two", "d\\dogs\\3.jpg": b"three", "d/readme.txt": b""}
    path = pack(tmp_path / "a.zip", members | {"__MACOSX/d/cats/._1.jpg": b"", "d/.DS_Store": b"", "d/birds/": b""})
    with zip_listing(path) as found:
        assert {file.name: file.read() for file in found.pictures} == {
            "d/cats/1.jpg": b"one",
            "d/dogs/2.jpg": b"two",
            "d/dogs/3.jpg": b"three",
        }
        assert found.others == ["d/readme.txt"] and found.folders == ["d", "d/birds", "d/cats", "d/dogs"]
    assert [one.name for one in tmp_path.iterdir()] == ["a.zip"]


def test_members_that_would_leave_the_folder_are_passed_over_with_a_reason(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"cats/1.jpg": b"1", "../2.jpg": b"2", "/3.jpg": b"3", "C:\\4.jpg": b"4"})
    with zip_listing(path) as found:
        assert names(found.pictures) == ["cats/1.jpg"]
        assert [name for name, _ in found.problems] == ["../2.jpg", "/3.jpg", "C:/4.jpg"]


def test_a_damaged_member_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cats/1.jpg", b"a content to change")
        archive.writestr("cats/2.jpg", b"x" * 30)
    path.write_bytes(path.read_bytes().replace(b"to change", b"is chang!"))
    monkeypatch.setattr(picture_files, "MOST_BYTES", 25)
    with zip_listing(path) as found:
        with pytest.raises(Unreadable, match="the archive is damaged there"):
            found.pictures[0].read()
        with pytest.raises(Unreadable, match="is larger than"):
            found.pictures[1].read()


def test_what_is_no_good_archive_is_refused_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path) -> str:
        with pytest.raises(DataError) as caught, zip_listing(path):
            pass
        return str(caught.value)

    assert refused(put(tmp_path, "text.zip") / "text.zip").startswith(f"{tmp_path / 'text.zip'}: is not a zip archive")
    good = pack(tmp_path / "good.zip", {"cats/1.jpg": b"x" * 1000})
    cut = tmp_path / "cut.zip"
    cut.write_bytes(good.read_bytes()[:-20])
    assert "is not a zip archive, or a damaged one" in refused(cut)
    raw = bytearray(good.read_bytes())
    for start in (raw.find(b"PK\x03\x04") + 6, raw.find(b"PK\x01\x02") + 8):
        raw[start] |= 1
    locked = tmp_path / "locked.zip"
    locked.write_bytes(raw)
    assert "is encrypted" in refused(locked)
    monkeypatch.setattr(picture_files, "HARMLESS_BYTES", 500)
    monkeypatch.setattr(picture_files, "MOST_EXPANSION", 2)
    assert "would unpack to 0.0 MB, more than 2 times its size" in refused(good)


def test_the_digest_of_all_members_survives_packing_them_anew(tmp_path: Path) -> None:
    def digest(members: dict[str, bytes]) -> str:
        with zipfile.ZipFile(pack(tmp_path / "a.zip", members)) as archive:
            return members_digest(archive)

    first = digest({"b/2.jpg": b"2", "a/1.jpg": b"1"})
    assert (
        digest({"a/1.jpg": b"1", "b/": b"", "b/2.jpg": b"2", "__MACOSX/a/._1.jpg": b"x", "a/.DS_Store": b"x"}) == first
    )
    assert digest({"a/1.jpg": b"1", "b/2.jpg": b"3"}) != first
    assert digest({"a/1.jpg": b"1", "b/2.jpg": b"2", "b/3.jpg": b"2"}) != first


# Classes and parts


def listing(*paths: str, folders: tuple[str, ...] = (), others: tuple[str, ...] = ()) -> Listing:
    inner = {str(parent) for path in paths for parent in PurePosixPath(path).parents} - {"."}
    files = [PictureFile(path, lambda: b"") for path in sorted(paths)]
    return Listing(files, list(others), sorted({*inner, *folders}), [])


@pytest.mark.parametrize(
    ("paths", "parts"),
    [
        (("cats/1.jpg", "dogs/1.jpg"), ["", ""]),
        (("PetImages/Cat/1.jpg", "PetImages/Dog/1.jpg"), ["", ""]),
        (("train/cats/1.jpg", "train/dogs/1.jpg"), ["", ""]),
        (("d/training_set/cats/1.jpg", "d/training_set/dogs/1.jpg", "d/test_set/cats/1.jpg", "d/test_set/dogs/1.jpg"),
         ["test", "test", "train", "train"]),
        (("training/training/a/1.jpg", "training/training/b/1.jpg", "testing/set/a/1.jpg", "testing/set/b/1.jpg"),
         ["test", "test", "train", "train"]),
        (("f/train/a/1.jpg", "f/train/b/1.jpg", "f/validation/a/1.jpg", "f/validation/b/1.jpg"),
         ["train", "train", "test", "test"]),
        (("Train/a/1.jpg", "Train/b/1.jpg", "Val/a/1.jpg", "Val/b/1.jpg", "Test/a/1.jpg", "Test/b/1.jpg"),
         ["test", "test", "train", "train", "validation", "validation"]),
        (("car/1.jpg", "plane/1.jpg", "train/1.jpg"), ["", "", ""]),
    ],
    ids=["plain", "wrapped", "train alone", "sets", "twice wrapped", "no test", "three parts", "vehicles"],
)  # fmt: skip
def test_parts_and_classes_are_told_from_the_folders(paths: tuple[str, ...], parts: list[str]) -> None:
    layout = find_layout(listing(*paths), "data")
    assert layout.parts == parts
    assert layout.classes == tuple(sorted({path.split("/")[-2] for path in paths}))
    assert [layout.classes[label] for label in layout.labels] == [file.name.split("/")[-2] for file in layout.files]


def test_a_validation_folder_that_serves_as_test_part_is_said() -> None:
    layout = find_layout(listing("train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg", "val/b/1.jpg"), "data")
    assert layout.notes == ["The folder val is the test part, since there is no test folder."]


def test_deeper_folders_belong_to_their_class_and_the_rest_is_counted() -> None:
    paths = ("cats/white/1.jpg", "cats/2.jpg", "dogs/a/b/3.jpg", "beside.jpg")
    layout = find_layout(listing(*paths, folders=("empty",), others=("cats/labels.csv", "readme.txt")), "data")
    assert [layout.classes[label] for label in layout.labels] == ["cats", "cats", "dogs"]
    assert layout.notes == [
        "1 folder without a picture left out (empty).",
        "1 picture beside the class folders left out (beside.jpg).",
        "2 files that are no pictures left out (cats/labels.csv, readme.txt).",
    ]


def test_pictures_outside_the_parts_are_counted() -> None:
    paths = ("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg", "extra/9.jpg")
    layout = find_layout(listing(*paths), "data")
    assert len(layout.files) == 4
    assert layout.notes == ["1 picture outside the class folders left out (extra/9.jpg)."]


def test_classes_are_compared_without_regard_to_letter_case() -> None:
    layout = find_layout(listing("train/Cats/1.jpg", "train/dogs/1.jpg", "test/cats/1.jpg", "test/Dogs/1.jpg"), "data")
    assert layout.classes == ("Cats", "dogs") and sorted(layout.labels) == [0, 0, 1, 1]
    assert layout.notes == [
        "Class 'Cats' is also written 'cats'; taken as one.",
        "Class 'dogs' is also written 'Dogs'; taken as one.",
    ]


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        ((), "data: holds no pictures. Put the pictures into one folder per class"),
        (("1.jpg", "2.jpg"), "its pictures lie in no class folder"),
        (("cats/1.jpg", "cats/2.jpg"), "has one class, 'cats'; at least two"),
        (("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg"), "class 'b' is in train but has no picture in test"),
        (("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg", "test/c/1.jpg"),
         "class 'c' is in test but has no picture in train"),
        (("val/a/1.jpg", "val/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg"), "has the folders val and test but none"),
        (("train/a/1.jpg", "training/a/1.jpg", "test/a/1.jpg"), "has 2 folders for the train part, train and training"),
    ],
    ids=["nothing", "no class", "one class", "not in test", "not in train", "no train", "two trains"],
)  # fmt: skip
def test_folders_that_cannot_be_learnt_from_are_refused(paths: tuple[str, ...], reason: str) -> None:
    with pytest.raises(DataError) as caught:
        find_layout(listing(*paths), "data")
    assert reason in str(caught.value) and str(caught.value).startswith("data: ")
