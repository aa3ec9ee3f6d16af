"""Shared by all tests: a cache of its own for each, no network, quiet logs, and the real data where there is some."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from practicals.common.console import set_quiet

# Before TensorFlow is loaded by any test or child process: no start-up notices, no window for plots.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).resolve().parents[1]
REAL_DATA = tuple(Path(text) for text in os.environ.get("PRACTICALS_DATA", "").split(os.pathsep) if text)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test away from the user's cache and class folders; `real_data` gives them back to a test."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("PRACTICALS_CACHE", str(cache))
    monkeypatch.delenv("PRACTICALS_DATA", raising=False)
    return cache


@pytest.fixture(autouse=True)
def loud() -> None:
    """Forget the --quiet of an earlier test."""
    set_quiet(False)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test reach nothing but this machine, so that none passes or fails with the weather."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def connect_here(self: socket.socket, address: object) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):  # type: ignore[index]
            raise OSError(101, "a test must not use the network")
        connect(self, address)  # type: ignore[arg-type]

    def look_up_here(host: object, *rest: object, **options: object) -> object:
        if host not in (None, "", "localhost", "127.0.0.1", "::1"):
            raise socket.gaierror(socket.EAI_NONAME, "a test must not use the network")
        return look_up(host, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect_here)
    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)
    # Child processes do not see these two functions, but they do see a proxy that refuses at once.
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "localhost,127.0.0.1,::1")


@pytest.fixture
def real_data(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function: a file's path in a class folder -> where it is. Skips the test where it is not."""

    def find(path: str) -> Path:
        for folder in REAL_DATA:
            if (folder / path).is_file():
                monkeypatch.setenv("PRACTICALS_DATA", os.pathsep.join(map(str, REAL_DATA)))
                return folder / path
        pytest.skip(f"PRACTICALS_DATA names no folder with {path}")

    return find
