"""The folder of one run, the only place that knows its file names; and the scores that stand in it."""

from __future__ import annotations

import hashlib
import json
import secrets
import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from practicals.common.data.facts import Facts
from practicals.common.errors import RunError, did_you_mean
from practicals.common.files import atomic_write, write_json, write_text


@dataclass(frozen=True)
class Scores:
    """Scores of the network beside those of the baselines on the same rows."""

    train: dict[str, float]
    validation: dict[str, float]
    test: dict[str, float]
    baselines: dict[str, dict[str, float]]
    """Baseline -> metric -> score on the test rows."""
    primary: str
    """The metric that decides."""
    direction: str
    """`max` or `min`: what is better in the primary metric."""
    verdict: dict[str, Any]
    """`against`, `result`, `difference`, `interval_95`; see `practicals.common.metrics.verdict`."""
    epochs: int
    """Epochs trained, over all parts of an interrupted run."""
    fit_seconds: float
    unit: str = ""
    """The unit of what is predicted, such as USD; empty for classes."""


@dataclass(frozen=True)
class Run:
    """One run's folder.

    `metrics.json` is written last and by rename: where it stands, the run has finished.
    """

    folder: Path

    @classmethod
    def create(cls, root: Path, practical: str, kind: str = "run") -> Run:
        """Make a new folder `root/practical/<UTC time>-<short id>`; `kind` "tune" makes `root/practical/tune-...`.

        Raises:
            RunError: the folder cannot be made.
        """
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        if kind == "run":
            return cls.at(root / practical / stamp)
        return cls(make_folder(root / practical / f"{kind}-{stamp}"))

    @classmethod
    def at(cls, folder: Path) -> Run:
        """Make the folder of a run under a name of the caller's.

        Raises:
            RunError: the folder cannot be made.
        """
        for inner in ("plots", "explanations", "checkpoints"):
            make_folder(folder / inner)
        return cls(folder)

    @classmethod
    def open(cls, folder: Path, *, finished: bool = True) -> Run:
        """Open an existing run folder.

        Raises:
            RunError: it is not a run folder, or (with `finished`) the run has not finished.
        """
        run = cls(folder)
        if not folder.is_dir():
            raise RunError(f"{folder}: no such run folder. `practicals compare` lists the finished runs.")
        if not run.config_path.is_file():
            raise RunError(f"{folder}: is not a run folder, since it has no config.yaml.")
        if finished and not run.metrics_path.is_file():
            raise RunError(
                f"{folder}: has no metrics.json, so this run did not finish. Continue it with `{run.resume_command}`."
            )
        return run

    @classmethod
    def newest(cls, root: Path, practical: str) -> Run:
        """Open the newest finished run of a practical.

        Raises:
            RunError: there is none.
        """
        runs = finished_runs(root, practical)
        if not runs:
            raise RunError(f"{practical}: no finished run in {root}. Make one with `practicals run {practical}`.")
        return runs[-1]

    @property
    def practical(self) -> str:
        """The name of the lesson that made this run.

        Raises:
            RunError: the folder does not say.
        """
        name = self.environment().get("practical")
        if not isinstance(name, str):
            raise RunError(f"{self.environment_path}: does not say which practical made this run. Run it again.")
        return name

    @property
    def resume_command(self) -> str:
        """What is typed to continue this run."""
        return f"practicals run {self.practical} --resume {shlex.quote(str(self.folder))}"

    @property
    def config_path(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def environment_path(self) -> Path:
        return self.folder / "environment.json"

    @property
    def history_path(self) -> Path:
        return self.folder / "history.csv"

    @property
    def model_path(self) -> Path:
        return self.folder / "model.keras"

    @property
    def predictions_path(self) -> Path:
        return self.folder / "predictions.csv"

    @property
    def baselines_path(self) -> Path:
        return self.folder / "baselines.csv"

    @property
    def items_path(self) -> Path:
        """Ids, titles and genres of what is recommended; only runs that recommend have it."""
        return self.folder / "items.csv"

    @property
    def summary_path(self) -> Path:
        """What the report needs beyond scores: the data, the architecture, the ladder, the threshold."""
        return self.folder / "summary.json"

    @property
    def state_path(self) -> Path:
        """The training state from which `--resume` continues."""
        return self.folder / "training_state.npz"

    @property
    def best_checkpoint_path(self) -> Path:
        return self.folder / "checkpoints" / "best.weights.h5"

    @property
    def last_checkpoint_path(self) -> Path:
        return self.folder / "checkpoints" / "last.weights.h5"

    @property
    def tensorboard_folder(self) -> Path:
        return self.folder / "tensorboard"

    @property
    def plots_folder(self) -> Path:
        return self.folder / "plots"

    @property
    def pictures_folder(self) -> Path:
        """PNG files that the report shows; only runs that look at pictures have it."""
        return self.folder / "pictures"

    @property
    def explanations_folder(self) -> Path:
        return self.folder / "explanations"

    @property
    def report_path(self) -> Path:
        return self.folder / "report.html"

    @property
    def metrics_path(self) -> Path:
        return self.folder / "metrics.json"

    def write_config(self, text: str) -> None:
        """Write the complete settings."""
        write_text(self.config_path, text)

    def write_environment(self, environment: dict[str, Any]) -> None:
        """Write versions, device, seeds, commit and data hashes."""
        write_json(self.environment_path, environment)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write what the report needs beyond scores."""
        write_json(self.summary_path, summary)

    def write_table(self, path: Path, table: pd.DataFrame) -> None:
        """Write a CSV file of this run atomically."""
        with atomic_write(path) as temporary:
            table.to_csv(temporary, index=False, lineterminator="\n")

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write `metrics.json`, the sign that the run has finished. Call this last."""
        write_json(self.metrics_path, metrics)

    def remember_data(self, facts: Facts) -> None:
        """Note which data the run is made with.

        Raises:
            RunError: the run is being continued and was begun with other data.
        """
        environment = self.environment()
        if "data" in environment:
            self.check_data(facts)
        write_json(self.environment_path, {**environment, "data": facts.to_json()})

    def check_data(self, facts: Facts) -> None:
        """Check that data are those that the run was made with.

        Raises:
            RunError: they are others, or the folder does not say.
        """
        ours, now = self.environment().get("data"), facts.to_json()
        if not isinstance(ours, dict):
            raise RunError(f"{self.environment_path}: does not say which data the run was made with. Start a new run.")
        if ours.get("sha256") != now["sha256"]:
            raise RunError(
                f"{self.folder}: was made with {ours.get('kind')} data {ours.get('file')} "
                f"(sha256 {str(ours.get('sha256'))[:12]}), now found {now['kind']} data {now['file']} "
                f"(sha256 {now['sha256'][:12]}). Put that file back, or start a new run."
            )

    def count_earlier_scorings(self) -> None:
        """Note how many finished runs beside this one have scored the same test part: the same data, split alike."""

        def test_part(run: Run) -> tuple[Any, ...]:
            environment = run.environment()
            return environment["data"]["sha256"], environment["split"]

        environment = self.environment()
        practical = self.practical
        here = Run(self.folder.absolute())  # it may have been named from within the folder of runs
        roots = [folder.parent for folder in here.folder.parents if folder.name == practical]
        # A folder that was moved elsewhere stands beside no other run.
        others = [run for run in finished_runs(roots[0], practical, with_seeds=True) if run != here] if roots else []
        count = 0
        for other in others:
            try:
                count += test_part(other) == test_part(self)
            except (RunError, KeyError, TypeError):
                continue  # a damaged folder says nothing
        write_json(self.environment_path, {**environment, "test_scored_before": count})

    def fingerprint(self) -> str:
        """Return what settings and data of the run amount to, for a training state that must belong to them."""
        digest = self.environment().get("data", {}).get("sha256", "")
        return hashlib.sha256(self.config_path.read_bytes() + digest.encode()).hexdigest()

    def environment(self) -> dict[str, Any]:
        return read_json(self.environment_path)

    def summary(self) -> dict[str, Any]:
        return read_json(self.summary_path)

    def metrics(self) -> dict[str, Any]:
        return read_json(self.metrics_path)

    def history(self) -> pd.DataFrame:
        """Return one row per epoch, `epoch` counted from 0, a column per logged value."""
        return _read_table(self.history_path)

    def predictions(self) -> pd.DataFrame:
        return _read_table(self.predictions_path)

    def baselines(self) -> pd.DataFrame:
        return _read_table(self.baselines_path)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it.

    Raises:
        RunError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be made ({error.strerror}). Choose another folder with --runs DIR.") from None
    return folder


def finished_runs(root: Path, practical: str, *, with_seeds: bool = False) -> list[Run]:
    """Return the finished runs of a practical below `root`, oldest first.

    Args:
        root: the folder of runs.
        practical: name of the lesson.
        with_seeds: also those that were made by `--seeds`, after the others.
    """
    patterns = ("[0-9]*/metrics.json", *(("seeds-*/seed-*/metrics.json",) if with_seeds else ()))
    return [Run(path.parent) for pattern in patterns for path in sorted((root / practical).glob(pattern))]


def find_run(which: str, root: Path, practicals: tuple[str, ...]) -> Run:
    """Return the run that `WHICH` means: a run folder, or a practical's name for its newest finished run.

    Raises:
        RunError: it is neither; the nearest practical is suggested.
    """
    if which in practicals:
        return Run.newest(root, which)
    folder = Path(which)
    if folder.exists():
        return Run.open(folder)
    raise RunError(f"{which}: is neither a run folder nor the name of a practical.{did_you_mean(which, practicals)}")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a run folder.

    Raises:
        RunError: it is missing, cannot be read, or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: is missing, so this run folder is incomplete. Run the practical again.") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path}: is not valid JSON ({error}). Run the practical again.") from None
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}). Mend its permissions, or run the practical again."
        ) from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: holds a {type(content).__name__}, an object was expected. Run the practical again.")
    return content


def _read_table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise RunError(f"{path}: is missing, so this run folder is incomplete. Run the practical again.") from None
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise RunError(f"{path}: is not a readable table ({error}). Run the practical again.") from None
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}). Mend its permissions, or run the practical again."
        ) from None
