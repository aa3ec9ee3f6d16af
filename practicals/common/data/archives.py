"""Zip archives: verified by their members, and never unpacked."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from practicals.common.data.cards import CardFile
from practicals.common.data.memory import largest_text
from practicals.common.errors import DataError

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""What reading a zip archive raises when it is none, is damaged, encrypted or packed in an unknown way."""


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive_problem(path: Path, file: CardFile) -> str:
    """Return what is wrong with an archive: a member that is unsafe, missing or changed; empty for a good one."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if leaves_its_folder(info):
                    return f"its member {info.filename!r} would leave the folder, so nothing of it is used"
            # Reading stops at the declared sizes, so their sum bounds what a member can unpack to.
            if sum(info.file_size for info in archive.infolist()) > file.expanded_bytes:
                return f"it would unpack to more than {file.expanded_bytes:,} bytes"
            if problem := _changed_member(archive, file):
                return problem
            if file.members_sha256 and (found := members_digest(archive)) != file.members_sha256:
                return (
                    "a member was changed, is missing or was added: expected the members' sha256 "
                    f"{file.members_sha256[:12]}..., found {found[:12]}..."
                )
            return _wrong_counts(path, archive, file) if file.folders else ""
    except DAMAGED:
        return "is not a readable zip archive"


def _changed_member(archive: zipfile.ZipFile, file: CardFile) -> str:
    names = set(archive.namelist())
    for name, expected in file.members.items():
        if name not in names:
            return f"its member {name!r} is missing"
        found = _member_sha256(archive, name)
        if found != expected:
            return f"its member {name!r} was changed: expected sha256 {expected[:12]}..., found {found[:12]}..."
    return ""


def members_digest(archive: zipfile.ZipFile) -> str:
    """Return one sha256 for all members: over the lines "name sha256", sorted by name.

    Folders and what systems add on their own (`__MACOSX`, `.DS_Store`, other hidden files, `Thumbs.db`) do not count,
    so that a harmless re-zip has the same digest.
    """
    names = sorted(
        {info.filename for info in archive.infolist() if not info.is_dir() and not is_clutter(info.filename)}
    )
    lines = [f"{name} {_member_sha256(archive, name)}\n" for name in names]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _member_sha256(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as member:
        return hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]


def read_member(path: Path, choose: Callable[[list[str]], str], most_bytes: int) -> tuple[str, bytes]:
    """Return name and content of one member of a zip archive, read in place.

    Args:
        path: the archive.
        choose: takes the names of the members, without folders and what systems add, and returns one of them.
        most_bytes: a member that unpacks to more is refused.

    Raises:
        DataError: it is no readable archive, or the member is too large, for this machine's memory too; and what
            `choose` raises.
    """
    most_bytes = min(most_bytes, largest_text())
    try:
        with zipfile.ZipFile(path) as archive:
            name = choose(
                [one.filename for one in archive.infolist() if not one.is_dir() and not is_clutter(one.filename)]
            )
            with archive.open(name) as member:
                # What the archive says of sizes may be wrong, so that the limit holds while reading.
                content = member.read(most_bytes + 1)
    except DAMAGED:
        raise DataError(
            f"{path}: is not a readable zip archive. Fetch it again, or unpack it and give the file."
        ) from None
    if len(content) > most_bytes:
        raise DataError(f"{path}: its member {name!r} unpacks to more than {most_bytes:,} bytes. Give a smaller file.")
    return name, content


def _wrong_counts(path: Path, archive: zipfile.ZipFile, file: CardFile) -> str:
    size = path.stat().st_size
    if size != file.bytes:
        return f"is not the expected file: expected {file.bytes:,} bytes, found {size:,}"
    if damaged := archive.testzip():
        return f"its member {damaged!r} is damaged"
    names = [info.filename for info in archive.infolist() if not info.is_dir() and not is_clutter(info.filename)]
    for folder, expected in file.folders.items():
        found = sum(name.rpartition("/")[0] == folder for name in names)
        if found != expected:
            return f"its folder {folder!r} holds {found:,} files; expected {expected:,}"
    return ""


def is_clutter(name: str) -> bool:
    """Tell whether a path is what a system adds on its own: hidden files and folders, `__MACOSX`, `Thumbs.db`."""
    parts = [part for part in name.split("/") if part not in (".", "..")]
    return any(part.startswith(".") or part in ("__MACOSX", "Thumbs.db", "desktop.ini") for part in parts)


def leaves_its_folder(info: zipfile.ZipInfo) -> bool:
    """Tell whether a member is a link, or named so that unpacking it would write outside the chosen folder."""
    # A name is judged by the rules of both systems: what is harmless on Linux may be a drive on Windows.
    windows, posix = PureWindowsPath(info.filename), PurePosixPath(info.filename)
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return is_link or bool(windows.drive or windows.root) or posix.is_absolute() or ".." in windows.parts
