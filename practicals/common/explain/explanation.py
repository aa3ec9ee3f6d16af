"""What an explanation is, whatever was explained and by which method. Knows neither Keras nor SHAP nor LIME."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple, Self

from practicals.common.errors import RunError
from practicals.common.files import write_json
from practicals.common.report.words import digits_of
from practicals.common.run import Run


class Words(NamedTuple):
    """How a reader calls what is explained and what explains it."""

    feature: str
    features: str
    subject: str
    subjects: str
    examples: str
    """What the background consists of."""


TABLE = Words("column", "columns", "row", "rows", "rows")
FORECAST = Words("part of the window", "parts of the window", "forecast", "forecasts", "windows")
PICTURE = Words("part of the picture", "parts of the picture", "picture", "pictures", "pictures")
MESSAGE = Words("word", "words", "message", "messages", "messages")
RATING = Words("rated item", "rated items", "prediction", "predictions", "users")
PICTURE_METHODS = {
    "lime": "LIME",
    "shap": "SHAP",
    "shap_gradient": "SHAP by gradients",
    "grad_cam": "Grad-CAM",
    "occlusion": "Occlusion map",
    "saliency": "Saliency map",
}
"""Methods that explain a picture, as they are called, in the order in which they are shown."""


@dataclass(frozen=True)
class Attribution:
    """How much one feature moved the prediction."""

    feature: str
    value_text: str
    """The value, or the statement about it, in the user's unit: "42 years", "over 44 years". Empty when global."""
    contribution: float
    """In the unit of the prediction; above zero it raised the prediction. The mean of |contribution| when global."""


@dataclass(frozen=True)
class Check:
    """One reason to trust an explanation, or not to."""

    name: str
    value: float
    limit: float
    passed: bool
    sentence: str
    """What was compared and what it means, for a reader who has never heard of the check."""


@dataclass(frozen=True)
class Swarm:
    """The single contributions behind a global explanation, for a beeswarm."""

    contributions: tuple[tuple[float, ...], ...]
    """Rows x features, the features in the order of `Explanation.attributions`."""
    shades: tuple[tuple[float | None, ...], ...]
    """Each feature's own value from 0 (low) to 1 (high), same shape; None for a category or a missing value."""


@dataclass(frozen=True)
class WindowTrace:
    """What a forecast was made from, and which steps of it each attribution speaks of."""

    steps: str
    """What the window counts, in the plural: `hours`."""
    places: tuple[tuple[int, int], ...]
    """First place and the one after the last, counted from the oldest step of the window; one pair per
    `Explanation.attributions`, in their order. Together they cover the window exactly once."""
    values: tuple[float, ...] = ()
    """(window,), oldest first, in the unit of the data. Empty when global, as are the next two."""
    usual: tuple[float, ...] = ()
    """(window,), the mean of the windows with which it was compared."""
    forecast: tuple[float, ...] = ()
    """(horizon,), what the model makes of the window."""

    @property
    def window(self) -> int:
        """How many steps the window has."""
        return max(stop for _, stop in self.places)


@dataclass(frozen=True)
class PictureTrace:
    """The picture that was explained, how strongly each place of it counts, and what happens when places vanish."""

    png: str
    """The picture as the model sees it: a PNG file in base64."""
    label: str
    """The class whose probability is explained."""
    truth: str
    """The class that the picture really has; empty when unknown."""
    heat: tuple[tuple[float, ...], ...]
    """(rows, columns), one number per cell of the picture, from the upper left. Signed: in `Explanation.unit`.
    Otherwise a relative strength, of which the largest is 1."""
    signed: bool
    """Whether a number below zero speaks against the label."""
    curves: dict[str, tuple[float, ...]]
    """"share": share of the picture that was changed, rising from 0 to 1. "deletion", "insertion": probability of the
    label along the way. "random_deletion", "random_insertion": the mean over random orders."""


@dataclass(frozen=True)
class MessageTrace:
    """The message that was explained, and where in it the words of the attributions stand."""

    text: str
    """The message as it came; empty when global."""
    spans: tuple[tuple[int, int], ...]
    """First character in `text` and the one after the last; one pair per `Explanation.attributions`, in their order.
    Empty when global."""
    label: str
    """The class whose probability is explained."""
    truth: str
    """The class that the message really has; empty when unknown."""
    counts: tuple[int, ...] = ()
    """In how many of the explained messages the word stands, one number per attribution. Empty unless global."""


@dataclass(frozen=True)
class RatingTrace:
    """Whose rating of what was predicted, and what the user gave the items of the attributions."""

    user: str
    """The user's id; `you` for ratings that were typed in."""
    item: str
    """The title of the item whose rating is predicted."""
    truth: float | None
    """The rating that the user really gave it; None when unknown."""
    given: tuple[float, ...]
    """The rating that the user gave, one number per `Explanation.attributions`, in their order; the mean of a group."""
    end: float | None = None
    """The end of the scale beyond which the prediction lies that is explained; the model answers with the end."""


@dataclass(frozen=True)
class Explanation:
    """Why a model predicts what it predicts: for one row, or on average over many.

    For a row, `base_value` plus the sum of the contributions is the prediction of the method's own additive model:
    exactly `prediction` for SHAP, `settings["local_prediction"]` for LIME (of a picture, only the largest attributions
    are kept). Methods for pictures that only say where the network looks have no such sum, and a base value of 0: see
    `additive`.
    """

    method: str
    """`shap` or `lime`; for a picture also `shap_gradient`, `grad_cam`, `occlusion` or `saliency`."""
    scope: str
    """`row` or `global`."""
    subject: str
    """The row's id; empty when global."""
    unit: str
    """The unit of prediction, base value and contributions, such as `probability`."""
    prediction: float
    """What the model predicts for the subject; the mean over the rows when global."""
    base_value: float
    """SHAP: the mean prediction over the background rows. LIME: the intercept, where no statement holds."""
    attributions: tuple[Attribution, ...]
    """Largest |contribution| first."""
    checks: tuple[Check, ...]
    settings: dict[str, int | float | str] = field(default_factory=dict)
    """What is needed to repeat it: seed, samples, background rows."""
    seconds: float = 0.0
    swarm: Swarm | None = None
    window: WindowTrace | None = None
    """For a forecast: the window over which the attributions are spread."""
    picture: PictureTrace | None = None
    """For a picture: the picture, and the heat map over it."""
    message: MessageTrace | None = None
    """For a message: its text, and where the words stand in it."""
    rating: RatingTrace | None = None
    """For a predicted rating: whose, of what, and the ratings it was made from."""

    @property
    def words(self) -> Words:
        """What to call features and subject."""
        if self.picture is not None:
            return PICTURE
        if self.message is not None:
            return MESSAGE
        if self.rating is not None:
            return RATING
        return TABLE if self.window is None else FORECAST

    @property
    def additive(self) -> bool:
        """Whether base value and contributions add up to a prediction."""
        return self.method in ("shap", "lime", "shap_gradient")

    @property
    def digits(self) -> int:
        """How many decimals of prediction and contributions a reader needs, one number for all that are compared."""
        contributions = [attribution.contribution for attribution in self.attributions]
        return digits_of(max(map(abs, [self.prediction, self.base_value, *contributions])))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values: text, finite numbers, true, null, lists and objects."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild what `to_json` returned, also after a file has turned tuples into lists.

        Raises:
            KeyError, TypeError: the content is not that of an explanation.
        """
        # An explanation that was written before forecasts, pictures, ... were explained has none of them.
        swarm, window = content["swarm"], content.get("window")
        picture, message, rating = (content.get(name) for name in ("picture", "message", "rating"))
        parts = {
            "attributions": tuple(Attribution(**item) for item in content["attributions"]),
            "checks": tuple(Check(**item) for item in content["checks"]),
            "swarm": None if swarm is None else Swarm(**{name: _rows(swarm[name]) for name in swarm}),
            "window": None if window is None else _window(window),
            "picture": None if picture is None else _picture(picture),
            "message": None if message is None else _message(message),
            "rating": None if rating is None else RatingTrace(**{**rating, "given": tuple(rating["given"])}),
        }
        return cls(**{**content, **parts})

    def write(self, run: Run, name: str) -> None:
        """Write `explanations/<name>.json` into a run folder, whole or not at all."""
        run.explanations_folder.mkdir(exist_ok=True)
        write_json(run.explanations_folder / f"{name}.json", self.to_json())

    @classmethod
    def read(cls, run: Run, name: str) -> Self:
        """Read `explanations/<name>.json` of a run folder.

        Raises:
            RunError: the file is missing or is not an explanation.
        """
        path = run.explanations_folder / f"{name}.json"
        advice = f"Make it again with `practicals explain {run.folder}`."
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            raise RunError(f"{path}: is missing. {advice}") from None
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror}).") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{path}: is not an explanation ({type(error).__name__}: {error}). {advice}") from None


def read_explanations(run: Run) -> dict[str, Explanation]:
    """Return every explanation of a run folder, name -> explanation, in the order of the names.

    Raises:
        RunError: one of the files is not an explanation.
    """
    return {path.stem: Explanation.read(run, path.stem) for path in sorted(run.explanations_folder.glob("[!.]*.json"))}


def by_size(features: Sequence[str], value_texts: Sequence[str], contributions: Sequence[float]) -> list[Attribution]:
    """Return one attribution per feature, largest |contribution| first; equal ones keep the features' order."""
    attributions = [
        Attribution(feature, text, float(contribution))
        for feature, text, contribution in zip(features, value_texts, contributions, strict=True)
    ]
    return sorted(attributions, key=lambda attribution: -abs(attribution.contribution))


def _window(content: Mapping[str, Any]) -> WindowTrace:
    lists = {name: tuple(content[name]) for name in ("values", "usual", "forecast")}
    return WindowTrace(**{**content, **lists, "places": _rows(content["places"])})


def _picture(content: Mapping[str, Any]) -> PictureTrace:
    curves = {name: tuple(values) for name, values in content["curves"].items()}
    return PictureTrace(**{**content, "heat": _rows(content["heat"]), "curves": curves})


def _message(content: Mapping[str, Any]) -> MessageTrace:
    return MessageTrace(**{**content, "spans": _rows(content["spans"]), "counts": tuple(content["counts"])})


def _rows(values: Sequence[Sequence[Any]]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in values)
