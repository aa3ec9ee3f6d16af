"""Find a data set, fetch it when needed, and verify it before anything reads it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal
from urllib.parse import urlsplit

from practicals.common.console import say, warn
from practicals.common.data.archives import archive_problem, sha256_of
from practicals.common.data.cards import Card, CardFile
from practicals.common.errors import DataError
from practicals.common.files import atomic_write
from practicals.common.progress import Progress, megabytes

CONNECT_SECONDS = 5.0
"""How long an address may take to answer at all."""
READ_SECONDS = 15.0
"""How long it may then stay silent in the middle of a file."""


@dataclass(frozen=True)
class Source:
    """Where the rows of a run come from."""

    card: Card
    kind: Literal["real", "sample", "own"]
    path: Path | None
    """The verified file, or the user's own file or folder; none for the built-in sample."""
    sha256: str | None
    """Of the file at `path`; empty for a folder."""


@dataclass(frozen=True)
class _Found:
    path: Path
    sha256: str
    status: str


class _Unavailable(DataError):
    """The file is nowhere at hand and no address gave it. A sample may stand in; for a damaged file it may not."""


class _Rejected(Exception):
    """One address gave something else than the file. The next one is tried."""


class _Unreachable(Exception):
    """The host did not answer, so its other addresses would not either."""


def locate(card: Card, data: str = "auto", *, folders: bool = False) -> Source:
    """Say where the rows come from, fetching and verifying them when needed.

    Args:
        card: the data set.
        data: `auto` looks in the folders of PRACTICALS_DATA, in the cache, downloads, and last falls back to the
            built-in sample, which it says on stderr; `real` does the same but never falls back; `sample` never looks;
            anything else is the path of the user's own file.
        folders: whether the user's own path may be a folder too.

    Raises:
        DataError: a copy in a class folder is damaged, `real` was asked for and cannot be had, or the user's own
            path is not a file.
    """
    if data == "sample":
        return Source(card, "sample", None, None)
    if data not in ("auto", "real"):
        return _own_path(card, data, folders)
    try:
        found = _find(card)
    except _Unavailable as error:
        if data == "real":
            raise
        warn(f"{error} Until then this uses the built-in sample: generated rows, not the real data.")
        return Source(card, "sample", None, None)
    return Source(card, "real", found.path, found.sha256)


def fetch_report(card: Card) -> dict[str, Any]:
    """Fetch and verify a data set for `practicals data`.

    Returns:
        name, title, status (where it was found), path, bytes, sha256, licence, terms, citation, by_hand, rows, things.

    Raises:
        DataError: it is damaged or cannot be had.
    """
    found = _find(card)
    return {
        "name": card.name,
        "title": card.title,
        "status": found.status,
        "path": str(found.path),
        "bytes": found.path.stat().st_size,
        "sha256": found.sha256,
        "licence": card.licence,
        "terms": card.terms,
        "citation": card.citation,
        "by_hand": card.by_hand,
        "rows": card.rows,
        "things": card.things,
    }


def cache_folder() -> Path:
    """Return the folder for downloads: PRACTICALS_CACHE, or the system's place for caches. Nothing is made."""
    chosen = os.environ.get("PRACTICALS_CACHE", "").strip()
    if chosen:
        return _path(chosen)
    import pooch

    return Path(pooch.os_cache("keras-practicals"))


def _own_path(card: Card, data: str, folders: bool) -> Source:
    path, wanted = _path(data), "file or folder" if folders else "file"
    if not data.strip() or not _exists(path):
        raise DataError(
            f"{data or '--data'}: no such {wanted}; expected auto, real, sample or the path of your own {wanted}."
        )
    if folders and path.is_dir():
        return Source(card, "own", path, "")
    if not path.is_file():
        raise DataError(f"{path}: is a {'folder' if path.is_dir() else 'device'}; a {wanted} was expected.")
    try:
        return Source(card, "own", path, sha256_of(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}). Give a file that you may read.") from None


def _path(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # "~name" where nobody is called so: then it is the name of a file
        return Path(text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise DataError(f"{path}: cannot be looked up ({error.strerror}). Give the path of a file.") from None


def _find(card: Card) -> _Found:
    for folder in _class_folders():
        for file in card.files:
            path = folder / file.path
            if _exists(path):
                digest, problem = inspect(path, file)
                if problem:
                    # It is the user's: it stays where it is. A sample must not silently take its place either.
                    raise DataError(f"{path}: {problem}. Remove it or replace it by a good copy. {card.by_hand}")
                return _Found(path, digest, "found in PRACTICALS_DATA")
    cache = cache_folder()
    for file in card.files:
        path = cache / file.path
        if _exists(path):
            digest, problem = inspect(path, file)
            if not problem:
                return _Found(path, digest, "found in the cache")
            _quarantine(path, problem)
    reasons: list[str] = []
    for file in card.files:
        digest = _download(file, cache / file.path, reasons)
        if digest:
            return _Found(cache / file.path, digest, "downloaded")
    tried = "; ".join(reasons) or "the card names no address"
    raise _Unavailable(
        f"{card.name}: the real data is not on this machine and no address gave it: {tried}. By hand: {card.by_hand}"
    )


def _class_folders() -> Iterator[Path]:
    for text in os.environ.get("PRACTICALS_DATA", "").split(os.pathsep):
        if text.strip():
            folder = _path(text.strip())
            if os.access(folder, os.R_OK | os.X_OK) and folder.is_dir():
                yield folder
            else:
                warn(f"PRACTICALS_DATA: {folder}: is not a folder that can be read; looking further.")


def inspect(path: Path, file: CardFile) -> tuple[str, str]:
    """Return the file's sha256 and what is wrong with it; the second is empty for a good copy."""
    try:
        size, digest = path.stat().st_size, sha256_of(path)
    except OSError as error:
        return "", f"cannot be read ({error.strerror})"
    if digest in file.sha256:
        return digest, ""
    if file.is_archive:
        return digest, archive_problem(path, file)
    return digest, (
        f"is not the expected file: expected {file.bytes:,} bytes with sha256 {file.sha256[0][:12]}..., "
        f"found {size:,} bytes with sha256 {digest[:12]}..."
    )


def _quarantine(path: Path, problem: str) -> None:
    target = path.parent / "quarantine" / f"{path.stem}-{secrets.token_hex(3)}{path.suffix}"
    try:
        target.parent.mkdir(exist_ok=True)
        path.replace(target)
    except FileNotFoundError:
        return  # another process was faster
    except OSError as error:
        raise DataError(f"{path}: {problem}, and cannot be moved ({error.strerror}). Remove it by hand.") from None
    warn(f"{path}: {problem}. It was moved to {target} and is not used.")


def _download(file: CardFile, target: Path, reasons: list[str]) -> str:
    """Try every address in turn; return the sha256 of the verified file, or an empty text and more `reasons`."""
    silent_hosts: set[str] = set()
    for url in file.urls:
        host = urlsplit(url).netloc
        if host in silent_hosts:
            # Without a network every further address there would cost the whole connect limit again.
            reasons.append(f"{url}: not tried, since {host} did not answer")
            continue
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            # Each process writes to a name of its own and renames: no half-written file is ever seen.
            with atomic_write(target) as temporary:
                _fetch(url, file, temporary)
                digest, problem = inspect(temporary, file)
                if problem:
                    raise _Rejected(problem)
            return digest
        except _Rejected as error:
            reasons.append(f"{url}: {error}")
        except _Unreachable as error:
            silent_hosts.add(host)
            reasons.append(f"{url}: {error}")
        except OSError as error:
            reasons.append(
                f"{target.parent}: cannot be written ({error.strerror}); PRACTICALS_CACHE names another folder"
            )
            break
    return ""


def _fetch(url: str, file: CardFile, target: Path) -> None:
    import pooch
    import requests

    # A re-zip may differ a little in size; an endless body must not fill the disk.
    limit = 2 * file.bytes + 1_000_000
    download = pooch.HTTPDownloader(timeout=(CONNECT_SECONDS, READ_SECONDS), chunk_size=2**16, verify=True)
    name = Path(file.path).name
    say(f"fetching {name} from {urlsplit(url).netloc}")
    try:
        with target.open("wb") as out, Progress(name, file.bytes, shown=megabytes) as progress:
            download(url, _Sink(out, limit, progress.advance), None)
    except requests.exceptions.SSLError:
        raise _Rejected("no trusted certificate, and an unverified connection is not used") from None
    except requests.exceptions.ConnectTimeout:
        raise _Unreachable(f"no connection within {CONNECT_SECONDS:g} s") from None
    except requests.exceptions.HTTPError as error:
        answer = error.response
        raise _Rejected(f"answered {getattr(answer, 'status_code', '')} {getattr(answer, 'reason', '')}") from None
    except requests.exceptions.ChunkedEncodingError:
        raise _Rejected("the download broke off") from None
    except requests.exceptions.ConnectionError as error:
        # A silence in the middle of the body arrives as a connection error too.
        if "timed out" in str(error):
            raise _Unreachable(f"no data for {READ_SECONDS:g} s") from None
        raise _Unreachable("the host cannot be reached") from None
    except requests.exceptions.Timeout:
        raise _Unreachable(f"no data for {READ_SECONDS:g} s") from None
    except requests.exceptions.RequestException as error:
        raise _Rejected(f"{type(error).__name__}") from None


class _Sink:
    """The open file that a download is written into: counts, reports progress, and stops at a limit."""

    def __init__(self, out: BinaryIO, limit: int, advance: Callable[[int], None]) -> None:
        self.out, self.limit, self.advance, self.size = out, limit, advance, 0

    def write(self, chunk: bytes) -> int:
        self.size += len(chunk)
        if self.size > self.limit:
            raise _Rejected(f"sends more than {self.limit:,} bytes, which cannot be the file")
        self.advance(len(chunk))
        return self.out.write(chunk)

    def flush(self) -> None:
        self.out.flush()
