"""Trials in processes of their own, on one machine or several: a chief hands them out.

keras-tuner has a chief of its own, and its oracle is used here as there. But its port lets anybody in, it does not
notice that a worker has died and then never ends, a failed trial loses its reason on the way, and its workers need one
shared disk. Here the command that the user began is the chief, so it cannot outlive itself; who joins must know a key;
a connection that ends gives its trial back; and all files are written by the chief. Nothing here loads Keras.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import os
import secrets
import socket
import threading
import time
from multiprocessing.connection import Connection
from typing import Any, Protocol

from practicals.common.console import say
from practicals.common.errors import ConfigError, PracticalError

KEY = "PRACTICALS_TUNE_KEY"
"""Environment variable with the secret that workers and chief share."""
PAUSE_SECONDS = 0.2


class Gone(Exception):
    """The other end of a connection does not answer any more."""


class TrialsToGive(Protocol):
    """What the chief needs of a tuner; messages are JSON."""

    def hand_out(self, worker: str) -> dict[str, Any]: ...
    def take_back(self, done: dict[str, Any]) -> bool: ...
    def lose(self, worker: str) -> str: ...


def read_address(text: str) -> tuple[str, int]:
    """Return host and port of "HOST:PORT".

    Raises:
        ConfigError: it is not of that form.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{text}: HOST:PORT was expected, such as 192.168.1.5:4321.")
    return host, int(port)


def send(connection: Connection, message: Any) -> None:
    """Send JSON. Raises Gone."""
    try:
        connection.send_bytes(json.dumps(message).encode())
    except (EOFError, OSError):
        raise Gone from None


def receive(connection: Connection) -> Any:
    """Wait for JSON and return it. Raises Gone."""
    try:
        return json.loads(connection.recv_bytes())
    except (EOFError, OSError):
        raise Gone from None


def join(address: str, name: str) -> tuple[Connection, dict[str, Any]]:
    """Connect with a chief; return the connection and what is searched, the content of its `search.json`.

    Raises:
        PracticalError: nobody listens there, or the key is another.
    """
    host, port = read_address(address)
    key = os.environ.get(KEY)
    if not key:
        raise ConfigError(f"{KEY}: is not set. It is shown where the search was begun with --listen.")
    try:
        plain = socket.create_connection((host, port), timeout=10)
    except OSError as error:
        raise PracticalError(f"{address}: no search listens there ({error.strerror or error}).") from None
    plain.settimeout(None)
    connection = Connection(plain.detach())
    try:
        connection.send_bytes(hmac.digest(key.encode(), connection.recv_bytes(64), "sha256"))
        send(connection, name)
        return connection, receive(connection)
    except (Gone, EOFError, OSError):
        raise PracticalError(f"{address}: refused the key in {KEY}. It is shown where the search was begun.") from None


class Chief:
    """Hands trials out to all who connect and know the key, one thread for each; `accept` is called again and again.

    Args:
        tuner: gives trials and takes them back; only one thread at a time asks it.
        asked: what is searched; each worker is told.
        listen: "HOST:PORT"; nothing but this machine can reach the loopback, which is the default.
    """

    def __init__(self, tuner: TrialsToGive, asked: dict[str, Any], listen: str | None) -> None:
        self.tuner, self.asked, self.lock = tuner, asked, threading.Lock()
        self.key = os.environ.get(KEY) or secrets.token_urlsafe(24)
        self.over, self.failure = False, None  # type: bool, BaseException | None
        self.begun: dict[str, int] = {}
        self._open: set[Connection] = set()
        host, port = read_address(listen) if listen else ("127.0.0.1", 0)
        try:
            self._server = socket.create_server((host, port), backlog=64)
        except OSError as error:
            raise ConfigError(f"--listen {host}:{port}: cannot be used ({error.strerror or error}).") from None
        self._server.settimeout(PAUSE_SECONDS)
        port = self._server.getsockname()[1]
        everywhere = host == "0.0.0.0"  # noqa: S104 - only where the user has asked for it
        self.address = f"{'127.0.0.1' if everywhere else host}:{port}"
        if listen:
            shown = f"{'HOST' if everywhere else host}:{port}"
            others = "" if is_loopback(host) else " Who has the key can join; nothing that is sent is encrypted."
            say(f"tune: listening at {host}:{port}.{others} Join with:")
            say(f"  {KEY}={self.key} practicals tune {asked['practical']} --join {shown}")

    def accept(self) -> None:
        """Let somebody connect; wait a moment for that."""
        try:
            plain, _ = self._server.accept()
        except TimeoutError:
            return
        plain.settimeout(None)
        # A machine that was switched off says nothing; without this its trial would be waited for as long as the
        # search lasts.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, seconds in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, option):
                plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
        threading.Thread(target=self._serve, args=(Connection(plain.detach()),), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        name = ""
        self._open.add(connection)
        try:
            name = self._let_in(connection)
            while True:
                message = receive(connection)
                with self.lock:
                    if message is None:
                        answer = self.tuner.hand_out(name)
                        self.over = self.over or answer["status"] == "STOPPED"
                        self.begun[name] = self.begun.get(name, 0) + (answer["status"] == "RUNNING")
                    else:
                        self.over = self.tuner.take_back(message)
                        answer = {"over": self.over}
                send(connection, answer)
        except Gone:
            with self.lock:
                if name and not self.over and (lost := self.tuner.lose(name)):
                    say(f"{name}: its process has ended; {lost}")
        except BaseException as error:  # a full disk, say: it ends the search, not this thread alone
            self.failure = self.failure or error
        finally:
            self._open.discard(connection)
            connection.close()

    def _let_in(self, connection: Connection) -> str:
        """Return the name of the worker at the other end, once it has shown that it knows the key. Raises Gone."""
        challenge = secrets.token_bytes(32)
        try:
            connection.send_bytes(challenge)
            known = connection.poll(10) and hmac.compare_digest(
                connection.recv_bytes(64), hmac.digest(self.key.encode(), challenge, "sha256")
            )
            if not known:
                raise Gone
            name = str(json.loads(connection.recv_bytes(1024)))
        except (EOFError, OSError, ValueError):
            raise Gone from None
        send(connection, self.asked)
        return name

    def close(self) -> None:
        """Let nobody in any more, and wait at most five seconds until all have heard that the search is over."""
        self._server.close()
        last = time.monotonic() + (5 if self.over else 0)
        while self._open and time.monotonic() < last:
            time.sleep(0.05)
        self.over = True


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
