"""Files that may hold pictures: found in a folder or a zip archive, and read within limits."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from practicals.common.data.archives import DAMAGED, is_clutter, leaves_its_folder
from practicals.common.data.picture_decode import Pixels, Unreadable
from practicals.common.errors import DataError
from practicals.common.progress import megabytes

MOST_BYTES = 100_000_000
"""Of one file."""
# An archive that unpacks to a hundred times its size, and to more than this, was made to fill a disk.
MOST_EXPANSION, HARMLESS_BYTES = 100, 1_000_000_000

_ENDINGS = {"jpg", "jpeg", "jpe", "jfif", "png", "apng", "gif", "bmp", "dib", "webp"}
# Nobody would find out why these were not used if they were passed over like a readme.txt.
_OTHER_FORMATS = {"tif", "tiff", "heic", "heif", "avif", "jp2", "svg", "ico", "psd", "raw", "cr2", "nef", "dng"}


@dataclass(frozen=True)
class PictureFile:
    """A file that may hold a picture."""

    name: str
    """Where it lies, seen from the folder or archive, separated by "/"."""
    read: Callable[[], bytes | Pixels]
    """Returns its content, or the picture itself where it was drawn; raises Unreadable."""
    mark: str = ""
    """Changes when a file of a folder does: size, times of change and whether it may be read."""


@dataclass(frozen=True)
class Listing:
    """What lies in a folder or archive, each list sorted by name; hidden files and what systems add are left out."""

    pictures: list[PictureFile]
    others: list[str]
    """Files that are no pictures by their ending."""
    folders: list[str]
    """Folders in it, also empty ones."""
    problems: list[tuple[str, str]]
    """(name, reason) of what was not opened at all: links that lead out, folders that may not be read."""


def printable(name: str) -> str:
    """Return a file name that can be written anywhere; bytes that are no UTF-8 become question marks."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\ufffd", "?")


def may_be_picture(name: str) -> bool:
    """Tell by the ending of a name whether a file is tried as a picture; without an ending it is."""
    ending = PurePosixPath(name).suffix[1:].lower()
    return not ending or ending in _ENDINGS or ending in _OTHER_FORMATS


def read_file(path: Path) -> bytes:
    """Return the content of a regular file of at most `MOST_BYTES`.

    Raises:
        Unreadable: it is missing, no regular file, larger, or may not be read.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise Unreadable("is a folder")
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise Unreadable("is a pipe or a device, not a file")
        if found.st_size > MOST_BYTES:
            raise Unreadable(f"is larger than {megabytes(MOST_BYTES)}")
        with path.open("rb") as file:
            return file.read(MOST_BYTES)
    except FileNotFoundError:
        raise Unreadable("no such file") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read ({getattr(error, 'strerror', None) or error})") from None


def list_folder(folder: Path) -> Listing:
    """Find all files in a folder and the folders below it; links that lead out of it are not followed.

    Raises:
        DataError: the folder cannot be read.
    """
    root = folder.resolve()
    pictures: list[PictureFile] = []
    others: list[str] = []
    folders: list[str] = []
    problems: list[tuple[str, str]] = []

    def refuse(error: OSError) -> None:
        path = Path(error.filename)
        if path == folder:
            raise DataError(f"{folder}: cannot be read ({error.strerror}). Give a folder that you may read.")
        problems.append((_name(path, folder), f"cannot be read ({error.strerror})"))

    for here, inner, files in os.walk(folder, onerror=refuse):
        inner[:] = [name for name in inner if not is_clutter(name)]
        for name in inner:
            path = Path(here, name)
            if path.is_symlink():
                out = not _inside(path, root)
                reason = "leads out of the folder" if out else "leads to another folder, which is read itself"
                problems.append((_name(path, folder), f"is a link that {reason}"))
            else:
                folders.append(_name(path, folder))
        for name in files:
            path, shown = Path(here, name), _name(Path(here, name), folder)
            if is_clutter(name):
                continue
            if not may_be_picture(name):
                others.append(shown)
            elif path.is_symlink() and not _inside(path, root):
                problems.append((shown, "is a link that leads out of the folder"))
            else:
                pictures.append(PictureFile(shown, lambda path=path: read_file(path), _mark(path)))  # type: ignore[misc]
    pictures.sort(key=lambda file: file.name)
    return Listing(pictures, sorted(others), sorted(folders), sorted(problems))


def _name(path: Path, folder: Path) -> str:
    return printable(path.relative_to(folder).as_posix())


def _inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):
        return True  # A link to itself leads nowhere; reading it says so.


def _mark(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "missing"
    # A copy of another file may bring that one's time and, uncompressed, its size; the second time tells them apart.
    # Who may read a file can change without any of these.
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {os.access(path, os.R_OK)}"


@contextmanager
def zip_listing(path: Path) -> Iterator[Listing]:
    """Open a zip archive and find all files in it; its members are read in place, never unpacked.

    Raises:
        DataError: it is no zip archive, damaged, encrypted, or made to unpack to an absurd size.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise DataError(
            f"{path}: is not a zip archive, or a damaged one. A folder of class folders or a zip archive of one was "
            "expected."
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}). Give a file that you may read.") from None
    with archive:
        # Of two members of one name, the later is what unpacking would leave.
        members = {info.filename.replace("\\", "/").removeprefix("./"): info for info in archive.infolist()}
        expanded = sum(info.file_size for info in members.values())
        if expanded > max(HARMLESS_BYTES, MOST_EXPANSION * path.stat().st_size):
            raise DataError(
                f"{path}: would unpack to {megabytes(expanded)}, more than {MOST_EXPANSION} times its size, so "
                "nothing of it is used. Give an archive of pictures, or a folder."
            )
        if any(info.flag_bits & 0x1 for info in members.values()):
            raise DataError(f"{path}: is encrypted. Unpack it with its password and give the folder.")
        yield _list_members(archive, members)


def _list_members(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Listing:
    pictures: list[PictureFile] = []
    others: list[str] = []
    folders: set[str] = set()
    problems: list[tuple[str, str]] = []
    for name, info in sorted(members.items()):
        shown = printable(name.rstrip("/"))
        if is_clutter(name):
            continue
        if leaves_its_folder(info):
            problems.append((shown, "is a link or would leave the folder"))
            continue
        parents = [parent.as_posix() for parent in PurePosixPath(shown).parents][:-1]
        folders.update(parents, [shown] if info.is_dir() else [])
        if info.is_dir():
            continue
        if not may_be_picture(name):
            others.append(shown)
        else:
            pictures.append(PictureFile(shown, lambda info=info: _read_member(archive, info)))  # type: ignore[misc]
    return Listing(pictures, others, sorted(folders), problems)


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > MOST_BYTES:
        raise Unreadable(f"is larger than {megabytes(MOST_BYTES)}")
    try:
        return archive.read(info)  # never more than the declared size
    except (*DAMAGED, ValueError, struct.error):
        raise Unreadable("cannot be unpacked: the archive is damaged there") from None


def names_shown(names: Iterable[str], most: int = 3) -> str:
    """Return "a.txt, b.csv, c.md, ..." for a sentence."""
    shown = list(names)
    return ", ".join(shown[:most]) + (", ..." if len(shown) > most else "")
