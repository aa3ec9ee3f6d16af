"""Zip archives: verified by their members, and unpacked only where they belong."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath, PureWindowsPath

from practicals.common.data.cards import CardFile
from practicals.common.errors import DataError
from practicals.common.files import atomic_write


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def archive_problem(path: Path, file: CardFile) -> str:
    """Return what is wrong with an archive: a member that is unsafe, missing or changed; empty for a good one."""
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if _leaves_its_folder(info):
                    return f"its member {info.filename!r} would leave the folder, so nothing of it is used"
            # Reading stops at the declared sizes, so their sum bounds what a member can unpack to.
            if sum(info.file_size for info in archive.infolist()) > file.expanded_bytes:
                return f"it would unpack to more than {file.expanded_bytes:,} bytes"
            names = set(archive.namelist())
            for name, expected in file.members.items():
                if name not in names:
                    return f"its member {name!r} is missing"
                with archive.open(name) as member:
                    found = hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
                if found != expected:
                    return f"its member {name!r} was changed: expected sha256 {expected[:12]}..., found {found[:12]}..."
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError):
        return "is not a readable zip archive"
    return ""


def _leaves_its_folder(info: zipfile.ZipInfo) -> bool:
    # A name is judged by the rules of both systems: what is harmless on Linux may be a drive on Windows.
    windows, posix = PureWindowsPath(info.filename), PurePosixPath(info.filename)
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    return is_link or bool(windows.drive or windows.root) or posix.is_absolute() or ".." in windows.parts


def extract(source: Path, file: CardFile, folder: Path) -> Path:
    """Unpack the members that the card names, each verified again, and nothing else.

    A member that already lies there with the right content is left alone, so a second call costs only the hashing.

    Args:
        source: the verified archive, as `locate` returned it.
        file: its entry in the card.
        folder: where to unpack; made when missing.

    Returns:
        `folder`.

    Raises:
        DataError: the archive is not the verified one, or the folder cannot be written.
    """
    problem = archive_problem(source, file)
    if problem:
        raise DataError(f"{source}: {problem}. Nothing was unpacked; replace it by a good copy.")
    try:
        with zipfile.ZipFile(source) as archive:
            for name, expected in file.members.items():
                target = folder / name
                if target.is_file() and sha256_of(target) == expected:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as member, atomic_write(target) as temporary, temporary.open("wb") as out:
                    shutil.copyfileobj(member, out)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be written ({error.strerror}). Free some space or choose another folder."
        ) from None
    return folder
