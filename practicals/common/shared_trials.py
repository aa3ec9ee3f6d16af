"""One search's trials in several processes: what is mixed into keras-tuner's tuner in the chief and in a worker.

All of a trial travels as JSON, so a search needs no disk that its machines share: the trial as keras-tuner saves it,
with its values in full precision, and the files that a later trial of hyperband or the leaderboard reads.
"""

from __future__ import annotations

import base64
import shutil
import time
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from practicals.common.chief import PAUSE_SECONDS, receive, send
from practicals.common.workers import BATCH, DEATHS

FILES = ("history.csv", "build_config.json", "checkpoint.weights.h5")
"""What a trial leaves besides its outcome; weights are saved by hyperband alone."""


class Shared:
    """Mixed into the chief's tuner: gives trials to workers and takes them back; it writes every file."""

    def hand_out(self: Any, worker: str) -> dict[str, Any]:
        """Return a trial for a worker, and what it needs of an earlier one; or that it must wait; or that all is done.

        `status` is RUNNING, IDLE or STOPPED.
        """
        self.pre_create_trial()
        trial = self.oracle.create_trial(worker)
        if trial.status == "STOPPED" and self.oracle.ongoing_trials:
            return {"status": "IDLE"}  # one of them may have to be given to another worker yet
        if trial.status != "RUNNING":
            return {"status": trial.status}
        if hasattr(self.oracle, "_populate_next"):
            # A grid search would wait for this trial before it names the next: all workers but one would stand idle.
            self.oracle._populate_next.append(trial.trial_id)
        past = trial.hyperparameters.values.get("tuner/trial_id")
        files = read_files(Path(self.get_trial_dir(past))) if past else {}
        return {"status": "RUNNING", "trial": trial.get_state(), "past": past, "files": files}

    def take_back(self: Any, done: dict[str, Any]) -> bool:
        """Keep a trial that a worker has ended, whatever its end; return whether it was the last of all."""
        known = self.oracle.trials[done["trial"]["trial_id"]]
        trial = type(known).from_state(done["trial"])
        known.metrics = trial.metrics  # by which the oracle scores it
        write_files(Path(self.get_trial_dir(trial.trial_id)), done["files"])
        self.record(trial, done["outcome"])
        return len(set(self.oracle.end_order)) >= self.oracle.max_trials

    def lose(self: Any, worker: str) -> str:
        """Take from a worker that has died the trial it was running, and return what becomes of that; "" without one.

        Another gets the trial, unless it ends every process that runs it.
        """
        trial = self.oracle.ongoing_trials.pop(worker, None)
        if trial is None:
            return ""
        self.deaths: Counter[str] = getattr(self, "deaths", Counter())
        self.deaths[trial.trial_id] += 1
        if self.deaths[trial.trial_id] < DEATHS:
            self.oracle._retry_queue.append(trial.trial_id)
            return f"trial {trial.trial_id} will be run again"
        trial.status = "FAILED"
        trial.message = f"died: {DEATHS} processes that ran it ended, perhaps for want of memory"
        settings = self.hypermodel.lesson.search_space(trial.hyperparameters.copy(), self.hypermodel.config)
        self.record(trial, {"epochs": 0, "seconds": 0.0, "settings": settings.model_dump(mode="json")})
        return f"trial {trial.trial_id} has failed"


class Working:
    """Mixed into a worker's tuner: runs the trials that a chief gives."""

    def _populate_initial_space(self) -> None:
        """Leave out what the chief has done: to build networks in order to see which values there are."""

    def on_trial_begin(self: Any, trial: Any) -> None:
        self.hypermodel.begin(trial.trial_id)

    def work(self: Any, connection: Connection, trial_class: Any) -> bool:
        """Run trials until a batch is done or the search is over; return whether it is over.

        Raises:
            Gone: the chief does not answer any more.
        """
        for _ in range(BATCH):
            given = next_trial(connection)
            if given["status"] == "STOPPED":
                return True
            trial = trial_class.from_state(given["trial"])
            if given["past"]:
                write_files(Path(self.get_trial_dir(given["past"])), given["files"])
            self.oracle.trials[trial.trial_id] = trial
            began = time.perf_counter()
            self.on_trial_begin(trial)
            self._try_run_and_update_trial(trial)
            folder = Path(self.get_trial_dir(trial.trial_id))
            outcome = self.hypermodel.outcome(time.perf_counter() - began)
            send(connection, {"trial": trial.get_state(), "outcome": outcome, "files": read_files(folder)})
            shutil.rmtree(self.project_dir)
            if receive(connection)["over"]:
                return True
        return False


def next_trial(connection: Connection) -> dict[str, Any]:
    """Ask the chief until it has a trial, or has none any more. Raises Gone."""
    while True:
        send(connection, None)
        given: dict[str, Any] = receive(connection)
        if given["status"] != "IDLE":
            return given
        time.sleep(PAUSE_SECONDS)


def read_files(folder: Path) -> dict[str, str]:
    """Return those of FILES that a folder holds, in base 64."""
    paths = [folder / name for name in FILES]
    return {path.name: base64.b64encode(path.read_bytes()).decode() for path in paths if path.exists()}


def write_files(folder: Path, files: dict[str, str]) -> None:
    """Write what `read_files` has read. Names other than those of FILES are left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in set(FILES) & set(files):
        (folder / name).write_bytes(base64.b64decode(files[name]))
