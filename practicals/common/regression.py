"""What a lesson that predicts a quantity hands over at its end, and the files that come of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from practicals.common.classification import prediction_rows
from practicals.common.config import PracticalConfig
from practicals.common.console import say
from practicals.common.data.cards import Card
from practicals.common.data.csvtext import fold
from practicals.common.data.fetch import locate
from practicals.common.data.kinds import ColumnKind, describe, has_column, infer_schema
from practicals.common.data.split import Split
from practicals.common.data.tables import TableSchema
from practicals.common.describe import describe_rows
from practicals.common.errors import ConfigError, DataError, did_you_mean
from practicals.common.ladder import Baseline, Climbed
from practicals.common.metrics import Numbers, paired_bootstrap
from practicals.common.outcome import About, write_outcome
from practicals.common.run import Run, Scores

LATITUDES, LONGITUDES = ("lat", "latitude"), ("long", "lon", "lng", "longitude")
FEWEST_VALUES = 5
MAIN_FEATURES = 4
WORST = 10
KIND_SETTINGS = ("numbers", "categories", "dates")


@dataclass(frozen=True)
class Columns:
    """The columns of a table, what they are, and in which units."""

    schema: TableSchema
    units: Mapping[str, str] = field(default_factory=dict)
    """Column -> unit; a column without one may be left out. The target's unit is that of the prediction."""
    kinds: tuple[ColumnKind, ...] = ()
    """How each column of the file is used, and why."""

    @property
    def target(self) -> str:
        """The column that is predicted."""
        return self.schema.target

    @property
    def unit(self) -> str:
        """The unit of the prediction; "" where it has none."""
        return self.units.get(self.schema.target, "")

    @property
    def numeric(self) -> tuple[str, ...]:
        """The columns that the network reads as numbers: numbers, then dates."""
        return (*self.schema.numbers, *self.schema.dates)

    def to_words(self) -> dict[str, list[str]]:
        """Return what a prediction needs as lists of words, which a saved model can carry."""
        names = ("numbers", "dates", "categories", "identifiers", "day_first")
        words = {name: list(getattr(self.schema, name)) for name in names}
        units = [f"{name}={unit}" for name, unit in self.units.items()]
        return {**words, "target": [self.schema.target], "units": units}

    @classmethod
    def from_words(cls, words: Mapping[str, Sequence[str]]) -> Self:
        """Return what `to_words` wrote down; without the reasons of the kinds."""
        schema = TableSchema(
            numbers=tuple(words["numbers"]),
            categories=tuple(words["categories"]),
            target=words["target"][0],
            identifiers=tuple(words["identifiers"]),
            dates=tuple(words["dates"]),
            day_first=tuple(words["day_first"]),
        )
        return cls(schema, dict(pair.rpartition("=")[::2] for pair in words["units"]))


def choose_columns(config: Any, card: Card, schema: TableSchema) -> Columns:
    """Say which columns a run uses: those of the data set, or those inferred from a file of the user's.

    Args:
        config: settings with `data`, `target`, `unit`, `numbers`, `categories`, `dates` and `ignore`.
        card: of the data set.
        schema: its columns.

    Raises:
        ConfigError: settings that go with a file of the user's stand without one, or name no column.
        DataError: the file cannot be read, or its columns not be told apart.
    """
    path = None if config.data in ("auto", "real", "sample") else locate(card, config.data).path
    if path is not None and config.target is not None:
        chosen = {name: tuple(getattr(config, name)) for name in (*KIND_SETTINGS, "ignore")}
        inferred, kinds = _inferred(path, path.stat().st_mtime_ns, config.target, **chosen)
        return Columns(inferred, {inferred.target: config.unit} if config.unit else {}, kinds)
    for setting in ("target", "unit", *KIND_SETTINGS):
        if getattr(config, setting):
            missing = "--data FILE" if path is None else "--set target=COLUMN"
            raise ConfigError(
                f"{setting}: says what the columns of your own file are; the columns of {card.name} are known. "
                f"Add {missing}, or leave {setting} out."
            )
    if path is not None and not has_column(path, schema.target):
        infer_schema(path, target=None)  # refuses, and tells which columns there are to choose from
    for name in config.ignore:
        if name not in schema.features:
            raise ConfigError(f"ignore: {card.name} has no feature '{name}'.{did_you_mean(name, schema.features)}")
    kept: dict[str, Any] = {
        kind: tuple(name for name in getattr(schema, kind) if name not in config.ignore)
        for kind in ("numbers", "categories", "dates")
    }
    if not any(kept.values()):
        raise ConfigError(f"ignore: leaves no column to predict {schema.target} from. Take one out of it.")
    known = {column: one.unit for column, one in card.columns.items() if one.unit}
    return Columns(dataclasses.replace(schema, **kept), known, _known_kinds(card, schema, config.ignore))


@lru_cache(maxsize=8)
def _inferred(path: Path, modified: int, target: str, **chosen: tuple[str, ...]) -> Any:
    """Infer the columns of a file and tell the user, once for each state of the file."""
    schema, kinds = infer_schema(path, target=target, **chosen)
    for name in schema.features:
        if "/" in name:
            raise DataError(
                f"{path}: column '{name}': a slash cannot stand in the name of a column that a saved model reads. "
                f"Rename it, or leave it out with --set ignore=[{name}]."
            )
    for line in describe(kinds):
        say(f"{path.name}: {line}")
    return schema, kinds


def _known_kinds(card: Card, schema: TableSchema, ignore: Sequence[str]) -> tuple[ColumnKind, ...]:
    kind_of = {
        **dict.fromkeys(schema.numbers, "number"),
        **dict.fromkeys(schema.categories, "category"),
        **dict.fromkeys(schema.dates, "date"),
        **dict.fromkeys([*schema.identifiers, *ignore], "left out"),
        schema.target: "target",
    }
    return tuple(
        ColumnKind(name, kind_of[name], "set by ignore" if name in ignore else column.description)  # type: ignore[arg-type]
        for name, column in card.columns.items()
        if name in kind_of
    )


def find_place(numbers: Sequence[str], latitude: str | None, longitude: str | None) -> tuple[str, str] | None:
    """Return the columns of latitude and longitude; None where there are none.

    Args:
        numbers: the columns of numbers.
        latitude: the one that the user named; found by its name otherwise.
        longitude: likewise.

    Raises:
        ConfigError: a named column is not there, or only one of the two can be found.
    """
    found: list[str | None] = []
    for setting, named, usual in (("latitude", latitude, LATITUDES), ("longitude", longitude, LONGITUDES)):
        if named is not None and named not in numbers:
            raise ConfigError(f"{setting}: there is no column of numbers '{named}'.{did_you_mean(named, numbers)}")
        found.append(named or next((name for name in numbers if fold(name) in usual), None))
    if found[0] and found[1]:
        return found[0], found[1]
    if latitude or longitude:
        lacking = "longitude" if latitude else "latitude"
        raise ConfigError(f"{lacking}: a place needs both; name the other column with --set {lacking}=COLUMN.")
    return None


def quantile_knots(known: pd.Series[Any], pieces: int) -> npt.NDArray[np.float64]:
    """Return where a spline of so many pieces bends: as many rows between two knots as between any other two.

    Args:
        known: (rows,) numbers, none missing.
        pieces: how many; fewer come of it where many numbers are equal.

    Returns:
        Increasing positions that 32-bit numbers can tell apart; none for fewer than `FEWEST_VALUES` different numbers.
    """
    if not pieces or known.nunique() < FEWEST_VALUES:
        return np.array([])
    knots = np.unique(np.quantile(known.to_numpy("float64"), np.linspace(0, 1, pieces + 1)))
    apart: npt.NDArray[np.float64] = knots[np.diff(knots, prepend=-np.inf) > 1e-6 * np.ptp(knots)]
    return apart


def suits_log(target: pd.Series[Any]) -> bool:
    """Tell whether a target that is never negative has a long tail to the right that the logarithm shortens."""
    skew: Any = target.skew()
    return bool(target.min() >= 0 and skew > 1 and abs(np.log1p(target).skew()) < skew)


def error_sizes(truth: npt.ArrayLike, prediction: npt.ArrayLike, space: str) -> Numbers:
    """Return how far each prediction is off, as a calibration needs it: (rows,).

    Args:
        truth: (rows,), in the user's unit.
        prediction: (rows,), likewise.
        space: `log`: the difference of log(1 + x), where a negative truth is infinitely far off, since no interval
            on that scale reaches below zero. `linear`: the difference.
    """
    truth, prediction = np.asarray(truth, "float64"), np.asarray(prediction, "float64")
    if space == "linear":
        return np.abs(truth - prediction)
    error = np.abs(np.log1p(np.maximum(truth, 0.0)) - np.log1p(np.maximum(prediction, 0.0)))
    return np.where(truth < 0, np.inf, error)


def regression_scores(truth: npt.ArrayLike, prediction: npt.ArrayLike, columns: int) -> dict[str, float]:
    """Return how far predictions are off: the keys of `practicals.common.report.words.METRICS`.

    Adjusted R2 (Theil, 1961) is left out where there are no more rows than columns, the percentage error where every
    truth is 0. R2 is 0 where all truths are equal: there is nothing to explain.

    Args:
        truth: (rows,), in the user's unit.
        prediction: (rows,), likewise.
        columns: how many columns of the raw table the predictor reads; adjusted R2 counts them against it.
    """
    truth, prediction = np.asarray(truth, "float64"), np.asarray(prediction, "float64")
    error, rows = prediction - truth, len(truth)
    total = float(np.sum((truth - truth.mean()) ** 2))
    r2 = 1 - float(np.sum(error**2)) / total if total else 0.0
    scores = {
        "rmse": rmse(truth, prediction),
        "mae": mae(truth, prediction),
        "median_ae": float(np.median(np.abs(error))),
        "r2": r2,
    }
    if rows > columns + 1:
        scores["adjusted_r2"] = 1 - (1 - r2) * (rows - 1) / (rows - columns - 1)
    known = truth != 0
    if known.any():
        scores["mape_percent"] = 100 * float(np.mean(np.abs(error[known] / truth[known])))
    return scores


def rmse(truth: Numbers, prediction: Numbers) -> float:
    """Return the root of the mean squared error; both (rows,)."""
    return float(np.sqrt(np.mean((prediction - truth) ** 2)))


def mae(truth: Numbers, prediction: Numbers) -> float:
    """Return the mean absolute error; both (rows,)."""
    return float(np.mean(np.abs(prediction - truth)))


Entry = tuple[str, str, str, Any]
"""Name, kind, why, and an unfitted scikit-learn regressor."""


def score_regressors(
    entries: Sequence[Entry], split: Split[pd.DataFrame], features: Sequence[str], target: str
) -> list[Baseline]:
    """Fit opponents on the training rows and score them on validation and test rows.

    Args:
        entries: the opponents, the naive one first.
        split: raw rows.
        features: columns that they read.
        target: column that they predict.
    """
    columns, made = list(features), []
    for name, kind, why, opponent in entries:
        opponent.fit(split.train[columns], split.train[target].to_numpy())
        said = [np.asarray(opponent.predict(rows[columns]), "float64") for rows in (split.validation, split.test)]
        validation, test = (
            regression_scores(rows[target], prediction, len(columns))
            for rows, prediction in zip((split.validation, split.test), said, strict=True)
        )
        made.append(Baseline(name, kind, why, validation, test, test_prediction=said[1]))
    return made


@dataclass(frozen=True)
class Margin:
    """How far around a prediction its interval reaches, found on the calibration part."""

    coverage: float
    """Share of the truths that the intervals are to hold."""
    quantile: float
    """What is added and taken away, in `space`."""
    space: str
    """`log`: in log(1 + prediction). `linear`: in the unit of the prediction."""
    rows: int
    """Rows of the calibration part."""

    @property
    def offsets(self) -> dict[str, list[float]]:
        """Name of each bound -> its offset, as `layers.Intervals` takes them."""
        percent = f"{100 * self.coverage:g}".replace(".", "_")
        return {f"lower_{percent}": [-self.quantile], f"upper_{percent}": [self.quantile]}

    def sentence(self, unit: str) -> str:
        """Say how the interval was found and how wide it is."""
        if self.space == "log":
            width = f"from {np.exp(-self.quantile):.0%} to {np.exp(self.quantile):.0%} of the prediction"
        else:
            width = f"{self.quantile:,.4g} {unit}".rstrip() + " to either side of the prediction"
        return (
            f"An interval is meant to hold {self.coverage:.0%} of the truths. It reaches {width}: that much held "
            f"{self.coverage:.0%} of the {self.rows:,} calibration rows, which were used for nothing else."
        )


def finish(
    run: Run,
    config: PracticalConfig,
    about: About,
    *,
    split: Split[pd.DataFrame],
    columns: Columns,
    network: Any,
    answers: Split[pd.DataFrame],
    scores: Split[dict[str, float]],
    baselines: Sequence[Baseline],
    rungs: Sequence[Climbed],
    fit_seconds: float,
    best_epoch_kept: bool,
    margin: Margin,
    loss: Mapping[str, str],
    losses: Sequence[Mapping[str, Any]] = (),
) -> Scores:
    """Write predictions, baselines and summary into the run folder and compare the network with its opponents.

    Args:
        run: the run's folder.
        config: its settings.
        about: what the lesson is about.
        split: the raw rows.
        columns: of the table.
        network: the numeric keras.Model; only asked for its layers.
        answers: what the lesson's `predict` said of each part; the first column is the prediction.
        scores: all scores of each part.
        baselines: the opponents, the naive one first.
        rungs: the course's network and the steps from it; may be empty.
        fit_seconds: how long `fit` took.
        best_epoch_kept: whether the weights are those of the best epoch; those of the last otherwise.
        margin: of the intervals.
        loss: name and sentence of the loss.
        losses: from `loss_scores`, one per loss; may be empty.
    """
    target, schema = columns.target, columns.schema
    truth = split.test[target].to_numpy("float64")
    ours = answers.test.iloc[:, 0].to_numpy("float64")
    compare = partial(_difference, truth=truth, ours=ours, seed=config.seed)
    main = main_features(split.train, columns.numeric, target)
    scored = ("validation", split.validation, answers.validation), ("test", split.test, answers.test)
    return write_outcome(
        run,
        config,
        about,
        task="regression",
        unit=columns.unit,
        network=network,
        scores=scores,
        baselines=baselines,
        rungs=rungs,
        fit_seconds=fit_seconds,
        best_epoch_kept=best_epoch_kept,
        predictions=pd.concat([prediction_rows(name, rows, target, answer) for name, rows, answer in scored]),
        data=describe_rows(split, schema.features, schema.identifiers),
        compare=lambda one: compare(rmse, one),
        regression={
            "target": target,
            "features": [
                {"name": name, "unit": columns.units.get(name, ""), "values": _plain(split.test[name])} for name in main
            ],
            "worst": worst_rows(split.test, truth, ours, (*main, *schema.categories[:2])),
            "losses": list(losses),
            "loss": dict(loss),
            "interval": {
                "coverage_wanted": margin.coverage,
                "quantile": margin.quantile,
                "space": margin.space,
                "calibration_rows": margin.rows,
                "sentence": margin.sentence(columns.unit),
            },
            "differences": differences(baselines, compare),
            "columns": [dataclasses.asdict(kind) for kind in columns.kinds],
        },
    )


Comparison = tuple[float, tuple[float, float]]
"""Network minus baseline, and its 95 % interval."""


def _difference(
    metric: Callable[[Numbers, Numbers], float], one: Baseline, *, truth: Numbers, ours: Numbers, seed: int
) -> Comparison:
    return paired_bootstrap(metric, truth, ours, one.test_prediction, seed=seed)


def differences(
    baselines: Sequence[Baseline], compare: Callable[[Callable[[Numbers, Numbers], float], Baseline], Comparison]
) -> list[dict[str, Any]]:
    """Return how far the network is from each baseline in RMSE and MAE, with 95 % intervals."""
    found = []
    for name, metric in (("rmse", rmse), ("mae", mae)):
        for one in baselines:
            difference, (low, high) = compare(metric, one)
            found.append({"against": one.name, "metric": name, "difference": difference, "low": low, "high": high})
    return found


def main_features(train: pd.DataFrame, numeric: Sequence[str], target: str) -> list[str]:
    """Return the columns of numbers that rise or fall most steadily with the target (Spearman's rank correlation)."""
    ranks = train[[*numeric, target]].rank()
    strength = ranks[list(numeric)].corrwith(ranks[target]).abs().fillna(0.0)
    return [str(name) for name in strength.sort_values(ascending=False, kind="stable").index[:MAIN_FEATURES]]


def worst_rows(rows: pd.DataFrame, truth: Numbers, prediction: Numbers, shown: Sequence[str]) -> dict[str, Any]:
    """Return the rows with the largest errors, with the columns to show beside them."""
    error = prediction - truth
    places = np.argsort(-np.abs(error), kind="stable")[:WORST]
    table = pd.DataFrame(
        {
            "id": rows.index[places].astype(str),
            "truth": truth[places],
            "prediction": prediction[places],
            "error": error[places],
            **{name: rows[name].to_numpy()[places] for name in shown if name not in ("id", "truth", "error")},
        }
    )
    listed = zip(*(_plain(table[name]) for name in table), strict=True)
    return {"columns": list(table.columns), "rows": [list(row) for row in listed]}


def loss_scores(name: str, sentence: str, scores: Mapping[str, float], *, chosen: bool) -> dict[str, Any]:
    """Return one line of the table that compares losses."""
    kept = {metric: scores[metric] for metric in ("rmse", "mae", "median_ae")}
    return {"name": name, "sentence": sentence, **kept, "chosen": chosen}


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Return a column as JSON takes it: a missing number is None, a whole one has no point."""
    return [_number(cell) if isinstance(cell, float) else str(cell) for cell in column.tolist()]


def _number(value: float) -> float | int | None:
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else value
