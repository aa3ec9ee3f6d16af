"""Worker processes and who looks after them: each is started again under its id, and none is left behind."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from practicals.common.chief import KEY, PAUSE_SECONDS, join
from practicals.common.console import say
from practicals.common.errors import ConfigError, PracticalError

NAME = "PRACTICALS_TUNE_WORKER"
"""Environment variable with the id of a worker that a supervisor has started."""
BATCH = 10
"""Trials after which a worker makes room for a new process: its memory grows by about 6 MB with each."""
NEXT_BATCH = 75
"""Exit code of a worker after its batch; 0 says that the search is over."""
DEATHS = 3
"""A trial that ends so many processes fails; a worker that ends so often before any trial ends the search."""
ONE_LINE, BUG = 2, 1


class Workers:
    """Keeps N worker processes alive, each under its id; leaving the block ends them all.

    Args:
        count: how many.
        command: what to start; the id, the key and the address come by the environment and the command itself.
        key: what the chief's is.
        logs: folder for what each of them says.
        place: before the ids; no two machines may have the same.
    """

    def __init__(self, count: int, command: Sequence[str], key: str, logs: Path, place: str = "") -> None:
        self.command, self.key, self.logs = list(command), key, logs
        names = [f"{place}worker-{number}" for number in range(1, count + 1)]
        self.processes: dict[str, subprocess.Popen[bytes] | None] = dict.fromkeys(names)
        self._begun = dict.fromkeys(self.processes, 0)
        self._idle_deaths = dict.fromkeys(self.processes, 0)

    def __enter__(self) -> Workers:
        self.logs.mkdir(parents=True, exist_ok=True)
        for name in self.processes:
            self._start(name)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.wait(10)
        finally:
            for process in self.processes.values():
                if process is not None:
                    process.kill()  # it has written nothing that could be left in halves
                    process.wait()
                    process.stdin.close()  # type: ignore[union-attr]

    def wait(self, seconds: float) -> None:
        """Wait until all have ended, but not longer than told."""
        last = time.monotonic() + seconds
        while any(process is not None and process.poll() is None for process in self.processes.values()):
            if time.monotonic() > last:
                return
            time.sleep(0.05)

    def log_path(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _start(self, name: str) -> None:
        # Several processes share a GPU only if none takes all of its memory at once.
        own = {KEY: self.key, NAME: name, "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
        with self.log_path(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                self.command,
                env={**os.environ, **own},
                stdin=subprocess.PIPE,  # never written: that it ends tells the worker that we have
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us, and we end them
            )

    def look_after(self, begun: Callable[[str], int]) -> bool:
        """Start again whoever has died or done its batch; return whether one is left.

        Args:
            begun: how many trials a worker was given up to now.

        Raises:
            PracticalError: a worker said so, or keeps dying before it is given any trial.
            RuntimeError: a worker ended by a bug.
        """
        for name, process in self.processes.items():
            code = None if process is None else process.poll()
            if process is None or code is None:
                continue
            process.stdin.close()  # type: ignore[union-attr]
            self.processes[name] = None
            if code == 0:
                continue
            text = self.log_path(name).read_text(encoding="utf-8", errors="replace").strip()
            if code == ONE_LINE:
                raise PracticalError(text.splitlines()[-1].removeprefix("error: ") if text else f"{name}: has failed.")
            if code == BUG:
                raise RuntimeError(f"{name} ended by a bug:\n{text[-6_000:]}")
            if code != NEXT_BATCH:
                idle = begun(name) == self._begun[name]
                self._idle_deaths[name] = self._idle_deaths[name] + 1 if idle else 0
                if self._idle_deaths[name] >= DEATHS:
                    raise PracticalError(
                        f"{name}: {how_ended(code)}, {DEATHS} times without a trial. Where memory is short, ask for "
                        "fewer --workers."
                    )
                say(f"{name}: {how_ended(code)}; started again")
            self._begun[name] = begun(name)
            self._start(name)
        return any(self.processes.values())


def work_for(address: str, practical: str, command: Sequence[str], count: int) -> None:
    """Keep workers of a search of another machine alive until it is over.

    Raises:
        PracticalError: there is no such search, or a worker said why it cannot take part.
    """
    connection, asked = join(address, "visitor")
    connection.close()
    if asked["practical"] != practical:
        raise ConfigError(f"{address}: is a search for settings of {asked['practical']}, not of {practical}.")
    say(f"tune: joined {address} with {count} {'worker' if count == 1 else 'workers'}; its trials are shown there")
    place = f"{socket.gethostname()}-{secrets.token_hex(2)}-"
    with (
        tempfile.TemporaryDirectory(prefix="practicals-") as logs,
        Workers(count, command, os.environ[KEY], Path(logs), place) as own,
    ):
        while own.look_after(lambda name: 0):
            time.sleep(PAUSE_SECONDS)
    say("tune: the search is over")


def how_ended(code: int) -> str:
    """Return how a process ended: "was killed by SIGKILL", "ended with code 3"."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def leave_with_parent() -> None:
    """End this process when the one that started it has ended, even by a kill: standard input then ends too."""

    def wait() -> None:
        os.read(0, 1)
        os._exit(ONE_LINE)

    threading.Thread(target=wait, daemon=True).start()
