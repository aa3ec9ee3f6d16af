"""The folder of one search for better settings, and its leaderboard. Imports no Keras: a wrong folder costs nothing."""

from __future__ import annotations

import csv
import json
import math
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from practicals.common.config import PracticalConfig, flatten
from practicals.common.console import warn
from practicals.common.errors import PracticalError, RunError
from practicals.common.files import DISK_ERRORS, atomic_write


@dataclass(frozen=True)
class Goal:
    """A number and what is better in it: `Goal("val_auc", "max")`."""

    name: str
    direction: str
    """`max` or `min`."""

    def better(self, new: float, old: float) -> bool:
        return new > old if self.direction == "max" else new < old


@dataclass(frozen=True)
class Plan:
    """What is asked of a search besides settings and data."""

    practical: str
    root: Path
    """Folder of runs; the search gets a folder `root/practical/tune-...`."""
    strategy: str
    """`random`, `grid`, `hyperband` or `bayesian`."""
    trials: int
    """How many; a small space may have fewer. With hyperband a trial is one training for some epochs, and going on with
    a trained network is another trial. Its sweeps begin with the widest bracket that so many trials can complete, and
    the last sweep is cut where the trials end."""
    objective: Goal
    """Logged value by whose best epoch a trial is judged. The loss will not do where the space varies a penalty such as
    L2, since Keras adds the penalty to it: no penalty would always look best."""
    primary: Goal
    """The score that decides whether the best is better than the settings to begin with."""
    patience: int
    """Of early stopping on the objective within a trial; 0 trains to the last epoch."""
    workers: int | None = None
    """Processes that run the trials. Without a number, a long search gets one, so that its memory stays flat, and a
    short one is run in the process that asks."""
    listen: str | None = None
    """"HOST:PORT" where workers of other machines may join; otherwise nobody from outside can."""
    worker_command: Callable[[str], Sequence[str]] | None = None
    """Takes the chief's address and returns the command that starts a worker."""

    def asked(self) -> dict[str, Any]:
        """Return what a search that is resumed must have in common with this one."""
        names = ("practical", "strategy", "trials", "patience")
        return {**{name: getattr(self, name) for name in names}, "objective": vars(self.objective)}

    @property
    def resume_command(self) -> str:
        """What is typed to continue the search."""
        where = [] if self.root == Path("runs") else ["--runs", str(self.root)]
        shared = ["--workers", str(self.workers)] if self.workers else []
        shared += ["--listen", self.listen] if self.listen else []
        return f"practicals tune {self.practical} --resume {shlex.join([*where, *shared])}".rstrip()


@dataclass(frozen=True)
class Search:
    """One search's folder. `tune.json` is written last and by rename: where it stands, the search has finished."""

    folder: Path

    @property
    def search_path(self) -> Path:
        """What is searched: settings, search space, data, versions; a resumed search must agree with it."""
        return self.folder / "search.json"

    @property
    def project_folder(self) -> Path:
        """The files of keras-tuner, with a folder for each trial."""
        return self.folder / "keras_tuner"

    @property
    def leaderboard_path(self) -> Path:
        return self.folder / "leaderboard.csv"

    @property
    def best_path(self) -> Path:
        """The winner's complete settings, for `--config`."""
        return self.folder / "best.yaml"

    @property
    def result_path(self) -> Path:
        return self.folder / "tune.json"

    def outcome_path(self, trial_id: str) -> Path:
        """Of a trial: epochs, seconds, settings."""
        return self.project_folder / f"trial_{trial_id}" / "outcome.json"

    def history_path(self, trial_id: str) -> Path:
        """Of a trial: one row per epoch, `epoch` counted from 0."""
        return self.project_folder / f"trial_{trial_id}" / "history.csv"

    def has_finished_trials(self) -> bool:
        """Tell whether there are trials with a score, which a search that goes on need not run again."""
        files = self.project_folder.glob("trial_*/trial.json")
        return any(json.loads(path.read_text(encoding="utf-8"))["status"] == "COMPLETED" for path in files)

    def asked(self) -> dict[str, Any]:
        """Return what the search was begun with: `strategy`, `trials`, `settings` and the rest of `search.json`.

        Raises:
            RunError: the file is damaged.
        """
        try:
            return dict(json.loads(self.search_path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise RunError(f"{self.search_path}: is damaged. Start a new search without --resume.") from None


@contextmanager
def kept_for_resume(search: Search, command: str) -> Iterator[None]:
    """Name the command that continues a search which is interrupted, or ended by a full disk or a worker.

    Raises:
        RunError: in place of an error that the user can mend, where finished trials are kept.
    """
    try:
        yield
    except KeyboardInterrupt:
        warn(f"interrupted: finished trials are kept. Continue with: {command}")
        raise
    except (OSError, PracticalError) as error:
        is_bug = isinstance(error, OSError) and error.errno not in DISK_ERRORS
        if is_bug or not search.has_finished_trials():
            raise
        reason = f"{error.filename or search.folder}: {error.strerror}." if isinstance(error, OSError) else str(error)
        raise RunError(f"{reason} Finished trials are kept. When that is mended, continue with: {command}") from None


def newest_unfinished(root: Path, practical: str) -> Search:
    """Return the newest search of a practical that was interrupted.

    Raises:
        RunError: there is none.
    """
    begun = sorted(path.parent for path in (root / practical).glob("tune-*/search.json"))
    unfinished = [search for search in map(Search, begun) if not search.result_path.exists()]
    if not unfinished:
        raise RunError(f"{root / practical}: holds no unfinished search. Begin one with `practicals tune {practical}`.")
    return unfinished[-1]


def refuse_other(where: object, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise a RunError that names what differs between the search to go on with and what is found now.

    Args:
        where: the folder of the search, or the address of its chief.
        begun: what the search was begun with.
        now: the same, as asked for and found here.
    """
    before, after = flatten(dict(begun)), flatten(json.loads(json.dumps(now)))
    differing = [
        f"{name} was {json.dumps(before.get(name))}, is {json.dumps(after.get(name))}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]
    if differing:
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise RunError(
            f"{where}: cannot be resumed, its trials would not compare: {'; '.join(differing[:3])}{more}. "
            "Ask for the same again, or start a new search without --resume."
        )


@contextmanager
def held(search: Search) -> Iterator[None]:
    """Keep other processes from continuing a search while this one does; the system lets go when a process ends.

    Raises:
        RunError: another process is at it.
    """
    with (search.folder / ".held").open("a") as file:
        try:
            lock(file)
        except OSError:
            raise RunError(f"{search.folder}: another process is running this search. Wait or end it.") from None
        yield


def lock(file: IO[str]) -> None:
    """Lock a file as a whole for this process. Raises OSError where another has locked it."""
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def rank(search: Search, oracle: Any, config: PracticalConfig, objective: Goal) -> list[dict[str, Any]]:
    """Return the trials that have ended, best first, failed ones last.

    Args:
        search: its folder.
        oracle: of keras-tuner; knows status and score of each trial.
        config: the settings that the search began with.
        objective: what the score is.

    Returns:
        One row each: rank, trial, status, score, epochs, seconds, settings (those that the search varied), reason.
    """
    start = flatten(config.model_dump(mode="json"))
    rows: list[dict[str, Any]] = []
    for trial_id in dict.fromkeys(oracle.end_order):
        trial = oracle.get_trial(trial_id)
        outcome = json.loads(search.outcome_path(trial_id).read_text(encoding="utf-8"))
        is_scored = trial.status == "COMPLETED"
        # keras-tuner keeps the whole traceback, which ends in "...FailedTrialError: reason".
        last_line = (trial.message or ": its score is not a number").strip().splitlines()[-1]
        rows.append(
            {
                "trial": trial_id,
                "status": trial.status.lower(),
                "score": float(trial.score) if is_scored else None,
                **outcome,
                "settings": {**start, **flatten(outcome["settings"])},
                "reason": "" if is_scored else last_line.partition(": ")[2] or last_line,
            }
        )
    varied = [name for name in start if any(row["settings"][name] != start[name] for row in rows)]
    for row in rows:
        row["settings"] = {name: row["settings"][name] for name in varied}
    sign = -1 if objective.direction == "max" else 1
    rows.sort(key=lambda row: math.inf if row["score"] is None else sign * row["score"])
    return [{"rank": number, **row} for number, row in enumerate(rows, start=1)]


def write_leaderboard(path: Path, board: Sequence[Mapping[str, Any]], objective: Goal) -> None:
    """Write the ranked trials as CSV, a column for each varied setting; lists as they are typed after `--set`."""
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        kept = ("rank", "trial", "status", "score", "epochs", "seconds")
        names = [objective.name if name == "score" else name for name in kept]
        writer.writerow([*names, *board[0]["settings"], "reason"])
        for row in board:
            values = [value if isinstance(value, str) else json.dumps(value) for value in row["settings"].values()]
            writer.writerow([*(row[name] for name in kept), *values, row["reason"]])
