"""The ranking of runs: only runs on the same data and the same split together, and by validation."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from practicals.common.config import flatten, read_yaml
from practicals.common.errors import PracticalError
from practicals.common.run import Run

Row = dict[str, Any]

NOT_A_DIFFERENCE = ("seed", "data", "split.seed")
"""Settings that do not tell runs of a group apart: seeds are folded, and data and split are the group's own."""
WHAT_IS_PREDICTED = ("target", "horizon")
"""Settings that make another question of the same rows, whose scores cannot be ranked with those of this one."""

NOT_SET = "not set"
"""What stands for a setting that other runs of the group have and this one does not."""


@dataclass(frozen=True)
class _Finished:
    """What a comparison needs of one finished run."""

    run: Run
    data: tuple[str, ...]
    """What must be equal for two runs to have had the same rows."""
    data_kind: str
    data_file: str
    split_seed: str
    division: str
    """Which of several divisions, such as "fold u1, "; "" where there is one."""
    settings: dict[str, str]
    """Dotted setting -> value as text, without those that do not tell runs apart."""
    metrics: dict[str, Any]
    validation: float
    test: float

    @property
    def settings_key(self) -> str:
        return json.dumps(self.settings, sort_keys=True)


def compare_runs(runs: Iterable[Run]) -> list[Row]:
    """Return one row per settings and group, best validation score first; runs that differ in the seed alone are one.

    A group is the same practical, the same data and the same split. Settings that were tried with several splits, as
    `--seeds` does, stand in a group with the settings that were tried with exactly the same splits.

    Returns:
        Rows with `group` (number), `title` and `data` (its name), `rank`, `practical`, `runs` (list of Run), `seeds`,
        `metric`, `direction`, `validation`, `validation_deviation`, `test`, `test_deviation` (None for a single run),
        `against`, `baseline`, `results` (verdict of each run), `epochs`, `fit_seconds`, `differences` (setting ->
        value, of those that are not equal in the whole group), `test_scored` (how often this test part was scored) and
        `error` (None).
        A run that cannot be read is a row with `group` None, `runs` and `error`.
    """
    finished, unreadable = [], []
    for run in runs:
        try:
            one = _read(run)
            _row([one])  # what cannot make a row of its own is damaged too
            finished.append(one)
        except (PracticalError, KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            reason = str(error) if isinstance(error, PracticalError) else f"{type(error).__name__}: {error}"
            unreadable.append({"group": None, "runs": [run], "error": reason})
    scored: dict[Any, int] = defaultdict(int)
    for one in finished:
        scored[(one.data, one.split_seed)] += 1
    rows = []
    for group, members in enumerate(_groups(finished)):
        rows += _ranked(group, members, max(scored[(one.data, one.split_seed)] for fold in members for one in fold))
    return rows + unreadable


def _read(run: Run) -> _Finished:
    metrics, environment, config = run.metrics(), run.environment(), flatten(read_yaml(run.config_path))
    data, split, primary = environment["data"], environment["split"], metrics["primary"]["metric"]
    validation, test = float(metrics["validation"][primary]), float(metrics["test"][primary])
    if not (math.isfinite(validation) and math.isfinite(test)) or metrics["primary"]["direction"] not in ("max", "min"):
        raise ValueError("the scores are not usable numbers")
    # Without a hash nobody can say that two files are equal, so only the same name counts as the same data.
    digest = data.get("sha256") or data.get("file")
    shares = {name: value for name, value in split.items() if name != "seed"}
    question = [f"{name} {config[name]}" for name in WHAT_IS_PREDICTED if config.get(name) is not None]
    same_rows = (environment["practical"], data["kind"], digest, data.get("rows"), primary, *shares.values(), *question)
    kinds = {"real": "real data", "sample": "built-in sample", "own": "own file"}
    return _Finished(
        run=run,
        data=tuple(map(str, same_rows)),
        data_kind=kinds.get(str(data["kind"]), str(data["kind"])),
        data_file=", ".join(
            [
                f"{data.get('file')} ({str(digest)[:8]})",
                *(f"{name} {share}" for name, share in shares.items()),
                *question,
            ]
        ),
        split_seed=str(split["seed"]),
        division=f"fold {split['fold']}, " if "fold" in split and split.get("folds", True) else "",
        settings={name: str(value) for name, value in config.items() if name not in NOT_A_DIFFERENCE},
        metrics=metrics,
        validation=validation,
        test=test,
    )


def _groups(finished: Sequence[_Finished]) -> list[list[list[_Finished]]]:
    """Return groups of folds: a fold is the runs of one setting, a group is the folds that may be ranked together."""
    by_settings: dict[Any, list[_Finished]] = defaultdict(list)
    by_split: dict[Any, dict[str, list[_Finished]]] = defaultdict(lambda: defaultdict(list))
    for one in finished:
        by_settings[(one.data, one.settings_key)].append(one)
        by_split[(one.data, one.split_seed)][one.settings_key].append(one)
    across: dict[Any, list[list[_Finished]]] = defaultdict(list)
    for (data, _), members in by_settings.items():
        splits = frozenset(one.split_seed for one in members)
        if len(splits) > 1:
            across[(data, splits)].append(members)
    # Settings that were all tried on the same several splits are ranked over these; one split alone adds nothing.
    told = [(data, splits, {fold[0].settings_key for fold in folds}) for (data, splits), folds in across.items()]
    single = [
        list(folds.values())
        for (data, split), folds in by_split.items()
        if not any(data == other and split in splits and set(folds) <= keys for other, splits, keys in told)
    ]
    return list(across.values()) + single


def _ranked(group: int, folds: Sequence[list[_Finished]], scored: int) -> list[Row]:
    first = folds[0][0]
    direction = first.metrics["primary"]["direction"]
    splits = sorted({one.split_seed for fold in folds for one in fold}, key=lambda seed: (len(seed), seed))
    named = f"{first.division}split seed{'s' if len(splits) > 1 else ''} {', '.join(splits)}"
    title = f"{first.data[0]}: {first.data_kind}, {named}"
    names = sorted({name for fold in folds for name in fold[0].settings})
    differing = [name for name in names if len({fold[0].settings.get(name) for fold in folds}) > 1]
    rows = [_row(fold) for fold in folds]
    rows.sort(key=lambda row: -row["validation"] if direction == "max" else row["validation"])
    for rank, row in enumerate(rows, start=1):
        settings = row.pop("settings")
        row.update(
            group=group,
            title=title,
            data=first.data_file,
            rank=rank,
            practical=first.data[0],
            direction=direction,
            differences={name: settings.get(name, NOT_SET) for name in differing},
            test_scored=scored,
            error=None,
        )
    return rows


def _row(fold: Sequence[_Finished]) -> Row:
    """Return what a fold of seeds scored. Each split counts once, however many runs were made on it."""
    primary = fold[0].metrics["primary"]["metric"]
    verdicts = [one.metrics.get("verdict") or {} for one in fold]
    baselines = [
        (one.metrics.get("baselines") or {}).get(verdict.get("against"), {}).get(primary)
        for one, verdict in zip(fold, verdicts, strict=True)
    ]
    return {
        "runs": [one.run for one in fold],
        "seeds": len({(one.metrics.get("seed"), one.split_seed) for one in fold}),
        "metric": primary,
        **_scores("validation", fold, [one.validation for one in fold]),
        **_scores("test", fold, [one.test for one in fold]),
        "against": verdicts[0].get("against"),
        "baseline": _mean(baselines),
        "results": [verdict.get("result") for verdict in verdicts],
        "epochs": _mean([one.metrics.get("epochs") for one in fold]),
        "fit_seconds": _mean([(one.metrics.get("seconds") or {}).get("fit") for one in fold]),
        "settings": fold[0].settings,
    }


def _scores(name: str, fold: Sequence[_Finished], values: Sequence[float]) -> Row:
    by_split: dict[Any, list[float]] = defaultdict(list)
    for one, value in zip(fold, values, strict=True):
        by_split[one.split_seed].append(value)
    counted = [statistics.fmean(same) for same in by_split.values()] if len(by_split) > 1 else list(values)
    deviation = statistics.stdev(counted) if len(counted) > 1 else None
    return {name: statistics.fmean(counted), f"{name}_deviation": deviation}


def _mean(values: Sequence[Any]) -> float | None:
    known = [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]
    return statistics.fmean(known) if known else None


def grouped(rows: Sequence[Row]) -> dict[int | None, list[Row]]:
    """Return the rows by the number of their group; runs that could not be read stand under None, last."""
    groups: dict[int | None, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    return dict(groups)
